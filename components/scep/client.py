"""SCEP over HTTP (RFC 8894 4): within one deadline and under a cap, whatever the server does."""

from __future__ import annotations

import base64
import math
import urllib.parse
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, TypeVar

from components.http.text import printable
from components.scep.endpoint import endpoint_urls, on_the_same_host
from components.scep.errors import (
    BrokenConnectionError,
    DecodingError,
    EndpointError,
    HttpStatusError,
    NotScepError,
    OperationUnsupportedError,
    RedirectError,
    TransportError,
)
from components.scep.message import MessageType, decode_certificates
from components.scep.transaction import Capabilities
from components.scep.trust import is_ca

if TYPE_CHECKING:
    from collections.abc import Callable

    import urllib3
    from cryptography import x509

    from components.http.connection import Conversation
    from components.scep.transaction import PkiRequest
    from framework.clock import Clock

DEADLINE_S: Final = 60.0
"""How long one operation may take in all, in seconds."""

LARGEST_REPLY: Final = 64 * 1024
LARGEST_CHAIN: Final = 256 * 1024
"""The longest answers that are read, in bytes."""

SHORTEST_WAIT_S: Final = 1.0
LONGEST_WAIT_S: Final = 24 * 3600.0
"""What a Retry-After is taken for at least and at most, in seconds."""

LONGEST_WALK: Final = 5
"""So many certificates beside the first one are asked for one by one."""

_MESSAGE_TYPE: Final = "application/x-pki-message"
_OPTIONAL: Final = {
    MessageType.CERT_POLL: "CertPoll",
    MessageType.GET_CERT: "GetCert",
    MessageType.GET_CRL: "GetCRL",
}
MOST_REDIRECTS: Final = 3
"""So many are followed in a row."""

_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_KEEP_THE_METHOD: Final = frozenset({307, 308})
"""Those after which a POST is a POST again; after the others a GET would take its place."""

_Answered = TypeVar("_Answered")

_TOO_LONG_OR_WRONG_METHOD: Final = (405, 413, 414, 431)
_NO_POST: Final = (405, 501)


@dataclass(frozen=True, slots=True)
class ServerLocation:
    """Where a SCEP server was found, and what it said of itself; nothing of it is verified.

    Attributes:
        clock_difference: Its clock (the Date of its answer) less ours when that came, or None.
        server: What it calls its software, made printable, or empty.
        not_said: Why it did not say now what it can do: it failed over that, or was not reached. None if it said it,
            or does not know the question, which means that it offers nothing (RFC 8894 3.5.2).
    """

    url: str
    capabilities: Capabilities
    certificates: tuple[x509.Certificate, ...]
    clock_difference: timedelta | None = None
    server: str = ""
    not_said: TransportError | None = None


@dataclass(frozen=True, slots=True)
class _Answer:
    content: bytes
    clock_difference: timedelta | None
    server: str


