"""A gateway that enrols with the development CA, both by one clock that the test moves."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol

from components.keystore import KeystoreService, PrivateKeyEntry, TrustedCertificateEntry
from components.keystore.memory import MemoryKeystore
from components.scep.commands import status_data
from components.scep.component import PID, SCEPEnrollmentComponent
from components.scep.service import EnrollmentService
from framework.testing import GatewayHarness
from metatype import Secret
from tools.scep_ca import CaParameters, IssuancePolicy, ScepCa, ScepCaServer

if TYPE_CHECKING:
    import contextlib
    from collections.abc import Iterable
    from pathlib import Path

    from cryptography import x509

    from framework.testing import FakeClock

CHALLENGE = "sesame"
DAY_S = 24 * 3600


def service_of(harness: GatewayHarness) -> EnrollmentService:
    """The enrolment of a gateway."""
    found = harness.registry.find(EnrollmentService)
    assert found is not None, harness.explain(PID).sentences
    service = harness.registry.get(found)
    assert isinstance(service, EnrollmentService)
    return service


class CertificateAuthority:
    """The development CA, listening, until the stack that it was begun on ends."""

    def __init__(
        self,
        stack: contextlib.ExitStack,
        directory: Path,
        clock: FakeClock,
        parameters: CaParameters | None = None,
        faults: Iterable[str] = (),
        **policy: Any,
    ) -> None:
        self._stack, self._clock = stack, clock
        terms: dict[str, Any] = {"validity": timedelta(days=90), **policy}
        issuance = IssuancePolicy(Secret(CHALLENGE), **terms)
        self.ca = stack.enter_context(
            ScepCa.open(directory, issuance, parameters=parameters, faults=faults, clock=clock)
        )
        self.server = stack.enter_context(ScepCaServer(self.ca))

    @property
    def issued(self) -> int:
        return len(self.ca.issued())

    def stop(self) -> None:
        self.server.stop()


class EnrolledGateway:
    """A gateway with an enrolment into a memory keystore, which outlives restarts."""

    def __init__(
        self, stack: contextlib.ExitStack, directory: Path, clock: FakeClock, authority: CertificateAuthority
    ) -> None:
        self._stack, self._directory, self.clock = stack, directory, clock
        self.keystore = MemoryKeystore()
        self.configuration: dict[str, Any] = {
            "enabled": True,
            "server.url": authority.server.url,
            "server.ca.fingerprint": authority.ca.fingerprint,
            "client.subject.dn": "CN=gateway-17,O=Example",
            "client.challenge.password": CHALLENGE,
            "client.renew": True,
            "KeystoreService.target": "(kura.service.pid=A)",
        }
        self.harness: GatewayHarness

    def start(self) -> None:
        self.harness = self._stack.enter_context(
            GatewayHarness(
                components=[SCEPEnrollmentComponent],
                conf={PID: self.configuration},
                state_directory=self._directory,
                clock=self.clock,
            )
        )
        self.harness.registry.register(KeystoreService, self.keystore, {"kura.service.pid": "A"})
        self.harness.settle()

    def stop(self) -> None:
        self.harness.__exit__()

    def set(self, **properties: Any) -> None:
        self.harness.configuration_admin.update(PID, {key.replace("__", "."): one for key, one in properties.items()})
        self.harness.settle()

    @property
    def service(self) -> EnrollmentService:
        return service_of(self.harness)

    @property
    def status(self) -> dict[str, Any]:
        return status_data(self.service.status(), self.clock.now())

    @property
    def identity(self) -> PrivateKeyEntry:
        entry = self.keystore.get("scep-enrolled-key-pair")
        assert isinstance(entry, PrivateKeyEntry)
        return entry

    @property
    def ca_certificates(self) -> list[x509.Certificate]:
        entries = [self.keystore.get(f"scep-cacerts_{index}") for index in range(9)]
        return [entry.certificate for entry in entries if isinstance(entry, TrustedCertificateEntry)]

    def days(self, number: float) -> None:
        """Let days pass, one at a time."""
        whole, rest = divmod(number, 1)
        for _ in range(int(whole)):
            self.harness.advance(DAY_S)
        self.harness.advance(rest * DAY_S)


class Begin(Protocol):
    """Begins a gateway with these settings, enrolled with a CA of these terms."""

    def __call__(
        self, *, settings: dict[str, Any] | None = None, **policy: Any
    ) -> tuple[EnrolledGateway, CertificateAuthority]: ...
