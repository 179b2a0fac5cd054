"""SCEP over HTTP (RFC 8894 4): within one deadline and under a cap, whatever the server does."""

from __future__ import annotations

import base64
import io
import re
import socket
import urllib.parse
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

from components.scep.errors import DecodingError, EndpointError, HttpStatusError, NotScepError, TransportError
from components.scep.message import decode_certificates
from components.scep.text import printable
from components.scep.transaction import Capabilities

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptography import x509

    from framework.clock import Clock

WELL_KNOWN_PATHS: Final = ("/cgi-bin/pkiclient.exe", "/scep", "/certsrv/mscep/mscep.dll")
"""Where servers live, tried in turn when the endpoint has no path: RFC 8894's, micromdm's, NDES's."""

DEADLINE_S: Final = 60.0
"""How long one operation may take in all, in seconds."""

LARGEST_REPLY: Final = 64 * 1024
LARGEST_CHAIN: Final = 256 * 1024
"""The longest answers that are read, in bytes."""

_MESSAGE_TYPE: Final = "application/x-pki-message"


@dataclass(frozen=True, slots=True)
class ServerLocation:
    """Where a SCEP server was found, and what it said of itself; nothing of it is verified."""

    url: str
    capabilities: Capabilities
    certificates: tuple[x509.Certificate, ...]


class ScepClient:
    """A SCEP server at one URL. Calls block; they may be made from any thread.

    Args:
        url: The whole URL, without a query.
        clock: Times the deadline.
        ca_identifier: Which CA is meant, where a server has several.
        deadline_s: How long one operation may take in all, in seconds.
    """

    def __init__(self, url: str, *, clock: Clock, ca_identifier: str = "", deadline_s: float = DEADLINE_S) -> None:
        self.url = url
        self._clock = clock
        self._ca_identifier = ca_identifier
        self._deadline_s = deadline_s

    def get_ca_caps(self) -> Capabilities:
        """What the server can do; an error of HTTP means that it does not say (RFC 8894 3.5.2)."""
        try:
            answer = self._request("GET", "GetCACaps", self._ca_identifier, LARGEST_REPLY)
        except TransportError:
            return Capabilities()
        text = answer.decode("utf-8", "replace")
        return Capabilities() if text.lstrip().startswith("<") else Capabilities.parse(text)

    def get_ca_cert(self) -> tuple[x509.Certificate, ...]:
        """The CA's certificates, unverified and in no order.

        Raises:
            TransportError: The server cannot be reached, or answers with an HTTP error.
            NotScepError: What answered is no SCEP server.
        """
        answer = self._request("GET", "GetCACert", self._ca_identifier, LARGEST_CHAIN)
        self._refuse_other(answer)
        try:
            return decode_certificates(answer)
        except DecodingError as error:
            raise NotScepError(self.url, f"something that is no certificate ({error})") from None

    def pki_operation(self, message: bytes, capabilities: Capabilities) -> bytes:
        """Send a message, and give the reply as it came.

        Raises:
            TransportError: The server cannot be reached, or answers with an HTTP error.
            NotScepError: What answered is no SCEP server.
        """
        if capabilities.post:
            answer = self._request("POST", "PKIOperation", "", LARGEST_REPLY, message)
        else:
            answer = self._request("GET", "PKIOperation", base64.b64encode(message).decode(), LARGEST_REPLY)
        self._refuse_other(answer)
        return answer

    def _refuse_other(self, answer: bytes) -> None:
        start = answer.lstrip()[:1]
        if not start:
            raise NotScepError(self.url, "an empty answer")
        if start == b"<":
            raise NotScepError(self.url, "a web page (HTML)")

    def _request(self, method: str, operation: str, message: str, largest: int, body: bytes | None = None) -> bytes:
        query = f"operation={operation}&message={urllib.parse.quote(message, safe='')}"
        deadline = self._clock.monotonic() + self._deadline_s
        remaining = lambda: deadline - self._clock.monotonic()  # noqa: E731  # a name would hide what it is
        headers = {"Accept-Encoding": "identity", "User-Agent": "gatewright"}
        if body is not None:
            headers["Content-Type"] = _MESSAGE_TYPE
        try:
            with _pool(self.url, remaining) as pool:
                response = pool.request(
                    method,
                    f"{self.url}?{query}",
                    body=body,
                    headers=headers,
                    redirect=False,
                    retries=False,
                    timeout=urllib3.Timeout(total=self._deadline_s),
                    preload_content=False,
                )
                try:
                    return self._read(response, largest)
                finally:
                    response.close()
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise TransportError(self.url, _in_words(error, self._deadline_s)) from None

    def _read(self, response: urllib3.BaseHTTPResponse, largest: int) -> bytes:
        if response.status in (301, 302, 303, 307, 308):
            where = printable(response.headers.get("Location", "nowhere"), 200)
            reason = f"it redirects to {where}; if that is right, configure it"
            raise HttpStatusError(self.url, response.status, reason)
        content = b""
        while chunk := response.read(largest + 1 - len(content)):
            content += chunk
            if len(content) > largest:
                raise NotScepError(self.url, f"more than the {largest} bytes that are accepted")
        if response.status != 200:  # HTTP's OK
            raise HttpStatusError(self.url, response.status, _excerpt(content))
        return content


