"""The component runtime: the shell round the lifecycle machines.

One dispatcher steps all machines and owns all that is mutable here; it runs no foreign code and so never waits,
whichever thread it is on. Each component configuration has a mailbox on a bounded pool, on which its callbacks
run. Readers on other threads see immutable states.
"""

from __future__ import annotations

import functools
import itertools
import logging
import threading
from concurrent.futures import Future
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from framework.configuration.event import DeliveryOutcome
from framework.declarative_services import lifecycle as life
from framework.declarative_services.declaration import description_of
from framework.declarative_services.description import ComponentDescription, ConfigurationPolicy, DeactivationReason
from framework.declarative_services.errors import DeclarationError, UnknownComponentError
from framework.declarative_services.lazy_service import WaitGraph
from framework.declarative_services.managed import RELEASE_DEADLINE_S, ManagedComponent, Surroundings
from framework.declarative_services.release import ReleaseLedger
from framework.execution import Dispatcher, Mailbox, WorkerPool
from framework.hang_watch import HUNG_AFTER_S, HangWatch
from framework.log_events import CIRCLE_FOUND, COMPONENT_NOT_ENDED, SERVICE_STILL_HELD
from framework.record import Record
from framework.stacks import stack_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from framework.configuration import ConfigurationEvent
    from framework.declarative_services.context import Facilities
    from framework.declarative_services.explanation import ComponentSnapshot, Explainer, Explanation
    from framework.execution import Activity, Pool
    from framework.registry import ServiceReference, ServiceRegistry
    from metatype import ChangePolicy, ObjectClass

_log = logging.getLogger("framework.component")

CIRCLE_SEARCH_S: Final = 1.0
"""How long after a component was found unsatisfied circles are looked for."""

WORKERS: Final = 8
"""Threads for callbacks of components."""


class _Component(Record):
    description: ComponentDescription
    plugin: str
    policies: Mapping[str, ChangePolicy]


