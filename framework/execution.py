"""Where work runs: a bounded pool of threads, serial mailboxes on it, and a count of what is under way.

A `Mailbox` runs its jobs one at a time and in order, on whichever thread of the pool is free: what shares a
mailbox never overlaps and needs no lock. Jobs that hang occupy one thread each and stall nobody else's mailbox.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_log = logging.getLogger("framework.execution")


class Activity:
    """Counts work that is under way, so that somebody can wait until there is none."""

    def __init__(self) -> None:
        self._count = 0
        self._idle = threading.Condition()

    def begin(self) -> None:
        """Count one piece of work more."""
        with self._idle:
            self._count += 1

    def end(self) -> None:
        """Count one piece of work less."""
        with self._idle:
            self._count -= 1
            if self._count == 0:
                self._idle.notify_all()

    def wait_idle(self, timeout: float) -> bool:
        """Wait until nothing is under way; False if that took longer than `timeout` seconds."""
        with self._idle:
            return self._idle.wait_for(lambda: self._count == 0, timeout)


class WorkerPool:
    """At most `size` daemon threads, started when there is work for them.

    A job that has to wait for other jobs says so with `blocking()`; the pool then lends one thread more for that
    time, so that those who are waited for always find one.
    """

    def __init__(self, name: str, size: int, activity: Activity) -> None:
        self._name: Final = name
        self._activity = activity
        self._jobs: deque[Callable[[], None]] = deque()
        self._changed = threading.Condition()
        self._allowed = size
        self._threads = 0
        self._waiting = 0
        self._started = 0
        self._closed = False

    def submit(self, job: Callable[[], None]) -> None:
        """Run `job` soon on a thread of the pool; what it raises is logged."""
        self._activity.begin()
        with self._changed:
            if not self._closed:
                self._jobs.append(job)
                self._provide_thread()
                return
        self._activity.end()

    @contextlib.contextmanager
    def blocking(self) -> Iterator[None]:
        """Tell the pool that this thread waits for other jobs of the pool."""
        with self._changed:
            self._allowed += 1
            if self._jobs:
                self._provide_thread()
        try:
            yield
        finally:
            with self._changed:
                self._allowed -= 1

    def close(self) -> None:
        """Take no more jobs and drop those not begun; threads end with the job that they are at."""
        with self._changed:
            self._closed = True
            dropped = len(self._jobs)
            self._jobs.clear()
            self._changed.notify_all()
        for _ in range(dropped):
            self._activity.end()

    def _provide_thread(self) -> None:
        if self._waiting >= len(self._jobs):
            self._changed.notify()
        elif self._threads < self._allowed:
            self._threads += 1
            self._started += 1
            threading.Thread(target=self._work, name=f"{self._name}-{self._started}", daemon=True).start()

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._jobs:
                    if self._closed or self._threads > self._allowed:
                        self._threads -= 1
                        return
                    self._waiting += 1
                    self._changed.wait()
                    self._waiting -= 1
                job = self._jobs.popleft()
            try:
                job()
            except BaseException:  # noqa: BLE001  # a job may raise anything, and the thread serves others
                _log.exception("a job of the pool %s failed", self._name)
            finally:
                self._activity.end()


class Mailbox:
    """Runs jobs one at a time, in the order in which they came, on a pool."""

    def __init__(self, pool: WorkerPool, activity: Activity) -> None:
        self._pool = pool
        self._activity = activity
        self._jobs: deque[Callable[[], None]] = deque()
        self._lock = threading.Lock()
        self._running = False
        self._thread: threading.Thread | None = None

    def post(self, job: Callable[[], None]) -> None:
        """Run `job` after all that were posted before it; what it raises is logged."""
        self._activity.begin()
        with self._lock:
            self._jobs.append(job)
            if self._running:
                return
            self._running = True
        self._pool.submit(self._drain)

    @property
    def thread(self) -> threading.Thread | None:
        """The thread that is at a job of this mailbox now, or None."""
        return self._thread

    def _drain(self) -> None:
        self._thread = threading.current_thread()
        while True:
            with self._lock:
                if not self._jobs:
                    self._running = False
                    self._thread = None
                    return
                job = self._jobs.popleft()
            try:
                job()
            except BaseException:  # noqa: BLE001  # a job may raise anything, and the thread serves others
                _log.exception("a job of a mailbox failed")
            finally:
                self._activity.end()
