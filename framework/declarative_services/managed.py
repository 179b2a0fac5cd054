"""One component configuration in the runtime: performs what its lifecycle decides, and tells it what came of it."""

from __future__ import annotations

import logging
import threading
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from framework.declarative_services import lifecycle as life
from framework.declarative_services.context import ComponentContext, ConfigurationChange
from framework.declarative_services.delivery import answer
from framework.declarative_services.description import DeactivationReason
from framework.declarative_services.errors import ActivationError
from framework.declarative_services.instance import ComponentInstance, service_properties
from framework.declarative_services.lazy_service import LazyService, WaitGraph
from framework.declarative_services.lifecycle import HAVING_A_LIFE, Lifecycle, Phase
from framework.declarative_services.tracking import ReferenceTracker
from framework.execution import Mailbox
from framework.foreign import in_words
from framework.log_events import (
    ACTIVATION_FAILED,
    CALLBACK_FAILED,
    COMPONENT_STILL_HELD,
    REBINDING_FAILED,
    REGISTRATION_FAILED,
    SERVICE_UNAVAILABLE,
    WAITS_FOR_ASKER,
)
from framework.record import Record
from framework.registry import ServiceEventKind

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from framework.declarative_services.context import Facilities
    from framework.declarative_services.description import ComponentDescription
    from framework.declarative_services.release import ReleaseLedger
    from framework.execution import Dispatcher, Pool
    from framework.hang_watch import Hang
    from framework.registry import ServiceEvent, ServiceReference, ServiceRegistration, ServiceRegistry
    from metatype import ChangePolicy

_log = logging.getLogger("framework.component")

RELEASE_DEADLINE_S: Final = 5.0
"""How long a service that goes waits for those who hold it."""

SUPPLY_DEADLINE_S: Final = 5.0
"""How long somebody who asks for the object of a lazy component waits for its activation."""


class Surroundings(Record):
    """What all component configurations of a runtime share.

    Attributes:
        dispatcher: The mailbox on which all machines are stepped; it runs no foreign code.
        gone: Told on the dispatcher that a component configuration has gone.
        unsatisfied: Told on the dispatcher that a component waits for something.
        waits: Who waits for the activation of a lazy component.
    """

    registry: ServiceRegistry
    facilities: Facilities
    ledger: ReleaseLedger
    dispatcher: Dispatcher
    pool: Pool
    gone: Callable[[ManagedComponent], None]
    unsatisfied: Callable[[], None]
    waits: WaitGraph


class _Demand:
    """Somebody who waits for the object of a lazy component."""

    __slots__ = ("decided",)

    def __init__(self) -> None:
        self.decided = threading.Event()


