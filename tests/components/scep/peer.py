"""Servers on the loopback that answer as a test wants them to, in HTTP or not."""

from __future__ import annotations

import contextlib
import socket
import threading
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import ssl


@dataclass(frozen=True)
class Request:
    """What a server was asked."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return urllib.parse.urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        parsed = urllib.parse.parse_qs(urllib.parse.urlsplit(self.target).query, keep_blank_values=True)
        return {key: values[0] for key, values in parsed.items()}


Handler: TypeAlias = Callable[[socket.socket, Request], None]


class Peer:
    """A server on the loopback: each connection is read as one request and handed to a handler; over TLS, or not."""

    def __init__(self, handler: Handler, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[Request] = []
        self._handler = handler
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with contextlib.ExitStack() as stack:
                stack.enter_context(connection)
                stack.enter_context(contextlib.suppress(OSError))
                if self._tls is not None:
                    connection = stack.enter_context(self._tls.wrap_socket(connection, server_side=True))
                request = read_request(connection)
                self.requests.append(request)
                self._handler(connection, request)


def read_request(connection: socket.socket) -> Request:
    with connection.makefile("rb") as stream:
        method, target, _ = stream.readline().decode().split()
        headers = {}
        while line := stream.readline().decode().strip():
            key, _, value = line.partition(":")
            headers[key.lower()] = value.strip()
        body = stream.read(int(headers.get("content-length", 0)))
    return Request(method, target, headers, body)


def answer(body: bytes, status: str = "200 OK", *headers: str) -> Handler:
    """A handler that answers and closes."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers, "", ""]
    return lambda connection, _: connection.sendall("\r\n".join(lines).encode() + body)


def raw(octets: bytes) -> Handler:
    """A handler that writes just these octets and closes."""
    return lambda connection, _: connection.sendall(octets)


Serve: TypeAlias = Callable[[Handler], Peer]
