"""TLS from keystores over real sockets: identities that are enrolled, renewed and revoked."""

from __future__ import annotations

import contextlib
import ssl
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from components.keystore import (
    KeyAlgorithm,
    KeystoreCapabilities,
    KeystoreService,
    KeystoreUnavailableError,
    PrivateKeyEntry,
    SoftwarePrivateKey,
    TrustedCertificateEntry,
    self_signed_certificate,
)
from components.keystore.crl.decoded import DecodedCrls
from components.keystore.filesystem import FilesystemKeystore
from components.keystore.tls import SslContextService, TlsError, TlsIdentityError
from components.keystore.tls.component import LOOK_S, SslContexts
from components.keystore.tls.contexts import make_context
from components.keystore.tls.settings import RevocationCheck, TlsMaterial, TlsSettings
from components.scep.component import PID as SCEP_PID
from components.scep.component import SCEPEnrollmentComponent
from framework.clock import SystemClock
from framework.testing import FakeClock, GatewayHarness
from tests.components.keystore.tls_peers import Ca, listening
from tests.components.scep.enrolled_gateway import CHALLENGE, CertificateAuthority, service_of
from tests.components.scep.pki import Pki
from tests.components.scep.tls import tls_server

if TYPE_CHECKING:
    from pathlib import Path

    from cryptography.hazmat.primitives import hashes

    from components.keystore import Changes, ExportedPrivateKey

TLS_PID = "gatewright.tls.SslContextService~default"
NOW = SystemClock().now()


def tls_service(harness: GatewayHarness) -> SslContextService:
    found = harness.registry.find(SslContextService)
    assert found is not None, harness.explain(TLS_PID).sentences
    service = harness.registry.get(found)
    assert isinstance(service, SslContextService)
    return service


def keystore(harness: GatewayHarness) -> KeystoreService:
    found = harness.registry.find(KeystoreService)
    assert found is not None
    service = harness.registry.get(found)
    assert isinstance(service, KeystoreService)
    return service


def test_a_server_accepts_the_enrolled_identity_and_after_a_renewal_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    server, bundle = tls_server(Pki(), tmp_path)
    clock = FakeClock(SystemClock().now())
    with contextlib.ExitStack() as stack:
        authority = CertificateAuthority(stack, tmp_path / "ca", clock)
        conf: dict[str, dict[str, Any]] = {
            "gatewright.keystore.FilesystemKeystore~A": {"keystore.path": "a.p12"},
            SCEP_PID: {
                "enabled": False,
                "server.url": authority.server.url,
                "server.ca.fingerprint": authority.ca.fingerprint,
                "client.subject.dn": "CN=gateway-17",
                "client.challenge.password": CHALLENGE,
                "KeystoreService.target": "(kura.service.pid=A)",
            },
            TLS_PID: {
                "KeystoreService.target": "(kura.service.pid=A)",
                "TruststoreKeystoreService.target": "(kura.service.pid=A)",
                "ssl.key.alias": "scep-enrolled-key-pair",
            },
        }
        components = [FilesystemKeystore, SCEPEnrollmentComponent, SslContexts]
        harness = stack.enter_context(GatewayHarness(components=components, conf=conf, clock=clock))
        service = tls_service(harness)
        with pytest.raises(TlsIdentityError, match="no such private key; enrol"):
            service.client_context()
        assert "no such private key" in " ".join(service.problems())
        store = keystore(harness)
        store.set("tls-root", TrustedCertificateEntry(x509.load_pem_x509_certificate(bundle.read_bytes())))

        harness.configuration_admin.update(SCEP_PID, {"enabled": True})
        harness.settle()
        ca = store.get("scep-cacerts_0")
        assert isinstance(ca, TrustedCertificateEntry)
        server.load_verify_locations(cadata=ca.certificate.public_bytes(Encoding.DER))
        server.verify_mode = ssl.CERT_REQUIRED
        connect = stack.enter_context(listening(server))
        first = service.client_context()
        assert connect(first) == serial(store)
        assert service.problems() == ()

        old = serial(store)
        service_of(harness).renew()
        harness.settle()
        assert serial(store) != old, "renewed"
        assert service is tls_service(harness)
        assert connect(service.client_context()) == serial(store)

        second = service.client_context()
        store.set("unused", store_entry())
        harness.settle()
        assert service.client_context() is second, "a key that is not used changes nothing"


class SilentKeystore(KeystoreService):
    """Tells of nothing: what it holds is changed by another program, or it is not there."""

    def __init__(self) -> None:
        self.held: dict[str, TrustedCertificateEntry] | None = None

    @property
    def capabilities(self) -> KeystoreCapabilities:
        return KeystoreCapabilities(read_only=True)

    def aliases(self) -> tuple[str, ...]:
        if self.held is None:
            raise KeystoreUnavailableError("silent", "the token is not there")
        return tuple(sorted(self.held))

    def get(self, alias: str) -> TrustedCertificateEntry | None:
        return (self.held or {}).get(alias)

    def commit(self, changes: Changes) -> None:
        raise NotImplementedError


