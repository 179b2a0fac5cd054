"""A CertRep (RFC 8894 3.3.2) as a plan that is encoded last, so that each part of it can be falsified alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from components.keystore import SoftwarePrivateKey
from components.scep.message import encode_certificates, encode_pki_message, envelope

if TYPE_CHECKING:
    from cryptography import x509

    from components.scep.message import Cipher, Digest, MessageAttributes
    from tools.scep_ca.identities import Identity


@dataclass(frozen=True, slots=True)
class ReplyPlan:
    """What a reply will say.

    Attributes:
        attributes: The signed attributes.
        signer: Who signs it.
        digest: What it is signed with.
        certificates: What is in its envelope, or None if it has no envelope.
        crls: The CRLs there.
        recipient: Whom the envelope is for.
        cipher: What it is encrypted with.
        oaep: Whether the key to it is transported with RSA-OAEP.
        content: What stands in the place of the envelope, or None.
    """

    attributes: MessageAttributes
    signer: Identity
    digest: Digest
    recipient: x509.Certificate
    cipher: Cipher
    certificates: tuple[x509.Certificate, ...] | None = None
    crls: tuple[x509.CertificateRevocationList, ...] = ()
    oaep: bool = False
    content: bytes | None = None

    def encode(self) -> bytes:
        """The reply in DER."""
        content = self.content
        if content is None and self.certificates is not None:
            inner = encode_certificates(self.certificates, self.crls)
            content = envelope(inner, self.recipient, self.cipher, oaep=self.oaep)
        return encode_pki_message(
            self.attributes,
            content,
            key=SoftwarePrivateKey(self.signer.key),
            certificate=self.signer.certificate,
            digest=self.digest,
        )
