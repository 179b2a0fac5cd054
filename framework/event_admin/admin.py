"""The Event Admin: who subscribed to what, and delivery to them."""

from __future__ import annotations

import itertools
import threading
from collections import deque
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from framework.errors import FrameworkError
from framework.event_admin.event import Event, check_pattern, check_topic
from framework.event_admin.index import SubscriptionIndex
from framework.event_admin.subscription import HANDLER_DEADLINE_S, EventSubscription
from framework.filter import Filter
from framework.record import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from framework.clock import Clock
    from framework.execution import Pool
    from framework.scheduler import Scheduler

HANDLER_DENIED: Final = "gatewright/event/HANDLER_DENIED"
"""The topic of the event that tells of a handler that gets no more events."""

DEEPEST_SENDING: Final = 16
"""How deep handlers may send inside of handlers of sent events."""

_REMEMBERED_TOPICS: Final = 1024
_REMEMBERED_DENIALS: Final = 100


class DeniedHandler(Record):
    """A handler that raised or hung and gets no more events.

    Attributes:
        owner: To whom it belongs, or "".
        topics: What it had subscribed to.
        reason: What it did, in words.
        stack: Where it raised or hung, or None if that is not known.
        at: When it was denied, aware, in UTC.
    """

    owner: str
    topics: tuple[str, ...]
    reason: str
    stack: str | None
    at: datetime


