"""Who is told of what happens to services: subscriptions, found by what they ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from framework.filter import keys_of_value
from framework.registry.index import Bucket, EqualityIndex
from framework.registry.properties import FOLDED_OBJECT_CLASS, ServiceProperties

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Mapping

    from framework.filter import Filter
    from framework.registry.registry import ServiceRegistry
    from framework.registry.service import ServiceEvent


class Subscription:
    """Until it is closed, its callback is told of events; made by `ServiceRegistry.listen`."""

    __slots__ = ("_condition", "_interface", "_registry", "callback", "closed", "order", "places")

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
        self.places = self._places()

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
        if self._interface is not None and self._interface not in properties.folded[FOLDED_OBJECT_CLASS]:
            return False
        return self._condition is None or self._condition.matches(properties)

    def _places(self) -> tuple[tuple[str, tuple[Hashable, ...]], ...]:
        """Attributes and keys to be filed under: of the filter's parts the most telling one, else the interface."""
        parts = () if self._condition is None else self._condition.alternatives
        telling = [part for part in parts if all(attribute != FOLDED_OBJECT_CLASS for attribute, _ in part)]
        if telling:
            return telling[0]
        if self._interface is not None:
            return ((FOLDED_OBJECT_CLASS, (self._interface,)),)
        return parts[0] if parts else ()


class ListenerIndex:
    """Subscriptions, found by the properties that they could be interested in; changed under the registry's lock."""

    def __init__(self) -> None:
        self._unfiled: Bucket[Subscription] = Bucket()
        self._by_attribute: dict[str, EqualityIndex[Subscription]] = {}

    def add(self, subscription: Subscription) -> None:
        """File a subscription."""
        if not subscription.places:
            self._unfiled.add(subscription)
        for attribute, keys in subscription.places:
            index = self._by_attribute.get(attribute)
            if index is None:
                index = EqualityIndex()
                self._by_attribute = {**self._by_attribute, attribute: index}
            index.add(keys, subscription)

    def remove(self, subscription: Subscription) -> None:
        """Take a subscription out."""
        if not subscription.places:
            self._unfiled.remove(subscription, subscription.order)
        for attribute, keys in subscription.places:
            self._by_attribute[attribute].remove(keys, subscription, subscription.order)

    def concerned(self, before: ServiceProperties | None, after: ServiceProperties) -> list[Subscription]:
        """Those who could want to know of services with these properties, in the order in which they subscribed."""
        found: dict[int, Subscription] = {}
        for bucket in self._buckets(after.folded):
            for subscription in bucket.in_order():
                found[subscription.order] = subscription
        if before is not None:
            for bucket in self._buckets(before.folded):
                for subscription in bucket.in_order():
                    found[subscription.order] = subscription
        return [found[order] for order in sorted(found)] if len(found) > 1 else list(found.values())

    def _buckets(self, folded: Mapping[str, object]) -> Iterator[Bucket[Subscription]]:
        if len(self._unfiled):
            yield self._unfiled
        for attribute, index in self._by_attribute.items():
            value = folded.get(attribute)
            if value is not None:
                yield from index.buckets(keys_of_value(value))