def test_a_token_that_is_back_and_what_other_programs_delete_count_a_minute_later() -> None:
    clock, silent = FakeClock(NOW), SilentKeystore()
    target = "(kura.service.pid=silent)"
    conf = {TLS_PID: {"KeystoreService.target": target, "TruststoreKeystoreService.target": target}}
    with GatewayHarness(components=[SslContexts], conf=conf, clock=clock) as harness:
        harness.registry.register(KeystoreService, silent, {"kura.service.pid": "silent"})
        harness.settle()
        service = tls_service(harness)
        with pytest.raises(TlsError, match="the token is not there"):
            service.client_context()

        def anchors_later() -> int:
            harness.advance(LOOK_S)
            return len(service.client_context().get_ca_certs())

        first, second = (TrustedCertificateEntry(Ca(name).certificate) for name in ("first", "second"))
        silent.held = {"first": first, "second": second}
        assert anchors_later() == 2
        assert service.problems() == ()
        made = service.client_context()
        silent.held = {"first": first}
        assert anchors_later() == 1
        silent.held = None
        assert anchors_later() == 1, "what worked stays"
        assert "the token is not there" in " ".join(service.problems())
        assert made is not service.client_context()


def serial(store: KeystoreService) -> bytes:
    entry = store.get("scep-enrolled-key-pair")
    assert isinstance(entry, PrivateKeyEntry)
    return str(entry.certificate.serial_number).encode()


def store_entry(common_name: str = "unused") -> PrivateKeyEntry:
    key = SoftwarePrivateKey.generate(KeyAlgorithm.EC, 256)
    certificate = self_signed_certificate(key, x509.Name.from_rfc4514_string(f"CN={common_name}"), NOW)
    return PrivateKeyEntry(key, (certificate,))


@pytest.mark.parametrize(
    ("check", "other_ca", "revoked", "accepted"),
    [
        ("off", False, True, True),
        ("soft-fail", False, True, False),
        ("soft-fail", False, False, True),
        ("soft-fail", True, False, True),
        ("hard-fail", False, True, False),
        ("hard-fail", False, False, True),
        ("hard-fail", True, False, False),
    ],
)
def test_revoked_clients_are_refused_and_those_without_a_crl_as_the_mode_says(
    check: str, other_ca: bool, revoked: bool, accepted: bool
) -> None:
    ca, other = Ca("first"), Ca("second")
    client = (other if other_ca else ca).issue(20)
    trusted = (ca.certificate, other.certificate)
    crls = DecodedCrls((ca.crl(*((20,) if revoked else (21,))),), SystemClock())
    server = make_context(
        TlsSettings(revocation=RevocationCheck(check)),
        TlsMaterial("A", "server", ca.issue(10), trusted, crls),
        client=False,
    )
    connecting = make_context(TlsSettings(), TlsMaterial("A", "client", client, trusted), client=True)
    with listening(server) as connect:
        try:
            answer = connect(connecting)
        except OSError:
            answer = b""
        assert answer == (b"20" if accepted else b"")


@pytest.mark.parametrize(("revoked", "answer"), [(21, b"20"), (20, b"")])
def test_a_ca_that_has_changed_its_key_is_judged_by_the_crl_of_its_present_one(revoked: int, answer: bytes) -> None:
    former, present = Ca("first"), Ca("first")
    server = make_context(
        TlsSettings(revocation=RevocationCheck.HARD_FAIL),
        TlsMaterial(
            "A",
            "server",
            present.issue(10),
            (present.certificate,),
            DecodedCrls((former.crl(20 if revoked == 21 else 21), present.crl(revoked)), SystemClock()),
        ),
        client=False,
    )
    material = TlsMaterial("A", "client", present.issue(20), (present.certificate,))
    with listening(server) as connect:
        try:
            answered = connect(make_context(TlsSettings(), material, client=True))
        except OSError:
            answered = b""
    assert answered == answer


class _KeyOfToken:
    exportable = False

    def __init__(self, key: SoftwarePrivateKey) -> None:
        self.public_key = key.public_key

    def sign(self, data: bytes, algorithm: hashes.HashAlgorithm) -> bytes:
        raise NotImplementedError

    def decrypt(self, ciphertext: bytes, padding: Any) -> bytes:
        raise NotImplementedError

    def export(self) -> ExportedPrivateKey:
        raise NotImplementedError


def test_a_key_that_does_not_leave_its_keystore_is_refused_with_what_to_do() -> None:
    entry = store_entry()
    assert isinstance(entry.key, SoftwarePrivateKey)
    held = PrivateKeyEntry(_KeyOfToken(entry.key), entry.chain)
    with pytest.raises(TlsIdentityError, match="does not leave the keystore") as raised:
        make_context(TlsSettings(), TlsMaterial("Token", "gateway", held, ()), client=True)
    assert (raised.value.keystore, raised.value.alias) == ("Token", "gateway")


def test_without_files_in_memory_the_key_reaches_a_disk_only_encrypted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    written: list[bytes] = []
    load = ssl.SSLContext.load_cert_chain

    def record(self: ssl.SSLContext, path: Path, **options: Any) -> None:
        written.append(path.read_bytes())
        assert path.stat().st_mode & 0o777 == 0o600
        load(self, path, **options)

    def refuse(*_: object) -> int:
        raise OSError

    monkeypatch.setattr("os.memfd_create", refuse)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(ssl.SSLContext, "load_cert_chain", record)
    make_context(TlsSettings(), TlsMaterial("A", "gateway", store_entry(), ()), client=True)
    (pem,) = written
    assert b"ENCRYPTED PRIVATE KEY" in pem
    assert b"BEGIN PRIVATE KEY" not in pem
    assert list(tmp_path.iterdir()) == []
