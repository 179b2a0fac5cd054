"""The service registry (Core R8 5): who offers what, found by interface and filter, and who wants to know."""

from __future__ import annotations

import itertools
import logging
import threading
from typing import TYPE_CHECKING, Any, Final

from framework.filter import Filter, keys_of_value
from framework.foreign import let_interruption_pass
from framework.log_events import SERVICE_LISTENER_FAILED
from framework.registry.errors import RegistryError, UnregisteredServiceError
from framework.registry.index import Bucket, EqualityIndex
from framework.registry.listeners import ListenerIndex, Subscription
from framework.registry.properties import (
    FOLDED_OBJECT_CLASS,
    OBJECT_CLASS,
    SERVICE_ID,
    SERVICE_SCOPE,
    ServiceProperties,
)
from framework.registry.service import (
    ServiceEvent,
    ServiceEventKind,
    ServiceReference,
    ServiceRegistration,
    ServiceState,
    interface_name,
)
from framework.registry.uses import FactoryUses, ServiceFactory, ServiceObjects, ServiceScope, ServiceUses

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    _Selection = Bucket[ServiceReference] | tuple[ServiceReference, ...]

_log = logging.getLogger("framework.registry")

MOST_INDEXED: Final = 64
"""So many attributes get an index; filters that ask for others are answered by those, or by looking at everything."""


