"""A device that uses the protocol layers against the development CA, without a network between them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from components.keystore import PrivateKey, create_csr, self_signed_certificate
from components.scep.message import MessageType, decode_certificates
from components.scep.transaction import (
    Capabilities,
    Issued,
    PkiRequest,
    Reply,
    SecurityProfile,
    build_poll,
    build_request,
    new_transaction_id,
    read_reply,
)
from components.scep.trust import CaTrust, FingerprintPin, verify_ca_certificates
from framework.clock import SystemClock
from metatype import Secret
from tests.components.scep.pki import name

if TYPE_CHECKING:
    from cryptography import x509

    from tools.scep_ca import ScepCa

CHALLENGE = "sesame"


@dataclass(frozen=True)
class Device:
    """A key with the certificate that it signs with: self-signed at first, then the enrolled one."""

    ca: ScepCa
    key: PrivateKey
    certificate: x509.Certificate
    trust: CaTrust
    profile: SecurityProfile = SecurityProfile.STRICT

    @classmethod
    def of(cls, ca: ScepCa, key: PrivateKey) -> Device:
        """A device that has verified the CA and is not enrolled."""
        now = SystemClock().now()
        trust = verify_ca_certificates(decode_certificates(ca.get_ca_cert()), FingerprintPin(ca.fingerprint), now)
        return cls(ca, key, self_signed_certificate(key, name("device"), now), trust)

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities.parse(self.ca.get_ca_caps().decode())

    def request(
        self,
        *,
        message_type: MessageType = MessageType.PKCS_REQ,
        challenge: str = CHALLENGE,
        key: PrivateKey | None = None,
        transaction_id: str | None = None,
        subject: str = "device",
    ) -> PkiRequest:
        """A request for `key`, or the device's own, signed with what the device has."""
        certified = key or self.key
        return build_request(
            trust=self.trust,
            capabilities=self.capabilities,
            profile=self.profile,
            key=self.key,
            signer_certificate=self.certificate,
            csr=create_csr(certified, name(subject), challenge_password=Secret(challenge) if challenge else None),
            transaction_id=transaction_id or new_transaction_id(certified.public_key),
            message_type=message_type,
        )

    def poll(self, transaction_id: str, *, subject: str = "device") -> PkiRequest:
        """A CertPoll for a request of this device."""
        return build_poll(
            trust=self.trust,
            capabilities=self.capabilities,
            profile=self.profile,
            key=self.key,
            signer_certificate=self.certificate,
            subject=name(subject),
            transaction_id=transaction_id,
        )

    def read(
        self,
        data: bytes,
        request: PkiRequest,
        *,
        key: PrivateKey | None = None,
        replaces: x509.Certificate | None = None,
    ) -> Reply:
        """What the device makes of a reply."""
        return read_reply(
            data,
            request,
            trust=self.trust,
            profile=self.profile,
            key=self.key,
            signer_certificate=self.certificate,
            subject=name("device"),
            now=SystemClock().now(),
            public_key=None if key is None else key.public_key,
            replaces=replaces,
        )

    def ask(self, request: PkiRequest, **facts: object) -> Reply:
        """Send a request to the CA and read the reply."""
        return self.read(self.ca.pki_operation(request.data), request, **facts)  # type: ignore[arg-type]  # passed on

    def enrolled(self) -> Device:
        """The device after its enrolment."""
        reply = self.ask(self.request())
        assert isinstance(reply, Issued), reply
        return replace(self, certificate=reply.chain[0])
