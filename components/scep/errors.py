"""Errors of SCEP; each kind of failure has its own class, with the facts as attributes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import datetime


_FOR_NOW: Final = frozenset({408, 429, 502, 503, 504})
"""HTTP statuses of a server that may well answer later (RFC 9110 15.5, 15.6; RFC 6585 4)."""


class ScepError(Exception):
    """Base of all errors of this package."""


class EndpointError(ScepError, ValueError):
    """The configured server endpoint is no URL that SCEP can use.

    Attributes:
        endpoint: The text.
    """

    def __init__(self, endpoint: str, reason: str) -> None:
        super().__init__(f"{endpoint!r} is no SCEP server endpoint: {reason}")
        self.endpoint = endpoint
        self.reason = reason


class TransportError(ScepError):
    """The server could not be reached, or did not answer in time.

    Attributes:
        url: Where the request went.
        reason: What happened.
    """

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(f"{url} cannot be reached: {reason}")
        self.url = url
        self.reason = reason


_OF_THE_REQUEST: Final = frozenset({400, 404, 405, 406, 410, 413, 415, 422, 501})
"""HTTP statuses that say that such a request is not taken (RFC 9110 15.5, 15.6); others may have other reasons."""


class BrokenConnectionError(TransportError):
    """The server took the connection, and ended it before the whole answer had come."""


class HttpStatusError(TransportError):
    """The server answered with an HTTP error; SCEP's own refusals come with status 200.

    Attributes:
        status: The HTTP status.
        retry_after_s: How long the server asks to wait (Retry-After), from 1 s to 24 h, or None.
    """

    def __init__(self, url: str, status: int, reason: str, retry_after_s: float | None = None) -> None:
        ScepError.__init__(self, f"{url} answered with HTTP status {status}{reason and ': ' + reason}")
        self.url = url
        self.status = status
        self.reason = reason
        self.retry_after_s = retry_after_s

    @property
    def is_for_now(self) -> bool:
        """Whether the server is only busy or down: the answer says nothing of what it was asked."""
        return self.status in _FOR_NOW or self.retry_after_s is not None

    @property
    def is_of_the_request(self) -> bool:
        """Whether the server does not take such a request: the same one again would be answered alike."""
        return self.status in _OF_THE_REQUEST and not self.is_for_now


class RedirectError(HttpStatusError):
    """The server sends its clients elsewhere, and is not followed there.

    Attributes:
        location: Where to, as the server wrote it; perhaps relative.
    """

    def __init__(self, url: str, status: int, location: str) -> None:
        super().__init__(url, status, f"it redirects to {location or 'nowhere'}; if that is right, configure it")
        self.location = location


class OperationUnsupportedError(HttpStatusError):
    """The server does not know an operation that not every server has; asking again changes nothing.

    Attributes:
        operation: The operation's name.
    """

    def __init__(self, url: str, operation: str, status: int, reason: str) -> None:
        super().__init__(url, status, f"it has no {operation}{reason and ' (' + reason + ')'}")
        self.operation = operation


class OverdueTryError(ScepError):
    """A try was given up, since it had brought neither a result nor an error for longer than all of it may take.

    Attributes:
        limit_s: How long a try may take, in seconds.
    """

    def __init__(self, limit_s: float) -> None:
        super().__init__(f"the try was given up: nothing has come of it within {limit_s / 60:g} minutes")
        self.limit_s = limit_s


class NotEnrolledError(ScepError):
    """The CA is asked something that takes an enrolled certificate, and there is none."""

    def __init__(self) -> None:
        super().__init__("there is no enrolled certificate yet to ask the CA with")


class AnswerError(ScepError):
    """The server's answer is not one that SCEP knows."""


class NotScepError(AnswerError):
    """What answered is no SCEP server: a web page, or nothing at all.

    Attributes:
        url: Where the request went.
    """

    def __init__(self, url: str, found: str) -> None:
        super().__init__(
            f"{url} answered with {found}, not with a SCEP message: check the endpoint's host, port and path"
        )
        self.url = url
        self.found = found


class MessageError(AnswerError):
    """A message cannot be decoded, or a check of it failed; nothing of it was used."""


