"""The bundle for whoever is to help: what is in it, and that no secret is."""

from __future__ import annotations

import json
import tarfile
from typing import Any

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


def test_without_a_gateway_it_holds_what_can_be_told(gateway: Any) -> None:
    gateway.state_dir.mkdir(mode=0o700)
    (gateway.state_dir / "left.txt").write_text("over")
    bundle = gateway.home / "bundle.tar.gz"
    assert gateway.run("diagnostics", "-o", str(bundle)).returncode == 0
    found = parts(bundle)
    assert {"README.txt", "doctor.json", "software.json", "files.json"} == set(found)
    assert "left.txt" in found["files.json"]
