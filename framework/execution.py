"""Where work runs: a bounded pool of threads, serial mailboxes on it, and a count of what is under way.

A `Mailbox` runs its jobs one at a time and in order, on whichever thread of the pool is free: what shares a
mailbox never overlaps and needs no lock. Jobs that hang occupy one thread each and stall nobody else's mailbox; a
mailbox that is flooded takes turns with the others.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
from collections import deque
from typing import TYPE_CHECKING, Final, Protocol

from framework.foreign import is_interruption
from framework.log_events import DISPATCHER_JOB_FAILED, MAILBOX_JOB_FAILED, POOL_JOB_FAILED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_log = logging.getLogger("framework.execution")

_TURN: Final = 64
"""So many jobs of a mailbox run before others have their turn."""

_CURRENT = threading.local()


class Activity:
    """Counts work that is under way, so that somebody can wait until there is none."""

    def __init__(self) -> None:
        self._count = 0
        self._lock = threading.Lock()
        self._idle = threading.Condition(self._lock)

    @property
    def count(self) -> int:
        """How many pieces of work are under way."""
        return self._count

    def begin(self) -> None:
        """Count one piece of work more."""
        with self._lock:  # entered faster than the condition
            self._count += 1

    def end(self) -> None:
        """Count one piece of work less."""
        with self._lock:
            self._count -= 1
            if self._count == 0:
                self._idle.notify_all()

    def wait_idle(self, timeout: float) -> bool:
        """Wait until nothing is under way; False if that took longer than `timeout` seconds."""
        with self._idle:
            return self._idle.wait_for(lambda: self._count == 0, timeout)


class Pool(Protocol):
    """What runs jobs; `WorkerPool`, or a test's own that decides what runs when."""

    def submit(self, job: Callable[[], None]) -> None:
        """Run `job` soon; what it raises is logged."""
        ...

    def wait_for(self, event: threading.Event, timeout_s: float) -> bool:
        """Wait until other jobs have set `event`; False if they have not within `timeout_s` seconds."""
        ...

    def lend(self) -> None:
        """Allow one job more at a time, since one that is under way does not end."""
        ...

    def take_back(self) -> None:
        """Undo one `lend`."""
        ...

    def close(self) -> None:
        """Take no more jobs and drop those not begun."""
        ...


class WorkerPool:
    """At most `size` daemon threads, started when there is work for them.

    A job that has to wait for other jobs does so with `wait_for`; the pool then lends one thread more for that
    time, so that those who are waited for always find one.
    """

    def __init__(self, name: str, size: int, activity: Activity) -> None:
        self._name: Final = name
        self._activity = activity
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()  # None: end, thread
        self._lock = threading.Lock()
        self._allowed = size
        self._threads = 0
        self._free = 0
        self._waiting = 0
        self._started = 0
        self._closed = False

    def submit(self, job: Callable[[], None]) -> None:
        """Run `job` soon on a thread of the pool; what it raises is logged."""
        self._activity.begin()
        with self._lock:
            if not self._closed:
                self._waiting += 1
                self._provide_thread()
                self._jobs.put(job)
                return
        self._activity.end()

    def wait_for(self, event: threading.Event, timeout_s: float) -> bool:
        """Wait until other jobs have set `event`; False if they have not within `timeout_s` seconds."""
        self.lend()
        try:
            return event.wait(timeout_s)
        finally:
            self.take_back()

    def lend(self) -> None:
        """Allow one thread more, since one that is there waits for others or does not come back."""
        with self._lock:
            self._allowed += 1
            self._provide_thread()

    def take_back(self) -> None:
        """Undo one `lend`."""
        with self._lock:
            self._allowed -= 1

    def close(self) -> None:
        """Take no more jobs and drop those not begun; threads end with the job that they are at."""
        dropped = 0
        with self._lock:
            self._closed = True
            with contextlib.suppress(queue.Empty):
                while True:
                    dropped += self._jobs.get_nowait() is not None
            for _ in range(self._threads):
                self._jobs.put(None)
        for _ in range(dropped):
            self._activity.end()

    def _provide_thread(self) -> None:
        """Start a thread if more jobs wait than threads are free, or about to be; under the lock."""
        if self._waiting > self._free and self._threads < self._allowed and not self._closed:
            self._threads += 1
            self._free += 1
            self._started += 1
            threading.Thread(target=self._work, name=f"{self._name}-{self._started}", daemon=True).start()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            with self._lock:
                self._waiting -= 1
                self._free -= 1
            try:
                job()
            except BaseException:  # noqa: BLE001  # a job may raise anything, and the thread serves others
                _log.exception(POOL_JOB_FAILED, {"pool": self._name})
            finally:
                del job  # what it holds is not kept alive while the thread waits for the next one
                self._activity.end()
            with self._lock:
                if self._closed or self._threads > self._allowed:
                    self._threads -= 1
                    return
                self._free += 1


