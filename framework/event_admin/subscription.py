"""One handler: its bounded queue, its turn, and how it is denied further events."""

from __future__ import annotations

import logging
import threading
import traceback
from collections import deque
from typing import TYPE_CHECKING, Final, Protocol, Self

from framework.foreign import in_words
from framework.log_events import HANDLER_DENIED, HANDLER_SLOW
from framework.stacks import stack_of
from metatype.secret import without_secrets

if TYPE_CHECKING:
    from collections.abc import Callable

    from framework.event_admin.event import Event
    from framework.filter import Filter
    from framework.scheduler import Scheduler

_log = logging.getLogger("framework.event_admin")

HANDLER_DEADLINE_S: Final = 5.0
"""How long a handler may be at one event, in seconds, before it is denied further ones."""

MOST_WAITING: Final = 1000
"""Events that wait for one handler; then the oldest makes way for the newest, and is counted in `dropped`."""

_BATCH: Final = 32
"""Events that a handler gets in one go before others get their turn."""


class Workshop(Protocol):
    """What subscriptions need of their admin."""

    @property
    def scheduler(self) -> Scheduler | None:
        """Where deadlines are kept; without one there are none."""

    @property
    def deadline_s(self) -> float:
        """How long a handler may be at one event."""
        ...

    def remove(self, subscription: EventSubscription) -> None:
        """Forget a subscription."""

    def deny(self, subscription: EventSubscription, reason: str, stack: str | None) -> None:
        """Report a handler that is denied further events."""

    def lend_thread(self) -> None:
        """A handler hangs: whoever runs handlers needs one thread more."""

    def take_back_thread(self) -> None:
        """The handler that hung has ended after all."""


class _Call:
    """One call of a handler, which is watched, and for whose end a sender may wait."""

    def __init__(self, event: Event) -> None:
        self.event = event
        self.ended = threading.Event()
        self.given_up = False


class EventSubscription:
    """Until it is closed or denied, its handler is called.

    Published events come one at a time and in order. A sent event does not wait for those that were published: it
    may come while the handler is at one of them, as with any Event Admin.

    Attributes:
        owner: To whom the handler belongs, such as a plugin's name or a component's pid.
        topics: The topics or patterns that were asked for.
        dropped: How many events were dropped since the handler was too slow for them.
        order: Its place among all subscriptions, by time.
        places: Attributes and keys of which an event that its filter takes has one; empty if there is no such thing.
    """

    def __init__(
        self,
        workshop: Workshop,
        topics: tuple[str, ...],
        handler: Callable[[Event], None],
        condition: Filter | None,
        owner: str,
        executor: Callable[[Callable[[], None]], None],
        *,
        order: int,
        waits_for_mailbox: bool,
    ) -> None:
        self.order = order
        self.places = condition.alternatives[0] if condition is not None and condition.alternatives else ()
        self.owner = owner
        self.topics = topics
        self.dropped = 0
        self.waits_for_mailbox = waits_for_mailbox
        self._workshop = workshop
        self._handler: Callable[[Event], None] | None = handler
        self._condition = condition
        self._wants_topic = condition is not None and "event.topics" in str(condition).lower()
        self._executor = executor
        self._lock = threading.Lock()
        self._waiting: deque[Event] = deque()
        self._running = False
        self._overflown = False
        self._calls: set[_Call] = set()

    @property
    def closed(self) -> bool:
        """Whether the handler gets no more events."""
        return self._handler is None

    @property
    def handler(self) -> Callable[[Event], None] | None:
        """What is called, or None once it is closed."""
        return self._handler

    def close(self) -> None:
        """Call the handler no more; a call that is under way goes on to its end, but nobody waits for it."""
        self._shut()
        self._release()

    def _shut(self) -> bool:
        """Take the handler away; whether it was there."""
        with self._lock:
            was_open = self._handler is not None
            self._handler = None
            self._waiting.clear()
        self._workshop.remove(self)
        return was_open

    def _release(self) -> None:
        """Let those go on who wait in `send`."""
        with self._lock:
            calls = tuple(self._calls)
        for call in calls:
            call.ended.set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def wants(self, event: Event) -> bool:
        """Whether the filter takes the event; `event.topics` in it means the topic (113.3.2)."""
        if self._condition is None:
            return True
        properties = {**event.properties, "event.topics": event.topic} if self._wants_topic else event.properties
        return self._condition.matches(properties)

    def enqueue(self, event: Event) -> None:
        """Have the handler called with the event after those that wait already."""
        with self._lock:
            if self._handler is None:
                return
            self._waiting.append(event)
            overflow = len(self._waiting) > MOST_WAITING
            if overflow:
                self._waiting.popleft()
                self.dropped += 1
            first, self._overflown = overflow and not self._overflown, self._overflown or overflow
            start, self._running = not self._running, True
        if first:
            _log.warning(HANDLER_SLOW, {"handler": self._name(), "most": MOST_WAITING})
        if start:
            self._executor(self._drain)

    def begin(self, event: Event, around: Callable[[Callable[[], None]], None]) -> threading.Event | None:
        """Have the handler called with the event now; what is returned is set when nobody needs to wait any more.

        Args:
            event: What is sent.
            around: Runs the call, for the sender to know its own nested calls.
        """
        call = _Call(event)
        with self._lock:
            if self._handler is None:
                return None
            self._calls.add(call)
        self._executor(lambda: around(lambda: self._perform(call)))
        return call.ended

    def _drain(self) -> None:
        for _ in range(_BATCH):
            with self._lock:
                if not self._waiting or self._handler is None:
                    self._running = self._overflown = False
                    return
                call = _Call(self._waiting.popleft())
                self._calls.add(call)
            self._perform(call)
        self._executor(self._drain)

    def _perform(self, call: _Call) -> None:
        handler = self._handler
        scheduler, thread = self._workshop.scheduler, threading.get_ident()
        timer = None
        if scheduler is not None:
            timer = scheduler.call_later(self._workshop.deadline_s, lambda: self._give_up(call, thread))
        try:
            if handler is not None:
                handler(call.event)
        except BaseException as error:  # noqa: BLE001  # a handler may raise anything, even try to exit
            stack = "".join(traceback.format_exception(error))
            self._deny(in_words(error), without_secrets(stack))
        finally:
            if timer is not None:
                timer.cancel()
            with self._lock:
                self._calls.discard(call)
                given_up = call.given_up
            call.ended.set()
            if given_up:
                self._workshop.take_back_thread()

    def _give_up(self, call: _Call, thread: int) -> None:
        with self._lock:
            if call not in self._calls:
                return
            call.given_up = not self.waits_for_mailbox  # a mailbox's threads are its own runtime's concern
        stack = stack_of(thread)
        if call.given_up:
            self._workshop.lend_thread()
        seconds = self._workshop.deadline_s
        self._deny(f"it was at an event of {call.event.topic} for more than {seconds:g} s", stack)

    def _deny(self, reason: str, stack: str | None) -> None:
        if self._shut():
            facts = {"handler": self._name(), "reason": reason, "stack": stack or "(its stack is not known)"}
            _log.error(HANDLER_DENIED, facts)
            self._workshop.deny(self, reason, stack)
        self._release()

    def _name(self) -> str:
        return f"the handler of {', '.join(self.topics)}{f' of {self.owner}' if self.owner else ''}"
