"""The only source of time."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Wall time, elapsed time, and waiting; one is injected wherever time matters."""

    def now(self) -> datetime:
        """The wall clock's time, aware, in UTC. It may jump."""
        ...

    def monotonic(self) -> float:
        """Seconds since some fixed moment. They never go back."""
        ...

    def wait(self, condition: threading.Condition, timeout: float | None) -> None:
        """Wait on `condition`, whose lock is held, until notified or for `timeout` seconds of this clock.

        It may return early: who waits looks at the clock, and at what is waited for, again.
        """


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The machine's time in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """The machine's monotonic time in seconds."""
        return time.monotonic()

    def wait(self, condition: threading.Condition, timeout: float | None) -> None:
        """Wait on `condition` for real seconds."""
        condition.wait(None if timeout is None else min(timeout, threading.TIMEOUT_MAX))
