"""Telling of commits: each once, in their order, after they are stored."""

from __future__ import annotations

import logging
import threading
from collections import deque
from typing import TYPE_CHECKING, Any, Protocol, final

from components.keystore.contract import CHANGED_TOPIC, changed_properties
from components.keystore.log_events import ANNOUNCEMENT_FAILED
from framework.foreign import let_interruption_pass

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from components.keystore.contract import Changes

_log = logging.getLogger("components.keystore")


class PublishingContext(Protocol):
    """What is needed of a component's context to tell of commits; every `ComponentContext` is one."""

    @property
    def service_pid(self) -> str:
        """The keystore's `kura.service.pid`."""
        ...

    def publish(self, topic: str, properties: Mapping[str, Any]) -> None:
        """Publish an event."""
        ...


def commit_publisher(context: PublishingContext) -> Callable[[Changes], None]:
    """What publishes the event of a commit in the name of a component; `Announcements` calls it in order."""
    return lambda changes: context.publish(CHANGED_TOPIC, changed_properties(context.service_pid, changes))


@final
class Announcements:
    """Tells of changes in the order in which they were added, by one thread at a time, under no lock.

    A keystore component makes one when it is activated, `Announcements(commit_publisher(context))`, calls `add` where
    it stores, still under the lock that puts its commits in their order, and `deliver` when it has let go of it.

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
            except BaseException as error:  # noqa: BLE001  # the commit stands, whatever its receiver does
                let_interruption_pass(error)
                _log.exception(ANNOUNCEMENT_FAILED, {"aliases": list(changes)})
            finally:
                with self._lock:
                    self._delivering = False
