"""When a gateway has started: as soon as all components are decided, however long that takes."""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING, Final, Protocol

from framework.log_events import READY_WITHOUT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from framework.event_admin import Event, EventAdmin
    from framework.scheduler import Scheduler

_log = logging.getLogger("framework.readiness")

CHANGES: Final = ("gatewright/component/STATE_CHANGED", "gatewright/component/HANG_CHANGED")
"""The topics of events after which other components may be decided."""

TELL_EVERY_S: Final = 1.0
"""How often whoever waits is told what it waits for, in seconds, if that has changed."""

RESTLESS_AFTER: Final = 1000
"""So many changes of its state, before the gateway is ready, and a component is not waited for any more."""

MOST_NAMED: Final = 3
"""Components that are named where a line tells of them."""


class StartingGateway(Protocol):
    """What is seen of the gateway."""

    @property
    def scheduler(self) -> Scheduler:
        """The timer."""
        ...

    @property
    def event_admin(self) -> EventAdmin:
        """Where changes of components are told."""
        ...

    def undecided(self) -> tuple[str, ...]:
        """The pids of components that are not decided."""
        ...


class Readiness:
    """Looks, whenever a component changes, whether all are decided; says so once, and before that what it waits for.

    A component is decided when it is active, waits for something, has failed, or hangs: the runtime's watch finds that
    out, so that no component keeps the gateway from being ready. One that goes to and fro without an end is left out.

    Args:
        gateway: It has been started.
        waits: Told, on the scheduler's thread, of the components that are waited for, whenever they are others than a
            second ago: there is progress. In the ordinary case it is never called.
        ready: Called on the scheduler's thread, once, unless `cancel` came first.

    Attributes:
        reached: Whether the gateway is ready, or was.
    """

    def __init__(
        self, gateway: StartingGateway, waits: Callable[[Sequence[str]], None], ready: Callable[[], None]
    ) -> None:
        self._gateway = gateway
        self._waits = waits
        self._ready = ready
        self._over = False
        self.reached = False
        self._planned = False
        self._told: tuple[str, ...] = ()
        self._changes: Counter[str] = Counter()
        self._subscription = gateway.event_admin.subscribe(CHANGES, self._changed)

    def begin(self) -> None:
        """Look for the first time, and then at each change."""
        self._plan_look()
        self._gateway.scheduler.call_later(TELL_EVERY_S, self._tell)

    def cancel(self) -> None:
        """Say nothing any more: the gateway stops."""
        self._over = True
        self._subscription.close()

    def _changed(self, event: Event) -> None:
        self._changes[str(event.properties["pid"])] += 1
        self._plan_look()

    def _plan_look(self) -> None:
        """Many changes cost one look."""
        if not self._planned:
            self._planned = True
            self._gateway.scheduler.call_later(0, self._look)

    def _look(self) -> None:
        self._planned = False
        if self._over or self._waited_for(undecided := self._gateway.undecided()):
            return
        self.cancel()
        self.reached = True
        if undecided:
            _log.warning(READY_WITHOUT, {"pids": undecided})
        self._ready()

    def _tell(self) -> None:
        """Say what is waited for; time alone decides, too, where a configuration does not get to its component."""
        if self._over:
            return
        self._gateway.scheduler.call_later(TELL_EVERY_S, self._tell)
        waited_for = self._waited_for(self._gateway.undecided())
        if not waited_for:
            self._look()
        elif waited_for != self._told:
            self._told = waited_for
            self._waits(waited_for)

    def _waited_for(self, undecided: Sequence[str]) -> tuple[str, ...]:
        """These without those that never come to rest."""
        return tuple(pid for pid in undecided if self._changes[pid] < RESTLESS_AFTER)


def named(pids: Sequence[str]) -> str:
    """Some of them by name, in a line."""
    more = f" and {len(pids) - MOST_NAMED} more" if len(pids) > MOST_NAMED else ""
    return f"{', '.join(pids[:MOST_NAMED])}{more}"
