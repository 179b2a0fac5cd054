"""Events by topic, to whoever subscribed (after Compendium R8 113, Event Admin)."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self

from framework.errors import FrameworkError
from framework.filter import Filter

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from framework.clock import Clock

_log = logging.getLogger("framework.event_admin")


class TopicError(FrameworkError, ValueError):
    """A topic or a pattern of topics is none.

    Attributes:
        topic: The text.
    """

    def __init__(self, topic: str) -> None:
        super().__init__(
            f"{topic!r} is no topic: tokens joined by '/', in a subscription with '*' alone or as the last token"
        )
        self.topic = topic


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened.

    Attributes:
        topic: Tokens joined by "/", such as "gatewright/enrollment/STATE_CHANGED".
        properties: What is to be known of it; never a secret.
        timestamp: When it was published, aware, in UTC.
    """

    topic: str
    properties: Mapping[str, Any]
    timestamp: datetime


class EventSubscription:
    """Until it is closed, its handler is called."""

    def __init__(
        self,
        admin: EventAdmin,
        patterns: tuple[str, ...],
        handler: Callable[[Event], None],
        condition: Filter | None,
    ) -> None:
        self._admin = admin
        self._patterns = patterns
        self._handler = handler
        self._condition = condition
        self._closed = False

    def close(self) -> None:
        """Call the handler no more."""
        self._closed = True
        self._admin.remove(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def offer(self, event: Event) -> None:
        """Call the handler if the event is one that was asked for; what it raises is logged."""
        if self._closed or not any(_covers(pattern, event.topic) for pattern in self._patterns):
            return
        if self._condition is not None and not self._condition.matches(event.properties):
            return
        try:
            self._handler(event)
        except Exception:  # noqa: BLE001  # a handler may raise anything
            _log.exception("a handler of %s failed; the others are called", event.topic)


class EventAdmin:
    """Delivers events to the handlers that are subscribed when it is their turn, in the order of publishing.

    Args:
        clock: Where events get their time from.
        deliver: Runs a delivery, one after another; at once on the publisher's thread if None.
    """

    def __init__(self, clock: Clock, deliver: Callable[[Callable[[], None]], None] | None = None) -> None:
        self._clock = clock
        self._deliver = deliver or (lambda job: job())
        self._lock = threading.Lock()
        self._subscriptions: tuple[EventSubscription, ...] = ()

    def publish(self, topic: str, properties: Mapping[str, Any]) -> None:
        """Send an event; returns without waiting for handlers if delivery is asynchronous."""
        if "*" in topic or not _is_topic(topic):
            raise TopicError(topic)
        event = Event(topic, MappingProxyType(dict(properties)), self._clock.now())
        self._deliver(lambda: self._offer(event))

    def subscribe(
        self,
        topics: str | Sequence[str],
        handler: Callable[[Event], None],
        filter: str | Filter | None = None,
    ) -> EventSubscription:
        """Call `handler` for events of these topics.

        Args:
            topics: Topics, or patterns: "*" for all, "a/b/*" for all below "a/b".
            handler: Called with each `Event`.
            filter: A filter over the event's properties.
        """
        patterns = (topics,) if isinstance(topics, str) else tuple(topics)
        for pattern in patterns:
            if pattern != "*" and not _is_topic(pattern.removesuffix("/*")):
                raise TopicError(pattern)
        condition = Filter.parse(filter) if isinstance(filter, str) else filter
        subscription = EventSubscription(self, patterns, handler, condition)
        with self._lock:
            self._subscriptions = (*self._subscriptions, subscription)
        return subscription

    def remove(self, subscription: EventSubscription) -> None:
        """Forget a subscription; nothing happens if it is forgotten already."""
        with self._lock:
            self._subscriptions = tuple(kept for kept in self._subscriptions if kept is not subscription)

    def _offer(self, event: Event) -> None:
        for subscription in self._subscriptions:
            subscription.offer(event)


def _is_topic(text: str) -> bool:
    return bool(text) and "*" not in text and all(text.split("/"))


def _covers(pattern: str, topic: str) -> bool:
    return pattern in ("*", topic) or (pattern.endswith("/*") and topic.startswith(pattern[:-1]))
