"""Who wants to know of an event: subscriptions, found by its topic and by what their filters ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from framework.filter import keys_of_value
from framework.registry.index import Bucket, EqualityIndex

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from framework.event_admin.subscription import EventSubscription


class SubscriptionIndex:
    """Changed under the lock of its owner, read without one; what is found is asked with its whole filter."""

    def __init__(self) -> None:
        self._by_pattern: dict[str, _Filed] = {}

    def add(self, subscription: EventSubscription) -> None:
        """File a subscription under each of its patterns."""
        for pattern in set(subscription.topics):
            self._by_pattern.setdefault(pattern, _Filed()).add(subscription)

    def remove(self, subscription: EventSubscription) -> None:
        """Take a subscription out that is filed."""
        for pattern in set(subscription.topics):
            filed = self._by_pattern[pattern]
            filed.remove(subscription)
            if not filed.number:
                del self._by_pattern[pattern]

    def concerned(self, topic: str, properties: Mapping[str, Any]) -> list[EventSubscription]:
        """Those who could want an event, in the order in which they subscribed."""
        found: dict[int, EventSubscription] = {}
        for pattern in _patterns(topic):
            filed = self._by_pattern.get(pattern)
            if filed is not None:
                for subscription in filed.concerned(topic, properties):
                    found[subscription.order] = subscription
        return [found[order] for order in sorted(found)]


class _Filed:
    """The subscriptions of one pattern."""

    def __init__(self) -> None:
        self.number = 0
        self._unfiled: Bucket[EventSubscription] = Bucket()
        self._by_attribute: dict[str, EqualityIndex[EventSubscription]] = {}

    def add(self, subscription: EventSubscription) -> None:
        self.number += 1
        if not subscription.places:
            self._unfiled.add(subscription)
        for attribute, keys in subscription.places:
            self._by_attribute.setdefault(attribute, EqualityIndex()).add(keys, subscription)

    def remove(self, subscription: EventSubscription) -> None:
        self.number -= 1
        if not subscription.places:
            self._unfiled.remove(subscription, subscription.order)
        for attribute, keys in subscription.places:
            self._by_attribute[attribute].remove(keys, subscription, subscription.order)

    def concerned(self, topic: str, properties: Mapping[str, Any]) -> Iterator[EventSubscription]:
        yield from self._unfiled.in_order()
        if not self._by_attribute:
            return
        for key, value in (*properties.items(), ("event.topics", topic)):  # keys that differ only in case all count
            index = self._by_attribute.get(key.lower())
            if index is not None:
                for bucket in index.buckets(keys_of_value(value)):
                    yield from bucket.in_order()


def _patterns(topic: str) -> Iterator[str]:
    """All patterns that mean the topic."""
    yield topic
    at = topic.rfind("/")
    while at > 0:
        yield f"{topic[:at]}/*"
        at = topic.rfind("/", 0, at)
    yield "*"