class ScepClient:
    """A SCEP server at one URL. Calls block; they may be made from any thread.

    Args:
        url: The whole URL, without a query.
        clock: Times the deadline.
        ca_identifier: Which CA is meant, where a server has several.
        deadline_s: How long one operation may take in all, in seconds.
        ca_bundle: A PEM file of the CAs that an https server is verified against; None takes the system's.
        ends_at: No operation lasts beyond this moment of the clock's monotonic time.
    """

    def __init__(
        self,
        url: str,
        *,
        clock: Clock,
        ca_identifier: str = "",
        deadline_s: float = DEADLINE_S,
        ca_bundle: str | None = None,
        ends_at: float = math.inf,
    ) -> None:
        self.url = url
        self._clock = clock
        self._ca_identifier = ca_identifier
        self._deadline_s = deadline_s
        self._ca_bundle = ca_bundle
        self._ends_at = ends_at

    def get_ca_caps(self) -> Capabilities:
        """What the server can do; whatever is no list of keywords means that it does not say (RFC 8894 3.5.2)."""
        try:
            return self._following(ScepClient._capabilities)
        except (TransportError, NotScepError):
            return Capabilities()

    def _capabilities(self, conversation: Conversation | None = None) -> Capabilities:
        answer = self._request("GET", "GetCACaps", self._ca_identifier, LARGEST_REPLY, conversation=conversation)
        text = answer.content.decode("utf-8", "replace")
        return Capabilities() if text.lstrip().startswith("<") else Capabilities.parse(text)

    def get_ca_cert(self) -> tuple[x509.Certificate, ...]:
        """The CA's certificates, unverified and in no order.

        Raises:
            TransportError: The server cannot be reached, or answers with an HTTP error.
            NotScepError: What answered is no SCEP server.
        """
        return self._following(ScepClient._ca_certificates)[0]

    def describe(self) -> ServerLocation:
        """What the server says of itself: its certificates, then its capabilities; errors as of `get_ca_cert`.

        A redirect to another URL of the same host is followed, and what is found there is the server's location.
        """
        return self._following(ScepClient._describe)

    def _describe(self) -> ServerLocation:
        with self._conversation() as conversation:
            certificates, answer = self._ca_certificates(conversation)
            capabilities, not_said = self._offer(conversation)
            if not_said is not None and not isinstance(not_said, HttpStatusError):
                # The server may only have closed the connection meanwhile; over a new one it may say what it can do.
                capabilities, not_said = self._offer()
        return ServerLocation(self.url, capabilities, certificates, answer.clock_difference, answer.server, not_said)

    def _offer(self, conversation: Conversation | None = None) -> tuple[Capabilities, TransportError | None]:
        """What the server can do, and why it did not say so now, or None; see `ServerLocation.not_said`."""
        try:
            return self._capabilities(conversation), None
        except NotScepError:
            return Capabilities(), None
        except HttpStatusError as error:
            failed = error.is_for_now or (error.status >= 500 and not error.is_of_the_request)
            return Capabilities(), error if failed else None
        except TransportError as error:
            return Capabilities(), error

    def get_next_ca_cert(self) -> bytes:
        """The signed answer to GetNextCACert as it came (RFC 8894 4.7), for `read_next_ca` to check.

        Raises:
            OperationUnsupportedError: The server has none, or does not know the operation.
            TransportError: The server cannot be reached, or cannot answer now.
            NotScepError: What answered is no SCEP server.
        """
        try:
            answer = self._following(self._question("GET", "GetNextCACert", self._ca_identifier, LARGEST_CHAIN))
        except HttpStatusError as error:
            raise self._perhaps_unsupported("GetNextCACert", error) from None
        self._refuse_other(answer.content)
        return answer.content

    def pki_operation(self, message: bytes, capabilities: Capabilities) -> bytes:
        """Send a message, and give the reply as it came.

        Without POST it goes into the URL; a server that then says nothing (step-ca), or that the URL is too long,
        gets the same message once more with POST. Where POST is offered and not allowed, it goes into the URL. A server
        that has moved on its host gets the same message there, if it says that this is no other request: with 307 or
        308, where it came with POST (RFC 9110 15.4).

        Raises:
            TransportError: The server cannot be reached, or answers with an HTTP error.
            NotScepError: What answered is no SCEP server.
        """
        if not capabilities.post:
            answer = self._get_operation(message)
            if answer is not None:
                return answer
        posted = self._question("POST", "PKIOperation", "", LARGEST_REPLY, message)
        try:
            answer = self._following(posted, _KEEP_THE_METHOD, self._clock.monotonic() + self._deadline_s).content
        except HttpStatusError as error:
            got = self._get_operation(message) if capabilities.post and error.status in _NO_POST else None
            if got is None:
                raise
            return got
        self._refuse_other(answer)
        return answer

    def send(self, request: PkiRequest, capabilities: Capabilities) -> bytes:
        """The same for a whole request.

        Raises:
            OperationUnsupportedError: It is a CertPoll, GetCert or GetCRL, and the server answers that with an
                HTTP error: it does not know it.
        """
        try:
            return self.pki_operation(request.data, capabilities)
        except HttpStatusError as error:
            if request.message_type not in _OPTIONAL:
                raise
            raise self._perhaps_unsupported(_OPTIONAL[request.message_type], error) from None

    def _get_operation(self, message: bytes) -> bytes | None:
        """The reply to a message in the URL, None if it takes POST to get one."""
        try:
            text = base64.b64encode(message).decode()
            answer = self._following(
                self._question("GET", "PKIOperation", text, LARGEST_REPLY),
                ends_at=self._clock.monotonic() + self._deadline_s,
            ).content
        except HttpStatusError as error:
            if error.status in _TOO_LONG_OR_WRONG_METHOD:
                return None
            raise
        if not answer.strip():
            return None
        self._refuse_other(answer)
        return answer

    def _ca_certificates(
        self, conversation: Conversation | None = None
    ) -> tuple[tuple[x509.Certificate, ...], _Answer]:
        answer = self._request("GET", "GetCACert", self._ca_identifier, LARGEST_CHAIN, conversation=conversation)
        self._refuse_other(answer.content)
        try:
            certificates = decode_certificates(answer.content)
        except DecodingError as error:
            raise NotScepError(self.url, f"something that is no certificate ({error.reason})") from None
        return self._with_issuers(certificates, conversation), answer

    def _with_issuers(
        self, certificates: tuple[x509.Certificate, ...], conversation: Conversation | None
    ) -> tuple[x509.Certificate, ...]:
        """With those above it, if a server shows but one CA certificate that another CA issued.

        Dogtag shows one certificate of its chain at a time, by an index in the place of the CA's name. A server that
        does not know that shows the same one again, or an error, and is asked no more. Of a CA there may be several
        certificates, by itself and by others (cross-certificates), in any order, and which one is pinned is not known
        here: so a self-signed one does not end the walk, and what is none of an issuer is passed over.
        """
        if len(certificates) != 1 or self._ca_identifier or not is_ca(certificates[0]):
            return certificates
        if certificates[0].issuer == certificates[0].subject:
            return certificates
        found: tuple[x509.Certificate, ...] = certificates
        for index in range(1, LONGEST_WALK + 1):
            try:
                answer = self._request("GET", "GetCACert", str(index), LARGEST_CHAIN, conversation=conversation)
                new = [one for one in decode_certificates(answer.content) if one not in found]
            except (TransportError, NotScepError, DecodingError):
                break
            if not new:
                break
            issuers = {one.issuer for one in found}
            found = (*found, *[one for one in new if one.subject in issuers][:1])
        return found

    def _following(
        self,
        ask: Callable[[ScepClient], _Answered],
        statuses: frozenset[int] = _REDIRECTS,
        ends_at: float = math.inf,
    ) -> _Answered:
        """Ask, and ask again where a redirect of these statuses leads to on the same host, until `ends_at`."""
        server, asked = self, {self.url}
        for _ in range(MOST_REDIRECTS):
            try:
                return ask(server)
            except RedirectError as error:
                elsewhere = on_the_same_host(server.url, error.location) if error.status in statuses else None
                if elsewhere is None or elsewhere in asked:
                    raise
                asked.add(elsewhere)
                server = self._at(elsewhere, ends_at)
        return ask(server)

    @staticmethod
    def _question(
        method: str, operation: str, message: str, largest: int, body: bytes | None = None
    ) -> Callable[[ScepClient], _Answer]:
        """What to ask a server, wherever it is."""
        return lambda server: server._request(method, operation, message, largest, body)  # noqa: SLF001  # of this class

    def _at(self, url: str, ends_at: float) -> ScepClient:
        return ScepClient(
            url,
            clock=self._clock,
            ca_identifier=self._ca_identifier,
            deadline_s=self._deadline_s,
            ca_bundle=self._ca_bundle,
            ends_at=min(self._ends_at, ends_at),
        )

    def _perhaps_unsupported(self, operation: str, error: HttpStatusError) -> HttpStatusError:
        if error.is_for_now or error.status < 400:
            return error
        return OperationUnsupportedError(self.url, operation, error.status, error.reason)

    def _refuse_other(self, answer: bytes) -> None:
        start = answer.lstrip()[:1]
        if not start:
            raise NotScepError(self.url, "an empty answer")
        if start == b"<":
            raise NotScepError(self.url, "a web page (HTML)")

    def _conversation(self) -> Conversation:
        from components.http.connection import Conversation  # noqa: PLC0415  # costly to load, and an idle gateway asks nobody

        return Conversation(self.url, self._clock, self._deadline_s, self._ca_bundle, self._ends_at)

    def _request(
        self,
        method: str,
        operation: str,
        message: str,
        largest: int,
        body: bytes | None = None,
        conversation: Conversation | None = None,
    ) -> _Answer:
        """Ask, in a conversation that is under way or in one of its own."""
        if conversation is None:
            with self._conversation() as own:
                return self._request(method, operation, message, largest, body, own)
        # Costly to load, and an idle gateway asks nobody.
        import urllib3  # noqa: PLC0415

        from components.http.connection import in_words, was_broken_off  # noqa: PLC0415

        query = f"operation={operation}&message={urllib.parse.quote(message, safe='')}"
        headers = {"Accept-Encoding": "identity", "User-Agent": "gatewright"}
        if body is not None:
            headers["Content-Type"] = _MESSAGE_TYPE
        try:
            response = conversation.request(method, query, headers, body)
            now = self._clock.now()
            try:
                content = self._read(response, largest, now)
            finally:
                response.close()
            date = _http_date(response.headers.get("Date", ""))
            server = printable(response.headers.get("Server", ""), 80)
            return _Answer(content, None if date is None else date - now, server)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            kind = BrokenConnectionError if was_broken_off(error) else TransportError
            raise kind(self.url, in_words(error, self._deadline_s, "server.tls.ca-bundle")) from None

    def _read(self, response: urllib3.BaseHTTPResponse, largest: int, now: datetime) -> bytes:
        if response.status in _REDIRECTS:
            raise RedirectError(self.url, response.status, printable(response.headers.get("Location", ""), 200))
        content = b""
        while chunk := response.read(largest + 1 - len(content)):
            content += chunk
            if len(content) > largest:
                raise NotScepError(self.url, f"more than the {largest} bytes that are accepted")
        if response.status != 200:  # HTTP's OK
            wait = _retry_after_s(response.headers.get("Retry-After", ""), now)
            raise HttpStatusError(self.url, response.status, _excerpt(content), wait)
        return content


