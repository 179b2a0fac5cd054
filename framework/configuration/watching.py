"""Notices that configuration files have changed, by looking at their directory from time to time.

The standard library has no inotify, and a watcher of our own would cost a thread: the scheduler looks instead. A
change counts when two looks see the same, so that a file that is being written is not read half.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from framework.log_events import FILES_UNREADABLE

if TYPE_CHECKING:
    from collections.abc import Callable

    from framework.configuration.files import ConfigurationDirectory
    from framework.scheduler import Scheduler

_log = logging.getLogger("framework.configuration")

PAUSE_S: Final = 5.0
"""Between two looks, in seconds."""


class DirectoryWatch:
    """Calls back after files of a directory came, went or changed.

    Args:
        directory: What is looked at.
        scheduler: Says when.
        post: Runs a look, which may wait for a disk, on another thread.
        changed: Called, on that thread.
    """

    def __init__(
        self,
        directory: ConfigurationDirectory,
        scheduler: Scheduler,
        post: Callable[[Callable[[], None]], None],
        changed: Callable[[], object],
    ) -> None:
        self._directory = directory
        self._scheduler = scheduler
        self._post = post
        self._changed = changed
        self._taken = self._seen = directory.signature()

    def start(self) -> None:
        """Look from now on, until the scheduler stops."""
        self._scheduler.call_later(PAUSE_S, lambda: self._post(self._look))

    def _look(self) -> None:
        try:
            before, self._seen = self._seen, self._directory.signature()
            if self._seen not in (before, self._taken):
                return
            if self._seen != self._taken:
                self._taken = self._seen
                self._changed()
        except Exception:  # noqa: BLE001  # whatever happens, the next look is to come
            _log.exception(FILES_UNREADABLE)
        finally:
            self.start()
