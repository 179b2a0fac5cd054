"""Notices jobs that do not end, and tells where they are (their thread's stack)."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar

from framework.log_events import JOB_HANGS
from framework.record import Record
from framework.stacks import stack_of

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
        changed: Told of each one for which `hang_of` answers something else than before, on the scheduler's or the
            job's thread; it must be quick. Since a job may end while it is told, it is to look at `hang_of` then.
    """

    def __init__(
        self,
        pool: Pool,
        scheduler: Scheduler,
        clock: Clock,
        changed: Callable[[W], None] = lambda _: None,
        hung_after_s: float = HUNG_AFTER_S,
    ) -> None:
        self._pool = pool
        self._scheduler = scheduler
        self._clock = clock
        self._changed = changed
        self._hung_after_s = hung_after_s
        self._lock = threading.Lock()
        self._since: dict[W, float] = {}
        self._hangs: dict[W, Hang] = {}
        self._armed = False

    def hang_of(self, watched: W) -> Hang | None:
        """Where its job hangs now, or None."""
        return self._hangs.get(watched)

    def hanging(self) -> dict[W, Hang]:
        """All whose jobs hang now, those that were found first first."""
        with self._lock:
            return self._hangs.copy()

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
            hung = self._hangs.pop(watched, None) is not None
        if hung:
            self._pool.take_back()
            self._changed(watched)

    def _arm(self) -> None:
        self._armed = True
        self._scheduler.call_later(self._hung_after_s, self._look)

    def _look(self) -> None:
        self._armed = False
        now = self._clock.monotonic()
        with self._lock:
            late = {
                watched: since
                for watched, since in self._since.items()
                if now - since >= self._hung_after_s and watched not in self._hangs
            }
            others = self._since.keys() - late.keys() - self._hangs.keys()
        for watched, since in late.items():
            hang = Hang(now - since, stack_of(watched.thread))
            with self._lock:
                if self._since.get(watched) != since:
                    continue  # it has ended just now
                self._hangs[watched] = hang
            self._pool.lend()
            _log.error(JOB_HANGS, {"owner": watched.name, "seconds": hang.seconds, "stack": hang.stack})
            self._changed(watched)
        if others:
            self._arm()
