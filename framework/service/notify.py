"""What systemd is told of a service (sd_notify(3)), and a watchdog that is fed by real progress only."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import threading
from typing import TYPE_CHECKING, Final

from framework.log_events import MANAGER_NOT_TOLD

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from framework.clock import Clock
    from framework.scheduler import Scheduler

_log = logging.getLogger("framework.service")

SOCKET_VARIABLE: Final = "NOTIFY_SOCKET"
WATCHDOG_VARIABLE: Final = "WATCHDOG_USEC"
WATCHDOG_PID_VARIABLE: Final = "WATCHDOG_PID"

START_TIMEOUT_S: Final = 60
"""TimeoutStartSec= of the unit, and how long a start may go on from each progress that is told, in seconds.

Before that a plugin is given up by its deadlines, and a component found hanging within twice `HUNG_AFTER_S`, so a start
that goes on always tells of progress in time.
"""


class ServiceNotifier:
    """Tells the service manager how the service is; nothing happens where none listens.

    Args:
        environ: Says where it listens.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._address = environ.get(SOCKET_VARIABLE, "")
        self._lock = threading.Lock()
        self._stopping = False
        self.watchdog_s = _watchdog_s(environ)
        """How often it wants to hear of progress at least, in seconds; None if it does not."""

    @property
    def listens(self) -> bool:
        """Whether somebody does."""
        return self._address[:1] in ("/", "@")

    def ready(self, status: str) -> None:
        """The service has started, or has read its configuration again."""
        self._send_unless_stopping("READY=1", f"STATUS={status}", f"MAINPID={os.getpid()}")

    def starting(self, status: str) -> None:
        """The service makes progress with its start, which may take `START_TIMEOUT_S` seconds more from now on."""
        extension = f"EXTEND_TIMEOUT_USEC={int(START_TIMEOUT_S * 1_000_000)}"
        self._send_unless_stopping(f"STATUS={status}", extension)

    def status(self, status: str) -> None:
        """How it is, in one line."""
        self._send_unless_stopping(f"STATUS={status}")

    def reloading(self, clock: Clock) -> None:
        """It reads its configuration again; `ready` follows."""
        self._send_unless_stopping("RELOADING=1", f"MONOTONIC_USEC={int(clock.monotonic() * 1_000_000)}")

    def stopping(self) -> None:
        """It stops; what others tell from now on is not sent."""
        with self._lock:
            self._stopping = True
            self._send("STOPPING=1", "STATUS=stopping")

    def alive(self) -> None:
        """It makes progress."""
        self._send("WATCHDOG=1")

    def _send_unless_stopping(self, *lines: str) -> None:
        with self._lock:
            if not self._stopping:
                self._send(*lines)

    def _send(self, *lines: str) -> None:
        if not self.listens:
            return
        address = f"\0{self._address[1:]}" if self._address.startswith("@") else self._address
        message = "\n".join(line.replace("\n", " ") for line in lines).encode()
        with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)) as connection:
            try:
                connection.sendto(message, address)
            except OSError as error:
                _log.warning(MANAGER_NOT_TOLD, {"message": lines[0], "error": error})


class StatusLine:
    """Tells the service manager how the gateway is, on the scheduler's thread only: what is told last is the newest.

    Args:
        summary: How the gateway is now, in one line.
    """

    def __init__(self, notifier: ServiceNotifier, scheduler: Scheduler, summary: Callable[[], str]) -> None:
        self._notifier = notifier
        self._scheduler = scheduler
        self._summary = summary
        self._planned = False

    def ready(self) -> None:
        """The service has started, or has read its configuration again."""
        self._scheduler.call_later(0, lambda: self._notifier.ready(self._summary()))

    def changed(self) -> None:
        """It may be otherwise now; many changes cost one line."""
        if not self._planned:
            self._planned = True
            self._scheduler.call_later(0, self._tell)

    def _tell(self) -> None:
        self._planned = False
        self._notifier.status(self._summary())


class Watchdog:
    """Tells the service manager that the service is alive, as long as it does its work.

    Each beat begins on the scheduler's thread and goes through everything that a component's work goes through; only
    what comes out at the other end is told. So a gateway that stands still is restarted, however lively one thread is.

    Args:
        progress: Goes that way, and calls what it is given at its end.
    """

    def __init__(
        self, notifier: ServiceNotifier, scheduler: Scheduler, progress: Callable[[Callable[[], None]], None]
    ) -> None:
        self._notifier = notifier
        self._scheduler = scheduler
        self._progress = progress
        self._under_way = False

    def start(self) -> None:
        """Beat twice in the time within which the service manager wants to hear of progress, if it does."""
        if self._notifier.watchdog_s is not None:
            self._beat()

    def _beat(self) -> None:
        if self._notifier.watchdog_s is not None:
            self._scheduler.call_later(self._notifier.watchdog_s / 2, self._beat)
            if not self._under_way:  # a gateway that stands still is not given another one to do with each beat
                self._under_way = True
                self._progress(self._arrived)

    def _arrived(self) -> None:
        self._under_way = False
        self._notifier.alive()


def _watchdog_s(environ: Mapping[str, str]) -> float | None:
    text, pid = environ.get(WATCHDOG_VARIABLE, ""), environ.get(WATCHDOG_PID_VARIABLE, "")
    if not (text.isascii() and text.isdigit()) or int(text) == 0 or (pid and pid != str(os.getpid())):
        return None
    return int(text) / 1_000_000
