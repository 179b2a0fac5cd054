"""A gateway that is observed: off unless asked for, and the figures of its certificate."""

from __future__ import annotations

import http.client
import socket
from datetime import datetime
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families


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
