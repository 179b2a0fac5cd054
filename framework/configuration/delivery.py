"""From the store to the components: plugins look first, listeners hear last (Compendium R8 104.6, 104.7, 104.9).

Changes are handed over in their order, under the admin's lock; foreign code runs on a pool, never under that lock.
What concerns one pid stays in order: its plugins, its component, its listeners. A plugin or a listener that hangs
stalls no other pid's component, however many of them do.
"""

from __future__ import annotations

import functools
import logging
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, MutableMapping
from concurrent.futures import Future
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from framework.configuration.event import ConfigurationEvent, DeliveryOutcome
from framework.configuration.planning import ADMINS_OWN
from framework.configuration.results import ChangeKind, ConfigurationNotice
from framework.execution import Activity, Mailbox, MailboxWatch, Pool, WorkerPool
from framework.log_events import CONFIGURATION_LISTENER_FAILED, CONFIGURATION_PLUGIN_FAILED

if TYPE_CHECKING:
    from framework.registry import ServiceReference, ServiceRegistry

_log = logging.getLogger("framework.configuration")

Delivery = Callable[[ConfigurationEvent], "Future[DeliveryOutcome]"]

RANKING: Final = "service.cmRanking"
"""The service property by which plugins are ordered, lowest first; 0 if it is absent."""

TARGETS: Final = "cm.target"
"""The service property that says for which pids or factory pids a plugin is asked; all if it is absent."""

MAY_CHANGE: Final = range(1001)
"""Plugins of a ranking outside of this may only look."""

WORKERS: Final = 4
"""Threads for plugins and listeners, started when there is work for them."""


class ConfigurationPlugin(ABC):
    """A service that sees properties after they were stored and before the component takes them (104.9)."""

    @abstractmethod
    def modify_configuration(self, pid: str, properties: MutableMapping[str, Any]) -> None:
        """Change the properties that the component of `pid` gets; the stored ones stay as they are.

        With a ranking below 0 or above 1000, `properties` cannot be changed.
        """


class ConfigurationListener(ABC):
    """A service that is told of changes after the component has taken them (104.7)."""

    @abstractmethod
    def configuration_changed(self, notice: ConfigurationNotice) -> None:
        """A configuration was updated or deleted."""


class Deliveries:
    """Hands changes to components, through the plugins and on to the listeners that are in the registry.

    Args:
        target: Hands a change to whoever runs the component.
        registry: Where plugins and listeners are looked for; None: there are none.
        activity: Counts what is under way.
        watch: Makes what gives the pool, on which they run, another thread for one that hangs, if anything does.
    """

    def __init__(
        self,
        target: Delivery,
        registry: ServiceRegistry | None = None,
        activity: Activity | None = None,
        watch: Callable[[Pool], MailboxWatch] | None = None,
    ) -> None:
        self._target = target
        self._registry = registry
        self._pool = WorkerPool("gatewright-configuration", WORKERS, activity or Activity())
        self._mailboxes: dict[str, Mailbox] = {}
        self._watch = None if watch is None else watch(self._pool)
        self._notices = Mailbox(self._pool, name="configuration listeners", watch=self._watch)
        self._lock = threading.Lock()
        self._untold: dict[str, deque[tuple[ConfigurationEvent, Future[DeliveryOutcome]]]] = {}

    def close(self) -> None:
        """Call no plugin and no listener any more; those that are under way end on their own."""
        self._pool.close()

    def hand_over(self, event: ConfigurationEvent) -> Future[DeliveryOutcome]:
        """Have the component take a change; called in the order of the changes, one at a time."""
        mailbox = self._mailboxes.get(event.pid)
        plugins = self._plugins(event) if event.current is not None else ()
        if mailbox is None and not plugins:
            taken = self._target(event)
        else:
            # From its first plugin on a pid keeps its mailbox, so that no change overtakes another.
            if mailbox is None:
                mailbox = Mailbox(self._pool, name=f"configuration plugins for {event.pid}", watch=self._watch)
                self._mailboxes[event.pid] = mailbox
            taken = Future()
            mailbox.post(functools.partial(self._through, plugins, event, taken))
        if self._registry is not None:
            with self._lock:
                self._untold.setdefault(event.pid, deque()).append((event, taken))
            taken.add_done_callback(lambda _: self._tell(event.pid))
        return taken

    def _plugins(self, event: ConfigurationEvent) -> tuple[ServiceReference, ...]:
        if self._registry is None:
            return ()
        found = [one for one in self._registry.find_all(ConfigurationPlugin) if _is_for(one, event)]
        return tuple(sorted(found, key=_ranking))

    def _through(
        self, plugins: tuple[ServiceReference, ...], event: ConfigurationEvent, taken: Future[DeliveryOutcome]
    ) -> None:
        current = event.current
        for reference in plugins:
            current = self._ask(reference, event.pid, {} if current is None else current)
        delivered = self._target(event.but(current=current))
        delivered.add_done_callback(lambda done: taken.set_result(done.result()))

    def _ask(self, reference: ServiceReference, pid: str, properties: Any) -> Any:
        plugin = None if self._registry is None else self._registry.get(reference)
        if plugin is None:
            return properties
        changed = dict(properties)
        may_change = _ranking(reference) in MAY_CHANGE
        try:
            plugin.modify_configuration(pid, changed if may_change else MappingProxyType(changed))
        except BaseException:  # noqa: BLE001  # a plugin may raise anything, even try to exit
            _log.exception(CONFIGURATION_PLUGIN_FAILED, {"pid": pid})
            return properties
        changed.update({name: properties[name] for name in ADMINS_OWN if name in properties})
        return MappingProxyType(changed)

    def _tell(self, pid: str) -> None:
        with self._lock:
            untold = self._untold.get(pid, deque())
            while untold and untold[0][1].done():
                event, taken = untold.popleft()
                self._notices.post(functools.partial(self._notify, event, taken.result().outcome))
            if not untold:
                self._untold.pop(pid, None)

    def _notify(self, event: ConfigurationEvent, outcome: str) -> None:
        kind = ChangeKind.DELETED if event.current is None else ChangeKind.UPDATED
        notice = ConfigurationNotice(kind, event.pid, event.factory_pid, event.revision, outcome)
        for reference in () if self._registry is None else self._registry.find_all(ConfigurationListener):
            listener = None if self._registry is None else self._registry.get(reference)
            if listener is None:
                continue
            try:
                listener.configuration_changed(notice)
            except BaseException:  # noqa: BLE001  # a listener may raise anything, even try to exit
                _log.exception(CONFIGURATION_LISTENER_FAILED, {"pid": event.pid})


def _ranking(reference: ServiceReference) -> int:
    value = reference.properties.get(RANKING)
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _is_for(reference: ServiceReference, event: ConfigurationEvent) -> bool:
    targets = reference.properties.get(TARGETS)
    if targets is None:
        return True
    named = (targets,) if isinstance(targets, str) else tuple(targets)
    return event.pid in named or event.factory_pid in named
