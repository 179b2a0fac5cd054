"""Telling of commits: each once, in their order, after they are stored."""

from __future__ import annotations

import logging
import threading
from collections import deque
from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from collections.abc import Callable

    from components.keystore.contract import Changes

_log = logging.getLogger("components.keystore")


@final
class Announcements:
    """Tells of changes in the order in which they were added, by one thread at a time, under no lock.

    Args:
        receiver: Called with each; an error of it is logged, since the commit stands.
    """

    def __init__(self, receiver: Callable[[Changes], None]) -> None:
        self._receiver = receiver
        self._waiting: deque[Changes] = deque()
        self._lock = threading.Lock()
        self._delivering = False

    def add(self, changes: Changes) -> None:
        """Note changes; called under the lock that puts commits in their order."""
        with self._lock:
            self._waiting.append(changes)

    def deliver(self) -> None:
        """Deliver what waits, unless another thread is about it; then that one does."""
        while True:
            with self._lock:
                if self._delivering or not self._waiting:
                    return
                self._delivering = True
                changes = self._waiting.popleft()
            try:
                self._receiver(changes)
            except Exception:  # noqa: BLE001  # the commit stands, whatever its receiver does
                _log.exception("a change of %s was stored, but its announcement failed", ", ".join(changes))
            finally:
                with self._lock:
                    self._delivering = False
