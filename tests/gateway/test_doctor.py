"""`status` and `doctor` on a gateway as a person meets it: well, unwell, and not there."""

from __future__ import annotations

import fcntl
import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.answers import check_answer

if TYPE_CHECKING:
    from pathlib import Path

SCEP = "gatewright.scep.SCEPEnrollmentService"


def checks(gateway: Any, exit_status: int) -> dict[str, dict[str, Any]]:
    """The worst finding of each check."""
    done = gateway.run("doctor", "--json")
    assert done.returncode == exit_status, done.stdout + done.stderr
    check_answer(["doctor"], done.stdout, is_error=False)
    by_severity = sorted(
        json.loads(done.stdout)["checks"], key=lambda one: ("ok", "warning", "error").index(one["severity"])
    )
    return {one["check"]: one for one in by_severity}


@pytest.mark.peer("scepserver")
def test_a_gateway_with_an_identity_is_healthy_and_all_of_it_was_looked_at(gateway: Any, scep_server: Any) -> None:
    gateway.configure_enrolment(scep_server)
    gateway.start()
    gateway.wait_for("enrolled")
    found = checks(gateway, 2)
    assert {
        *("clock", "disk", "world-readable secrets", "credentials", "configuration files", "configuration store"),
        *("plugins", "components", "unsatisfied references", "event handlers", "keystore mode", "keystore lock"),
        *("identity", "key matches certificate", "chain", "days left"),
        *("name resolution", "endpoint", "fingerprint", "capabilities", "weak algorithms"),
    } <= set(found)
    unwell = {name for name, one in found.items() if one["severity"] == "error"}
    in_file = {"configuration files", "world-readable secrets"}
    assert unwell == in_file, "the challenge password stands in a file, and nothing else is wrong"
    assert scep_server.challenge not in json.dumps(found)
    shown = gateway.run("status").stdout
    assert re.search("^identity +CN=gateway-17,O=Example$", shown, re.MULTILINE)
    assert re.search("^valid until +[0-9-]{10}, [0-9]+ days left; next look", shown, re.MULTILINE)
    assert len(shown.splitlines()) <= 24, "it fits one screen"


@pytest.mark.peer("scepserver")
def test_another_ca_than_the_pinned_one_is_found_and_told_what_to_do(gateway: Any, scep_server: Any) -> None:
    pinned = "0" * 64
    gateway.configure_enrolment(scep_server, **{"server.ca.fingerprint": pinned})
    gateway.start()
    gateway.wait_for("untrusted-ca")
    found = checks(gateway, 2)["fingerprint"]
    assert found["severity"] == "error"
    assert pinned in found["finding"]
    assert scep_server.fingerprint in found["finding"]
    assert found["fix"]
    status = gateway.json("status")
    assert not status["healthy"]
    assert "untrusted-ca" in " ".join(status["problems"])


def test_a_server_that_is_not_there_is_found(gateway: Any) -> None:
    properties = {"enabled": True, "server.url": "http://127.0.0.1:9", "server.ca.fingerprint": "0" * 64}
    document = {
        "gatewright.keystore.FilesystemKeystore~EnrollmentKeystore": {"keystore.path": "a.p12"},
        SCEP: {**properties, "client.subject.dn": "CN=a", "connect.retry-interval": 600},
    }
    (gateway.conf_dir / "enrolment.json").write_text(json.dumps(document))
    gateway.start()
    gateway.wait_for("unreachable")
    assert checks(gateway, 2)["endpoint"]["severity"] == "error"


def test_problems_of_files_and_components_are_told_with_their_fix(gateway: Any) -> None:
    (gateway.conf_dir / "10-broken.json").write_text("{")
    gateway.start()
    done = gateway.run("doctor", "--problems", "--json")
    assert done.returncode == 2
    told = {one["check"]: one for one in json.loads(done.stdout)["checks"]}
    assert set(told) == {"configuration files", "unsatisfied references"}
    assert "10-broken.json" in told["configuration files"]["finding"]
    assert told["unsatisfied references"]["fix"] == f"gatewright explain {SCEP}"


