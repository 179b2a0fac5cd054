"""Errors of SCEP; each kind of failure has its own class, with the facts as attributes."""

from __future__ import annotations


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


class HttpStatusError(TransportError):
    """The server answered with an HTTP error; SCEP's own refusals come with status 200.

    Attributes:
        status: The HTTP status.
    """

    def __init__(self, url: str, status: int, reason: str) -> None:
        ScepError.__init__(self, f"{url} answered with HTTP status {status}{reason and ': ' + reason}")
        self.url = url
        self.status = status
        self.reason = reason


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
    """A message is no well-formed ASN.1 of the expected structure."""


class SignatureError(MessageError):
    """A message's signature, its digest, or its signer cannot be accepted."""


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
        what = "no recipientNonce" if found is None else "another recipientNonce"
        super().__init__(f"the reply has {what} than the one of our request: it may be a replay")
        self.found = found


class MessageTypeError(MessageError):
    """The message is of another type than expected, or has a status that SCEP does not know."""


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