class ManagedComponent:
    """One component configuration; its state is changed on the dispatcher only, its instance on its mailbox.

    Attributes:
        state: All that is known of it; immutable, replaced by the dispatcher.
        revision: Of the newest configuration that it was given.
        trackers: What each reference looks for.
        hang: Where it hangs, if it does.
        retry_at: When a failed activation is retried, as seconds of the monotonic clock.
        when_gone: Called on the dispatcher when it has gone.
    """

    def __init__(
        self,
        pid: str,
        component_id: int,
        plugin: str,
        description: ComponentDescription,
        policies: Mapping[str, ChangePolicy],
        *,
        enabled: bool,
        mailbox: Mailbox,
        surroundings: Surroundings,
    ) -> None:
        self.pid = pid
        self.component_id = component_id
        self.plugin = plugin
        self.mailbox = mailbox
        self._own = {"component.name": description.name, "component.id": component_id}
        defaults = MappingProxyType({**description.properties, **self._own})
        self.state = Lifecycle(description, defaults, policies, enabled=enabled)
        self.revision = -1
        self.hang: Hang | None = None
        self.retry_at: float | None = None
        self.when_gone: list[Callable[[], None]] = []
        self._surroundings = surroundings
        self._instance: ComponentInstance | None = None
        self._registration: ServiceRegistration | None = None
        self._news_lock = threading.Lock()
        self._dirty: set[str] = set()
        self._modified: set[ServiceReference] = set()
        self.trackers = {
            reference.name: ReferenceTracker(surroundings.registry, reference, self._service_event)
            for reference in description.references
        }

    def begin(self) -> None:
        """Look for services before there is a configuration, which may say to look for others; on the dispatcher."""
        for tracker in self.trackers.values():
            tracker.follow(self.state.defaults)
        self.feed(life.CandidatesChanged(self._candidates()))

    def configure(self, properties: Mapping[str, Any] | None, delivery: object) -> None:
        """Take a configuration, or that there is none; on the dispatcher."""
        merged = None
        if properties is not None:
            merged = _merged(self.state.description.properties, properties, self._own, self.state.policies)
        for tracker in self.trackers.values():
            tracker.follow(merged or self.state.defaults)
        minimums = MappingProxyType({name: tracker.minimum for name, tracker in self.trackers.items()})
        self.feed(life.ConfigurationChanged(merged, self._candidates(), minimums, delivery))

    def feed(self, event: life.Event) -> None:
        """Step the machine and perform what it says; on the dispatcher."""
        if isinstance(event, life.Deactivated):
            self._surroundings.ledger.forget_withdrawal(self.pid)
        before = self.state
        self.state, actions = life.step(before, event)
        if self.state.bound is not before.bound or self.state.binding is not before.binding:
            self._surroundings.ledger.held_changed(self.pid, life.held(before), life.held(self.state))
        if self.state.phase is not before.phase:
            self._announce()
        for action in actions:
            self._perform(action)
        if self.state.phase is Phase.UNSATISFIED and self.state is not before:
            self._surroundings.unsatisfied()

    def post(self, event: life.Event) -> None:
        """Have `feed` called on the dispatcher."""
        self._surroundings.dispatcher.post(lambda: self.feed(event))

    def demand(self) -> Any:
        """The component object of a lazy component, activated if it is not; None if it cannot be had.

        Called by the registry on the thread of whoever asks for the service.
        """
        if self._instance is not None and self.state.phase in HAVING_A_LIFE:
            return self._instance.component
        waiter = Mailbox.current()
        demand = _Demand()
        with self._surroundings.waits.waiting(None if waiter is None else waiter.name, self.pid) as may_wait:
            if not may_wait:
                _log.error(WAITS_FOR_ASKER, {"pid": self.pid})
                return None
            self.post(life.Demanded(demand))
            supplied = self._surroundings.pool.wait_for(demand.decided, SUPPLY_DEADLINE_S)
        instance = self._instance
        return instance.component if supplied and instance is not None else None

    def _candidates(self) -> life.Bindings:
        return MappingProxyType({name: tracker.candidates() for name, tracker in self.trackers.items()})

    def _service_event(self, name: str, event: ServiceEvent) -> None:
        """Called by the registry on whatever thread changed a service. Many events cost one look."""
        with self._news_lock:
            first = not self._dirty
            self._dirty.add(name)
            if event.kind is ServiceEventKind.MODIFIED:
                self._modified.add(event.reference)
        if first:
            self._surroundings.dispatcher.post(self._look_again)

    def _look_again(self) -> None:
        with self._news_lock:
            dirty, self._dirty = self._dirty, set()
            modified, self._modified = frozenset(self._modified), set()
        if self.state.phase is Phase.DISPOSED:
            return
        fresh = {name: self.trackers[name].candidates() for name in dirty}
        self.feed(life.CandidatesChanged(MappingProxyType({**self.state.candidates, **fresh}), modified))

    def _announce(self) -> None:
        state = self.state
        properties = {"pid": self.pid, "state": state.phase.value, "failure": state.failure}
        self._surroundings.facilities.event_admin.publish("gatewright/component/STATE_CHANGED", properties)

    def _perform(self, action: life.Action) -> None:
        match action:
            case life.Offer():
                self._on_mailbox("registration", lambda: self._offer(action), life.Offered)
            case life.Activate():
                self._on_mailbox("activate", lambda: self._activate(action), life.ActivationFailed)
            case life.Supply():
                _supply(action)
            case life.Modify():
                self._on_mailbox("modified", lambda: self._modify(action), life.Modified)
            case life.Rebind():
                self._on_mailbox("rebinding", lambda: self._rebind(action), lambda _: life.Rebound(action.bindings))
            case life.TellUpdates():
                self._on_mailbox("updated", lambda: self._tell_updates(action), lambda _: life.Updated())
            case life.Withdraw():
                self._begin_withdrawal()
            case life.Deactivate():
                self._on_mailbox("deactivate", lambda: self._deactivate(action), lambda _: life.Deactivated())
            case life.Look():
                nothing = life.Looked(frozenset())
                self._on_mailbox("look for services", lambda: self._look(action), lambda _: nothing)
            case _:
                self._perform_at_once(action)

    def _perform_at_once(self, action: life.Action) -> None:
        """Perform what runs none of the component's code."""
        match action:
            case life.ScheduleRetry():
                self._schedule_retry(action)
            case life.ScheduleLook(delay_s, misses):
                scheduler = self._surroundings.facilities.scheduler
                scheduler.call_later(delay_s, lambda: self.post(life.LookDue(misses)))
            case life.Answer():
                answer(action, disposed=self.state.phase is Phase.DISPOSED)
            case life.Dispose():
                self._dispose()
            case _:
                pass

    def _on_mailbox(
        self, callback: str, work: Callable[[], life.Event | None], failed: Callable[[str], life.Event]
    ) -> None:
        """Do what the machine asked for, and tell it what came of it, so that it is never left waiting.

        Args:
            callback: What is done, for the log.
            work: What it returns is told; None: it sees to that itself.
            failed: What is told instead, made of what `work` raised, in words.
        """

        def do() -> None:
            try:
                event = work()
            except BaseException as error:  # noqa: BLE001  # a component may raise anything, even try to exit
                event = failed(in_words(error))
                _log.exception(CALLBACK_FAILED, {"pid": self.pid, "callback": callback})
            if event is not None:
                self.post(event)

        self.mailbox.post(do)

    def _offer(self, action: life.Offer) -> life.Offered:
        try:
            self._register(action.properties, lambda: LazyService(self.demand))
        except BaseException as error:  # noqa: BLE001  # properties may be of any kind
            _log.exception(REGISTRATION_FAILED, {"pid": self.pid})
            return life.Offered(in_words(error))
        return life.Offered()

    def _activate(self, action: life.Activate) -> life.Activated | life.ActivationFailed:
        description = self.state.description
        context = ComponentContext(
            self.pid,
            description.name,
            action.properties,
            plugin=self.plugin,
            policies=self.state.policies,
            registry=self._surroundings.registry,
            mailbox=self.mailbox,
            facilities=self._surroundings.facilities,
        )
        instance: ComponentInstance | None = None
        try:
            instance = ComponentInstance(description, self._surroundings.registry, context, action.bindings)
            if not description.lazy:
                self._register(action.properties, lambda: instance.component)
        except BaseException as error:  # noqa: BLE001  # a component may raise anything, even try to exit
            _log.exception(ACTIVATION_FAILED, {"pid": self.pid})
            if instance is not None:
                instance.deactivate(DeactivationReason.UNSPECIFIED)
            unavailable = error.unavailable if isinstance(error, ActivationError) else frozenset()
            return life.ActivationFailed(in_words(error), unavailable)
        self._instance = instance
        self._tell_of(instance.unavailable)
        return life.Activated(instance.unavailable)

    def _register(self, properties: Mapping[str, Any], make: Callable[[], object]) -> None:
        provides = self.state.description.provides
        if not provides:
            return
        visible = service_properties(properties)
        if self._registration is None:
            self._registration = self._surroundings.registry.register(provides, make(), visible, bundle=self.plugin)
        else:
            self._registration.set_properties(visible)

    def _modify(self, action: life.Modify) -> life.Modified:
        error = self._living().modify(ConfigurationChange(action.properties, action.previous, action.changed))
        if self._registration is not None:
            self._registration.set_properties(service_properties(action.properties))
        return life.Modified(error)

    def _rebind(self, action: life.Rebind) -> life.Rebound:
        try:
            rebound = life.Rebound(*self._living().rebind(action.bindings))
        except BaseException:  # noqa: BLE001  # a component may raise anything, even try to exit
            _log.exception(REBINDING_FAILED, {"pid": self.pid})
            return life.Rebound(action.bindings)
        self._tell_of(rebound.unavailable)
        return rebound

    def _look(self, action: life.Look) -> life.Looked:
        registry, found = self._surroundings.registry, set()
        for service in action.services:
            if registry.get(service, self.plugin) is not None:
                registry.unget(service, self.plugin)
                found.add(service)
        return life.Looked(frozenset(found))

    def _tell_of(self, unavailable: frozenset[ServiceReference]) -> None:
        for service in unavailable:
            _log.warning(SERVICE_UNAVAILABLE, {"pid": self.pid, "service": service})

    def _tell_updates(self, action: life.TellUpdates) -> life.Updated:
        self._living().tell_updates(action.updates)
        return life.Updated()

    def _begin_withdrawal(self) -> None:
        registration = self._registration
        if registration is None:
            self.post(life.Released())
            return
        self._surroundings.ledger.withdraw(self.pid, registration.reference)
        self._on_mailbox("withdrawal", lambda: self._withdraw(registration), lambda _: life.Released())

    def _withdraw(self, registration: ServiceRegistration) -> None:
        registration.withdraw()
        service = registration.reference
        around = self._surroundings
        deadline = around.facilities.scheduler.call_later(
            RELEASE_DEADLINE_S, lambda: around.dispatcher.post(lambda: self._released(service))
        )

        def released() -> None:
            deadline.cancel()
            self._released(service)

        around.dispatcher.post(lambda: around.ledger.when_released(service, released))

    def _released(self, service: ServiceReference) -> None:
        ledger = self._surroundings.ledger
        if self.state.phase is not Phase.WITHDRAWING or not ledger.is_withdrawn(service):
            return
        holders = ledger.holders(service)
        if holders:
            _log.warning(COMPONENT_STILL_HELD, {"holders": holders, "pid": self.pid})
        self.feed(life.Released())

    def _deactivate(self, action: life.Deactivate) -> life.Deactivated:
        instance, self._instance = self._instance, None
        registration, self._registration = self._registration, None
        try:
            if instance is not None:
                instance.deactivate(action.reason)
        finally:
            if registration is not None:
                registration.unregister()
        return life.Deactivated()

    def _schedule_retry(self, action: life.ScheduleRetry) -> None:
        facilities = self._surroundings.facilities
        self.retry_at = facilities.clock.monotonic() + action.delay_s
        facilities.scheduler.call_later(action.delay_s, lambda: self.post(life.RetryDue(action.failures)))

    def _dispose(self) -> None:
        for tracker in self.trackers.values():
            tracker.close()
        self._surroundings.gone(self)
        for then in self.when_gone:
            then()

    def _living(self) -> ComponentInstance:
        if self._instance is None:
            raise RuntimeError(f"{self.pid} has no instance, though its lifecycle says so")
        return self._instance


def _merged(
    declared: Mapping[str, Any], configured: Mapping[str, Any], own: Mapping[str, Any], described: Collection[str]
) -> Mapping[str, Any]:
    """All properties. Keys compare without case (Compendium R8 104.4.2), and are spelled as the component has them."""
    known = dict.fromkeys((*declared, *described, *own))
    spelled = {name.lower(): name for name in known}
    return MappingProxyType(
        {
            name if name in known else spelled.get(name.lower(), name): value
            for layer in (declared, configured, own)
            for name, value in layer.items()
        }
    )


def _supply(action: life.Supply) -> None:
    for token in action.tokens:
        if isinstance(token, _Demand):
            token.decided.set()
