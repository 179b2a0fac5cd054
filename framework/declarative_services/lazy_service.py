"""The service of a lazy component: its object is made when it is first asked for (Compendium R8 112.2.4)."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

from framework.registry import ServiceFactory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from framework.registry import ServiceRegistration


class LazyService(ServiceFactory):
    """Asks the component for its object.

    Args:
        demand: Gives the object, activating the component if need be; None if it cannot be had.
    """

    ask_each_time = True

    def __init__(self, demand: Callable[[], object | None]) -> None:
        self._demand = demand

    def get_service(self, bundle: str, registration: ServiceRegistration) -> object | None:  # noqa: ARG002  # the same object for all
        """The component's object."""
        return self._demand()

    def unget_service(self, bundle: str, registration: ServiceRegistration, service: object) -> None:
        """Do nothing: the component lives until it is no longer satisfied, so that it is not made again and again."""


class WaitGraph:
    """Who waits for whose activation, so that nobody waits for what waits for him."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._awaited: dict[str, str] = {}

    @contextlib.contextmanager
    def waiting(self, waiter: str | None, awaited: str) -> Iterator[bool]:
        """A context in which `waiter` (None: a thread of no component) waits; False if that would close a circle."""
        with self._lock:
            closes = waiter is not None and self._leads_to(awaited, waiter)
            if waiter is not None and not closes:
                self._awaited[waiter] = awaited
        try:
            yield not closes
        finally:
            if waiter is not None and not closes:
                with self._lock:
                    self._awaited.pop(waiter, None)

    def _leads_to(self, pid: str | None, waiter: str) -> bool:
        while pid is not None and pid != waiter:
            pid = self._awaited.get(pid)
        return pid is not None
