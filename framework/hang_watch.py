"""Notices jobs that do not end, and tells where they are (their thread's stack)."""

from __future__ import annotations

import logging
import sys
import threading
import traceback
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar

from framework.log_events import JOB_HANGS
from framework.record import Record

if TYPE_CHECKING:
    from collections.abc import Callable

    from framework.clock import Clock
    from framework.execution import Pool
    from framework.scheduler import Scheduler

_log = logging.getLogger("framework.hang_watch")

HUNG_AFTER_S: Final = 10.0
"""A job that takes longer, in seconds, is reported."""


class Hang(Record):
    """A job that has not ended for long.

    Attributes:
        seconds: How long it had been under way when it was looked at.
        stack: Where it was then, as Python prints a stack.
    """

    seconds: float
    stack: str


class Watched(Protocol):
    """What has a job under way: a mailbox, say."""

    @property
    def name(self) -> str:
        """Whose the job is."""
        ...

    @property
    def thread(self) -> threading.Thread | None:
        """The thread that is at it now, or None."""
        ...


W = TypeVar("W", bound=Watched)


class HangWatch(Generic[W]):
    """Looks, while jobs are under way, whether one of them takes too long; the pool then gets another thread.

    Args:
        report: Told of each one whose job hangs, and with None when that job has ended after all. It is called
            on the scheduler's or the job's thread and must be quick.
    """

    def __init__(
        self,
        pool: Pool,
        scheduler: Scheduler,
        clock: Clock,
        report: Callable[[W, Hang | None], None],
        hung_after_s: float = HUNG_AFTER_S,
    ) -> None:
        self._pool = pool
        self._scheduler = scheduler
        self._clock = clock
        self._report = report
        self._hung_after_s = hung_after_s
        self._lock = threading.Lock()
        self._since: dict[W, float] = {}
        self._reported: set[W] = set()
        self._armed = False

    def began(self, watched: W) -> None:
        """A job begins."""
        now = self._clock.monotonic()
        with self._lock:
            self._since[watched] = now
        if not self._armed:
            self._arm()

    def ended(self, watched: W) -> None:
        """The job has ended."""
        with self._lock:
            self._since.pop(watched, None)
            was_reported = watched in self._reported
            self._reported.discard(watched)
        if was_reported:
            self._pool.take_back()
            self._report(watched, None)

    def _arm(self) -> None:
        self._armed = True
        self._scheduler.call_later(self._hung_after_s, self._look)

    def _look(self) -> None:
        self._armed = False
        now = self._clock.monotonic()
        with self._lock:
            hung = {
                watched: since
                for watched, since in self._since.items()
                if now - since >= self._hung_after_s and watched not in self._reported
            }
            self._reported.update(hung)
            others = self._since.keys() - self._reported
        for watched, since in hung.items():
            hang = Hang(now - since, stack_of(watched.thread))
            self._pool.lend()
            _log.error(JOB_HANGS, {"owner": watched.name, "seconds": hang.seconds, "stack": hang.stack})
            self._report(watched, hang)
        if others:
            self._arm()


def stack_of(thread: threading.Thread | None) -> str:
    """Where a thread is, as Python prints a stack."""
    frame = None if thread is None or thread.ident is None else sys._current_frames().get(thread.ident)  # noqa: SLF001  # the documented way to another thread's stack
    return "(it is at nothing)" if frame is None else "".join(traceback.format_stack(frame))