class DecodingError(MessageError):
    """A message is no well-formed ASN.1 of the expected structure.

    Attributes:
        reason: What is wrong with it.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(f"the message cannot be decoded: {reason}")
        self.reason = reason


class UnsupportedAlgorithmError(MessageError):
    """A message uses an algorithm that is not known here, whatever the security profile says.

    Attributes:
        algorithm: Its object identifier.
    """

    def __init__(self, purpose: str, algorithm: str) -> None:
        super().__init__(f"the message is {purpose} with the unsupported algorithm {algorithm}")
        self.algorithm = algorithm


class RecipientKeyError(MessageError):
    """The CA has no certificate that a request can be encrypted for: SCEP encrypts for RSA keys (RFC 8894 3.1).

    Attributes:
        recipient: The subject of the certificate that would be the recipient's.
    """

    def __init__(self, recipient: str) -> None:
        super().__init__(
            f"{recipient} has no RSA key, and there is no RA that has one, so nothing can be encrypted for it"
        )
        self.recipient = recipient


class ClientKeyError(MessageError):
    """The key of a request is no RSA key, so that the reply to it could not be decrypted (RFC 8894 3.1)."""

    def __init__(self, signer: str) -> None:
        super().__init__(f"the key of {signer} is no RSA key, and SCEP needs one: the reply could not be decrypted")


class SignatureError(MessageError):
    """A message's signature, its digest, or its signer cannot be accepted."""


class UnknownSignerError(SignatureError):
    """The certificate of the signer is neither in the message nor among the CA's."""

    def __init__(self) -> None:
        super().__init__("the certificate of the message's signer is neither in it nor among the CA's certificates")


class ForgedSignatureError(SignatureError):
    """The signature was not made with the key of the signer that the message names."""

    def __init__(self) -> None:
        super().__init__("the message's signature is not one of the signer that it names")


class UntrustedSignerError(SignatureError):
    """The signer does not speak for the pinned CA.

    Attributes:
        signer: The subject of its certificate.
    """

    def __init__(self, signer: str, reason: str) -> None:
        super().__init__(f"the message was signed by {signer}, which is {reason}")
        self.signer = signer
        self.reason = reason


class DigestMismatchError(SignatureError):
    """The signed messageDigest is not that of the content, or there is none."""

    def __init__(self, *, missing: bool = False) -> None:
        super().__init__(
            "the message has no messageDigest, so its content is not signed"
            if missing
            else "the message's content does not fit its digest: it was changed on the way"
        )
        self.missing = missing


class ContentTypeError(SignatureError):
    """The signed contentType is not that of the content.

    Attributes:
        found: The signed one.
    """

    def __init__(self, found: str, expected: str) -> None:
        super().__init__(f"the signed content type is {found}, not {expected}")
        self.found = found
        self.expected = expected


class TransactionMismatchError(MessageError):
    """The reply belongs to another transaction (RFC 8894 3.2.1.1).

    Attributes:
        expected: Our transaction id.
        found: The reply's.
    """

    def __init__(self, expected: str, found: str | None) -> None:
        super().__init__(
            f"the reply is for transaction {found!r}, not for {expected!r}: it was not made for this request"
        )
        self.expected = expected
        self.found = found


class NonceMismatchError(MessageError):
    """The reply does not carry our nonce (RFC 8894 3.2.1.5): it may be an old reply, played again."""

    def __init__(self, found: bytes | None) -> None:
        what = "no recipientNonce" if found is None else "another recipientNonce than our request's nonce"
        super().__init__(f"the reply has {what}: it may be a replay")
        self.found = found


class MessageTypeError(MessageError):
    """The message is of another type than expected (RFC 8894 3.2.1.2).

    Attributes:
        found: Its messageType.
    """

    def __init__(self, found: int) -> None:
        super().__init__(f"the reply is of messageType {found}, not CertRep (3)")
        self.found = found


class PkiStatusError(MessageError):
    """The reply has no pkiStatus, or one that does not fit (RFC 8894 3.2.1.3).

    Attributes:
        found: The status, or None.
    """

    def __init__(self, found: int | None) -> None:
        super().__init__(
            "the reply has no pkiStatus"
            if found is None
            else f"the reply has the pkiStatus {found}, which SCEP does not have for it"
        )
        self.found = found


