"""A small HTTP server for observers on the same machine: GET and HEAD, one request a connection, everything bounded."""

from __future__ import annotations

import contextlib
import errno
import functools
import ipaddress
import logging
import os
import socket
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final

from framework.errors import FrameworkError
from framework.listening import serve_each
from framework.log_events import OBSERVER_CUT_OFF, OBSERVER_NOT_ANSWERED
from framework.observation.endpoints import HttpAnswer, answer

if TYPE_CHECKING:
    from framework.clock import Clock
    from framework.observation.endpoints import ObservedGateway

_log = logging.getLogger("framework.observation")

LARGEST_REQUEST: Final = 8 * 1024
"""Bytes of a request's head; there is no body."""

DEADLINE_S: Final = 5.0
"""How long a client may take to send its request, in seconds, however it is sent; and again to take the answer."""

MOST_CLIENTS: Final = 16
"""Clients at the same time; others wait to be accepted."""

_REASONS: Final = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    503: "Service Unavailable",
}
_REQUEST_WORDS: Final = 3
_ELSEWHERE: Final = "stop that program, or choose another --observe-on"


class ListenAddressError(FrameworkError, ValueError):
    """Observers cannot be served there.

    Attributes:
        address: What was given.
    """

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(f"observers cannot be served on {address!r}: {reason}")
        self.address = address


class ObservationServer:
    """Serves observers on a loopback address, or on a socket in the file system.

    Args:
        gateway: What is observed.
        address: `127.0.0.1:PORT`, `[::1]:PORT` (0: any port), or the path of a socket.

    Raises:
        ListenAddressError: It is neither; other machines are not served, since nobody here asks who they are.
    """

    def __init__(self, gateway: ObservedGateway, address: str) -> None:
        self._gateway = gateway
        self._clock: Clock = gateway.clock
        self._path = Path(address) if "/" in address else None
        self._endpoint = None if self._path is not None else _loopback(address)
        self._listener: socket.socket | None = None
        self._bound: tuple[int, int] | None = None
        self._stopped = threading.Event()
        self._was_ready = False
        self._slots = threading.BoundedSemaphore(MOST_CLIENTS)

    @property
    def address(self) -> str:
        """Where it serves."""
        if self._path is not None:
            return str(self._path)
        host, port = (self._endpoint if self._listener is None else self._listener.getsockname()[:2]) or ("", 0)
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def start(self) -> None:
        """Begin to serve.

        Raises:
            ListenAddressError: The address is taken, or cannot be used.
        """
        try:
            listener = self._listen()
        except OSError as error:
            reason = error.strerror or str(error)
            if error.errno == errno.EADDRINUSE:
                reason = f"{os.strerror(errno.EADDRINUSE)}; {_ELSEWHERE}"
            raise ListenAddressError(self.address, reason) from error
        self._listener = listener
        accept = functools.partial(
            serve_each, listener, self._stopped, self._serve, name="gatewright-observer", slots=self._slots
        )
        threading.Thread(target=accept, name="gatewright-observation", daemon=True).start()

    def note_ready(self) -> None:
        """The gateway is ready; `/readyz` says so from now on, as the service manager is told it once and for all."""
        self._was_ready = True

    def stop(self) -> None:
        """Serve no more."""
        listener, self._listener = self._listener, None
        if listener is None:
            return
        self._stopped.set()
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        if self._path is not None and _identity(self._path) == self._bound:  # it may be another program's by now
            self._path.unlink(missing_ok=True)

    def _listen(self) -> socket.socket:
        if self._endpoint is not None:
            family = socket.AF_INET6 if ":" in self._endpoint[0] else socket.AF_INET
            return socket.create_server(self._endpoint, family=family, backlog=MOST_CLIENTS)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            path = Path(self.address)
            if path.is_socket():
                _remove_dead(path)
            before = os.umask(0o117)
            try:
                listener.bind(str(path))
            finally:
                os.umask(before)
            self._bound = _identity(path)
            listener.listen(MOST_CLIENTS)
        except BaseException:
            listener.close()
            raise
        return listener

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection:
                method, found = self._answer(self._read(connection))
                connection.settimeout(DEADLINE_S)
                connection.sendall(_encoded(found, with_body=method != "HEAD"))
        except OSError as error:
            _log.debug(OBSERVER_CUT_OFF, {"error": error})
        except BaseException:  # noqa: BLE001  # whatever went wrong, others are served
            _log.exception(OBSERVER_NOT_ANSWERED)
        finally:
            self._slots.release()

    def _read(self, connection: socket.socket) -> bytes:
        """The head of the request, up to its empty line; TimeoutError if it is not there in time."""
        deadline = self._clock.monotonic() + DEADLINE_S
        head = b""
        while b"\r\n\r\n" not in head and len(head) < LARGEST_REQUEST:
            left = deadline - self._clock.monotonic()
            if left <= 0:
                raise TimeoutError("the request did not come in time")
            connection.settimeout(left)
            piece = connection.recv(LARGEST_REQUEST - len(head))
            if not piece:
                break
            head += piece
        return head

    def _answer(self, head: bytes) -> tuple[str, HttpAnswer]:
        words = head.split(b"\r\n", 1)[0].decode("ascii", "replace").split(" ")
        if b"\r\n\r\n" not in head or len(words) != _REQUEST_WORDS or not words[2].startswith("HTTP/1."):
            return "", HttpAnswer(400, "this is no request\n")
        method, target, _ = words
        if method not in ("GET", "HEAD"):
            return method, HttpAnswer(405, "only GET and HEAD\n")
        path, _, query = target.partition("?")
        return method, answer(self._gateway, path, query, was_ready=self._was_ready)


def _encoded(found: HttpAnswer, *, with_body: bool) -> bytes:
    body = found.body.encode(errors="backslashreplace")
    lines = [
        f"HTTP/1.1 {found.status} {_REASONS[found.status]}",
        f"Content-Type: {found.content_type}",
        f"Content-Length: {len(body)}",
        "Cache-Control: no-store",
        "X-Content-Type-Options: nosniff",
        *(["Allow: GET, HEAD"] if found.status == 405 else []),
        "Connection: close",
    ]
    head = "".join(f"{line}\r\n" for line in [*lines, ""]).encode()
    return head + body if with_body else head


def _remove_dead(path: Path) -> None:
    """Remove a socket that nobody listens on; ListenAddressError if somebody does, or that cannot be told."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as client:
        try:
            client.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
        except OSError as error:
            raise ListenAddressError(
                str(path), f"it may be another program's ({error.strerror}); {_ELSEWHERE}"
            ) from error
    raise ListenAddressError(str(path), f"another program listens there; {_ELSEWHERE}")


def _identity(path: Path) -> tuple[int, int] | None:
    """Which file is at a path, or None."""
    try:
        status = path.lstat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _loopback(address: str) -> tuple[str, int]:
    host, separator, port = address.rpartition(":")
    host = "127.0.0.1" if host == "localhost" else host.removeprefix("[").removesuffix("]")
    if not separator or not (port.isascii() and port.isdigit()) or int(port) > 0xFFFF:
        raise ListenAddressError(address, "it is neither ADDRESS:PORT nor the path of a socket")
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        raise ListenAddressError(address, f"{host!r} is no IP address") from None
    if not loopback:
        raise ListenAddressError(address, "only this machine is served: give 127.0.0.1, [::1] or the path of a socket")
    return host, int(port)
