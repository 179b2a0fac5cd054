"""Takes the connections that come to a socket, whatever goes wrong with one of them."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Final

from framework.log_events import NOT_ACCEPTING

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

_log = logging.getLogger("framework.listening")

PAUSE_S: Final = 0.5
"""Between two tries while connections cannot be taken, as when the process has no file descriptor left."""


def serve_each(
    listener: socket.socket,
    stopped: threading.Event,
    serve: Callable[[socket.socket], None],
    *,
    name: str,
    slots: threading.Semaphore | None = None,
) -> None:
    """Serve each connection on a thread of its own, until `stopped` is set and the listener closed.

    Args:
        listener: Who listens.
        stopped: Set before the listener is closed.
        serve: Serves one connection and closes it; it releases the slot.
        name: What the threads are called.
        slots: One is acquired for each connection before it is accepted; any number are served if None.
    """
    failing = False
    while True:
        if slots is not None:
            slots.acquire()
        try:
            _accept_one(listener, serve, name)
        except (OSError, RuntimeError) as error:  # RuntimeError: a thread could not be started
            if slots is not None:
                slots.release()
            if stopped.is_set():
                return
            if not failing:
                _log.error(NOT_ACCEPTING, {"socket": name, "error": error})
            failing = True
            stopped.wait(PAUSE_S)
        else:
            failing = False


def _accept_one(listener: socket.socket, serve: Callable[[socket.socket], None], name: str) -> None:
    connection, _ = listener.accept()
    try:
        threading.Thread(target=serve, args=(connection,), name=name, daemon=True).start()
    except BaseException:
        connection.close()
        raise