class Dispatcher:
    """Runs jobs one at a time, in order, on the thread of whoever posts while nobody else is at it.

    For jobs that are quick, wait for nothing and run no foreign code: a poster may find himself running the jobs that
    others post meanwhile, but no job waits for a thread to wake up.
    """

    def __init__(self, activity: Activity) -> None:
        self._activity = activity
        self._jobs: deque[Callable[[], None]] = deque()
        self._lock = threading.Lock()
        self._running = False

    def post(self, job: Callable[[], None]) -> None:
        """Run `job` after all that were posted before it; what it raises is logged."""
        self._activity.begin()
        with self._lock:
            self._jobs.append(job)
            if self._running:
                return
            self._running = True
        while True:
            with self._lock:
                if not self._jobs:
                    self._running = False
                    return
                job = self._jobs.popleft()
            try:
                job()
            except BaseException as error:  # whatever went wrong, the other jobs are still to be done
                if is_interruption(error):
                    self._running = False  # whoever posts next goes on
                    raise
                _log.exception(DISPATCHER_JOB_FAILED)
            finally:
                del job  # what it holds is not kept alive while the thread waits for the next one
                self._activity.end()


class MailboxWatch(Protocol):
    """Who is told when a mailbox begins and ends a job."""

    def began(self, mailbox: Mailbox, /) -> None:
        """A job begins, on the current thread."""
        ...

    def ended(self, mailbox: Mailbox, /) -> None:
        """The job has ended."""
        ...


class Mailbox:
    """Runs jobs one at a time, in the order in which they came, on a pool.

    Args:
        pool: Where the jobs run, and are counted: a mailbox that has any is one job of the pool.
        name: Whose mailbox it is.
        watch: Who is told when a job begins and ends.
        turn: So many jobs run before other mailboxes have their turn.
    """

    def __init__(
        self,
        pool: Pool,
        *,
        name: str = "",
        watch: MailboxWatch | None = None,
        turn: int = _TURN,
    ) -> None:
        self.name: Final = name
        self._pool = pool
        self._watch = watch
        self._turn = turn
        self._jobs: deque[Callable[[], None]] = deque()
        self._lock = threading.Lock()
        self._running = False
        self._thread: threading.Thread | None = None

    @staticmethod
    def current() -> Mailbox | None:
        """The mailbox whose job runs on the current thread, or None."""
        return getattr(_CURRENT, "mailbox", None)

    @property
    def thread(self) -> threading.Thread | None:
        """The thread that is at a job of this mailbox now, or None."""
        return self._thread

    @property
    def waiting(self) -> int:
        """How many jobs have not begun."""
        return len(self._jobs)

    @contextlib.contextmanager
    def awaiting_others(self) -> Iterator[None]:
        """A context in which the job that is under way waits for others; these find a thread of the pool meanwhile."""
        self._pool.lend()
        try:
            yield
        finally:
            self._pool.take_back()

    def post(self, job: Callable[[], None]) -> None:
        """Run `job` after all that were posted before it; what it raises is logged."""
        with self._lock:
            self._jobs.append(job)
            if self._running:
                return
            self._running = True
        self._pool.submit(self._take_turn)

    def _take_turn(self) -> None:
        for _ in range(self._turn):
            with self._lock:
                if not self._jobs:
                    self._running = False
                    return
                job = self._jobs.popleft()
            self._run(job)
        self._pool.submit(self._take_turn)

    def _run(self, job: Callable[[], None]) -> None:
        outer, _CURRENT.mailbox = Mailbox.current(), self
        self._thread = threading.current_thread()
        if self._watch is not None:
            self._watch.began(self)
        try:
            job()
        except BaseException:  # noqa: BLE001  # a job may raise anything, and the thread serves others
            _log.exception(MAILBOX_JOB_FAILED, {"mailbox": self.name})
        finally:
            if self._watch is not None:
                self._watch.ended(self)
            self._thread = None
            _CURRENT.mailbox = outer
