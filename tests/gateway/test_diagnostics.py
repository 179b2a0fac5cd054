"""The bundle for whoever is to help: what is in it, and that no secret is."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
from typing import TYPE_CHECKING, Any

from tests.answers import check_answer

if TYPE_CHECKING:
    from pathlib import Path

SCEP = "gatewright.scep.SCEPEnrollmentService"
KEYSTORE = "gatewright.keystore.FilesystemKeystore~EnrollmentKeystore"
CANARY = "canary-d1agn0stics"


def parts(path: Any) -> dict[str, str]:
    with tarfile.open(path) as archive:
        members = [(member, archive.extractfile(member)) for member in archive.getmembers()]
        return {member.name.partition("/")[2]: file.read().decode() for member, file in members if file is not None}


def test_a_bundle_tells_how_the_gateway_is_and_no_secret(gateway: Any) -> None:
    document = {
        KEYSTORE: {"keystore.path": "a.p12", "keystore.password": CANARY},
        SCEP: {"enabled": True, "server.url": "http://127.0.0.1:9", "client.challenge.password": CANARY},
    }
    (gateway.conf_dir / "enrolment.json").write_text(json.dumps(document))
    gateway.start()
    bundle = gateway.home / "bundle.tar.gz"
    done = gateway.run("diagnostics", "-o", str(bundle))
    assert done.returncode == 0, done.stderr
    assert bundle.stat().st_mode & 0o077 == 0
    found = parts(bundle)
    assert {"README.txt", "status.json", "doctor.json", "config-export.json", "cert-status.json"} <= set(found)
    assert {"log.txt", "threads.txt", "software.json", "files.json", "explanations.json"} <= set(found)
    assert "gatewright-admin" in found["threads.txt"]
    assert "cryptography" in json.loads(found["software.json"])["dependencies"]
    assert any(one["path"] == "configuration.db" for one in json.loads(found["files.json"]))
    assert json.loads(found["config-export.json"])[SCEP]["server.url"] == "http://127.0.0.1:9"
    assert [name for name, content in found.items() if CANARY in content] == []


LEAKY = """\
from framework import component, hookimpl

GATEWRIGHT_API = 1


@component("example.Leaky", descriptor="leaky.xml")
class Leaky:
    def activate(self, context):
        raise RuntimeError(f"login with {context.properties['password'].reveal()!r} was refused")


@hookimpl
def gatewright_components():
    return [Leaky]
"""
DESCRIPTOR = """\
<MetaData xmlns="http://www.osgi.org/xmlns/metatype/v1.4.0">
  <OCD xmlns="" id="example.Leaky" name="Leaky"><AD id="password" type="Password" default=""/></OCD>
  <Designate xmlns="" pid="example.Leaky"><Object ocdref="example.Leaky"/></Designate>
</MetaData>
"""


def test_a_password_that_a_component_puts_into_its_error_is_told_nowhere(gateway: Any, tmp_path: Path) -> None:
    information = tmp_path / "site" / "leaky-1.0.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: leaky\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text("[gatewright]\nleaky = leaky_plugin\n")
    (tmp_path / "site" / "leaky_plugin.py").write_text(LEAKY)
    (tmp_path / "site" / "leaky.xml").write_text(DESCRIPTOR)
    (gateway.conf_dir / "leaky.json").write_text(json.dumps({"example.Leaky": {"password": CANARY}}))
    gateway.environ = {"PYTHONPATH": str(tmp_path / "site")}
    gateway.start()
    shown = [gateway.run(*command).stdout for command in (["status"], ["doctor"], ["explain", "example.Leaky"])]
    assert all("login with '****' was refused" in one for one in shown), shown
    bundle = gateway.home / "bundle.tar.gz"
    assert gateway.run("diagnostics", "-o", str(bundle)).returncode == 0
    found = parts(bundle)
    assert "was refused" in found["log.txt"]
    assert [name for name, content in found.items() if CANARY in content] == []
    assert CANARY not in gateway.stop()[1]


def test_a_bundle_goes_through_a_pipe(gateway: Any) -> None:
    gateway.state_dir.mkdir(mode=0o700)
    argv = [sys.executable, "-m", "framework", "diagnostics", "-o", "-", "--state-dir", str(gateway.state_dir)]
    done = subprocess.run(argv, capture_output=True, check=True, cwd=gateway.home)
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        assert any(name.endswith("/doctor.json") for name in archive.getnames())
    assert b"without secrets" in done.stderr
    assert not (gateway.home / "-").exists()


def test_a_password_in_the_servers_url_is_refused_and_told_nowhere(gateway: Any) -> None:
    gateway.start()
    done = gateway.run("config", "set", SCEP, f"server.url=http://user:{CANARY}@127.0.0.1:9")
    assert done.returncode != 0
    assert "server.url: must be an http:// or https:// URL with a host" in done.stderr
    assert CANARY not in done.stderr
    bundle = gateway.home / "bundle.tar.gz"
    assert gateway.run("diagnostics", "-o", str(bundle)).returncode == 0
    assert [name for name, content in parts(bundle).items() if CANARY in content] == []


def test_without_a_gateway_it_holds_what_can_be_told(gateway: Any) -> None:
    gateway.state_dir.mkdir(mode=0o700)
    (gateway.state_dir / "left.txt").write_text("over")
    bundle = gateway.home / "bundle.tar.gz"
    assert gateway.run("diagnostics", "-o", str(bundle)).returncode == 0
    found = parts(bundle)
    assert {"README.txt", "doctor.json", "software.json", "files.json"} == set(found)
    check_answer(["doctor"], found["doctor.json"])
    assert "left.txt" in found["files.json"]
