"""A gateway that is observed: off unless asked for, and the figures of its certificate."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator
from prometheus_client.parser import text_string_to_metric_families

from framework.service.line_schema import line_schema

if TYPE_CHECKING:
    from pathlib import Path


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=30)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(30)
        self.sock.connect(self._path)


@pytest.mark.peer("scepserver")
def test_the_figures_of_a_certificate_are_those_of_its_status(
    gateway: Any, scep_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = gateway.home / "observe.sock"
    monkeypatch.setenv("GATEWRIGHT_OBSERVE_ON", str(path))
    gateway.configure_enrolment(scep_server)
    gateway.start()
    status = gateway.wait_for("enrolled")
    connection = UnixConnection(str(path))
    connection.request("GET", "/metrics")
    families = {one.name: one for one in text_string_to_metric_families(connection.getresponse().read().decode())}
    connection.close()
    (ends,) = families["gatewright_certificate_not_after_timestamp_seconds"].samples
    assert ends.labels == {"keystore": "EnrollmentKeystore"}
    assert ends.value == datetime.fromisoformat(status["certificate"]["not_after"]).timestamp()
    (state,) = families["gatewright_enrolment_state"].samples
    assert state.labels["state"] == "enrolled"
    gateway.stop()
    assert not path.exists()


def test_an_address_that_others_reach_keeps_the_gateway_from_starting(
    gateway: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEWRIGHT_OBSERVE_ON", "0.0.0.0:9464")
    with pytest.raises(AssertionError, match="only this machine is served"):
        gateway.start()


def test_lines_in_json_are_all_in_json_and_the_port_that_was_free_is_told(tmp_path: Path) -> None:
    argv = [*(sys.executable, "-m", "framework", "run", "--log-format", "json"), "--observe-on", "127.0.0.1:0"]
    process = subprocess.Popen([*argv, "--state-dir", str(tmp_path / "one")], stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        ready = json.loads(process.stderr.readline())
        assert ready["level"] == "info"
        assert ready["event"] == "gateway.ready"
        address = ready["facts"]["observers"]
        assert f"observers: {address}" in ready["message"]
        connection = http.client.HTTPConnection(address, timeout=30)
        connection.request("GET", "/livez")
        assert connection.getresponse().status == 200
        connection.close()
        taken = [*argv[:-1], address, "--state-dir", str(tmp_path / "two")]
        done = subprocess.run(taken, capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert (
            "Address already in use; stop that program, or choose another --observe-on"
            in (json.loads(done.stderr.splitlines()[-1])["message"])
        )
    finally:
        process.terminate()
        rest = process.communicate(timeout=30)[1]
    for line in (ready, *map(json.loads, rest.splitlines()), *map(json.loads, done.stderr.splitlines())):
        Draft202012Validator(line_schema()).validate(line)