class EnvelopeError(MessageError):
    """The encrypted part cannot be opened; the same error whatever the reason: nothing is given away."""

    def __init__(self) -> None:
        super().__init__("the encrypted part of the message cannot be opened with our key")


class WeakAlgorithmError(MessageError):
    """The message uses an algorithm that the security profile does not accept.

    Attributes:
        algorithm: Its name.
        profile: The profile.
    """

    def __init__(self, algorithm: str, profile: str) -> None:
        super().__init__(
            f"the server answered with {algorithm}, which the security profile {profile!r} refuses: "
            "have the server use AES and SHA-2, or accept its answers with security.profile=standard"
        )
        self.algorithm = algorithm
        self.profile = profile


class IssuedCertificateError(MessageError):
    """The certificate that came is not one for us; it was not stored."""


class NoCertificateForKeyError(IssuedCertificateError):
    """None of the certificates that came is for the key that was to be certified.

    Attributes:
        found: The subjects of those that came.
    """

    def __init__(self, found: tuple[str, ...]) -> None:
        came = f"; it sent one for {', '.join(found)}" if found else "; it sent none at all"
        super().__init__(f"the server sent no certificate for our public key{came}")
        self.found = found


class CaCertificateIssuedError(IssuedCertificateError):
    """The certificate that came is a CA's.

    Attributes:
        subject: Its subject.
    """

    def __init__(self, subject: str) -> None:
        super().__init__(f"the certificate that the server issued for {subject} is a CA certificate")
        self.subject = subject


class CertificateValidityError(IssuedCertificateError):
    """The certificate that came is not valid now.

    Attributes:
        not_before: When it begins to be.
        not_after: When it ends to be.
        now: The time here.
    """

    def __init__(self, not_before: datetime, not_after: datetime, now: datetime) -> None:
        super().__init__(
            f"the certificate is valid from {not_before} to {not_after}, and it is {now} by this gateway's clock: "
            "check the clocks"
        )
        self.not_before = not_before
        self.not_after = not_after
        self.now = now


class UntrustedIssuerError(IssuedCertificateError):
    """The certificate that came does not chain to the pinned CA.

    Attributes:
        subject: Its subject.
        issuer: Its issuer.
    """

    def __init__(self, subject: str, issuer: str, anchor: str) -> None:
        super().__init__(f"{subject} was issued by {issuer}, which does not lead to the pinned CA {anchor}")
        self.subject = subject
        self.issuer = issuer


class OldCertificateError(IssuedCertificateError):
    """A renewal brought the certificate that was to be renewed.

    Attributes:
        serial_number: Its serial number.
    """

    def __init__(self, serial_number: int) -> None:
        super().__init__(
            f"the server answered the renewal with the certificate that is there already (serial {serial_number:x}): "
            "it may keep one certificate for each key, so renew with a new key"
        )
        self.serial_number = serial_number


class CertificateNotFoundError(MessageError):
    """The server sent another certificate than the one that was asked for.

    Attributes:
        serial_number: The number that was asked for.
    """

    def __init__(self, serial_number: int) -> None:
        super().__init__(f"the server sent no certificate of serial number {serial_number:x}")
        self.serial_number = serial_number


class CrlError(MessageError):
    """The server sent no CRL, or none that its CA signed."""


class OtherCrlError(CrlError):
    """The server sent the CRL of another issuer than the one that was asked about, which says nothing of its own.

    Attributes:
        expected: The issuer that was asked about.
        found: The issuers of the CRLs that came.
    """

    def __init__(self, expected: str, found: tuple[str, ...]) -> None:
        super().__init__(f"the server was asked for the CRL of {expected}, and sent that of {', '.join(found)}")
        self.expected = expected
        self.found = found


class UntrustedCaError(ScepError):
    """The server's CA certificates do not fit what is pinned; nothing secret was sent.

    Attributes:
        expected: The pinned certificate's SHA-256 fingerprint.
        found: The fingerprints of the certificates that the server sent.
    """

    def __init__(self, expected: str, found: tuple[str, ...], reason: str) -> None:
        shown = "".join(f"\n  the server sent {fingerprint}" for fingerprint in found) or "\n  the server sent none"
        super().__init__(f"the server's CA cannot be trusted: {reason}\n  pinned is       {expected}{shown}")
        self.expected = expected
        self.found = found
        self.reason = reason
