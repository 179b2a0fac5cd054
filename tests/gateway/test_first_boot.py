"""A gateway of a fleet at its first boot: one file for all, one secret of its own, nobody there."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

README = (Path(__file__).resolve().parents[2] / "README.md").read_text("utf-8")
SCEP = "gatewright.scep.SCEPEnrollmentService"


@pytest.mark.peer("scepserver")
def test_the_documented_fleet_enrols_without_a_hand_on_it(
    gateway: Any, scep_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (source,) = (
        one for one in re.findall(r"^```json\n(.*?)^```$", README, re.MULTILINE | re.DOTALL) if "$device" in one
    )
    fleet = json.loads(source)
    fleet[SCEP] |= {"server.url": scep_server.endpoint, "server.ca.fingerprint": scep_server.fingerprint}
    fleet[SCEP]["client.subject.dn"] = {"$device": "CN={hostname},O=Example"}
    (gateway.conf_dir / "50-fleet.json").write_text(json.dumps(fleet))
    secret = gateway.home / "challenge"
    secret.write_text(f"{scep_server.challenge}\n")
    secret.chmod(0o600)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(gateway.home))
    gateway.start()
    status = gateway.wait_for("enrolled")
    assert status["certificate"]["subject"].startswith("CN=")
    assert "{" not in status["certificate"]["subject"]
    assert gateway.json("status")["healthy"]
    _, log = gateway.stop()
    files = b"".join(path.read_bytes() for path in gateway.state_dir.rglob("*") if path.is_file())
    assert scep_server.challenge not in log
    assert scep_server.challenge.encode() not in files
