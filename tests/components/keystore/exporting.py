"""A gateway whose keystore is exported as PEM files, and a CA for the entries that it exports."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from components.keystore import (
    KeyAlgorithm,
    KeystoreService,
    PrivateKeyEntry,
    SoftwarePrivateKey,
    TrustedCertificateEntry,
    as_signing_key,
    plugin,
)
from components.keystore.conformance import NOW
from framework.testing import GatewayHarness
from tests.components.keystore.crl_publisher import USAGES

if TYPE_CHECKING:
    from pathlib import Path

FACTORY: Final = "gatewright.keystore.FilesystemKeystore"
PID: Final = f"{FACTORY}~Identity"
_CA_USAGE: Final = x509.KeyUsage(**{**dict.fromkeys(USAGES, False), "key_cert_sign": True})


def _name(text: str) -> x509.Name:
    return x509.Name.from_rfc4514_string(text)


class Issuer:
    """A CA that issues what the tests renew."""

    def __init__(self) -> None:
        self.key = SoftwarePrivateKey.generate(KeyAlgorithm.EC, 256)
        self.certificate = (
            x509.CertificateBuilder()
            .subject_name(_name("CN=CA"))
            .issuer_name(_name("CN=CA"))
            .public_key(self.key.public_key)
            .serial_number(1)
            .not_valid_before(NOW - timedelta(days=1))
            .not_valid_after(NOW + timedelta(days=36500))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_CA_USAGE, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self.key.public_key), critical=False)
            .sign(as_signing_key(self.key), hashes.SHA256())
        )

    def issue(self, key: SoftwarePrivateKey | None = None) -> PrivateKeyEntry:
        key = key or SoftwarePrivateKey.generate(KeyAlgorithm.EC, 256)
        made = (
            x509.CertificateBuilder()
            .subject_name(_name("CN=gateway"))
            .issuer_name(self.certificate.subject)
            .public_key(key.public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - timedelta(days=1))
            .not_valid_after(NOW + timedelta(days=36500))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName("gateway.example")]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key), critical=False)
            .sign(as_signing_key(self.key), hashes.SHA256())
        )
        return PrivateKeyEntry(key, (made, self.certificate))


ISSUER: Final = Issuer()
CA: Final = TrustedCertificateEntry(ISSUER.certificate)


def harness(state: Path, **properties: Any) -> GatewayHarness:
    conf = {PID: {"keystore.path": "gateway.p12", **properties}}
    return GatewayHarness(plugins=[plugin], conf=conf, state_directory=state)


def service(gateway: GatewayHarness, pid: str = "Identity") -> KeystoreService:
    reference = gateway.registry.find(KeystoreService, f"(kura.service.pid={pid})")
    assert reference is not None
    found = gateway.registry.get(reference)
    assert isinstance(found, KeystoreService)
    return found


def store(gateway: GatewayHarness, **entries: Any) -> None:
    with service(gateway).edit() as edit:
        for alias, entry in entries.items():
            edit.set(alias, entry)
    gateway.settle()


def configure(gateway: GatewayHarness, **properties: Any) -> None:
    changed = {f"keystore.export.{key.replace('_', '.')}": value for key, value in properties.items()}
    assert gateway.configuration_admin.update(PID, changed).outcome == "modified"
    gateway.settle()


def names(directory: Path) -> set[str]:
    return {one.name for one in (directory / "current").iterdir()}


def fits(certificate: Path, key: Path) -> bool:
    leaf = x509.load_pem_x509_certificate(certificate.read_bytes())
    loaded = load_pem_private_key(key.read_bytes(), None)
    return leaf.public_key() == loaded.public_key()


def problems(gateway: GatewayHarness) -> str:
    return " | ".join(service(gateway).health().problems)


def private_keys_below(directory: Path) -> list[Path]:
    return [one for one in directory.rglob("*") if one.is_file() and b"PRIVATE KEY" in one.read_bytes()]
