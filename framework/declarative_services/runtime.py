"""The component runtime: the shell round the lifecycle machine.

One dispatcher (a mailbox of its own) steps all machines and owns all that is mutable here; it runs no foreign
code and so never waits. Each component configuration has a mailbox on a bounded pool, on which its callbacks
run. Readers on other threads see immutable states through dictionaries that are replaced, never changed.
"""

from __future__ import annotations

import functools
import itertools
import logging
import sys
import threading
import traceback
from concurrent.futures import Future
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from framework.configuration import DeliveryOutcome
from framework.declarative_services import lifecycle as life
from framework.declarative_services.context import ComponentContext, ConfigurationChange, Facilities
from framework.declarative_services.declaration import description_of
from framework.declarative_services.description import ComponentDescription, DeactivationReason
from framework.declarative_services.errors import DeclarationError
from framework.declarative_services.explanation import (
    ComponentSnapshot,
    Explanation,
    explain,
    reason_for,
    snapshot_reference,
)
from framework.declarative_services.instance import ComponentInstance, in_words
from framework.declarative_services.lifecycle import Effect, Lifecycle, Phase
from framework.declarative_services.release import ReleaseLedger
from framework.execution import Activity, Mailbox, WorkerPool
from framework.filter import Filter, FilterError
from framework.registry import ServiceEventKind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from framework.configuration import ConfigurationEvent
    from framework.registry import ServiceEvent, ServiceReference, ServiceRegistry, Subscription
    from metatype import ChangePolicy, ObjectClass

_log = logging.getLogger("framework.component")

RELEASE_DEADLINE_S: Final = 5.0
"""How long a service that goes waits for those who hold it."""

WORKERS: Final = 8
"""Threads for callbacks of components."""


@dataclass(slots=True)
class _Tracker:
    """What one reference of one component configuration looks for now."""

    target: Filter | None
    error: str | None
    subscription: Subscription


