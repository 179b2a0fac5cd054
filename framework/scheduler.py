"""The only timer: callbacks at a time or after a while, all from one thread."""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from framework.clock import Clock

_log = logging.getLogger("framework.scheduler")

_WALL_CLOCK_CHECK_S: Final = 60.0
"""How often a timer for a wall-clock time looks at the clock again, which may have jumped."""


class Timer:
    """A callback that is to come; made by `Scheduler`."""

    def __init__(self, callback: Callable[[], None], when: datetime | None) -> None:
        self._callback: Callable[[], None] | None = callback
        self._when = when

    @property
    def active(self) -> bool:
        """Whether the callback is still to come."""
        return self._callback is not None

    def cancel(self) -> None:
        """See to it that the callback does not come; nothing happens if it already has."""
        self._callback = None

    def remaining(self, clock: Clock) -> float:
        """Seconds that a timer for a wall-clock time has still to wait; 0 for any other."""
        return 0.0 if self._when is None else (self._when - clock.now()).total_seconds()

    def fire(self) -> None:
        """Call the callback, once; what it raises is logged."""
        callback, self._callback = self._callback, None
        if callback is None:
            return
        try:
            callback()
        except Exception:
            _log.exception("a scheduled callback failed: %r", callback)


class Scheduler:
    """Calls back when time has come. Callbacks must be quick: they post work elsewhere.

    Args:
        clock: The source of time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._heap: list[tuple[float, int, Timer]] = []
        self._numbers = itertools.count()
        self._thread: threading.Thread | None = None
        self._stopped = False

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> Timer:
        """Call back in `delay_s` seconds, whatever the wall clock does meanwhile."""
        return self._add(Timer(callback, None), delay_s)

    def call_at(self, when: datetime, callback: Callable[[], None]) -> Timer:
        """Call back when the wall clock shows `when` (aware) or later; a jump of the clock is noticed in a minute."""
        timer = Timer(callback, when)
        return self._add(timer, min(timer.remaining(self._clock), _WALL_CLOCK_CHECK_S))

    def start(self) -> None:
        """Start the thread."""
        self._thread = threading.Thread(target=self._run, name="gatewright-scheduler", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread; what is still to come never comes."""
        with self._changed:
            self._stopped = True
            self._heap.clear()
            self._changed.notify_all()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def next_due(self) -> float | None:
        """When, on the monotonic clock, the next timer has to be looked at; None if there is none."""
        with self._changed:
            self._drop_cancelled()
            return self._heap[0][0] if self._heap else None

    def run_due(self) -> int:
        """Call back all that is due now, in the order of their times; their number."""
        number = 0
        while True:
            with self._changed:
                self._drop_cancelled()
                if not self._heap or self._heap[0][0] > self._clock.monotonic():
                    return number
                _, _, timer = heapq.heappop(self._heap)
                remaining = timer.remaining(self._clock)
                if remaining > 0:
                    self._push(timer, min(remaining, _WALL_CLOCK_CHECK_S))
                    continue
            timer.fire()
            number += 1

    def _add(self, timer: Timer, delay_s: float) -> Timer:
        with self._changed:
            if self._stopped:
                timer.cancel()
            else:
                self._push(timer, delay_s)
                self._changed.notify_all()
        return timer

    def _push(self, timer: Timer, delay_s: float) -> None:
        due = self._clock.monotonic() + max(0.0, delay_s)
        heapq.heappush(self._heap, (due, next(self._numbers), timer))

    def _drop_cancelled(self) -> None:
        while self._heap and not self._heap[0][2].active:
            heapq.heappop(self._heap)

    def _run(self) -> None:
        while True:
            self.run_due()
            with self._changed:
                if self._stopped:
                    return
                timeout = self._heap[0][0] - self._clock.monotonic() if self._heap else None
                if timeout is None or timeout > 0:
                    self._clock.wait(self._changed, timeout)
