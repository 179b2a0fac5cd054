"""SCEP over HTTP (RFC 8894 4.1). A hostile client can waste its own time here, nothing else."""

from __future__ import annotations

import base64
import binascii
import http
import io
import logging
import socket
import socketserver
import threading
import urllib.parse
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any, Final, Self

from framework.clock import Clock, SystemClock
from tools.scep_ca.errors import MessageTooDamagedError, NothingToOfferError
from tools.scep_ca.faults import HttpAnswer, Manner

if TYPE_CHECKING:
    from types import TracebackType

    from tools.scep_ca.protocol import ScepCa

SCEP_PATH: Final = "/cgi-bin/pkiclient.exe"
"""RFC 8894 4.1's own."""

LARGEST_MESSAGE: Final = 64 * 1024
"""The longest pkiMessage that is read, in bytes."""

DEADLINE_S: Final = 10.0
"""How long a client may take to send its request, in seconds, however it divides it."""

MOST_CONNECTIONS: Final = 64
"""How many connections are served at a time; those beyond are told to come again."""

_POLL_S: Final = 0.05
_SLOW_S: Final = 1.0
_TEXT: Final = "text/plain; charset=utf-8"
_BUSY: Final = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"

_log = logging.getLogger("tools.scep_ca")


class ScepCaServer:
    """A CA at a port, from `start` to `stop`, or as a context manager.

    Args:
        ca: The CA, which stays open when this stops.
        host: The address to bind.
        port: The port; 0 takes a free one.
        clock: Times the deadline of requests.

    Raises:
        OSError: The address cannot be had.
    """

    def __init__(self, ca: ScepCa, *, host: str = "127.0.0.1", port: int = 0, clock: Clock | None = None) -> None:
        listener = _IPv6Listener if ":" in host else _Listener
        self._listener = listener((host, port), ca, clock or SystemClock())
        self._thread = threading.Thread(
            target=self._listener.serve_forever, args=(_POLL_S,), name="scep-ca-server", daemon=True
        )

    @property
    def port(self) -> int:
        """The port that it has."""
        port: int = self._listener.socket.getsockname()[1]
        return port

    @property
    def url(self) -> str:
        """What a client is configured with."""
        host: str = self._listener.socket.getsockname()[0]
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}{SCEP_PATH}"

    def start(self) -> None:
        """Answer requests, on threads of its own."""
        self._thread.start()

    def stop(self) -> None:
        """Answer the requests that have come, then no more, and give the port back."""
        if self._thread.is_alive():
            self._listener.shutdown()
            self._thread.join()
        self._listener.end()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()


class _Listener(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    request_queue_size = MOST_CONNECTIONS

    def __init__(self, address: tuple[str, int], ca: ScepCa, clock: Clock) -> None:
        self.ca = ca
        self.clock = clock
        self.ending = threading.Event()
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()
        super().__init__(address, _Exchange)

    def verify_request(self, request: Any, client_address: Any) -> bool:
        with self._lock:
            free = len(self._connections) < MOST_CONNECTIONS
            if free:
                self._connections.add(request)
        if not free:
            _log.warning("%s: turned away, %d connections are open", client_address[0], MOST_CONNECTIONS)
            request.setblocking(False)
            with suppress(OSError):
                request.send(_BUSY)
        return free

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        del request
        _log.exception("%s: the request could not be handled", client_address[0])

    def end(self) -> None:
        """Close the port and wait for what is being answered; who has not finished its request is cut off."""
        self.ending.set()
        with self._lock:
            for connection in self._connections:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RD)
        self.server_close()


class _IPv6Listener(_Listener):
    address_family = socket.AF_INET6