class EventAdmin:
    """Delivers events to the handlers that are subscribed when they are published.

    `publish` (OSGi: postEvent) returns at once; each handler gets its events one at a time in the order of
    publishing, from a queue of its own of at most `MOST_WAITING` events, of which the oldest is dropped when it is
    full. `send` (OSGi: sendEvent) returns when all handlers were called. A handler that raises, or is at one event
    for longer than the deadline, is reported and denied further events (113.8.2); nobody else notices.

    Args:
        clock: Where events get their time from.
        pool: Runs handlers; they run at once on the publisher's thread if None.
        scheduler: Keeps the deadline of handlers; there is none if None.
        deadline_s: How long a handler may be at one event, in seconds.
    """

    def __init__(
        self,
        clock: Clock,
        pool: Pool | None = None,
        scheduler: Scheduler | None = None,
        *,
        deadline_s: float = HANDLER_DEADLINE_S,
    ) -> None:
        self.scheduler = scheduler
        self.deadline_s = deadline_s
        self._clock = clock
        self._pool = pool
        self._lock = threading.Lock()
        self._orders = itertools.count(1)
        self._subscriptions: dict[int, EventSubscription] = {}
        self._index = SubscriptionIndex()
        self._topics: set[str] = set()
        self._denied: deque[DeniedHandler] = deque(maxlen=_REMEMBERED_DENIALS)
        self._depth = threading.local()
        self._closed = False

    @property
    def subscriptions(self) -> tuple[EventSubscription, ...]:
        """All that are open, the oldest first."""
        with self._lock:
            return tuple(self._subscriptions.values())

    @property
    def denied(self) -> tuple[DeniedHandler, ...]:
        """The handlers that were denied further events, the last one last; at most a hundred."""
        return tuple(self._denied)

    def publish(self, topic: str, properties: Mapping[str, Any]) -> None:
        """Have an event delivered, without waiting for handlers; TopicError if the topic is none."""
        self._check(topic)
        concerned = self._index.concerned(topic, properties) if self._subscriptions else ()
        if concerned:
            event = self._event(topic, properties)
            for subscription in concerned:
                if subscription.wants(event):
                    subscription.enqueue(event)

    def send(self, topic: str, properties: Mapping[str, Any]) -> None:
        """Deliver an event and return when each handler has had it, or was denied.

        A handler with an executor of its own, such as a component's mailbox, gets the event as if it were published:
        two components that waited for each other's mailboxes would wait for ever. Handlers may send.

        Raises:
            TopicError: The topic is none.
            FrameworkError: Handlers send inside of handlers, deeper than `DEEPEST_SENDING`.
        """
        depth = getattr(self._depth, "value", 0) + 1
        if depth > DEEPEST_SENDING:
            raise FrameworkError(f"{topic} is sent {depth} levels inside of handlers; publish it instead")
        self._check(topic)
        event = self._event(topic, properties)

        def around(call: Callable[[], None]) -> None:
            before = getattr(self._depth, "value", 0)
            self._depth.value = depth
            try:
                call()
            finally:
                self._depth.value = before

        for subscription in self._index.concerned(topic, event.properties):
            if not subscription.wants(event):
                continue
            if subscription.waits_for_mailbox:
                subscription.enqueue(event)
                continue
            ended = subscription.begin(event, around)
            if ended is None or ended.is_set():
                continue
            self.lend_thread()
            try:
                ended.wait()
            finally:
                self.take_back_thread()

    def subscribe(
        self,
        topics: str | Sequence[str],
        handler: Callable[[Event], None],
        filter: str | Filter | None = None,
        *,
        owner: str = "",
        executor: Callable[[Callable[[], None]], None] | None = None,
    ) -> EventSubscription:
        """Call `handler` for events of these topics.

        Args:
            topics: Topics, or patterns: "*" for all, "a/b/*" for all below "a/b".
            handler: Called with each `Event`.
            filter: A filter over the event's properties, and the topic as `event.topics`.
            owner: To whom the handler belongs; `remove_owner` closes all of theirs.
            executor: Posts a job that calls the handler, in order, such as `Mailbox.post`; the admin's own if None.

        Raises:
            TopicError: A topic is none.
            FilterError: The filter is none.
        """
        patterns = (topics,) if isinstance(topics, str) else tuple(topics)
        for pattern in patterns:
            check_pattern(pattern)
        condition = Filter.parse(filter) if isinstance(filter, str) else filter
        subscription = EventSubscription(
            self,
            patterns,
            handler,
            condition,
            owner,
            executor or self._run,
            order=next(self._orders),
            waits_for_mailbox=executor is not None,
        )
        with self._lock:
            closed = self._closed
            if not closed:
                self._subscriptions[subscription.order] = subscription
                self._index.add(subscription)
        if closed:
            subscription.close()
        return subscription

    def remove(self, subscription: EventSubscription) -> None:
        """Forget a subscription; nothing happens if it is forgotten already."""
        with self._lock:
            if self._subscriptions.pop(subscription.order, None) is not None:
                self._index.remove(subscription)

    def remove_owner(self, owner: str) -> int:
        """Close all subscriptions of an owner; how many there were."""
        theirs = [one for one in self.subscriptions if one.owner == owner]
        for subscription in theirs:
            subscription.close()
        return len(theirs)

    def close(self) -> None:
        """Deliver nothing more; whoever waits in `send` goes on."""
        with self._lock:
            self._closed = True
        for subscription in self.subscriptions:
            subscription.close()

    def deny(self, subscription: EventSubscription, reason: str, stack: str | None) -> None:
        """Note a handler that gets no more events, and tell the others."""
        self._denied.append(DeniedHandler(subscription.owner, subscription.topics, reason, stack, self._clock.now()))
        self.publish(
            HANDLER_DENIED, {"owner": subscription.owner, "topics": list(subscription.topics), "reason": reason}
        )

    def lend_thread(self) -> None:
        """A thread of the pool waits or hangs; have another take its place."""
        if self._pool is not None:
            self._pool.lend()

    def take_back_thread(self) -> None:
        """A thread of the pool goes on."""
        if self._pool is not None:
            self._pool.take_back()

    def _event(self, topic: str, properties: Mapping[str, Any]) -> Event:
        return Event(topic, MappingProxyType(dict(properties)), self._clock.now())

    def _check(self, topic: str) -> None:
        """TopicError unless it is a topic; one that is remembered was checked when it first came."""
        if topic not in self._topics:
            if len(self._topics) >= _REMEMBERED_TOPICS:
                self._topics = set()
            self._topics.add(check_topic(topic))

    def _run(self, job: Callable[[], None]) -> None:
        if self._pool is None:
            job()
        else:
            self._pool.submit(job)
