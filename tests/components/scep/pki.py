"""A small PKI, and CertReps made by it, for the tests of the SCEP layers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID

from components.keystore import (
    KeyAlgorithm,
    SoftwarePrivateKey,
    as_signing_key,
    self_signed_certificate,
)
from components.scep.message import (
    Cipher,
    Digest,
    MessageAttributes,
    MessageType,
    PkiStatus,
    encode_certificates,
    encode_pki_message,
    envelope,
)
from components.scep.transaction import (
    Capabilities,
    PkiRequest,
    Reply,
    SecurityProfile,
    read_reply,
)

if TYPE_CHECKING:
    from components.scep.trust import CaTrust

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SERVER = Capabilities.parse("SCEPStandard\nAES\nSHA-256\nPOSTPKIOperation")


def name(text: str) -> x509.Name:
    """A distinguished name of one common name."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


@dataclass(frozen=True)
class Party:
    """A key and its certificate."""

    key: SoftwarePrivateKey
    certificate: x509.Certificate


class Pki:
    """Keys are costly, so one PKI serves a whole test session. Nothing in it is changed."""

    def __init__(self) -> None:
        self._keys: dict[str, SoftwarePrivateKey] = {}
        self.root = self.self_signed("root")
        self.other_root = self.self_signed("other root")
        self.device = Party(self.key("device"), self_signed_certificate(self.key("device"), name("device"), NOW))

    def key(self, owner: str) -> SoftwarePrivateKey:
        """The RSA key of somebody, made when it is first asked for."""
        if owner not in self._keys:
            self._keys[owner] = SoftwarePrivateKey.generate(KeyAlgorithm.RSA, 2048)
        return self._keys[owner]

    def self_signed(self, owner: str, *, ca: bool | None = True) -> Party:
        """A root of its own."""
        return Party(self.key(owner), self.issue(owner, None, ca=ca))

    def party(self, owner: str, issuer: Party, **facts: Any) -> Party:
        """Somebody certified by `issuer`."""
        return Party(self.key(owner), self.issue(owner, issuer, **facts))

    def issue(
        self,
        owner: str,
        issuer: Party | None,
        *,
        ca: bool | None = False,
        key_of: str | None = None,
        usage: tuple[str, ...] | None = None,
        begin: datetime = NOW - timedelta(days=1),
        end: datetime = NOW + timedelta(days=365),
        purposes: tuple[x509.ObjectIdentifier, ...] = (),
        path_length: int | None = None,
    ) -> x509.Certificate:
        """A certificate for `owner`, self-signed if `issuer` is None; no key usage if `usage` is None."""
        key = self.key(key_of or owner)
        builder = (
            x509.CertificateBuilder()
            .subject_name(name(owner))
            .issuer_name(issuer.certificate.subject if issuer else name(owner))
            .public_key(key.public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(begin)
            .not_valid_after(end)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key), critical=False)
        )
        if ca is not None:
            builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=path_length), critical=True)
        if usage is not None:
            builder = builder.add_extension(key_usage(usage), critical=True)
        if purposes:
            builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        return builder.sign(as_signing_key(issuer.key if issuer else key), hashes.SHA256())


def key_usage(named: tuple[str, ...]) -> x509.KeyUsage:
    fields = (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    )
    return x509.KeyUsage(**{field: field in named for field in fields})


@dataclass(frozen=True)
class Exchange:
    """One request of the device, the replies that a CA may give to it, and how the device reads them."""

    pki: Pki
    trust: CaTrust
    request: PkiRequest
    issued: x509.Certificate

    def success(
        self,
        *,
        signer: Party | None = None,
        recipient: x509.Certificate | None = None,
        certificates: tuple[x509.Certificate, ...] | None = None,
        content: bytes | None = None,
        cipher: Cipher = Cipher.AES128,
        digest: Digest = Digest.SHA256,
        **attributes: Any,
    ) -> bytes:
        """A CertRep of status SUCCESS; each argument falsifies one thing of a right one."""
        if content is None:
            inner = encode_certificates((self.issued,) if certificates is None else certificates)
            content = envelope(inner, recipient or self.pki.device.certificate, cipher)
        return self.reply(signer=signer, content=content, digest=digest, **attributes)

    def reply(
        self,
        *,
        signer: Party | None = None,
        content: bytes | None = None,
        digest: Digest = Digest.SHA256,
        **attributes: Any,
    ) -> bytes:
        """A CertRep; the attributes are right unless they are given."""
        signer = signer or self.pki.root
        right = MessageAttributes(
            MessageType.CERT_REP,
            self.request.transaction_id,
            sender_nonce=b"s" * 16,
            recipient_nonce=self.request.sender_nonce,
            status=PkiStatus.SUCCESS,
        )
        return encode_pki_message(
            replace(right, **attributes),
            content,
            key=signer.key,
            certificate=signer.certificate,
            digest=digest,
        )

    def read(self, data: bytes, *, profile: SecurityProfile = SecurityProfile.STRICT, now: datetime = NOW) -> Reply:
        """What the device makes of a reply."""
        return read_reply(
            data,
            self.request,
            trust=self.trust,
            profile=profile,
            key=self.pki.device.key,
            signer_certificate=self.pki.device.certificate,
            subject=name("device"),
            now=now,
        )
