"""The admin interface's socket: only the gateway's user, and root, can use it."""

from __future__ import annotations

import base64
import binascii
import contextlib
import functools
import json
import logging
import os
import socket
import struct
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from framework.admin.answers import error_message, final_message, help_message, refusal_message
from framework.admin.command import CommandError, GatewayView, Invocation
from framework.admin.exit_statuses import INTERNAL, UNAVAILABLE
from framework.admin.parsing import CommandTable, HelpAsked
from framework.admin.rendering import paint
from framework.admin.wire import Wire, WireError, socket_path
from framework.errors import FrameworkError
from framework.listening import serve_each
from framework.log_events import CLIENT_CUT_OFF, COMMAND_FAILED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from framework.admin.command import Command

_log = logging.getLogger("framework.admin")

MOST_CLIENTS: Final = 32
"""Clients at the same time; others are turned away with a message."""

PATIENCE_S: Final = 30.0
"""How long a client may take to send what it is asked for, in seconds."""


NARROWEST: Final = 20
"""Columns that an answer is made for at least."""


class AdminServer:
    """Serves commands on `admin.sock` in the state directory.

    Whoever starts it holds the gateway's instance lock: a socket that is there already is a dead gateway's.

    Args:
        gateway: What commands see.
        commands: Gives the commands that there are now; plugins come and go.
        state_directory: Where the socket is made.
    """

    def __init__(self, gateway: GatewayView, commands: Callable[[], Iterable[Command]], state_directory: Path) -> None:
        self._gateway = gateway
        self._commands = commands
        self._directory = state_directory
        self._listener: socket.socket | None = None
        self._stopped = threading.Event()
        self._slots = threading.BoundedSemaphore(MOST_CLIENTS)
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()

    def start(self) -> None:
        """Begin to serve; OSError if the socket cannot be made."""
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with socket_path(self._directory) as path:
            Path(path).unlink(missing_ok=True)
            before = os.umask(0o177)
            try:
                listener.bind(path)
            finally:
                os.umask(before)
        listener.listen(MOST_CLIENTS)
        self._listener = listener
        accept = functools.partial(serve_each, listener, self._stopped, self._serve, name="gatewright-client")
        threading.Thread(target=accept, name="gatewright-admin", daemon=True).start()

    def stop(self) -> None:
        """Serve no more; clients that are being served are cut off."""
        if self._listener is None:
            return
        self._stopped.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._listener = None
        with contextlib.suppress(FileNotFoundError), socket_path(self._directory) as path:
            Path(path).unlink(missing_ok=True)
        with self._lock:
            connections = tuple(self._connections)
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _serve(self, connection: socket.socket) -> None:
        with self._lock:
            self._connections.add(connection)
        connection.settimeout(PATIENCE_S)
        wire = Wire(connection)
        try:
            if not _is_allowed(connection):
                wire.send(refusal_message("NotAllowedError", "this socket is for the gateway's own user", UNAVAILABLE))
            elif not self._slots.acquire(blocking=False):
                message = "the gateway serves too many clients at once; try again"
                wire.send(refusal_message("TooManyClientsError", message, UNAVAILABLE))
            else:
                try:
                    self._talk(wire)
                finally:
                    self._slots.release()
        except (OSError, WireError) as error:
            _log.debug(CLIENT_CUT_OFF, {"error": error})
        finally:
            with self._lock:
                self._connections.discard(connection)
            wire.close()

    def _talk(self, wire: Wire) -> None:
        request = wire.receive()
        if request is None:
            return
        argv, as_json = request.get("argv"), bool(request.get("json"))
        if not isinstance(argv, list) or not all(isinstance(word, str) for word in argv):
            raise WireError("sent a request without argv")
        wire.send({"begun": True})
        colour = bool(request.get("colour"))
        client = _Client(wire, tuple(argv), as_json=as_json, colour=colour)
        try:
            command, options = CommandTable(self._commands()).parse(argv)
            answer = command.run(Invocation(options, self._gateway, client, _columns_in(request)))
        except HelpAsked as help_asked:
            wire.send(help_message(help_asked.text))
        except CommandError as error:
            wire.send(error_message(error, error.exit_status, error.data, as_json=as_json))
        except FrameworkError as error:
            wire.send(error_message(error, 1, {}, as_json=as_json))
        except (OSError, WireError):
            raise
        except BaseException:  # noqa: BLE001  # a command of a plugin may raise anything; the client is told
            _log.exception(COMMAND_FAILED, {"command": " ".join(argv[:2])})
            message = "the command failed inside the gateway; its log says why"
            wire.send(refusal_message("InternalError", message, INTERNAL))
        else:
            wire.send(final_message(answer, as_json=as_json, colour=colour))


def _columns_in(request: Mapping[str, Any]) -> int | None:
    """How wide the client's terminal is, if it has one of a width that can be used."""
    columns = request.get("columns")
    return max(columns, NARROWEST) if isinstance(columns, int) and columns > 0 else None


class _Client:
    """What a running command can ask of its client."""

    def __init__(self, wire: Wire, argv: tuple[str, ...], *, as_json: bool, colour: bool) -> None:
        self._wire = wire
        self._argv = argv
        self._as_json = as_json
        self._colour = colour

    def read_input(self, path: str, *, secret: bool = False) -> bytes:
        self._wire.send({"ask": path, "secret": secret})
        reply = self._wire.receive()
        if reply is None:
            raise WireError("went away when it was asked for a file")
        if "error" in reply:
            raise CommandError(f"{path}: {reply['error']}")
        try:
            return base64.b64decode(str(reply.get("content", "")), validate=True)
        except binascii.Error:
            raise WireError("sent a file that is not in base64") from None

    def emit(self, data: Any, text: str) -> None:
        self._wire.send({"out": json.dumps(data, default=str) if self._as_json else paint(text, colour=self._colour)})

    def is_gone(self) -> bool:
        return self._wire.is_closed()


def _is_allowed(connection: socket.socket) -> bool:
    """The socket's mode keeps others out already; this holds even if somebody changes it."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, uid, _ = struct.unpack("3i", credentials)
    return uid in (0, os.geteuid())