class ComponentRuntime:
    """Runs components: wires, configures, reconfigures and stops them.

    Args:
        registry: Where services are found and components' services registered.
        facilities: What components are lent.
        activity: What counts the work under way.
        pool: Makes the pool of a name and a size on which jobs run; threads, unless a test decides what runs when.
        turn: So many jobs of one component run before others have their turn.
        hung_after_s: A callback that takes longer, in seconds, is reported.
    """

    def __init__(
        self,
        registry: ServiceRegistry,
        facilities: Facilities,
        activity: Activity,
        *,
        pool: Callable[[str, int, Activity], Pool] = WorkerPool,
        turn: int = 64,
        hung_after_s: float = HUNG_AFTER_S,
    ) -> None:
        self._registry = registry
        self._facilities = facilities
        self._activity = activity
        self._turn = turn
        self._pool = pool("gatewright-component", WORKERS, activity)
        self._dispatcher = Dispatcher(activity)
        self._watch: HangWatch[Mailbox] = HangWatch(
            self._pool, facilities.scheduler, facilities.clock, self._note_hang, hung_after_s
        )
        self._components: dict[str, _Component] = {}
        self._managed: dict[str, ManagedComponent] = {}
        self._disabled: set[str] = set()
        self._ledger = ReleaseLedger()
        self._component_ids = itertools.count(1)
        self._circles: frozenset[tuple[str, ...]] = frozenset()
        self._search_planned = False
        self._stopping = False
        self._stopped = threading.Event()
        self._surroundings = Surroundings(
            registry=registry,
            facilities=facilities,
            ledger=self._ledger,
            dispatcher=self._dispatcher,
            pool=self._pool,
            gone=self._forget,
            unsatisfied=self._plan_search_for_circles,
            waits=WaitGraph(),
        )
        registry.add_release_barrier(self._await_release)

    def add_components(self, plugin: str, components: Sequence[tuple[type, ObjectClass | None]]) -> None:
        """Make component classes known, all or none; their configurations follow with `deliver`.

        Args:
            plugin: Who contributes them.
            components: The classes, each with what its configuration may be, if it has a descriptor.

        Raises:
            DeclarationError: A class is no component, or another one has its name; none is taken then.
        """
        added: dict[str, _Component] = {}
        for cls, object_class in components:
            description = description_of(cls)
            other = self._components.get(description.name) or added.get(description.name)
            if other is not None:
                message = f"{description.name} is already a component of {other.plugin}"
                raise DeclarationError(cls.__name__, None, message)
            policies = {name: a.change for name, a in object_class.attributes.items()} if object_class else {}
            added[description.name] = _Component(description, plugin, MappingProxyType(policies))
        self._components = {**self._components, **added}
        for name, component in added.items():
            if not component.description.enabled:
                self._disabled.add(name)
            if not component.description.factory:
                self._dispatcher.post(functools.partial(self._begin, name, component))

    def remove_components(self, plugin: str, timeout_s: float) -> bool:
        """Deactivate what a plugin contributed and forget it; False if some did not end within `timeout_s` seconds.

        What did not end in time is forgotten when it does.
        """
        gone = threading.Event()
        self._dispatcher.post(lambda: self._end_plugin(plugin, gone))
        return self._pool.wait_for(gone, timeout_s)

    def enable(self, name: str) -> None:
        """Let the component `name`, and all its factory instances, be active (Compendium R8 112.5.1).

        Raises:
            UnknownComponentError: There is no such component.
        """
        self._set_enabled(name, enabled=True)

    def disable(self, name: str) -> None:
        """Deactivate the component `name` and keep it so until it is enabled, or the gateway starts again.

        Raises:
            UnknownComponentError: There is no such component.
        """
        self._set_enabled(name, enabled=False)

    def deliver(self, event: ConfigurationEvent) -> Future[DeliveryOutcome]:
        """Hand a change of configuration to the component; done when the component has taken it."""
        outcome: Future[DeliveryOutcome] = Future()
        self._dispatcher.post(lambda: self._configure(event, outcome))
        return outcome

    def components(self) -> tuple[ComponentSnapshot, ...]:
        """All component configurations, by pid."""
        explainer = self._explainer()
        return tuple(explainer.snapshot(pid) for pid in sorted(self._managed.copy()))

    def undecided(self) -> frozenset[str]:
        """The component configurations that a callback is to decide; one that hangs or is tried again is decided."""
        return frozenset(
            pid
            for pid, one in self._managed.copy().items()
            if one.state.phase in life.UNDECIDED and one.hang is None and not one.state.failures
        )

    def hanging(self) -> frozenset[str]:
        """The component configurations of which a callback does not end."""
        return frozenset(pid for pid, one in self._managed.copy().items() if one.hang is not None)

    def explain(self, pid: str) -> Explanation:
        """Why the component configuration is as it is."""
        return self._explainer().explain(pid)

    def prove_progress(self, then: Callable[[], None]) -> None:
        """Have `then` called on the pool, after the dispatcher: whoever of the two stands still, it is not called."""
        self._dispatcher.post(lambda: self._pool.submit(then))

    def stop(self, timeout_s: float) -> bool:
        """Deactivate all components, dependents first; False if some did not end within `timeout_s` seconds."""
        self._dispatcher.post(self._end_all)
        ended = self._pool.wait_for(self._stopped, timeout_s)
        if not ended:
            for managed in self._managed.copy().values():
                phase, stack = managed.state.phase.value, stack_of(managed.mailbox.thread)
                _log.error(COMPONENT_NOT_ENDED, {"pid": managed.pid, "phase": phase, "stack": stack})
        self._pool.close()
        return ended

    def _end_all(self) -> None:
        self._stopping = True
        for managed in list(self._managed.values()):
            managed.feed(life.Ended(DeactivationReason.STOPPED))
        self._note_stopped()

    def _end_plugin(self, plugin: str, gone: threading.Event) -> None:
        self._components = {name: one for name, one in self._components.items() if one.plugin != plugin}
        self._disabled &= self._components.keys()
        theirs = [managed for managed in self._managed.values() if managed.plugin == plugin]
        remaining = {managed.pid for managed in theirs}

        def note(pid: str) -> None:
            remaining.discard(pid)
            if not remaining:
                gone.set()

        if not theirs:
            gone.set()
        for managed in theirs:
            managed.when_gone.append(functools.partial(note, managed.pid))
            managed.feed(life.Ended(DeactivationReason.DISPOSED))

    def _note_stopped(self) -> None:
        if self._stopping and not self._managed:
            self._stopped.set()

    def _set_enabled(self, name: str, *, enabled: bool) -> None:
        if name not in self._components:
            raise UnknownComponentError(name, tuple(sorted(self._components)))

        def change() -> None:
            if enabled:
                self._disabled.discard(name)
            else:
                self._disabled.add(name)
            for managed in self._managed.values():
                if managed.state.description.name == name:
                    managed.feed(life.EnablementChanged(enabled))

        self._dispatcher.post(change)

    def _begin(self, pid: str, component: _Component) -> None:
        """Show a singleton from the start; it waits until its configuration is known."""
        if self._stopping or self._components.get(pid) is not component:
            return  # it has gone again while an earlier one ended
        earlier = self._managed.get(pid)
        if earlier is None:
            self._manage(pid, component).begin()
        else:
            earlier.when_gone.append(lambda: self._begin(pid, component))

    def _manage(self, pid: str, component: _Component) -> ManagedComponent:
        managed = ManagedComponent(
            pid,
            next(self._component_ids),
            component.plugin,
            component.description,
            component.policies,
            enabled=component.description.name not in self._disabled,
            mailbox=Mailbox(self._pool, name=pid, watch=self._watch, turn=self._turn),
            surroundings=self._surroundings,
        )
        self._managed[pid] = managed
        return managed

    def _configure(self, event: ConfigurationEvent, outcome: Future[DeliveryOutcome]) -> None:
        component = self._components.get(event.factory_pid or event.pid)
        managed = self._managed.get(event.pid)
        if component is None or self._stopping or bool(event.factory_pid) != component.description.factory:
            outcome.set_result(DeliveryOutcome("stored", f"no component takes {event.pid} now"))
            return
        if managed is not None and managed.state.ending is not None:
            managed.when_gone.append(lambda: self._configure(event, outcome))
            return
        if event.current is None and component.description.factory:
            if managed is None:
                outcome.set_result(DeliveryOutcome("deleted", None))
            else:
                managed.feed(life.Ended(DeactivationReason.CONFIGURATION_DELETED, outcome))
            return
        if managed is None:
            managed = self._manage(event.pid, component)
        if event.revision < managed.revision:
            outcome.set_result(DeliveryOutcome("unchanged", None))
            return
        managed.revision = event.revision
        required = component.description.configuration_policy is ConfigurationPolicy.REQUIRE
        managed.configure(None if required and not event.configured else event.current, outcome)

    def _await_release(self, service: ServiceReference) -> None:
        """Keep a service that goes alive until components have let it go (Core R8 5.2: UNREGISTERING).

        Called by the registry on the thread that unregisters. The runtime's own withdrawals are awaited without a
        thread, by `ManagedComponent`. Who holds it is asked of the ledger, whatever listeners heard: a service that has
        just stopped matching is announced to none of its holders.
        """
        if self._ledger.is_withdrawn(service):
            return
        current = Mailbox.current()
        released = threading.Event()
        owner = None if current is None else current.name
        self._dispatcher.post(lambda: self._ledger.when_released(service, released.set, by=owner))
        if not released.is_set() and not self._pool.wait_for(released, RELEASE_DEADLINE_S):
            _log.warning(SERVICE_STILL_HELD, {"holders": self._ledger.holders(service), "service": service})

    def _forget(self, managed: ManagedComponent) -> None:
        if self._managed.get(managed.pid) is managed:
            del self._managed[managed.pid]
        self._note_stopped()

    def _note_hang(self, mailbox: Mailbox) -> None:
        def note() -> None:
            managed = self._managed.get(mailbox.name)
            hang = self._watch.hang_of(mailbox)  # the fact as it is now, in whatever order it was told
            if managed is not None and managed.mailbox is mailbox and managed.hang is not hang:
                managed.hang = hang
                properties = {"pid": managed.pid, "state": managed.state.phase.value, "hangs": hang is not None}
                self._facilities.event_admin.publish("gatewright/component/HANG_CHANGED", properties)

        self._dispatcher.post(note)

    def _plan_search_for_circles(self) -> None:
        """Look for circles a little later, when whatever just changes has come to rest."""
        if not self._search_planned and not self._stopping:
            self._search_planned = True
            self._facilities.scheduler.call_later(
                CIRCLE_SEARCH_S, lambda: self._dispatcher.post(self._search_for_circles)
            )

    def _search_for_circles(self) -> None:
        self._search_planned = False
        found = frozenset(self._explainer().circles())
        for circle in sorted(found - self._circles):
            _log.warning(CIRCLE_FOUND, {"pids": circle})
            self._facilities.event_admin.publish("gatewright/component/CIRCLE_FOUND", {"pids": circle})
        self._circles = found

    def _explainer(self) -> Explainer:
        from framework.declarative_services.explanation import Explainer  # noqa: PLC0415  # only who asks pays for it

        descriptions = {name: component.description for name, component in self._components.items()}
        return Explainer(self._managed.copy(), descriptions, self._registry, self._ledger, self._facilities.clock)
