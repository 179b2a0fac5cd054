"""HTTP connections under one deadline: name, addresses, proxy, TLS and every byte are within it."""

from __future__ import annotations

import functools
import http.client
import io
import ipaddress
import math
import queue
import socket
import ssl
import threading
import urllib.parse
from typing import TYPE_CHECKING, Any, Final, Self

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import NameResolutionError, NewConnectionError

from components.http.proxy import Proxy, ProxyError, proxy_for
from components.http.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from framework.clock import Clock

MOST_ADDRESSES: Final = 8
"""Addresses of one host that are tried, each with its share of what remains."""

_PROXY_AUTHENTICATION_REQUIRED: Final = 407
"""The HTTP status of a proxy that does not know who asks (RFC 9110 15.5.8)."""

_CLOSED: Final = (ConnectionResetError, ConnectionAbortedError, BrokenPipeError)
_NO_TLS: Final = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG"})
"""What OpenSSL says of an answer that is not TLS, such as one of HTTP."""

_Address = tuple[socket.AddressFamily, socket.SocketKind, int, str, Any]


class Conversation:
    """Requests to one URL, over one connection where the server keeps it; the proxy is the environment's.

    Args:
        url: Where they go, without a query.
        clock: Times the deadlines.
        deadline_s: How long one request may take in all, in seconds; no waiting in it lasts longer than what remains.
        ca_bundle: A PEM file of the CAs that https servers are verified against; None takes the system's.
        ends_at: No request lasts beyond this moment of the clock's monotonic time.
    """

    def __init__(
        self, url: str, clock: Clock, deadline_s: float, ca_bundle: str | None, ends_at: float = math.inf
    ) -> None:
        self._clock = clock
        self._deadline_s = deadline_s
        self._ends_at = ends_at
        self._deadline = 0.0
        self._url = url
        self._ca_bundle = ca_bundle
        self._proxy: Proxy | None = None
        self._pool: urllib3.HTTPConnectionPool | urllib3.PoolManager | None = None
        self._target = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if isinstance(self._pool, urllib3.PoolManager):
            self._pool.clear()
        elif self._pool is not None:
            self._pool.close()

    def request(
        self, method: str, query: str, headers: Mapping[str, str], body: bytes | None
    ) -> urllib3.BaseHTTPResponse:
        """Make a request, and return the response with its content still to be read, under the same deadline.

        Args:
            method: Such as GET.
            query: What follows the URL after a question mark, escaped; empty for nothing.
            headers: All that are sent but Host and lengths.
            body: What is sent, or None.

        Raises:
            ProxyError: The environment's proxy is none, or does not let the request through.
            urllib3.exceptions.HTTPError, OSError: There is no response for another reason.
        """
        now = self._clock.monotonic()
        self._deadline = min(now + self._deadline_s, self._ends_at)
        if self._deadline <= now:
            raise TimeoutError("there is no time left")
        pool = self._pool = self._pool or self._open_pool()
        try:
            response = pool.urlopen(
                method,
                f"{self._target}?{query}" if query else self._target,
                body=body,
                headers=headers,
                redirect=False,
                retries=False,
                timeout=urllib3.Timeout(total=self._deadline - now),
                preload_content=False,
            )
        except urllib3.exceptions.ProxyError as error:
            if self._proxy is None:
                raise
            reason = in_words(error, self._deadline_s, self._ca_bundle or "the system's")
            unknown = reason.startswith(str(_PROXY_AUTHENTICATION_REQUIRED))
            raise (self._proxy.wants_credentials() if unknown else self._proxy.failed(reason)) from error
        if self._proxy is not None and response.status == _PROXY_AUTHENTICATION_REQUIRED:
            response.close()
            raise self._proxy.wants_credentials()
        return response

    def _remaining(self) -> float:
        return self._deadline - self._clock.monotonic()

    def _open_pool(self) -> urllib3.HTTPConnectionPool | urllib3.PoolManager:
        """What connections come from; only for a request, so that whatever is wrong is an error of that."""
        parts = urllib.parse.urlsplit(self._url)
        scheme, host = parts.scheme.lower(), parts.hostname or ""
        verified: dict[str, Any] = {"cert_reqs": "CERT_REQUIRED", "ca_certs": self._ca_bundle}
        classes: Any = {  # what makes a pool, be it called a class or not
            "http": functools.partial(_HTTPPool, self._remaining),
            "https": functools.partial(_HTTPSPool, self._remaining),
        }
        self._proxy = proxy_for(scheme, host)
        if self._proxy is not None:
            through = urllib3.ProxyManager(
                self._proxy.address, num_pools=1, proxy_headers=self._proxy.headers, **verified
            )
            through.pool_classes_by_scheme = classes
            self._target = self._url
            return through
        # A manager of pools would look the only one up anew for each request, at the price of another request.
        self._target = parts.path or "/"
        pool: urllib3.HTTPConnectionPool = classes[scheme](host, parts.port, **(verified if scheme == "https" else {}))
        return pool


