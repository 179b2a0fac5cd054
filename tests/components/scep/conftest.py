"""The PKI and the one good exchange that the SCEP tests falsify, and gateways that enrol."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from components.keystore import create_csr
from components.scep.transaction import SecurityProfile, build_request, new_transaction_id
from components.scep.trust import FingerprintPin, fingerprint, verify_ca_certificates
from framework.clock import SystemClock
from framework.testing import FakeClock
from metatype import Secret
from tests.components.scep.enrolled_gateway import Begin, CertificateAuthority, EnrolledGateway
from tests.components.scep.peer import Handler, Peer, Serve
from tests.components.scep.pki import NOW, SERVER, Exchange, Pki, name

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def pki() -> Pki:
    return Pki()


@pytest.fixture(scope="session")
def exchange(pki: Pki) -> Exchange:
    root = pki.root.certificate
    trust = verify_ca_certificates([root], FingerprintPin(fingerprint(root)), NOW)
    request = build_request(
        trust=trust,
        capabilities=SERVER,
        profile=SecurityProfile.STRICT,
        key=pki.device.key,
        signer_certificate=pki.device.certificate,
        csr=create_csr(pki.device.key, name("device"), challenge_password=Secret("sesame")),
        transaction_id=new_transaction_id(pki.device.key.public_key),
    )
    return Exchange(pki, trust, request, pki.issue("device", pki.root))


@pytest.fixture(scope="session")
def der_of_root(pki: Pki) -> bytes:
    return pki.root.certificate.public_bytes(Encoding.DER)


@pytest.fixture
def begin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Begin]:
    monkeypatch.setenv("NO_PROXY", "*")
    with contextlib.ExitStack() as stack:

        def start(
            *, settings: dict[str, Any] | None = None, **policy: Any
        ) -> tuple[EnrolledGateway, CertificateAuthority]:
            clock = FakeClock(SystemClock().now())
            authority = CertificateAuthority(stack, tmp_path / "ca", clock, **policy)
            gateway = EnrolledGateway(stack, tmp_path / "state", clock, authority)
            gateway.configuration |= settings or {}
            gateway.start()
            return gateway, authority

        yield start


@pytest.fixture
def serve() -> Iterator[Serve]:
    with contextlib.ExitStack() as stack:

        def start(handler: Handler) -> Peer:
            peer = Peer(handler)
            stack.callback(peer.close)
            return peer

        yield start
