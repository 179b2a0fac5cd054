"""Notices jobs of mailboxes that do not end, and tells where they are (their thread's stack)."""

from __future__ import annotations

import logging
import sys
import threading
import traceback
from typing import TYPE_CHECKING, Final

from framework.record import Record

if TYPE_CHECKING:
    from collections.abc import Callable

    from framework.clock import Clock
    from framework.execution import Mailbox, Pool
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


class HangWatch:
    """Looks, while jobs are under way, whether one of them takes too long; the pool then gets another thread.

    Args:
        report: Told of each mailbox whose job hangs, and with None when that job has ended after all. It is called
            on the scheduler's or the mailbox's thread and must be quick.
    """

    def __init__(
        self,
        pool: Pool,
        scheduler: Scheduler,
        clock: Clock,
        report: Callable[[Mailbox, Hang | None], None],
        hung_after_s: float = HUNG_AFTER_S,
    ) -> None:
        self._pool = pool
        self._scheduler = scheduler
        self._clock = clock
        self._report = report
        self._hung_after_s = hung_after_s
        self._lock = threading.Lock()
        self._since: dict[Mailbox, float] = {}
        self._reported: set[Mailbox] = set()
        self._armed = False

    def began(self, mailbox: Mailbox) -> None:
        """A job of the mailbox begins."""
        now = self._clock.monotonic()
        with self._lock:
            self._since[mailbox] = now
        if not self._armed:
            self._arm()

    def ended(self, mailbox: Mailbox) -> None:
        """The job has ended."""
        with self._lock:
            self._since.pop(mailbox, None)
            was_reported = mailbox in self._reported
            self._reported.discard(mailbox)
        if was_reported:
            self._pool.take_back()
            self._report(mailbox, None)

    def _arm(self) -> None:
        self._armed = True
        self._scheduler.call_later(self._hung_after_s, self._look)

    def _look(self) -> None:
        self._armed = False
        now = self._clock.monotonic()
        with self._lock:
            hung = {
                mailbox: since
                for mailbox, since in self._since.items()
                if now - since >= self._hung_after_s and mailbox not in self._reported
            }
            self._reported.update(hung)
            others = self._since.keys() - self._reported
        for mailbox, since in hung.items():
            hang = Hang(now - since, stack_of(mailbox.thread))
            self._pool.lend()
            _log.error("a job of %s has not ended for %.0f s; it is at:\n%s", mailbox.name, hang.seconds, hang.stack)
            self._report(mailbox, hang)
        if others:
            self._arm()


def stack_of(thread: threading.Thread | None) -> str:
    """Where a thread is, as Python prints a stack."""
    frame = None if thread is None or thread.ident is None else sys._current_frames().get(thread.ident)  # noqa: SLF001  # the documented way to another thread's stack
    return "(it is at nothing)" if frame is None else "".join(traceback.format_stack(frame))