def in_words(error: Exception, deadline_s: float, bundle: str = "the system's") -> str:
    """What a person can use of an error of the network; `bundle` names the CAs that https servers are verified by."""
    if isinstance(error, ProxyError):
        return str(error)
    cause = _first_cause(error)
    if isinstance(cause, TimeoutError | urllib3.exceptions.TimeoutError):
        return f"no whole answer within {deadline_s:g} s"
    if isinstance(cause, http.client.IncompleteRead):
        return "the connection ended before the whole answer had come"
    if isinstance(cause, _CLOSED):
        return "the connection was closed without an answer: is the port right, and is it http and not https?"
    if isinstance(cause, http.client.BadStatusLine | http.client.UnknownProtocol):
        return "what answers there does not speak HTTP: is the port right, and is it http and not https?"
    if isinstance(cause, ConnectionRefusedError):
        return "the connection was refused: is the server running, and the port right?"
    if isinstance(cause, socket.gaierror):
        return "the host's name cannot be resolved"
    if isinstance(cause, FileNotFoundError | PermissionError):
        return f"the bundle of CAs that it is verified against ({bundle}) can no longer be read"
    if isinstance(cause, ssl.SSLCertVerificationError):
        why = printable(cause.verify_message)
        return f"its TLS certificate is not accepted ({why}): is the bundle of CAs ({bundle}) right?"
    if isinstance(cause, ssl.SSLError) and cause.reason in _NO_TLS:
        return "what answers there does not speak TLS: is the port right, and is it https and not http?"
    if isinstance(cause, ssl.SSLError) and cause.reason:
        return f"there is no TLS with it ({printable(cause.reason.replace('_', ' ').lower())})"
    return printable(str(cause).rsplit(": ", 1)[-1]) or type(cause).__name__


def was_broken_off(error: Exception) -> bool:
    """Whether an error of the network is that the server took the connection, and ended it before its answer did."""
    return isinstance(_first_cause(error), (*_CLOSED, http.client.IncompleteRead))


def _first_cause(error: BaseException) -> BaseException:
    while isinstance(inner := _behind(error), BaseException):
        error = inner
    return error


def _behind(error: BaseException) -> object:
    context = None if error.__suppress_context__ else error.__context__
    return getattr(error, "reason", None) or error.__cause__ or context


def addresses_of(host: str, port: int, remaining: Callable[[], float]) -> Sequence[_Address]:
    """The addresses of a host; socket.gaierror if it has none, TimeoutError if nobody says so in time.

    The system's resolver knows no deadline, so it is asked on a thread that is left alone when time is up.
    """
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        pass
    else:
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    answers: queue.SimpleQueue[Sequence[_Address] | OSError] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except OSError as error:
            answers.put(error)
        except UnicodeError:
            answers.put(socket.gaierror(socket.EAI_NONAME, "the host's name is no name"))

    threading.Thread(target=ask, name="gatewright-resolver", daemon=True).start()
    try:
        answer = answers.get(timeout=max(0.0, remaining()))
    except queue.Empty:
        raise TimeoutError("the host's name was not resolved in time") from None
    if isinstance(answer, OSError):
        raise answer
    return answer


def _connect(address: _Address, seconds: float, options: Any) -> socket.socket:
    family, kind, protocol, _, where = address
    connection = socket.socket(family, kind, protocol)
    try:
        for option in options or ():
            connection.setsockopt(*option)
        connection.settimeout(seconds)
        connection.connect(where)
    except BaseException:
        connection.close()
        raise
    return connection


class _Timed:
    """Mixed into a connection: neither connecting nor its socket ever waits longer than what remains."""

    remaining: Callable[[], float]
    sock: Any
    socket_options: Any

    def connect(self) -> None:
        super().connect()  # type: ignore[misc]  # the class that it is mixed into has it
        self.sock = _TimedSocket(self.sock, self.remaining)

    def _new_conn(self) -> socket.socket:
        """Connect to the first address that answers; urllib3 would give each of them the whole time."""
        own: Any = self  # the connection that this is mixed into
        try:
            addresses = addresses_of(own.host.strip("[]"), own.port, self.remaining)[:MOST_ADDRESSES]
        except socket.gaierror as error:
            raise NameResolutionError(own.host, own, error) from error
        failure: OSError = OSError("the host has no address")
        for tried, address in enumerate(addresses):
            left = self.remaining()
            if left <= 0:
                raise TimeoutError("the deadline has passed")
            try:
                connection = _connect(address, left / (len(addresses) - tried), self.socket_options)
            except OSError as error:
                failure = error
                continue
            connection.settimeout(max(self.remaining(), 0.001))
            return connection
        raise NewConnectionError(own, str(failure)) from failure

    def _tunnel(self) -> None:
        """Ask the proxy for a tunnel, over a socket on which it gains no time either."""
        real, self.sock = self.sock, _TimedSocket(self.sock, self.remaining)
        try:
            super()._tunnel()  # type: ignore[misc]  # the class that it is mixed into has it
        except (OSError, http.client.HTTPException) as error:
            raise urllib3.exceptions.ProxyError("the proxy opens no tunnel", error) from error
        finally:
            self.sock = real


class _TimedHTTPConnection(_Timed, HTTPConnection):
    pass


class _TimedHTTPSConnection(_Timed, HTTPSConnection):
    pass


class _TimedPool:
    """Mixed into a pool: its connections know what remains."""

    def __init__(self, remaining: Callable[[], float], *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._remaining = remaining

    def _new_conn(self) -> Any:
        connection: Any = super()._new_conn()  # type: ignore[misc]  # the class that it is mixed into has it
        connection.remaining = self._remaining
        return connection


class _HTTPPool(_TimedPool, urllib3.HTTPConnectionPool):
    ConnectionCls: Any = _TimedHTTPConnection


class _HTTPSPool(_TimedPool, urllib3.HTTPSConnectionPool):
    ConnectionCls: Any = _TimedHTTPSConnection


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
