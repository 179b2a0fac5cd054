"""Work in the background, such as waiting for a network: a bounded pool that nobody can fill alone.

Each owner, a component or a plugin, has at most a few jobs under way; what else it posts waits for these alone. A job
that does not end is reported, and the pool gets another thread for it.
"""

from __future__ import annotations

import functools
import threading
from collections import deque
from typing import TYPE_CHECKING, Final

from framework.hang_watch import HangWatch
from framework.record import Record

if TYPE_CHECKING:
    from collections.abc import Callable

    from framework.clock import Clock
    from framework.execution import Pool
    from framework.scheduler import Scheduler

MOST_OF_ONE_OWNER: Final = 4
"""So many jobs of one owner run at the same time; its others wait."""

HUNG_AFTER_S: Final = 300.0
"""A job that takes longer, in seconds, is reported; longer than a SCEP server may take for all that one job asks it."""


class HangingWork(Record):
    """A job in the background that does not end.

    Attributes:
        owner: Whose it is: a component's pid, or a plugin's name.
        seconds: How long it was under way when that was noticed.
        stack: Where it was then, as Python prints a stack.
        waiting: How many jobs of the owner have not begun.
    """

    owner: str
    seconds: float
    stack: str
    waiting: int


class BackgroundWork:
    """Runs the jobs of many owners on one pool, so that none keeps the others from theirs.

    Args:
        pool: Where they run.
        scheduler: Says when to look for jobs that do not end.
        clock: The source of time.
        hung_after_s: A job that takes longer, in seconds, is reported.
    """

    def __init__(self, pool: Pool, scheduler: Scheduler, clock: Clock, hung_after_s: float = HUNG_AFTER_S) -> None:
        self._pool = pool
        self._watch: HangWatch[_Job] = HangWatch(pool, scheduler, clock, hung_after_s=hung_after_s)
        self._lock = threading.Lock()
        self._lanes: dict[str, _Lane] = {}

    @property
    def hanging(self) -> tuple[HangingWork, ...]:
        """The jobs that do not end, the oldest first."""
        with self._lock:
            return tuple(
                HangingWork(job.owner, hang.seconds, hang.stack, len(self._lanes[job.owner].waiting))
                for job, hang in self._watch.hanging().items()
            )

    def submit(self, owner: str, work: Callable[[], None]) -> None:
        """Run `work` soon; what it raises is logged.

        Args:
            owner: A component's pid, or a plugin's name.
            work: It may take long, and wait for whatever it likes.
        """
        job = _Job(owner, work)
        with self._lock:
            lane = self._lanes.setdefault(owner, _Lane())
            if lane.running == MOST_OF_ONE_OWNER:
                lane.waiting.append(job)
                return
            lane.running += 1
        self._pool.submit(functools.partial(self._run, job))

    def close(self) -> None:
        """Take no more jobs and drop those not begun."""
        self._pool.close()

    def _run(self, job: _Job) -> None:
        job.thread = threading.current_thread()
        self._watch.began(job)
        try:
            job.work()
        finally:
            job.thread = None
            self._watch.ended(job)
            following = self._following(job.owner)
            if following is not None:
                self._pool.submit(functools.partial(self._run, following))

    def _following(self, owner: str) -> _Job | None:
        with self._lock:
            lane = self._lanes[owner]
            if lane.waiting:
                return lane.waiting.popleft()
            lane.running -= 1
            if not lane.running:
                del self._lanes[owner]
            return None


class _Job:
    """One job, and the thread that is at it."""

    __slots__ = ("owner", "thread", "work")

    def __init__(self, owner: str, work: Callable[[], None]) -> None:
        self.owner = owner
        self.work = work
        self.thread: threading.Thread | None = None

    @property
    def name(self) -> str:
        """What it is called in reports."""
        return f"{self.owner} in the background"


class _Lane:
    """What one owner has under way, and what waits for that."""

    __slots__ = ("running", "waiting")

    def __init__(self) -> None:
        self.running = 0
        self.waiting: deque[_Job] = deque()
