"""How client and gateway talk: one JSON object a line over a socket in the state directory.

The client sends `{"argv": [...], "json": bool, "colour": bool, "columns": int or null}`. The gateway answers at
once with `{"begun": true}`, so that one that stands still is told from a command that takes long, then with any number
of `{"ask": path, "secret": bool}` (the client sends `{"content": base64}` or `{"error": text}`), `{"out": text}`, and
at last `{"out": text, "err": text, "exit": status, "files": [...]}`. Only the standard library's lightest modules are
used here: the command line imports this file at each call.
"""

from __future__ import annotations

import json
import os
import select
import socket
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

SOCKET: Final = "admin.sock"
"""The socket's name in the state directory."""

LARGEST: Final = 4 * 1024 * 1024
"""The longest line that either side takes, in bytes."""


class WireError(Exception):
    """The other side sent what it must not, or nothing."""


class DisconnectedError(WireError):
    """The other side has gone; what it sent before can still be received."""


class socket_path:  # noqa: N801  # a context manager used like a function
    """A path to the socket that fits a socket address, however long the directory's own path is (Linux)."""

    def __init__(self, state_directory: str | os.PathLike[str]) -> None:
        self._directory = state_directory
        self._handle = -1

    def __enter__(self) -> str:
        self._handle = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY)
        return f"/proc/self/fd/{self._handle}/{SOCKET}"

    def __exit__(self, *_: object) -> None:
        os.close(self._handle)


class Wire:
    """One end of a connection."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._file = connection.makefile("rb")

    def send(self, message: dict[str, Any]) -> None:
        """Send one message; DisconnectedError if the other side has gone."""
        try:
            self._connection.sendall(json.dumps(message).encode() + b"\n")
        except OSError as error:
            raise DisconnectedError(error.strerror or str(error)) from error

    def receive(self) -> dict[str, Any] | None:
        """The next message, or None if there is none any more; WireError if it is none."""
        try:
            line = self._file.readline(LARGEST)
        except OSError as error:
            raise DisconnectedError(error.strerror or str(error)) from error
        if not line:
            return None
        if not line.endswith(b"\n"):
            raise WireError(f"sent a line without an end, or longer than {LARGEST} bytes")
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            raise WireError("sent what is no JSON") from None
        if not isinstance(message, dict):
            raise WireError("sent what is no JSON object")
        return message

    def messages(self) -> Iterator[dict[str, Any]]:
        """All messages until the other side ends."""
        while (message := self.receive()) is not None:
            yield message

    def hears_within(self, seconds: float) -> bool:
        """Whether the other side sends something, or ends, in time; asked before anything is received."""
        readable, _, _ = select.select([self._connection], [], [], seconds)
        return bool(readable)

    def is_closed(self) -> bool:
        """Whether the other side has gone; asked only while nothing is expected from it."""
        readable, _, _ = select.select([self._connection], [], [], 0)
        try:
            return bool(readable) and self._connection.recv(1, socket.MSG_PEEK) == b""
        except OSError:
            return True

    def close(self) -> None:
        """Close this end."""
        self._file.close()
        self._connection.close()
