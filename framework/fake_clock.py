"""A clock that a test turns by hand."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta


class FakeClock:
    """Time that stands still but for `advance` and `set`.

    Args:
        start: The wall clock's first time, aware; 2026-01-01T00:00:00Z if None.
    """

    def __init__(self, start: datetime | None = None) -> None:
        self._lock = threading.Lock()
        self._now = start or datetime(2026, 1, 1, tzinfo=UTC)
        self._monotonic = 0.0
        self._waiting: list[threading.Condition] = []

    def now(self) -> datetime:
        """The wall clock's time."""
        return self._now

    def monotonic(self) -> float:
        """Seconds that were let pass with `advance`."""
        return self._monotonic

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass on both clocks and wake who waits."""
        with self._lock:
            self._now += timedelta(seconds=seconds)
            self._monotonic += seconds
        self._wake()

    def set(self, now: datetime) -> None:
        """Let the wall clock jump to `now`, while no time passes."""
        with self._lock:
            self._now = now
        self._wake()

    def wait(self, condition: threading.Condition, timeout: float | None) -> None:
        """Wait on `condition`, whose lock is held, until it is notified or time is turned."""
        with self._lock:
            self._waiting.append(condition)
        condition.wait()
        with self._lock:
            self._waiting.remove(condition)

    def _wake(self) -> None:
        with self._lock:
            waiting = tuple(self._waiting)
        for condition in waiting:
            with condition:
                condition.notify_all()
