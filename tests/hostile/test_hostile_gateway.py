"""A gateway that is enrolled and meets a hostile server: its identity stays, and it says what happened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from components.keystore import KeystoreService, PrivateKeyEntry
from components.keystore.memory import MemoryKeystore
from components.scep.commands import status_data
from components.scep.component import PID, SCEPEnrollmentComponent
from framework.clock import SystemClock
from framework.testing import FakeClock, GatewayHarness
from tests.components.scep.device import CHALLENGE
from tests.components.scep.enrolled_gateway import service_of
from tools.scep_ca import FAULTS as MENU

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from tests.hostile.conftest import FaultyCa

FAULTS = {
    "wrong-nonce": "invalid-response",
    "no-nonce": "invalid-response",
    "wrong-transaction": "invalid-response",
    "wrong-message-type": "invalid-response",
    "unknown-status": "invalid-response",
    "no-status": "invalid-response",
    "wrong-signer": "invalid-response",
    "forged-signature": "invalid-response",
    "wrong-content": "invalid-response",
    "wrong-recipient": "invalid-response",
    "3des-only": "invalid-response",
    "wrong-key": "invalid-response",
    "wrong-issuer": "invalid-response",
    "ca-issued": "invalid-response",
    "expired": "invalid-response",
    "not-yet-valid": "invalid-response",
    "no-certificate": "invalid-response",
    "no-envelope": "invalid-response",
    "gcm": "invalid-response",
    "tampered": "invalid-response",
    "truncated-message": "invalid-response",
    "odd-name": "invalid-response",
    "html": "invalid-response",
    "empty": "invalid-response",
    "redirect": "invalid-response",
    "error-500": "invalid-response",
    "unavailable": "unreachable",
    "endless": "invalid-response",
    "terminal-escapes": "refused",
    "ndes-refusal": "refused",
    "unknown-fail-info": "refused",
    "dropped": "unreachable",
    "truncated-answer": "unreachable",
    "other-subject": "enrolled",
    "old-certificate": "enrolled",
    "replay": "enrolled",
    "des": "enrolled",
    "3des": "enrolled",
    "sha1": "enrolled",
    "oaep": "enrolled",
    "indefinite": "enrolled",
    "constructed": "enrolled",
    "other-ca": "untrusted-ca",
    "no-capabilities": "enrolled",
    "weak-capabilities": "enrolled",
    "wrong-content-type": "enrolled",
    "requests-only": "enrolled",
}
"""Each fault of the menu, and the state that the gateway shows; the profile is the standard one."""

OF_TIME = {"slow"}
"""Only the deadline of the client ends it, which is tried there."""


def test_every_fault_of_the_menu_is_here() -> None:
    assert set(FAULTS) | OF_TIME == set(MENU)


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
        service = service_of(harness)

        def status() -> dict[str, Any]:
            return status_data(service.status(), harness.clock.now())

        assert status()["state"] == "enrolled"
        for fault, state in FAULTS.items():
            entry = keystore.get("scep-enrolled-key-pair")
            assert isinstance(entry, PrivateKeyEntry)
            faulty_ca(fault, port=int(url.rsplit(":", 1)[1].partition("/")[0]))
            service.enroll()
            harness.settle()
            shown = status()
            assert (fault, shown["state"]) == (fault, state)
            assert "\x1b" not in str(shown)
            assert CHALLENGE not in str(shown)
            if state != "enrolled":
                assert shown["last_error"]["what_to_do"], fault
                assert keystore.get("scep-enrolled-key-pair") == entry, fault
    assert CHALLENGE not in caplog.text
