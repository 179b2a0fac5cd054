"""A gateway that is enrolled and meets a hostile server: its identity stays, and it says what happened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from components.keystore import KeystoreService, PrivateKeyEntry
from components.keystore.memory import MemoryKeystore
from components.scep.commands import status_data
from components.scep.component import PID, SCEPEnrollmentComponent
from components.scep.service import EnrollmentService
from framework.clock import SystemClock
from framework.testing import FakeClock, GatewayHarness
from tests.components.scep.device import CHALLENGE

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from tests.hostile.conftest import FaultyCa

FAULTS = {
    "wrong-nonce": "invalid-response",
    "wrong-signer": "invalid-response",
    "wrong-key": "invalid-response",
    "ca-issued": "invalid-response",
    "terminal-escapes": "refused",
    "html": "invalid-response",
    "dropped": "unreachable",
}


def test_each_fault_leaves_the_identity_and_is_shown(
    faulty_ca: FaultyCa, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    ca, url = faulty_ca()
    keystore = MemoryKeystore()
    properties: dict[str, Any] = {
        "enabled": True,
        "server.url": url,
        "server.ca.fingerprint": ca.fingerprint,
        "client.subject.dn": "CN=gateway-17",
        "client.challenge.password": CHALLENGE,
        "KeystoreService.target": "(kura.service.pid=A)",
    }
    with GatewayHarness(
        components=[SCEPEnrollmentComponent],
        conf={PID: properties},
        state_directory=tmp_path / "state",
        clock=FakeClock(SystemClock().now()),
    ) as harness:
        harness.registry.register(KeystoreService, keystore, {"kura.service.pid": "A"})
        harness.settle()
        found = harness.registry.find(EnrollmentService)
        assert found is not None
        service = harness.registry.get(found)
        assert isinstance(service, EnrollmentService)

        def status() -> dict[str, Any]:
            return status_data(service.status(), harness.clock.now())

        assert status()["state"] == "enrolled"
        entry = keystore.get("scep-enrolled-key-pair")
        assert isinstance(entry, PrivateKeyEntry)
        for fault, state in FAULTS.items():
            faulty_ca(fault, port=int(url.rsplit(":", 1)[1].partition("/")[0]))
            service.enroll()
            harness.settle()
            shown = status()
            assert (fault, shown["state"]) == (fault, state)
            assert shown["last_error"]["what_to_do"]
            assert "\x1b" not in str(shown)
            assert keystore.get("scep-enrolled-key-pair") == entry
    assert CHALLENGE not in caplog.text
