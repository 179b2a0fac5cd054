"""A keystore that has its CA's CRL by GetCRL, from a real server, with the enrolled identity."""

from __future__ import annotations

import contextlib
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from components.keystore import KeystoreService, PrivateKeyEntry
from components.keystore.crl import CrlFetchError, CrlSource, RevocationService, RevocationStatus
from components.keystore.filesystem import FilesystemKeystore
from components.keystore.memory import MemoryKeystore
from components.scep.component import PID, SCEPEnrollmentComponent
from components.scep.crl_source import ScepCrlSource
from components.scep.identity import IdentityStore
from framework.clock import SystemClock
from framework.testing import FakeClock, GatewayHarness
from tests.components.scep.enrolled_gateway import CHALLENGE, CertificateAuthority

if TYPE_CHECKING:
    from pathlib import Path


def _service(harness: GatewayHarness, interface: type[Any]) -> Any:
    found = harness.registry.find(interface)
    assert found is not None
    return harness.registry.get(found)


@pytest.mark.parametrize("configured", [True, False])
def test_the_crl_comes_with_the_enrolment_and_is_fetched_again_where_that_is_configured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, configured: bool
) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    clock = FakeClock(SystemClock().now())
    with contextlib.ExitStack() as stack:
        authority = CertificateAuthority(stack, tmp_path / "ca", clock)
        keystore: dict[str, Any] = {"keystore.path": "a.p12", "crl.management.enabled": True}
        if configured:
            keystore["CrlSource.target"] = f"(kura.service.pid={PID})"
        enrolment = {
            "enabled": False,
            "server.url": authority.server.url,
            "server.ca.fingerprint": authority.ca.fingerprint,
            "client.subject.dn": "CN=gateway-17",
            "client.challenge.password": CHALLENGE,
            "KeystoreService.target": "(kura.service.pid=A)",
        }
        conf = {"gatewright.keystore.FilesystemKeystore~A": keystore, PID: enrolment}
        components = [FilesystemKeystore, SCEPEnrollmentComponent]
        harness = stack.enter_context(GatewayHarness(components=components, conf=conf, clock=clock))
        revocation = _service(harness, RevocationService)
        with pytest.raises(CrlFetchError, match="does not say what to enrol"):
            _service(harness, CrlSource).fetch()
        assert bool(revocation.problems()) == configured

        harness.configuration_admin.update(PID, {"enabled": True})
        harness.settle()
        harness.advance(300)
        entry = _service(harness, KeystoreService).get("scep-enrolled-key-pair")
        assert isinstance(entry, PrivateKeyEntry)
        assert revocation.problems() == ()
        unknown_unless_configured = RevocationStatus.GOOD if configured else RevocationStatus.UNKNOWN
        assert revocation.status(entry.certificate) is unknown_unless_configured
        if not configured:
            return
        assert [one.source for one in revocation.records()] == [PID]

        authority.ca.revoke(entry.certificate.serial_number)
        harness.advance(2 * 24 * 3600)
        assert revocation.status(entry.certificate) is RevocationStatus.REVOKED

        authority.stop()
        revocation.refresh()
        harness.settle()
        assert "cannot be reached" in " ".join(revocation.problems())
        assert revocation.status(entry.certificate) is RevocationStatus.REVOKED, "what is kept stays"


def test_what_is_wrong_is_said_once() -> None:
    not_enrolled: Any = SimpleNamespace(settings=None, store=IdentityStore(MemoryKeystore()))
    with pytest.raises(CrlFetchError, match="there is no enrolled certificate yet") as raised:
        ScepCrlSource("enrolment", not_enrolled).fetch()
    assert str(raised.value).count("cannot be fetched") == 1
