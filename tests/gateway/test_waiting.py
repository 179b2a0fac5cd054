"""`cert enroll|renew|rekey --wait`: each step is shown until it is done, and the exit status is that of the outcome."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.answers import check_answer


@pytest.mark.peer("scepserver")
def test_each_step_is_shown_until_the_certificate_is_there(gateway: Any, scep_server: Any) -> None:
    gateway.configure_enrolment(scep_server)
    gateway.start()
    before = gateway.wait_for("enrolled")
    done = gateway.run("cert", "rekey", "--wait")
    assert done.returncode == 0, done.stderr
    assert "certificate requested from" in done.stdout
    assert "stored in EnrollmentKeystore as scep-enrolled-key-pair" in done.stdout
    after = gateway.json("cert", "status")
    assert after["certificate"]["serial"] != before["certificate"]["serial"]
    assert after["certificate"]["sha256"] in done.stdout
    pieces = gateway.run("cert", "renew", "--wait", "--json").stdout
    assert json.loads(pieces[pieces.index("\n{\n") :])["state"] == "enrolled"


@pytest.mark.peer("scepserver")
def test_status_can_wait_for_what_is_under_way_and_asks_for_nothing(gateway: Any, scep_server: Any) -> None:
    gateway.configure_enrolment(scep_server)
    gateway.start()
    done = gateway.run("cert", "status", "--wait", "--json")
    assert done.returncode == 0, done.stdout
    check_answer(["cert", "status"], done.stdout, is_error=False)
    assert len(scep_server.issued()) == 1
    assert len(gateway.run("cert", "status", "--wait", "--json").stdout) > 0, "with nothing under way it ends at once"
    assert len(scep_server.issued()) == 1


@pytest.mark.peer("scepserver")
def test_what_fails_ends_the_waiting_with_its_status(gateway: Any, scep_server: Any) -> None:
    gateway.configure_enrolment(scep_server, **{"connect.retry-interval": 600})
    gateway.start()
    gateway.wait_for("enrolled")
    scep_server.stop()
    done = gateway.run("cert", "renew", "--wait")
    assert done.returncode == 3
    assert "refused" in done.stdout


@pytest.mark.peer("scepserver")
def test_there_is_no_waiting_for_what_cannot_begin(gateway: Any, scep_server: Any) -> None:
    gateway.configure_enrolment(scep_server, enabled=False)
    gateway.start()
    for options in ((), ("--wait",)):
        done = gateway.run("cert", "enroll", *options)
        assert done.returncode == 1
        assert "enabled=true" in done.stderr
    set_ = gateway.run("config", "set", "gatewright.scep.SCEPEnrollmentService", "enabled=true", "client.subject.dn=")
    assert set_.returncode == 0, set_.stderr
    done = gateway.run("cert", "enroll", "--wait")
    assert done.returncode == 4, done.stdout + done.stderr
    assert "client.subject.dn" in done.stdout