def locate_server(endpoint: str, *, clock: Clock, ca_identifier: str = "") -> ServerLocation:
    """Find the SCEP server of an endpoint by asking for its CA certificates; nothing secret is sent.

    An endpoint with a path is taken as it is; without one, the well-known paths are tried in turn.

    Raises:
        EndpointError: The endpoint is no URL.
        TransportError: The server cannot be reached.
        NotScepError: What answered is no SCEP server.
    """
    url = normalize_endpoint(endpoint)
    has_path = urllib.parse.urlsplit(url).path not in ("", "/")
    failure: TransportError | NotScepError | None = None
    for path in ("",) if has_path else WELL_KNOWN_PATHS:
        client = ScepClient(url.rstrip("/") + path if path else url, clock=clock, ca_identifier=ca_identifier)
        try:
            certificates = client.get_ca_cert()
        except (HttpStatusError, NotScepError) as error:
            failure = error if failure is None or isinstance(error, NotScepError) else failure
            continue
        return ServerLocation(client.url, client.get_ca_caps(), certificates)
    if failure is None:
        raise EndpointError(endpoint, "no path was tried")
    raise failure


def normalize_endpoint(endpoint: str) -> str:
    """The URL that an endpoint means: `http://host:port`, with a path or not, or `http:host:port`.

    Raises:
        EndpointError: It is none.
    """
    text = re.sub(r"^(https?):(?!//)", r"\1://", endpoint.strip(), flags=re.IGNORECASE)
    try:
        parts = urllib.parse.urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise EndpointError(endpoint, str(error)) from None
    if parts.scheme.lower() not in ("http", "https"):
        raise EndpointError(endpoint, "it must begin with http:// or https://")
    if any(c.isspace() or not c.isprintable() for c in text):
        raise EndpointError(endpoint, "it must hold no blanks and no control characters")
    if not parts.hostname or port == 0 or parts.username is not None:
        raise EndpointError(endpoint, "it must name a host, such as http://scep-server:8999")
    if parts.query or parts.fragment:
        raise EndpointError(endpoint, "it must have no query and no fragment; SCEP makes its own")
    return text


def _pool(url: str, remaining: Callable[[], float]) -> urllib3.PoolManager:
    """A pool whose sockets never wait longer than what remains; the proxy is the environment's."""
    parts = urllib.parse.urlsplit(url)
    proxies = urllib.request.getproxies()
    proxy = proxies.get(parts.scheme.lower())
    if proxy is None or urllib.request.proxy_bypass(parts.hostname or ""):
        pool: urllib3.PoolManager = urllib3.PoolManager(num_pools=1)
    else:
        pool = urllib3.ProxyManager(proxy, num_pools=1)
    http = type("TimedHTTPConnection", (_Timed, HTTPConnection), {"remaining": staticmethod(remaining)})
    https = type("TimedHTTPSConnection", (_Timed, HTTPSConnection), {"remaining": staticmethod(remaining)})
    pool.pool_classes_by_scheme = {
        "http": type("Pool", (urllib3.HTTPConnectionPool,), {"ConnectionCls": http}),
        "https": type("Pool", (urllib3.HTTPSConnectionPool,), {"ConnectionCls": https}),
    }
    return pool


class _Timed:
    """Mixed into a connection: its socket never waits longer than what remains of the operation."""

    remaining: Callable[[], float]
    sock: Any

    def connect(self) -> None:
        super().connect()  # type: ignore[misc]  # the class that it is mixed into has it
        self.sock = _TimedSocket(self.sock, self.remaining)


class _TimedSocket:
    """A socket on which a peer that sends byte by byte gains no time.

    As with a real socket, a file that was made of it outlives `close`: http.client closes first and reads then.
    """

    def __init__(self, wrapped: socket.socket, remaining: Callable[[], float]) -> None:
        self._wrapped = wrapped
        self._remaining = remaining
        self._readers = 0
        self._closed = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._wrapped, name)

    def sendall(self, data: bytes) -> None:
        self._limit()
        self._wrapped.sendall(data)

    def recv_into(self, buffer: Any) -> int:
        self._limit()
        return self._wrapped.recv_into(buffer)

    def makefile(self, *_: Any, **__: Any) -> io.BufferedReader:
        self._readers += 1
        return io.BufferedReader(_TimedReader(self))

    def close(self) -> None:
        self._closed = True
        self._close_if_unused()

    def reader_closed(self) -> None:
        self._readers -= 1
        self._close_if_unused()

    def _close_if_unused(self) -> None:
        if self._closed and self._readers == 0:
            self._wrapped.close()

    def _limit(self) -> None:
        left = self._remaining()
        if left <= 0:
            raise TimeoutError("the deadline has passed")
        self._wrapped.settimeout(left)


class _TimedReader(io.RawIOBase):
    def __init__(self, connection: _TimedSocket) -> None:
        self._connection = connection

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._connection.recv_into(buffer)

    def close(self) -> None:
        if not self.closed:
            super().close()
            self._connection.reader_closed()


def _in_words(error: Exception, deadline_s: float) -> str:
    """What a person can use of an error of the network."""
    cause: BaseException = error
    while (inner := getattr(cause, "reason", None) or cause.__cause__ or cause.__context__) and isinstance(
        inner, BaseException
    ):
        cause = inner
    if isinstance(cause, TimeoutError | urllib3.exceptions.TimeoutError):
        return f"no whole answer within {deadline_s:g} s"
    if isinstance(cause, ConnectionRefusedError):
        return "the connection was refused: is the server running, and the port right?"
    if isinstance(cause, socket.gaierror):
        return "the host's name cannot be resolved"
    return printable(str(cause).rsplit(": ", 1)[-1]) or type(cause).__name__


def _excerpt(content: bytes) -> str:
    text = printable(content[:500].decode("utf-8", "replace"), 120)
    return "" if text.startswith("<") else text
