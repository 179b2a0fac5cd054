"""One SCEP transaction (RFC 8894 3, 4.3): what is sent, and what must hold of the reply."""

from __future__ import annotations

import enum
import hashlib
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from components.scep.errors import (
    IssuedCertificateError,
    MessageTypeError,
    NonceMismatchError,
    TransactionMismatchError,
    WeakAlgorithmError,
)
from components.scep.message import (
    Cipher,
    Digest,
    FailInfo,
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
from components.scep.text import printable
from components.scep.trust import CaTrust, has_public_key, is_ca, is_valid_at

if TYPE_CHECKING:
    from datetime import datetime

    from cryptography import x509

    from components.keystore import PrivateKey, PublicKey

NONCE_BYTES: Final = 16


class SecurityProfile(enum.StrEnum):
    """Which algorithms are accepted; MD5 never is."""

    STRICT = "strict"
    STANDARD = "standard"
    LEGACY = "legacy"


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a server says that it can do (RFC 8894 3.5); unauthenticated, so it never weakens what is sent."""

    keywords: frozenset[str] = frozenset()

    @staticmethod
    def parse(text: str) -> Capabilities:
        """The keywords of an answer to GetCACaps, one a line; case does not matter, unknown ones are kept."""
        lines = text.removeprefix("\ufeff").splitlines()
        return Capabilities(frozenset(line.strip().lower() for line in lines if line.strip()))

    @property
    def post(self) -> bool:
        """Whether PKIOperation may be sent with POST."""
        return bool({"postpkioperation", "scepstandard"} & self.keywords)

    @property
    def aes(self) -> bool:
        """Whether AES is offered."""
        return bool({"aes", "scepstandard"} & self.keywords)

    @property
    def sha2(self) -> bool:
        """Whether a SHA-2 digest is offered."""
        return bool({"sha-256", "sha-512", "scepstandard"} & self.keywords)


@dataclass(frozen=True, slots=True)
class PkiRequest:
    """A request that is ready to be sent, and what its reply is checked against."""

    data: bytes = field(repr=False)
    transaction_id: str
    sender_nonce: bytes
    message_type: MessageType


@dataclass(frozen=True, slots=True)
class Issued:
    """The certificate came.

    Attributes:
        chain: The certificate first, then its issuers up to the pinned CA.
        warnings: What an operator should know of how it came.
    """

    chain: tuple[x509.Certificate, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pending:
    """The CA has yet to decide."""

    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Refused:
    """The CA refused the request.

    Attributes:
        reason: The failInfo's name, or "unknown N".
        text: What else the server said, made printable, or None.
        hresult: NDES's own error code, or None.
        hint: What to do about it.
    """

    reason: str
    text: str | None
    hresult: int | None
    hint: str


Reply = Issued | Pending | Refused

_HINTS: Final = {
    FailInfo.BAD_ALG: "the CA does not accept the request's algorithms: check key size and security.profile",
    FailInfo.BAD_MESSAGE_CHECK: "the CA could not verify the request: is it for another CA?",
    FailInfo.BAD_REQUEST: (
        "check the challenge password (a one-time password needs to be replaced), the subject, and whether "
        "the CA already has a certificate for it"
    ),
    FailInfo.BAD_TIME: "the clocks of gateway and CA differ too much: check the gateway's time",
    FailInfo.BAD_CERT_ID: "the CA does not know the request or certificate that was asked for",
}


def new_transaction_id(public_key: PublicKey) -> str:
    """An id for one operation: salted, since a renewal with the same key must not look like the enrolment.

    Returns:
        40 hex digits, the form that every server takes (RFC 8894 3.2.1.1 leaves it open).
    """
    encoded = public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(encoded + os.urandom(NONCE_BYTES)).hexdigest()[:40]


def build_request(
    *,
    trust: CaTrust,
    capabilities: Capabilities,
    profile: SecurityProfile,
    key: PrivateKey,
    signer_certificate: x509.Certificate,
    csr: bytes,
    transaction_id: str,
) -> PkiRequest:
    """A PKCSReq (RFC 8894 3.3.1), encrypted for the verified CA or RA, signed with the key to be certified.

    Sent are AES-128-CBC and SHA-256, whatever the server says that it can do; the profile `legacy` also sends
    3DES and SHA-1 to a server that does not offer the better.
    """
    legacy = profile is SecurityProfile.LEGACY
    cipher = Cipher.DES3 if legacy and not capabilities.aes else Cipher.AES128
    digest = Digest.SHA1 if legacy and not capabilities.sha2 else Digest.SHA256
    nonce = os.urandom(NONCE_BYTES)
    data = encode_pki_message(
        MessageAttributes(MessageType.PKCS_REQ, transaction_id, sender_nonce=nonce),
        envelope(csr, trust.recipient, cipher),
        key=key,
        certificate=signer_certificate,
        digest=digest,
    )
    return PkiRequest(data, transaction_id, nonce, MessageType.PKCS_REQ)


def read_reply(
    data: bytes,
    request: PkiRequest,
    *,
    trust: CaTrust,
    profile: SecurityProfile,
    key: PrivateKey,
    signer_certificate: x509.Certificate,
    subject: x509.Name,
    now: datetime,
) -> Reply:
    """Check a CertRep (RFC 8894 3.3.2) in every respect, then say what it says.

    Checked before anything is used: digest, signature and signer (of the pinned CA), transaction id, nonce,
    type, status; then the cipher under the profile; then of the certificate: our key, no CA, valid now,
    chained to the pinned CA. A subject other than requested is a warning.

    Raises:
        MessageError: A check failed; each kind has its own subclass.
    """
    message = decode_pki_message(data)
    trust.check_signer(verify_signature(message, trust.certificates))
    _check_transaction(message, request)
    warnings = _algorithm_warnings("signed with", message.signature.digest is Digest.SHA1, "SHA-1", profile)
    match message.attributes.status:
        case PkiStatus.PENDING:
            return Pending(tuple(warnings))
        case PkiStatus.FAILURE:
            return _refusal(message)
        case PkiStatus.SUCCESS:
            opened = open_envelope(message.content, key, signer_certificate)
            weak = opened.cipher in (Cipher.DES, Cipher.DES3)
            warnings += _algorithm_warnings("encrypted with", weak, opened.cipher.value, profile)
            certificates = decode_certificates(opened.content)
            return _issued(
                certificates,
                trust=trust,
                public_key=key.public_key,
                subject=subject,
                now=now,
                warnings=warnings,
            )
        case None:
            raise MessageTypeError("the reply has no pkiStatus")


def _check_transaction(message: PkiMessage, request: PkiRequest) -> None:
    attributes = message.attributes
    if attributes.message_type != MessageType.CERT_REP:
        raise MessageTypeError(f"the reply is of messageType {attributes.message_type}, not CertRep (3)")
    if attributes.transaction_id != request.transaction_id:
        raise TransactionMismatchError(request.transaction_id, attributes.transaction_id)
    if attributes.recipient_nonce != request.sender_nonce:
        raise NonceMismatchError(attributes.recipient_nonce)


def _algorithm_warnings(verb: str, weak: bool, algorithm: str, profile: SecurityProfile) -> list[str]:
    if not weak:
        return []
    if profile is SecurityProfile.STRICT:
        raise WeakAlgorithmError(algorithm, profile.value)
    return [f"the server's answer was {verb} {algorithm}, which is weak: have the server use AES and SHA-2"]


def _refusal(message: PkiMessage) -> Refused:
    attributes = message.attributes
    try:
        fail_info = None if attributes.fail_info is None else FailInfo(attributes.fail_info)
    except ValueError:
        fail_info = None
    if fail_info is not None:
        reason, hint = fail_info.label, _HINTS[fail_info]
    else:
        reason = "no reason given" if attributes.fail_info is None else f"unknown {attributes.fail_info}"
        hint = "ask the CA's operator; the CA's log says more"
    text = None if attributes.fail_info_text is None else printable(attributes.fail_info_text)
    return Refused(reason, text, attributes.hresult, hint)


def _issued(
    certificates: tuple[x509.Certificate, ...],
    *,
    trust: CaTrust,
    public_key: PublicKey,
    subject: x509.Name,
    now: datetime,
    warnings: list[str],
) -> Issued:
    ours = [one for one in certificates if has_public_key(one, public_key)]
    if not ours:
        raise IssuedCertificateError("the server sent no certificate for our public key")
    certificate = max(ours, key=lambda one: one.not_valid_after_utc)
    if is_ca(certificate):
        raise IssuedCertificateError("the certificate that the server issued is a CA certificate")
    if not is_valid_at(certificate, now):
        raise IssuedCertificateError(
            f"the certificate is valid from {certificate.not_valid_before_utc} "
            f"to {certificate.not_valid_after_utc}, and it is {now} by this gateway's clock: check the clocks"
        )
    valid = [one for one in certificates if is_valid_at(one, now)]
    chain = CaTrust(trust.anchor, (*trust.certificates, *valid)).chain_of(certificate)
    if certificate.subject != subject:
        warnings.append(
            f"the CA issued the subject {certificate.subject.rfc4514_string()!r} "
            f"instead of {subject.rfc4514_string()!r}"
        )
    return Issued(chain, tuple(warnings))