def test_without_a_gateway_it_says_what_can_be_told(gateway: Any) -> None:
    gateway.state_dir.mkdir(mode=0o755)
    gateway.state_dir.chmod(0o755)
    (gateway.conf_dir / "10-broken.json").write_text("{")
    done = gateway.run("doctor", "--conf-dir", str(gateway.conf_dir), "--json")
    assert done.returncode == 2
    found = {one["check"]: one["severity"] for one in json.loads(done.stdout)["checks"]}
    assert found["gateway"] == found["world-readable secrets"] == found["configuration files"] == "error"
    assert found["disk"] == "ok"


def test_a_password_that_anybody_can_read_is_told_without_a_gateway(gateway: Any) -> None:
    gateway.state_dir.mkdir(mode=0o700)
    gateway.conf_dir.chmod(0o755)
    file = gateway.conf_dir / "10.json"
    file.write_text(json.dumps({SCEP: {"client.challenge.password": "sesame"}}))
    file.chmod(0o644)
    done = gateway.run("doctor", "--conf-dir", str(gateway.conf_dir), "--json")
    (found,) = (one for one in json.loads(done.stdout)["checks"] if one["check"] == "world-readable secrets")
    assert found["severity"] == "error"
    assert "client.challenge.password" in found["finding"]
    assert "sesame" not in done.stdout


def test_a_directory_of_files_that_is_not_there_is_told(gateway: Any) -> None:
    gateway.conf_dir.rmdir()
    gateway.start()
    found = checks(gateway, 1)["configuration files"]
    assert "is not there" in found["finding"]


def test_status_says_that_there_is_no_identity_where_the_enrolment_is_disabled(gateway: Any) -> None:
    document = {"gatewright.keystore.FilesystemKeystore~EnrollmentKeystore": {"keystore.path": "a.p12"}}
    (gateway.conf_dir / "10.json").write_text(json.dumps(document))
    gateway.start()
    (line,) = (one for one in gateway.run("status").stdout.splitlines() if one.startswith("identity"))
    assert "none; the enrolment is disabled" in line


def test_who_can_read_a_keystores_file_and_who_holds_its_lock_is_told(gateway: Any) -> None:
    document = {"gatewright.keystore.FilesystemKeystore~Main": {"keystore.path": "keys/main.p12"}}
    (gateway.conf_dir / "10.json").write_text(json.dumps(document))
    gateway.start()
    assert gateway.run("keystore", "generate", "Main", "a", "--subject", "CN=a", "--algorithm", "EC").returncode == 0
    keystore = gateway.state_dir / "keys/main.p12"
    found = checks(gateway, 1)
    assert found["keystore mode"]["severity"] == found["keystore lock"]["severity"] == "ok"
    keystore.chmod(0o644)
    with keystore.with_name("main.p12.lock").open("r+b") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = checks(gateway, 2)
    assert found["keystore mode"]["severity"] == "error"
    assert str(keystore) in found["keystore mode"]["finding"]
    assert f"chmod 600 {keystore}" in found["keystore mode"]["fix"]
    assert found["keystore lock"]["severity"] == "warning"
    assert "fuser" in found["keystore lock"]["fix"]
    keystore.chmod(0o600)
    keystore.parent.chmod(0o777)
    assert "others can replace" in checks(gateway, 2)["keystore mode"]["finding"]


def test_a_plugin_in_quarantine_is_told_with_its_fix(gateway: Any, tmp_path: Path) -> None:
    information = tmp_path / "site" / "broken-1.0.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text("[gatewright]\nbroken = broken_gatewright_plugin\n")
    (tmp_path / "site" / "broken_gatewright_plugin.py").write_text("raise RuntimeError('not today')\n")
    gateway.environ = {"PYTHONPATH": str(tmp_path / "site")}
    gateway.start()
    found = checks(gateway, 2)["plugins"]
    assert "not today" in found["finding"]
    assert found["fix"].startswith("see gatewright plugin check")


def test_scripts_tell_errors_from_a_wrong_command_line(gateway: Any) -> None:
    assert gateway.run("doctor").returncode == 2, "no gateway runs, which is a finding"
    assert gateway.run("doctor", "--nonsense").returncode == 64
    assert gateway.run("cert", "status").returncode == 69, "not 1, which is an unknown certificate"
    assert gateway.run("cert", "stats").returncode == 64, "not 2, which is a refused request"
    assert gateway.run("run", "--nonsense").returncode == 64