def locate_server(
    endpoint: str,
    *,
    clock: Clock,
    ca_identifier: str = "",
    ca_bundle: str | None = None,
    deadline_s: float = DEADLINE_S,
    ends_at: float = math.inf,
) -> ServerLocation:
    """Find the SCEP server of an endpoint by asking for its CA certificates; nothing secret is sent.

    An endpoint with a path is taken as it is; without one, the well-known paths are tried in turn. A redirect to
    another URL of the same host is followed, and what is found there is the server's location from then on (see
    `ScepClient.describe`). Deadlines are those of `ScepClient`.

    Raises:
        EndpointError: The endpoint is no URL.
        TransportError: The server cannot be reached.
        NotScepError: What answered is no SCEP server.
    """
    failure: TransportError | NotScepError | None = None
    for url in endpoint_urls(endpoint):
        client = ScepClient(
            url,
            clock=clock,
            ca_identifier=ca_identifier,
            ca_bundle=ca_bundle,
            deadline_s=deadline_s,
            ends_at=ends_at,
        )
        try:
            return client.describe()
        except (HttpStatusError, BrokenConnectionError, NotScepError) as error:
            failure = error if failure is None or isinstance(error, NotScepError) else failure
    if failure is None:
        raise EndpointError(endpoint, "no path was tried")
    raise failure


def _retry_after_s(text: str, now: datetime) -> float | None:
    """What a Retry-After asks for (RFC 9110 10.2.3): seconds or a date; None if it cannot be read."""
    text = text.strip()
    if text.isascii() and text.isdigit() and len(text) <= 9:
        seconds = float(text)
    else:
        date = _http_date(text)
        if date is None:
            return None
        seconds = (date - now).total_seconds()
    return min(max(seconds, SHORTEST_WAIT_S), LONGEST_WAIT_S)


def _http_date(text: str) -> datetime | None:
    from email.utils import parsedate_to_datetime  # noqa: PLC0415  # costly to load

    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    return date.replace(tzinfo=UTC) if date.tzinfo is None else date.astimezone(UTC)


def _excerpt(content: bytes) -> str:
    text = printable(content[:500].decode("utf-8", "replace"), 120)
    return "" if text.startswith("<") else text