@dataclass(slots=True)
class _Managed:
    """One component configuration; changed by the dispatcher only, but for `instance`, the mailbox's."""

    pid: str
    component_id: int
    plugin: str
    state: Lifecycle
    mailbox: Mailbox
    revision: int = -1
    instance: ComponentInstance | None = None
    trackers: dict[str, _Tracker] = field(default_factory=dict)
    when_gone: list[Callable[[], None]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Component:
    description: ComponentDescription
    plugin: str
    policies: Mapping[str, ChangePolicy]


class ComponentRuntime:
    """Runs components: wires, configures, reconfigures and stops them."""

    def __init__(self, registry: ServiceRegistry, facilities: Facilities, activity: Activity) -> None:
        self._registry = registry
        self._facilities = facilities
        self._activity = activity
        self._pool = WorkerPool("gatewright-component", WORKERS, activity)
        self._dispatcher_pool = WorkerPool("gatewright-dispatcher", 1, activity)
        self._dispatcher = Mailbox(self._dispatcher_pool, activity)
        self._components: dict[str, _Component] = {}
        self._managed: dict[str, _Managed] = {}
        self._ledger = ReleaseLedger()
        self._component_ids = itertools.count(1)
        self._stopping = False
        self._stopped = threading.Event()

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
            if not component.description.factory:
                self._dispatcher.post(functools.partial(self._begin, name, component))

    def remove_components(self, plugin: str, timeout_s: float) -> bool:
        """Deactivate what a plugin contributed and forget it; False if some did not end within `timeout_s` seconds.

        What did not end in time is forgotten when it does.
        """
        gone = threading.Event()
        self._dispatcher.post(lambda: self._end_plugin(plugin, gone))
        with self._pool.blocking():
            return gone.wait(timeout_s)

    def deliver(self, event: ConfigurationEvent) -> Future[DeliveryOutcome]:
        """Hand a change of configuration to the component; done when the component has taken it."""
        outcome: Future[DeliveryOutcome] = Future()
        self._dispatcher.post(lambda: self._configure(event, outcome))
        return outcome

    def components(self) -> tuple[ComponentSnapshot, ...]:
        """All component configurations, by pid."""
        return tuple(self._snapshot(managed) for _, managed in sorted(self._managed.items()))

    def explain(self, pid: str) -> Explanation:
        """Why the component configuration is as it is."""
        managed = self._managed.get(pid)
        if managed is not None:
            return explain(self._snapshot(managed), managed.state)
        known = ", ".join(sorted(self._components.keys() | self._managed.keys())) or "none"
        sentences = [f"there is no component {pid}", f"known components: {known}"]
        component = self._components.get(pid)
        if component is not None:
            sentences = [
                f"{pid} is a factory: a component is made for each configuration {pid}~NAME",
                f"make one with: gatewright config set {pid}~NAME KEY=VALUE",
            ]
        return Explanation(pid, "unknown", tuple(sentences), {"pid": pid, "state": "unknown", "reasons": sentences})

    def stop(self, timeout_s: float) -> bool:
        """Deactivate all components, dependents first; False if some did not end within `timeout_s` seconds."""
        self._dispatcher.post(self._end_all)
        ended = self._stopped.wait(timeout_s)
        if not ended:
            for managed in self._managed.values():
                _report_stack(managed)
        self._dispatcher_pool.close()
        self._pool.close()
        return ended

    def _end_all(self) -> None:
        for managed in list(self._managed.values()):
            self._feed(managed, life.Ended(DeactivationReason.STOPPED))
        self._stopping = True
        self._note_stopped()

    def _end_plugin(self, plugin: str, gone: threading.Event) -> None:
        self._components = {name: one for name, one in self._components.items() if one.plugin != plugin}
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
            self._feed(managed, life.Ended(DeactivationReason.DISPOSED))

    def _note_stopped(self) -> None:
        if self._stopping and not self._managed:
            self._stopped.set()

    def _begin(self, pid: str, component: _Component) -> None:
        """Show a singleton from the start; it waits until its configuration is known."""
        self._manage(pid, component)

    def _manage(self, pid: str, component: _Component) -> _Managed:
        managed = _Managed(
            pid,
            next(self._component_ids),
            component.plugin,
            Lifecycle(component.description, component.policies),
            Mailbox(self._pool, self._activity),
        )
        self._managed = {**self._managed, pid: managed}
        candidates = self._track(managed, component.description.properties)
        self._feed(managed, life.CandidatesChanged(candidates))
        return managed

    def _configure(self, event: ConfigurationEvent, outcome: Future[DeliveryOutcome]) -> None:
        component = self._components.get(event.factory_pid or event.pid)
        managed = self._managed.get(event.pid)
        if component is None or self._stopping or (event.factory_pid and not component.description.factory):
            outcome.set_result(DeliveryOutcome("stored", f"no component takes {event.pid} now"))
            return
        if event.current is None and component.description.factory:
            if managed is None:
                outcome.set_result(DeliveryOutcome("deleted", None))
            else:
                self._feed(managed, life.Ended(DeactivationReason.CONFIGURATION_DELETED, outcome))
            return
        if managed is None:
            managed = self._manage(event.pid, component)
        if event.revision < managed.revision:
            outcome.set_result(DeliveryOutcome("unchanged", None))
            return
        managed.revision = event.revision
        properties = None
        if event.current is not None:
            properties = MappingProxyType(
                {
                    **component.description.properties,
                    **event.current,
                    "component.name": component.description.name,
                    "component.id": managed.component_id,
                }
            )
        candidates = self._track(managed, properties or component.description.properties)
        self._feed(managed, life.ConfigurationChanged(properties, candidates, outcome))

    def _track(self, managed: _Managed, properties: Mapping[str, Any]) -> life.Bindings:
        for reference in managed.state.description.references:
            target, error = reference.target, None
            override = properties.get(reference.target_property)
            if isinstance(override, str) and override.strip():
                try:
                    target = Filter.parse(override)
                except FilterError as wrong:
                    target, error = None, str(wrong)
            tracker = managed.trackers.get(reference.name)
            if tracker is not None and (tracker.target, tracker.error) == (target, error):
                continue
            if tracker is not None:
                tracker.subscription.close()
            subscription = self._registry.listen(
                lambda event: self._service_changed(managed, event), reference.interface, target
            )
            managed.trackers[reference.name] = _Tracker(target, error, subscription)
        return self._candidates(managed)

    def _candidates(self, managed: _Managed) -> life.Bindings:
        return MappingProxyType(
            {
                reference.name: ()
                if (tracker := managed.trackers[reference.name]).error is not None
                else self._registry.find_all(reference.interface, tracker.target)
                for reference in managed.state.description.references
            }
        )

    def _service_changed(self, managed: _Managed, event: ServiceEvent) -> None:
        """Called by the registry on whatever thread changed a service."""
        self._dispatcher.post(lambda: self._refresh(managed))
        if event.kind is ServiceEventKind.UNREGISTERING:
            self._wait_for_release(managed, event.reference)

    def _refresh(self, managed: _Managed) -> None:
        if managed.trackers:
            self._feed(managed, life.CandidatesChanged(self._candidates(managed)))

    def _wait_for_release(self, managed: _Managed, service: ServiceReference) -> None:
        """Keep a service that goes alive until `managed` has let it go (Core R8 5.2: UNREGISTERING).

        The runtime's own withdrawals are awaited without a thread; see `_begin_withdrawal`.
        """
        if self._ledger.is_withdrawn(service) or not _holds(managed, service):
            return
        if threading.current_thread() in (managed.mailbox.thread, self._dispatcher.thread):
            return
        released = threading.Event()
        self._dispatcher.post(lambda: self._ledger.when_released(service, released.set))
        with self._pool.blocking():
            if not released.wait(RELEASE_DEADLINE_S):
                _log.warning("%s still holds %s, which goes now", managed.pid, service)

    def _feed(self, managed: _Managed, event: life.Event) -> None:
        before = managed.state
        managed.state, actions = life.step(before, event)
        if managed.state.bound is not before.bound:
            self._ledger.bound_changed(managed.pid, before.bound, managed.state.bound)
        if managed.state.phase is not before.phase:
            self._announce(managed)
        for action in actions:
            self._perform(managed, action)

    def _announce(self, managed: _Managed) -> None:
        state = managed.state
        properties = {"pid": managed.pid, "state": state.phase.value, "failure": state.failure}
        self._facilities.event_admin.publish("gatewright/component/STATE_CHANGED", properties)

    def _perform(self, managed: _Managed, action: life.Action) -> None:
        match action:
            case life.Activate():
                managed.mailbox.post(lambda: self._activate(managed, action))
            case life.Modify():
                managed.mailbox.post(lambda: self._modify(managed, action))
            case life.Rebind():
                managed.mailbox.post(lambda: self._rebind(managed, action))
            case life.Withdraw():
                self._begin_withdrawal(managed)
            case life.Deactivate():
                managed.mailbox.post(lambda: self._deactivate(managed, action))
            case life.ScheduleRetry(delay_s, failures):
                self._facilities.scheduler.call_later(delay_s, lambda: self._post(managed, life.RetryDue(failures)))
            case life.Answer():
                _answer(managed, action)
            case life.Dispose():
                self._forget(managed)

    def _post(self, managed: _Managed, event: life.Event) -> None:
        self._dispatcher.post(lambda: self._feed(managed, event))

    def _activate(self, managed: _Managed, action: life.Activate) -> None:
        description = managed.state.description
        context = ComponentContext(
            managed.pid,
            description.name,
            action.properties,
            policies=managed.state.policies,
            reference_properties={
                name: tuple(service.properties for service in services) for name, services in action.bindings.items()
            },
            mailbox=managed.mailbox,
            facilities=self._facilities,
        )
        try:
            managed.instance = ComponentInstance(description, self._registry, context, action.bindings)
        except Exception as error:  # noqa: BLE001  # a component may raise anything
            _log.exception("%s could not be activated; it is retried", managed.pid)
            self._post(managed, life.ActivationFailed(in_words(error)))
        else:
            self._post(managed, life.Activated())

    def _modify(self, managed: _Managed, action: life.Modify) -> None:
        change = ConfigurationChange(action.properties, action.previous, action.changed)
        self._post(managed, life.Modified(_instance(managed).modify(change)))

    def _rebind(self, managed: _Managed, action: life.Rebind) -> None:
        try:
            _instance(managed).rebind(action.bindings)
        except Exception:  # noqa: BLE001  # a component may raise anything
            _log.exception("%s could not be rebound", managed.pid)
        self._post(managed, life.Rebound(action.bindings))

    def _begin_withdrawal(self, managed: _Managed) -> None:
        instance = _instance(managed)
        service = instance.service
        if service is None:
            self._post(managed, life.Released())
            return
        self._ledger.withdraw(managed.pid, service)
        managed.mailbox.post(lambda: self._withdraw(managed, instance, service))

    def _withdraw(self, managed: _Managed, instance: ComponentInstance, service: ServiceReference) -> None:
        instance.withdraw()
        deadline = self._facilities.scheduler.call_later(
            RELEASE_DEADLINE_S, lambda: self._dispatcher.post(lambda: self._released(managed, service))
        )

        def released() -> None:
            deadline.cancel()
            self._released(managed, service)

        self._dispatcher.post(lambda: self._ledger.when_released(service, released))

    def _released(self, managed: _Managed, service: ServiceReference) -> None:
        if managed.state.phase is not Phase.WITHDRAWING or not self._ledger.is_withdrawn(service):
            return
        holders = self._ledger.holders(service)
        if holders:
            _log.warning("%s still hold(s) the service of %s, which goes now", ", ".join(holders), managed.pid)
        self._feed(managed, life.Released())

    def _deactivate(self, managed: _Managed, action: life.Deactivate) -> None:
        _instance(managed).deactivate(action.reason)
        managed.instance = None
        self._dispatcher.post(lambda: self._deactivated(managed))

    def _deactivated(self, managed: _Managed) -> None:
        self._ledger.forget_withdrawal(managed.pid)
        self._feed(managed, life.Deactivated())

    def _forget(self, managed: _Managed) -> None:
        for tracker in managed.trackers.values():
            tracker.subscription.close()
        managed.trackers.clear()
        self._managed = {pid: other for pid, other in self._managed.items() if other is not managed}
        for then in managed.when_gone:
            then()
        self._note_stopped()

    def _snapshot(self, managed: _Managed) -> ComponentSnapshot:
        state = managed.state
        references = tuple(
            snapshot_reference(
                reference,
                None if tracker.target is None else str(tracker.target),
                tracker.error,
                state,
                self._registry,
            )
            for reference in state.description.references
            if (tracker := managed.trackers.get(reference.name)) is not None
        )
        reasons = reason_for(state, references)
        return ComponentSnapshot(
            pid=managed.pid,
            name=state.description.name,
            state=state.phase.value,
            reason="; ".join(reasons) or None,
            plugin=managed.plugin,
            service_pid=str((state.configuration or {}).get("kura.service.pid", managed.pid)),
            provides=state.description.provides,
            references=references,
            failures=state.failures,
        )


def _holds(managed: _Managed, service: ServiceReference) -> bool:
    return any(service in bound for bound in managed.state.bound.values())


def _instance(managed: _Managed) -> ComponentInstance:
    instance = managed.instance
    if instance is None:
        raise RuntimeError(f"{managed.pid} has no instance, though its lifecycle says so")
    return instance


def _answer(managed: _Managed, answer: life.Answer) -> None:
    outcome, error = _OUTCOMES[answer.effect], answer.failure
    if managed.state.phase is Phase.DISPOSED:
        outcome, error = "deleted", None
    elif answer.phase is Phase.FAILED or (answer.failure and answer.effect is Effect.MODIFIED):
        outcome = "failed"
    elif answer.phase is Phase.UNSATISFIED:
        outcome, error = "stored", "the component is not active; `gatewright explain` tells why"
    for delivery in answer.deliveries:
        if isinstance(delivery, Future):
            delivery.set_result(DeliveryOutcome(outcome, error))


_OUTCOMES: Final = {
    Effect.UNCHANGED: "unchanged",
    Effect.MODIFIED: "modified",
    Effect.ACTIVATED: "activated",
    Effect.REACTIVATED: "reactivated",
    Effect.BOOTSTRAPPED: "bootstrapped",
}


def _report_stack(managed: _Managed) -> None:
    thread = managed.mailbox.thread
    frame = None if thread is None or thread.ident is None else sys._current_frames().get(thread.ident)  # noqa: SLF001  # the documented way to another thread's stack
    stack = "".join(traceback.format_stack(frame)) if frame is not None else "(it is at nothing)"
    _log.error("%s did not end in time (%s); it is at:\n%s", managed.pid, managed.state.phase.value, stack)
