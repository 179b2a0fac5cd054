"""The only timer: callbacks at a time or after a while, all from one thread."""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from framework.foreign import let_interruption_pass
from framework.log_events import TIMER_FAILED, TIMER_HANGS

if TYPE_CHECKING:
    from collections.abc import Callable

    from framework.clock import Clock

T = TypeVar("T", float, datetime)

_logger = logging.getLogger("framework.scheduler")

_WALL_CLOCK_CHECK_S: Final = 60.0
"""How often the thread looks at the wall clock, which may have jumped, while a timer waits for its time."""

_STOP_TIMEOUT_S: Final = 2.0
"""How long `stop` waits for a callback that is under way."""

_FEW: Final = 64
"""So many cancelled timers may lie about before they are cleared away."""


class Timer:
    """A callback that is to come; made by `Scheduler`.

    Attributes:
        due: When: seconds on the monotonic clock for `call_later`, a wall-clock time for `call_at`.
    """

    __slots__ = ("_callback", "_scheduler", "due")

    def __init__(self, scheduler: Scheduler, due: float | datetime, callback: Callable[[], None]) -> None:
        self._scheduler = scheduler
        self._callback: Callable[[], None] | None = callback
        self.due = due

    @property
    def active(self) -> bool:
        """Whether the callback is still to come."""
        return self._callback is not None

    def cancel(self) -> None:
        """See to it that the callback does not begin any more; nothing happens if it already has."""
        self._scheduler.cancel(self)

    def take(self) -> Callable[[], None] | None:
        """The callback, which from now on is not to come; only under the scheduler's lock."""
        callback, self._callback = self._callback, None
        return callback


class Scheduler:
    """Calls back when time has come. Callbacks must be quick: they post work elsewhere.

    Args:
        clock: The source of time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._numbers = itertools.count()
        self._after_a_while: _Queue[float] = _Queue()
        self._at_a_time: _Queue[datetime] = _Queue()
        self._cancelled = 0
        self._thread: threading.Thread | None = None
        self._stopped = False

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> Timer:
        """Call back in `delay_s` seconds, whatever the wall clock does meanwhile."""
        due = self._clock.monotonic() + max(0.0, delay_s)
        return self._add(self._after_a_while, due, Timer(self, due, callback))

    def call_at(self, when: datetime, callback: Callable[[], None]) -> Timer:
        """Call back when the wall clock shows `when` or later; a jump of it is noticed within a minute.

        Raises:
            ValueError: `when` is not aware.
        """
        if when.tzinfo is None:
            raise ValueError(f"{when.isoformat()} has no time zone; give an aware datetime")
        due = when.astimezone(UTC)  # times of one other zone would be compared without their offsets
        return self._add(self._at_a_time, due, Timer(self, due, callback))

    def cancel(self, timer: Timer) -> None:
        """What `Timer.cancel` does."""
        with self._changed:
            if timer.take() is None:
                return
            self._cancelled += 1
            if self._cancelled > _FEW + (len(self._after_a_while) + len(self._at_a_time)) // 2:
                self._after_a_while.clear_away()
                self._at_a_time.clear_away()
                self._cancelled = 0

    def start(self) -> None:
        """Start the thread that follows the clock."""
        self._thread = threading.Thread(target=self._run, name="gatewright-scheduler", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread; what is still to come never comes."""
        with self._changed:
            self._stopped = True
            for timer in (*self._after_a_while.timers(), *self._at_a_time.timers()):
                timer.take()
            self._changed.notify_all()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(_STOP_TIMEOUT_S)
            if self._thread.is_alive():
                _logger.error(TIMER_HANGS)

    def next_due(self) -> float | None:
        """When, on the monotonic clock, the next timer is due unless the wall clock jumps, or None."""
        with self._changed:
            monotonic, now = self._clock.monotonic(), self._clock.now()
            found = []
            if (due := self._after_a_while.next_due()) is not None:
                found.append(due)
            if (when := self._at_a_time.next_due()) is not None:
                found.append(monotonic + max(0.0, (when - now).total_seconds()))
            return min(found, default=None)

    def run_due(self) -> int:
        """Call back all that is due now, the most overdue first, and return how many that were.

        The scheduler's thread does this; a test that turns a `FakeClock` calls it instead of `start`.
        """
        number = 0
        while (callback := self._take_due()) is not None:
            try:
                callback()
            except BaseException as error:
                let_interruption_pass(error)
                _logger.exception(TIMER_FAILED, {"callback": callback})
            number += 1
        return number

    def _take_due(self) -> Callable[[], None] | None:
        with self._changed:
            after, at = self._after_a_while.next_due(), self._at_a_time.next_due()
            overdue = -1.0 if after is None else self._clock.monotonic() - after
            at_overdue = -1.0 if at is None else (self._clock.now() - at).total_seconds()
            if max(overdue, at_overdue) < 0:
                return None
            queue = self._after_a_while if overdue >= at_overdue else self._at_a_time
            return queue.pop().take()

    def _add(self, queue: _Queue[T], due: T, timer: Timer) -> Timer:
        with self._changed:
            if self._stopped:
                timer.take()
            else:
                queue.push(due, next(self._numbers), timer)
                self._changed.notify_all()
        return timer

    def _run(self) -> None:
        while True:
            self.run_due()
            with self._changed:
                if self._stopped:
                    return
                due = self.next_due()
                timeout = None if due is None else due - self._clock.monotonic()
                if timeout is not None and self._at_a_time.next_due() is not None:
                    timeout = min(timeout, _WALL_CLOCK_CHECK_S)
                if timeout is None or timeout > 0:
                    self._clock.wait(self._changed, timeout)


class _Queue(Generic[T]):
    """Timers by their time, those of the same time as they came; used under the scheduler's lock."""

    def __init__(self) -> None:
        self._heap: list[tuple[T, int, Timer]] = []

    def __len__(self) -> int:
        return len(self._heap)

    def timers(self) -> list[Timer]:
        """All timers, in no order."""
        return [timer for _, _, timer in self._heap]

    def push(self, due: T, number: int, timer: Timer) -> None:
        """Add a timer; of two for the same time the lower number comes first."""
        heapq.heappush(self._heap, (due, number, timer))

    def next_due(self) -> T | None:
        """The time of the first timer that is still active."""
        while self._heap and not self._heap[0][2].active:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def pop(self) -> Timer:
        """Take the first timer out."""
        return heapq.heappop(self._heap)[2]

    def clear_away(self) -> None:
        """Forget the timers that were cancelled."""
        self._heap = [entry for entry in self._heap if entry[2].active]
        heapq.heapify(self._heap)
