"""The start of a gateway, on a thread of its own, while the main thread hears of signals; and the process's end."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, Final

from framework.log_events import GATEWAY_STOPPING, PROCESS_NOT_ENDED, START_NOT_ENDED
from framework.stacks import stack_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from framework.gateway import Gateway

_log = logging.getLogger("framework.run")

ABANDON_DEADLINE_S: Final = 12.0
"""How long a start that is given up may take to undo what it has done, in seconds; `Gateway.stop` takes up to 10."""

LEAVE_DEADLINE_S: Final = 1.0
"""How long what plugins have left (threads, handlers of `atexit`) may keep the process from ending, in seconds."""

LAST_DEADLINE_S: Final = 15.0
"""How long a process that was told to stop may take in all, in seconds; the unit's TimeoutStopSec is longer."""

_OVER: Final = signal.SIGUSR1
"""Wakes the main thread when the start is over; from elsewhere it means nothing."""


class Start:
    """Starts a gateway; made on the main thread with the signals blocked, since its threads inherit that.

    Attributes:
        over: Whether the start has ended, in whatever way.
    """

    def __init__(self, gateway: Gateway) -> None:
        self.over = False
        self._gateway = gateway
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="gatewright-start", daemon=True)

    @property
    def succeeded(self) -> bool:
        """Whether the gateway runs, and is to be stopped; what a start that failed has begun, it has undone itself."""
        return self.over and self._error is None

    def told_to_stop(self, signals: set[signal.Signals]) -> bool:
        """Start the gateway, and wait until that is over, or one of the signals asks to stop; whether one did.

        SIGHUP is kept for whoever waits for it next.

        Raises:
            FrameworkError: As `Gateway.start` does.
        """
        signal.pthread_sigmask(signal.SIG_BLOCK, {_OVER})
        self._thread.start()
        again = False
        while not self.over:
            received = signal.sigwait({*signals, _OVER})
            if received == signal.SIGHUP:
                again = True
            elif received != _OVER:
                _log.info(GATEWAY_STOPPING, {"signal": signal.Signals(received).name})
                return True
        if self._error is not None:
            raise self._error
        if again:
            signal.raise_signal(signal.SIGHUP)
        return False

    def abandon(self) -> None:
        """Give the start up, and wait until all that was begun is undone, for at most `ABANDON_DEADLINE_S`."""
        self._gateway.abandon_start()
        self._thread.join(ABANDON_DEADLINE_S)
        if not self.over:
            facts = {"seconds": ABANDON_DEADLINE_S, "stack": stack_of(self._thread)}
            _log.error(START_NOT_ENDED, facts)

    def _run(self) -> None:
        try:
            self._gateway.start()
        except BaseException as error:  # noqa: BLE001  # raised where it is waited for
            self._error = error
        finally:
            self.over = True
            signal.pthread_kill(threading.main_thread().ident or 0, _OVER)


def end_at_last(status: int, within_s: float = LAST_DEADLINE_S, leave: Callable[[int], None] = os._exit) -> None:
    """Have the process end with the exit status, without a word, even if neither stopping nor logging comes to an end.

    Where nobody reads what it writes, whoever logs waits for ever.
    """
    timer = threading.Timer(within_s, leave, (status,))
    timer.daemon = True
    timer.start()


def end_soon(status: int, leave: Callable[[int], None] = os._exit) -> threading.Timer:
    """Have the process end with the exit status within `LEAVE_DEADLINE_S`, whatever waits for what at its end."""
    main_thread = threading.main_thread()

    def end() -> None:
        _log.error(PROCESS_NOT_ENDED, {"seconds": LEAVE_DEADLINE_S, "stack": stack_of(main_thread)})
        logging.shutdown()
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        leave(status)

    timer = threading.Timer(LEAVE_DEADLINE_S, end)
    timer.daemon = True  # a process that ends by itself does not wait for it
    timer.start()
    return timer
