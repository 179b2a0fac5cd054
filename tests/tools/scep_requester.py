"""A SCEP client for the tests of the development CA, which can also do one thing wrong at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography import x509

from components.keystore import SoftwarePrivateKey, create_csr, self_signed_certificate
from components.scep.message import (
    Cipher,
    Digest,
    MessageAttributes,
    MessageType,
    PkiMessage,
    PkiStatus,
    decode_certificates,
    decode_pki_message,
    encode_pki_message,
    envelope,
    open_envelope,
    verify_signature,
)
from framework.clock import SystemClock
from metatype import Secret

if TYPE_CHECKING:
    from collections.abc import Sequence

CHALLENGE = "sesame, öffne dich"
NONCE = bytes(range(16))


@dataclass(frozen=True)
class Requester:
    """Somebody with a key who wants a certificate of a CA."""

    key: SoftwarePrivateKey
    ca: x509.Certificate

    @property
    def self_signed(self) -> x509.Certificate:
        return self_signed_certificate(self.key, common_name("requester"), SystemClock().now())

    def csr(
        self,
        *,
        subject: x509.Name | None = None,
        challenge: str | None = CHALLENGE,
        names: Sequence[x509.GeneralName] = (),
    ) -> bytes:
        return create_csr(
            self.key,
            common_name("device") if subject is None else subject,
            challenge_password=None if challenge is None else Secret(challenge),
            subject_alternative_names=names,
        )

    def message(
        self,
        csr: bytes | None = None,
        *,
        transaction_id: str = "T-1",
        nonce: bytes | None = NONCE,
        message_type: int = MessageType.PKCS_REQ,
        cipher: Cipher = Cipher.AES128,
        digest: Digest = Digest.SHA256,
        recipient: x509.Certificate | None = None,
        signer: SoftwarePrivateKey | None = None,
        content: bytes | None = None,
    ) -> bytes:
        """A PKCSReq for `csr` (by default a right one)."""
        if content is None:
            content = envelope(self.csr() if csr is None else csr, recipient or self.ca, cipher)
        return encode_pki_message(
            MessageAttributes(message_type, transaction_id, sender_nonce=nonce),
            content,
            key=signer or self.key,
            certificate=self.self_signed,
            digest=digest,
        )

    def read(self, reply: bytes) -> PkiMessage:
        """The CertRep, after the checks that any client makes."""
        message = decode_pki_message(reply)
        assert verify_signature(message, [self.ca]) == self.ca
        assert message.attributes.message_type == MessageType.CERT_REP
        assert message.attributes.recipient_nonce == NONCE
        return message

    def certificate(self, reply: bytes) -> x509.Certificate:
        """The certificate that was issued."""
        message = self.read(reply)
        assert message.attributes.status == PkiStatus.SUCCESS, message.attributes.fail_info_text
        opened = open_envelope(message.content, self.key, self.self_signed)
        (certificate,) = decode_certificates(opened.content)
        return certificate


def common_name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])