class _RequestError(Exception):
    """A request that HTTP refuses, before SCEP begins."""

    def __init__(self, status: http.HTTPStatus, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


class _Exchange(BaseHTTPRequestHandler):
    """One connection, one request, one answer."""

    server: _Listener
    protocol_version = "HTTP/1.1"  # so that libcurl's "Expect: 100-continue" is answered
    server_version = "scep-ca"
    sys_version = ""
    error_content_type = "text/plain; charset=utf-8"
    error_message_format = "%(message)s\n"

    def setup(self) -> None:
        super().setup()
        self.rfile.close()
        self.rfile = io.BufferedReader(_DeadlineReader(self.connection, self.server.clock))

    def handle(self) -> None:
        try:
            self.handle_one_request()
        except ConnectionError as error:
            _log.debug("%s: gone: %s", self.client_address[0], error)

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        try:
            answer = self._outcome()
        except _RequestError as error:
            _log.warning("%s: HTTP status %d: %s", self.client_address[0], error.status, error)
            answer = HttpAnswer(error.status, _TEXT, f"{error}\n".encode())
        except (TimeoutError, ConnectionError):
            raise
        except Exception:  # noqa: BLE001  # whatever it is, one request fails and the CA goes on
            _log.exception("%s: the request could not be handled", self.client_address[0])
            text = b"internal error; the CA's log has more\n"
            answer = HttpAnswer(http.HTTPStatus.INTERNAL_SERVER_ERROR, _TEXT, text)
        self._send(answer)

    def _send(self, answer: HttpAnswer) -> None:
        if answer.manner is Manner.DROPPED:
            return
        length = len(answer.content) + (1 if answer.manner is Manner.TRUNCATED else 0)
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        if answer.manner is not Manner.ENDLESS:
            self.send_header("Content-Length", str(length))
        for name, value in answer.headers:
            self.send_header(name, value)
        self.send_header("Connection", "close")
        self.end_headers()
        match answer.manner:
            case Manner.ENDLESS:
                while not self.server.ending.is_set():
                    self.wfile.write(bytes(LARGEST_MESSAGE))
            case Manner.SLOW:
                for octet in answer.content:
                    self.wfile.write(bytes((octet,)))
                    if self.server.ending.wait(_SLOW_S):
                        return
            case _:
                self.wfile.write(answer.content)

    def _outcome(self) -> HttpAnswer:
        path, _, query = self.path.partition("?")
        if path != SCEP_PATH:
            raise _RequestError(http.HTTPStatus.NOT_FOUND, f"SCEP is at {SCEP_PATH}")
        parameters = _parameters(query)
        operation = parameters.get("operation", "")
        _log.debug("%s: %s %a", self.client_address[0], self.command, operation[:32])
        content_type, content = self._content(operation, parameters)
        return self.server.ca.http_answer(HttpAnswer(http.HTTPStatus.OK, content_type, content), operation)

    def _content(self, operation: str, parameters: dict[str, str]) -> tuple[str, bytes]:
        ca = self.server.ca
        match operation:
            case "GetCACaps" if self.command == "GET":
                return "text/plain", ca.get_ca_caps()
            case "GetCACert" if self.command == "GET":
                several = len(ca.certificates) > 1
                return f"application/x-x509-ca-{'ra-' if several else ''}cert", ca.get_ca_cert()
            case "GetNextCACert" if self.command == "GET":
                try:
                    return "application/x-x509-next-ca-cert", ca.get_next_ca_cert()
                except NothingToOfferError as error:
                    raise _RequestError(http.HTTPStatus.NOT_FOUND, str(error)) from None
            case "PKIOperation":
                message = self._body() if self.command == "POST" else _decoded(parameters.get("message", ""))
                try:
                    return "application/x-pki-message", ca.pki_operation(message)
                except MessageTooDamagedError as error:
                    raise _RequestError(http.HTTPStatus.BAD_REQUEST, str(error)) from None
            case _:
                raise _RequestError(
                    http.HTTPStatus.BAD_REQUEST,
                    "supported are GET with operation=GetCACaps, GetCACert or GetNextCACert, "
                    "GET and POST with PKIOperation",
                )

    def _body(self) -> bytes:
        declared = self.headers.get_all("Content-Length", [])
        if "Transfer-Encoding" in self.headers or len(declared) != 1:
            raise _RequestError(http.HTTPStatus.LENGTH_REQUIRED, "the request must say its Content-Length")
        if not (declared[0].isascii() and declared[0].isdigit()):
            raise _RequestError(http.HTTPStatus.BAD_REQUEST, "the Content-Length is no number")
        # Not int() first: a number of a thousand digits is slow to read, and larger than the limit anyway.
        if len(declared[0]) > len(str(LARGEST_MESSAGE)) or int(declared[0]) > LARGEST_MESSAGE:
            raise _RequestError(
                http.HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a message has at most {LARGEST_MESSAGE} bytes"
            )
        body = self.rfile.read(int(declared[0]))
        if len(body) != int(declared[0]):
            raise _RequestError(http.HTTPStatus.BAD_REQUEST, "the message ended before its Content-Length")
        return body

    def log_message(self, format: str, *args: Any) -> None:
        """Keep the query, with whatever a client put there, out of the log."""


class _DeadlineReader(io.RawIOBase):
    """A socket that gives no more once `DEADLINE_S` have passed, though a byte come every second."""

    def __init__(self, connection: socket.socket, clock: Clock) -> None:
        self._connection = connection
        self._clock = clock
        self._deadline = clock.monotonic() + DEADLINE_S

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left = self._deadline - self._clock.monotonic()
        if left <= 0:
            raise TimeoutError("the request took too long")
        self._connection.settimeout(left)
        return self._connection.recv_into(buffer)


def _parameters(query: str) -> dict[str, str]:
    """The query's parameters. A `+` stays one: base64 has it, and some clients leave it unescaped."""
    pairs = (pair.partition("=") for pair in query.split("&"))
    return {name: urllib.parse.unquote(value, errors="replace") for name, _, value in pairs}


def _decoded(text: str) -> bytes:
    """A message of a GET: base64 (RFC 8894 4.1)."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise _RequestError(http.HTTPStatus.BAD_REQUEST, "the message parameter is no base64") from None