class ServiceRegistry:
    """Services by interface and properties.

    Lookups take no lock, but those by alternatives do for a moment. Callbacks are called on the thread that made the
    change, in the order of their subscription, with no lock held; one that raises is logged and keeps no other from
    being called. Listeners hear of one service in the order of its changes: a change that is made while they are told
    of an earlier one, by another thread or by one of them, is told by whoever tells the earlier one, when all have
    heard of that.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ids = itertools.count(1)
        self._orders = itertools.count(1)
        self._all: Bucket[ServiceReference] = Bucket()
        self._indexes: dict[str, EqualityIndex[ServiceReference]] = {FOLDED_OBJECT_CLASS: EqualityIndex()}
        self._registered: set[ServiceReference] = set()
        self._subscriptions: dict[Callable[[ServiceEvent], None], Subscription] = {}
        self._listeners = ListenerIndex()
        self._release_barriers: tuple[Callable[[ServiceReference], None], ...] = ()

    def register(
        self,
        interfaces: type | str | Sequence[type | str],
        service: object,
        properties: Mapping[str, Any] | None = None,
        *,
        scope: str = "singleton",
        bundle: str = "",
    ) -> ServiceRegistration:
        """Offer a service.

        Args:
            interfaces: One or more classes, or names, that it is found by.
            service: The object, or a `ServiceFactory` that makes it when it is asked for.
            properties: What filters can ask for; a list counts as a value of many. `service.id`, `objectClass` and
                `service.scope` are the framework's; `service.ranking` (int) decides who is best.
            scope: For whom a factory makes an object: "singleton" (one for all), "bundle" (one for each plugin whose
                components ask) or "prototype" (one for each asking, by `service_objects`).
            bundle: The plugin that offers it.

        Raises:
            RegistryError: No interface, no service, or a scope that only a factory can have.
            PropertyKeysError: Two keys differ only in case.
        """
        given: Sequence[type | str] = (interfaces,) if isinstance(interfaces, type | str) else tuple(interfaces)
        if not given or service is None:
            raise RegistryError("a service needs an object and at least one interface to be registered under")
        uses = _uses(service, scope, given)
        service_id = next(self._ids)
        names = tuple(dict.fromkeys(map(interface_name, given)))
        framework = {SERVICE_ID: service_id, OBJECT_CLASS: names, SERVICE_SCOPE: scope}
        offered = ServiceProperties(properties or {}, framework)
        state = ServiceState(uses)
        reference = ServiceReference(service_id, bundle, offered, state)
        registration = ServiceRegistration(self, reference)
        if isinstance(uses, FactoryUses):
            uses.registration = registration
        folded = offered.folded
        with self._lock:
            self._registered.add(reference)
            self._all.add(reference)
            for attribute, index in self._indexes.items():
                value = folded.get(attribute)
                if value is not None:
                    index.add(keys_of_value(value), reference)
            state.news = ((ServiceEventKind.REGISTERED, None, offered),)
            state.telling = True
        self._tell(reference)
        return registration

    def find(self, interface: type | str | None = None, filter: Filter | str | None = None) -> ServiceReference | None:
        """The best service of that interface that matches, or None; FilterError if the filter is none."""
        condition = Filter.parse(filter) if isinstance(filter, str) else filter
        name = None if interface is None else interface_name(interface)
        for reference in self._candidates(name, condition):
            if _matches(reference.properties, name, condition):
                return reference
        return None

    def find_all(
        self, interface: type | str | None = None, filter: Filter | str | None = None
    ) -> tuple[ServiceReference, ...]:
        """All services of that interface that match, best first; FilterError if the filter is none."""
        condition = Filter.parse(filter) if isinstance(filter, str) else filter
        name = None if interface is None else interface_name(interface)
        candidates = self._candidates(name, condition)
        return tuple([one for one in candidates if _matches(one.properties, name, condition)])  # faster than unlisted

    def get(self, reference: ServiceReference, bundle: str = "") -> Any:
        """The service object, or None once it has gone, or if its factory makes none.

        The plugin `bundle` that asks counts as a user of the service until it has called `unget` as often.
        """
        uses = reference.state.uses
        return None if uses is None else uses.get(bundle)

    def unget(self, reference: ServiceReference, bundle: str) -> bool:
        """Give a service back that `get` gave; False if `bundle` does not use it (any more)."""
        uses = reference.state.uses
        return False if uses is None else uses.unget(bundle)

    def service_objects(self, reference: ServiceReference, bundle: str) -> ServiceObjects:
        """Gives an object of its own for each asking, if the service's scope is "prototype"."""
        return ServiceObjects(reference.state.uses, ServiceScope(reference.properties[SERVICE_SCOPE]), bundle)

    def listen(
        self,
        callback: Callable[[ServiceEvent], None],
        interface: type | str | None = None,
        filter: Filter | str | None = None,
    ) -> Subscription:
        """Be told of events of services that match; to listen with the same callback again replaces the first."""
        condition = Filter.parse(filter) if isinstance(filter, str) else filter
        name = None if interface is None else interface_name(interface)
        with self._lock:
            earlier = self._subscriptions.get(callback)
            order = next(self._orders) if earlier is None else earlier.order
            subscription = Subscription(self, order, callback, name, condition)
            if earlier is not None:
                self._listeners.remove(earlier)
            self._subscriptions[callback] = subscription
            self._listeners.add(subscription)
        return subscription

    def remove(self, subscription: Subscription) -> None:
        """Close a subscription; nothing happens if it is closed or replaced already."""
        with self._lock:
            if self._subscriptions.get(subscription.callback) is subscription:
                del self._subscriptions[subscription.callback]
                self._listeners.remove(subscription)

    def add_release_barrier(self, barrier: Callable[[ServiceReference], None]) -> None:
        """Call `barrier` with each service that goes, after all listeners were told and before it is let go.

        A runtime that ends those who hold the service waits there until they have.
        """
        with self._lock:
            self._release_barriers = (*self._release_barriers, barrier)

    def replace_properties(self, reference: ServiceReference, properties: Mapping[str, Any]) -> None:
        """What `ServiceRegistration.set_properties` does."""
        state = reference.state
        after = ServiceProperties(properties, reference.properties.framework)
        with self._lock:
            if reference not in self._registered:
                raise UnregisteredServiceError(reference.id)
            before, order = reference.properties, reference.order
            reference.set_properties(after)
            if reference.order != order:
                self._all.reorder(reference)
            for attribute, index in self._indexes.items():
                old, new = before.folded.get(attribute), after.folded.get(attribute)
                if old is not new or reference.order != order:
                    index.move(old, new, reference, order)
            state.news = (*state.news, (ServiceEventKind.MODIFIED, before, after))
            if state.telling:
                return
            state.telling = True
        self._tell(reference)

    def withdraw(self, reference: ServiceReference) -> None:
        """What `ServiceRegistration.withdraw` does."""
        state = reference.state
        with self._lock:
            if reference not in self._registered:
                return
            last = reference.properties
            self._registered.remove(reference)
            self._all.remove(reference, reference.order)
            for attribute, index in self._indexes.items():
                index.remove(keys_of_value(last.folded.get(attribute)), reference, reference.order)
            state.news = (*state.news, (ServiceEventKind.UNREGISTERING, None, last))
            if state.telling:
                return
            state.telling = True
        self._tell(reference)

    def unregister(self, reference: ServiceReference) -> None:
        """What `ServiceRegistration.unregister` does."""
        self.withdraw(reference)
        with self._lock:
            if reference.state.telling:
                reference.state.going = True
                return
        self._let_go(reference)

    def _let_go(self, reference: ServiceReference) -> None:
        uses, reference.state.uses = reference.state.uses, None
        if uses is not None:
            uses.end()

    def _candidates(self, interface: str | None, condition: Filter | None) -> Sequence[ServiceReference]:
        """What could match, best first: the smallest selection that the indexes offer."""
        best: Sequence[_Selection] = (self._all,)
        size = len(self._all)
        if interface is not None:
            best = self._indexes[FOLDED_OBJECT_CLASS].of_literal((interface,))
            size = len(best[0]) if best else 0
        if condition is not None:
            for part in condition.alternatives:
                if size <= 1:
                    break
                found = self._select(part)
                if found is not None and (number := sum(map(len, found))) < size:
                    best, size = found, number
        if len(best) == 1:
            return _members(best[0])
        return sorted({reference for selection in best for reference in _members(selection)})

    def _select(self, part: tuple[tuple[str, tuple[Any, ...]], ...]) -> Sequence[_Selection] | None:
        """Where all are that fulfil one of the alternatives; None if there is no index for one of them."""
        indexes: list[tuple[EqualityIndex[ServiceReference], tuple[Any, ...]]] = []
        for attribute, keys in part:
            index = self._indexes.get(attribute) or self._make_index(attribute)
            if index is None:
                return None
            indexes.append((index, keys))
        if len(indexes) == 1:
            only, keys = indexes[0]
            buckets = only.of_literal(keys)
            if len(buckets) <= 1:
                return buckets
        with self._lock:  # what moves from one of them to another would else be seen in none
            return [bucket.in_order() for index, keys in indexes for bucket in index.of_literal(keys)]

    def _make_index(self, attribute: str) -> EqualityIndex[ServiceReference] | None:
        """The index of an attribute, made when a filter first asks for it."""
        with self._lock:
            index = self._indexes.get(attribute)
            if index is None and len(self._indexes) < MOST_INDEXED:
                index = EqualityIndex()
                for reference in self._all.in_order():
                    index.add(keys_of_value(reference.properties.folded.get(attribute)), reference)
                self._indexes = {**self._indexes, attribute: index}
        return index

    def _tell(self, reference: ServiceReference) -> None:
        """Tell listeners all the news of a service; called by whoever has set `telling`."""
        state = reference.state
        while True:
            with self._lock:
                if not state.news:
                    state.telling = False
                    going = state.going
                    break
                (kind, before, after), *later = state.news
                state.news = tuple(later)
            self._tell_one(reference, kind, before, after)
            if kind is ServiceEventKind.UNREGISTERING:
                for barrier in self._release_barriers:
                    barrier(reference)
        if going:
            self._let_go(reference)

    def _tell_one(
        self,
        reference: ServiceReference,
        kind: ServiceEventKind,
        before: ServiceProperties | None,
        after: ServiceProperties,
    ) -> None:
        for subscription in self._listeners.concerned(before, after):
            if subscription.closed:
                continue
            try:
                if subscription.wants(after):
                    subscription.callback(ServiceEvent(kind, reference))
                elif before is not None and subscription.wants(before):
                    subscription.callback(ServiceEvent(ServiceEventKind.MODIFIED_ENDMATCH, reference))
            except BaseException as error:  # noqa: BLE001  # a listener may raise anything, even try to exit
                let_interruption_pass(error)
                _log.exception(SERVICE_LISTENER_FAILED, {"service": reference})


def _members(selection: _Selection) -> tuple[ServiceReference, ...]:
    return selection.in_order() if isinstance(selection, Bucket) else selection


def _matches(properties: ServiceProperties, interface: str | None, condition: Filter | None) -> bool:
    if interface is not None and interface not in properties.folded[FOLDED_OBJECT_CLASS]:
        return False
    return condition is None or condition.matches(properties)


def _uses(service: object, scope: str, interfaces: Sequence[type | str]) -> ServiceUses:
    if isinstance(service, ServiceFactory):
        try:
            known = ServiceScope(scope)
        except ValueError:
            choices = ", ".join(repr(member.value) for member in ServiceScope)
            raise RegistryError(f"the scope {scope!r} is none of {choices}") from None
        return FactoryUses(service, known, tuple(one for one in interfaces if isinstance(one, type)))
    if scope != ServiceScope.SINGLETON.value:
        raise RegistryError(f"only a ServiceFactory can have the scope {scope!r}, not a {type(service).__qualname__}")
    return ServiceUses(service)
