"""A clock that a test turns by hand."""

from __future__ import annotations

import threading
import weakref
from datetime import UTC, datetime, timedelta


class FakeClock:
    """Time that stands still but for `advance` and `set`.

    Args:
        start: The wall clock's first time, aware; 2026-01-01T00:00:00Z if None.

    Raises:
        ValueError: `start` is not aware.
    """

    def __init__(self, start: datetime | None = None) -> None:
        self._lock = threading.Lock()
        self._now = _utc(start or datetime(2026, 1, 1, tzinfo=UTC))
        self._monotonic = 0.0
        self._turns = 0
        self._waiting: list[threading.Condition] = []
        self._seen: weakref.WeakKeyDictionary[threading.Condition, int] = weakref.WeakKeyDictionary()

    def now(self) -> datetime:
        """The wall clock's time."""
        return self._now

    def monotonic(self) -> float:
        """Seconds that were let pass with `advance`."""
        return self._monotonic

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass on both clocks and wake who waits; ValueError if they are negative."""
        if seconds < 0:
            raise ValueError(f"time does not pass backwards ({seconds} s); set() makes the wall clock jump")
        with self._lock:
            self._now += timedelta(seconds=seconds)
            self._monotonic += seconds
        self._wake()

    def set(self, now: datetime) -> None:
        """Let the wall clock jump to `now`, while no time passes; ValueError if `now` is not aware."""
        aware = _utc(now)
        with self._lock:
            self._now = aware
        self._wake()

    def wait(self, condition: threading.Condition, timeout: float | None) -> None:
        """Wait on `condition`, whose lock is held, until it is notified or time is turned."""
        if timeout is not None and timeout <= 0:
            return
        with self._lock:
            # The timeout was worked out before this call. If time was turned since this condition last
            # waited, it may be out of date and the wake-up missed: return, and let the caller look again.
            if self._seen.get(condition) != self._turns:
                self._seen[condition] = self._turns
                return
            self._waiting.append(condition)
        condition.wait()
        with self._lock:
            self._waiting.remove(condition)

    def _wake(self) -> None:
        with self._lock:
            self._turns += 1
            waiting = tuple(self._waiting)
        for condition in waiting:
            with condition:
                condition.notify_all()


def _utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError(f"{moment.isoformat()} has no time zone; give an aware datetime")
    return moment.astimezone(UTC)
