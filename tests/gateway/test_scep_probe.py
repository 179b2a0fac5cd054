"""`scep probe` through a running gateway: with its configuration, and without anything happening."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.peer("scepserver")


def test_a_probe_uses_what_the_gateway_is_configured_with(gateway: Any, scep_server: Any) -> None:
    changes: dict[str, Any] = {"enabled": False, "security.profile": "strict"}
    gateway.configure_enrolment(scep_server, **changes)
    gateway.start()
    answer = gateway.json("scep", "probe")
    assert answer["url"] == scep_server.url
    assert answer["pinned"] == scep_server.fingerprint
    assert answer["profile"] == "strict"
    assert answer["would_enrol"] is True
    assert gateway.json("scep", "probe", scep_server.url)["pinned"] is None
    assert scep_server.issued() == []
    assert gateway.json("cert", "status")["state"] == "disabled"
    _, log = gateway.stop()
    assert scep_server.challenge not in log
