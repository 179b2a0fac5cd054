"""The service registry (Core R8 5): who offers what, found by interface and filter, and who wants to know."""

from __future__ import annotations

import itertools
import logging
import threading
from typing import TYPE_CHECKING, Any, Self

from framework.filter import Filter
from framework.registry.errors import RegistryError, UnregisteredServiceError
from framework.registry.index import Bucket, EqualityIndex, texts_of
from framework.registry.properties import OBJECT_CLASS, SERVICE_ID, SERVICE_SCOPE, ServiceProperties
from framework.registry.service import (
    ServiceEvent,
    ServiceEventKind,
    ServiceReference,
    ServiceRegistration,
    interface_name,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

_log = logging.getLogger("framework.registry")

_INTERFACE_ATTRIBUTE = OBJECT_CLASS.lower()


class Subscription:
    """Until it is closed, its callback is told of events; made by `ServiceRegistry.listen`."""

    __slots__ = ("_condition", "_interface", "_registry", "callback", "closed", "key", "order")

    def __init__(
        self,
        registry: ServiceRegistry,
        order: int,
        callback: Callable[[ServiceEvent], None],
        interface: str | None,
        condition: Filter | None,
    ) -> None:
        self._registry = registry
        self._interface = interface
        self._condition = condition
        self.order = order
        self.callback = callback
        self.closed = False
        self.key = self._index_key()

    def close(self) -> None:
        """Call the callback no more, not even of an event that others are being told of."""
        self.closed = True
        self._registry.remove(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def wants(self, properties: ServiceProperties) -> bool:
        """Whether a service of these properties is one that was asked for."""
        if self._interface is not None and self._interface not in properties[OBJECT_CLASS]:
            return False
        return self._condition is None or self._condition.matches(properties)

    def _index_key(self) -> tuple[str, str] | None:
        """The equality to be filed under: the most telling one, which is seldom the interface."""
        equalities = set(self._condition.required_equalities) if self._condition is not None else set()
        if self._interface is not None:
            equalities.add((_INTERFACE_ATTRIBUTE, self._interface))
        return min(equalities, key=lambda pair: (pair[0] == _INTERFACE_ATTRIBUTE, pair), default=None)


class ServiceRegistry:
    """Services by interface and properties.

    Lookups take no lock. Callbacks are called on the thread that made the change, in the order of their
    subscription, with no lock held; one that raises is logged and keeps no other from being called.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ids = itertools.count(1)
        self._orders = itertools.count(1)
        self._all: Bucket[ServiceReference] = Bucket()
        self._indexes: dict[str, EqualityIndex[ServiceReference]] = {_INTERFACE_ATTRIBUTE: EqualityIndex()}
        self._registered: set[ServiceReference] = set()
        self._leaving: dict[ServiceReference, bool] = {}  # being told of; whether to let go when all have been told
        self._subscriptions: dict[Callable[[ServiceEvent], None], Subscription] = {}
        self._listeners: dict[str, EqualityIndex[Subscription]] = {}
        self._unkeyed_listeners: Bucket[Subscription] = Bucket()
        self._release_barriers: tuple[Callable[[ServiceReference], None], ...] = ()

    def register(
        self,
        interfaces: type | str | Sequence[type | str],
        service: object,
        properties: Mapping[str, Any] | None = None,
    ) -> ServiceRegistration:
        """Offer a service.

        Args:
            interfaces: One or more classes, or names, that it is found by.
            service: The object.
            properties: What filters can ask for; a list counts as a value of many. `service.id`, `objectClass` and
                `service.scope` are the framework's; `service.ranking` (int) decides who is best.

        Raises:
            RegistryError: No interface, or no service.
            PropertyKeysError: Two keys differ only in case.
        """
        given = (interfaces,) if isinstance(interfaces, type | str) else tuple(interfaces)
        if not given or service is None:
            raise RegistryError("a service needs an object and at least one interface to be registered under")
        names = tuple(dict.fromkeys(interface_name(interface) for interface in given))
        service_id = next(self._ids)
        offered = _with_framework_keys(properties or {}, names, service_id)
        reference = ServiceReference(service_id, service, offered)
        with self._lock:
            self._registered.add(reference)
            self._all.add(reference)
            for attribute, index in self._indexes.items():
                index.add(texts_of(offered.folded.get(attribute)), reference)
        self._tell(ServiceEventKind.REGISTERED, reference, offered, offered)
        return ServiceRegistration(self, reference)

    def find(self, interface: type | str | None = None, filter: Filter | str | None = None) -> ServiceReference | None:
        """The best service of that interface that matches, or None; FilterError if the filter is none."""
        return next(self._matching(interface, filter), None)

    def find_all(
        self, interface: type | str | None = None, filter: Filter | str | None = None
    ) -> tuple[ServiceReference, ...]:
        """All services of that interface that match, best first; FilterError if the filter is none."""
        return tuple(self._matching(interface, filter))

    def get(self, reference: ServiceReference) -> Any:
        """The service object, or None once it has gone."""
        return reference.service

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
            if earlier is not None:
                self._unfile(earlier)
            order = next(self._orders) if earlier is None else earlier.order
            subscription = Subscription(self, order, callback, name, condition)
            self._subscriptions[callback] = subscription
            self._file(subscription)
        return subscription

    def remove(self, subscription: Subscription) -> None:
        """Close a subscription; nothing happens if it is closed or replaced already."""
        with self._lock:
            if self._subscriptions.get(subscription.callback) is subscription:
                del self._subscriptions[subscription.callback]
                self._unfile(subscription)

    def add_release_barrier(self, barrier: Callable[[ServiceReference], None]) -> None:
        """Call `barrier` with each service that goes, after all listeners were told and before it is let go.

        A runtime that ends those who hold the service waits there until they have.
        """
        with self._lock:
            self._release_barriers = (*self._release_barriers, barrier)

    def replace_properties(self, reference: ServiceReference, properties: Mapping[str, Any]) -> None:
        """What `ServiceRegistration.set_properties` does."""
        after = _with_framework_keys(properties, reference.interfaces, reference.id)
        with self._lock:
            if reference not in self._registered:
                raise UnregisteredServiceError(reference.id)
            before = reference.properties
            reference.set_properties(after)
            self._all.touch()
            for attribute, index in self._indexes.items():
                index.move(before.folded, after.folded, attribute, reference)
        self._tell(ServiceEventKind.MODIFIED, reference, before, after)

    def withdraw(self, reference: ServiceReference) -> None:
        """What `ServiceRegistration.withdraw` does."""
        with self._lock:
            if reference not in self._registered:
                return
            self._registered.remove(reference)
            self._all.remove(reference)
            for attribute, index in self._indexes.items():
                index.remove(texts_of(reference.properties.folded.get(attribute)), reference)
            self._leaving[reference] = False
        try:
            self._tell(ServiceEventKind.UNREGISTERING, reference, reference.properties, reference.properties)
            for barrier in self._release_barriers:
                barrier(reference)
        finally:
            with self._lock:
                let_go = self._leaving.pop(reference)
            if let_go:
                reference.drop()

    def unregister(self, reference: ServiceReference) -> None:
        """What `ServiceRegistration.unregister` does."""
        self.withdraw(reference)
        with self._lock:
            if reference in self._leaving:  # listeners are being told, by another thread or further up this one
                self._leaving[reference] = True
                return
        reference.drop()

    def _matching(self, interface: type | str | None, filter: Filter | str | None) -> Iterator[ServiceReference]:
        condition = Filter.parse(filter) if isinstance(filter, str) else filter
        name = None if interface is None else interface_name(interface)
        for reference in self._candidates(name, condition):
            properties = reference.properties
            if name is not None and name not in properties.folded[_INTERFACE_ATTRIBUTE]:
                continue
            if condition is None or condition.matches(properties):
                yield reference

    def _candidates(self, interface: str | None, condition: Filter | None) -> tuple[ServiceReference, ...]:
        equalities = set(condition.required_equalities) if condition is not None else set()
        if interface is not None:
            equalities.add((_INTERFACE_ATTRIBUTE, interface))
        if not equalities:
            return self._all.in_order()
        options = [self._index(attribute).buckets(text) for attribute, text in equalities]
        buckets = min(options, key=lambda option: sum(map(len, option)))
        if len(buckets) == 1:
            return buckets[0].in_order()
        merged = {reference for bucket in buckets for reference in bucket.in_order()}
        return tuple(sorted(merged, key=lambda reference: reference.order))

    def _index(self, attribute: str) -> EqualityIndex[ServiceReference]:
        """The index of an attribute, made when a filter first asks for it."""
        index = self._indexes.get(attribute)
        if index is not None:
            return index
        with self._lock:
            index = self._indexes.get(attribute)
            if index is None:
                index = EqualityIndex()
                for reference in self._registered:
                    index.add(texts_of(reference.properties.folded.get(attribute)), reference)
                self._indexes = {**self._indexes, attribute: index}
        return index

    def _file(self, subscription: Subscription) -> None:
        if subscription.key is None:
            self._unkeyed_listeners.add(subscription)
            return
        attribute, text = subscription.key
        if attribute not in self._listeners:
            self._listeners = {**self._listeners, attribute: EqualityIndex()}
        self._listeners[attribute].add((text,), subscription)

    def _unfile(self, subscription: Subscription) -> None:
        if subscription.key is None:
            self._unkeyed_listeners.remove(subscription)
        else:
            attribute, text = subscription.key
            self._listeners[attribute].remove((text,), subscription)

    def _concerned(self, *snapshots: ServiceProperties) -> list[Subscription]:
        found = {id(listener): listener for listener in self._unkeyed_listeners.in_order()}
        for attribute, index in self._listeners.items():
            for properties in snapshots:
                for bucket in index.of_value(properties.folded.get(attribute)):
                    found.update((id(listener), listener) for listener in bucket.in_order())
        return sorted(found.values(), key=lambda listener: listener.order)

    def _tell(
        self, kind: ServiceEventKind, reference: ServiceReference, before: ServiceProperties, after: ServiceProperties
    ) -> None:
        for subscription in self._concerned(*((after,) if before is after else (before, after))):
            if subscription.closed:
                continue
            if subscription.wants(after):
                event = ServiceEvent(kind, reference)
            elif kind is ServiceEventKind.MODIFIED and subscription.wants(before):
                event = ServiceEvent(ServiceEventKind.MODIFIED_ENDMATCH, reference)
            else:
                continue
            try:
                subscription.callback(event)
            except Exception:  # noqa: BLE001  # a listener may raise anything
                _log.exception("a listener of %r failed; the others are called", reference)


def _with_framework_keys(
    properties: Mapping[str, Any], interfaces: tuple[str, ...], service_id: int
) -> ServiceProperties:
    ours = {SERVICE_ID: service_id, OBJECT_CLASS: interfaces, SERVICE_SCOPE: "singleton"}
    reserved = {key.lower() for key in ours}
    given = {key: value for key, value in properties.items() if str(key).lower() not in reserved}
    return ServiceProperties({**given, **ours})
