from __future__ import annotations

import logging
from collections import deque
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from framework.event_admin import Event, EventAdmin, TopicError
from framework.fake_clock import FakeClock
from framework.filter import Filter, FilterError

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.fixture
def admin() -> EventAdmin:
    return EventAdmin(FakeClock(NOW))


def test_an_event_says_what_happened_and_when(admin: EventAdmin) -> None:
    events: list[Event] = []
    admin.subscribe("gatewright/keystore/CHANGED", events.append)
    admin.publish("gatewright/keystore/CHANGED", {"alias": "x"})
    assert events == [Event("gatewright/keystore/CHANGED", {"alias": "x"}, NOW)]


@pytest.mark.parametrize(
    ("pattern", "topics"),
    [
        ("*", {"a", "a/b", "a/b/c", "ab/c"}),
        ("a", {"a"}),
        ("a/b", {"a/b"}),
        ("a/*", {"a/b", "a/b/c"}),
        ("a/b/*", {"a/b/c"}),
        ("A/*", set()),
    ],
)
def test_a_pattern_covers_what_is_below_it(admin: EventAdmin, pattern: str, topics: set[str]) -> None:
    seen: set[str] = set()
    admin.subscribe(pattern, lambda event: seen.add(event.topic))
    for topic in ("a", "a/b", "a/b/c", "ab/c"):
        admin.publish(topic, {})
    assert seen == topics


def test_several_topics_are_one_subscription(admin: EventAdmin) -> None:
    seen: list[str] = []
    admin.subscribe(["a/*", "a/b", "c"], lambda event: seen.append(event.topic))
    for topic in ("a/b", "b", "c"):
        admin.publish(topic, {})
    assert seen == ["a/b", "c"]


def test_a_filter_looks_at_the_properties(admin: EventAdmin) -> None:
    seen: list[Any] = []
    admin.subscribe("*", lambda event: seen.append(event.properties["n"]), "(N>=2)")
    admin.subscribe("*", lambda event: seen.append(-event.properties["n"]), Filter.parse("(n=1)"))
    for number in (1, 2, 3):
        admin.publish("t", {"n": number})
    assert seen == [-1, 2, 3]
    with pytest.raises(FilterError):
        admin.subscribe("*", seen.append, "(")


@pytest.mark.parametrize("topic", ["", "/", "a/", "/a", "a//b", "*", "a/*", "a*"])
def test_what_is_no_topic_cannot_be_published(admin: EventAdmin, topic: str) -> None:
    with pytest.raises(TopicError) as caught:
        admin.publish(topic, {})
    assert caught.value.topic == topic


@pytest.mark.parametrize("pattern", ["", "/", "a/", "*/a", "a*", "a/*/b", "**", "/*"])
def test_what_is_no_pattern_cannot_be_subscribed_to(admin: EventAdmin, pattern: str) -> None:
    with pytest.raises(TopicError):
        admin.subscribe(pattern, lambda _: None)


def test_an_event_cannot_be_changed_by_whoever_gets_it_first(admin: EventAdmin) -> None:
    seen: list[Any] = []

    def meddle(event: Event) -> None:
        event.properties["n"] = 2  # type: ignore[index]  # what an untyped handler may try

    admin.subscribe("*", meddle)
    admin.subscribe("*", lambda event: seen.append(event.properties["n"]))
    given = {"n": 1}
    admin.publish("t", given)
    assert seen == [1]


def test_an_event_is_what_it_was_when_published() -> None:
    jobs: deque[Callable[[], None]] = deque()
    admin = EventAdmin(FakeClock(NOW), jobs.append)
    seen: list[Any] = []
    admin.subscribe("*", lambda event: seen.append(event.properties["n"]))
    given = {"n": 1}
    admin.publish("t", given)
    given["n"] = 2
    jobs.popleft()()
    assert seen == [1]


def test_a_handler_that_raises_does_not_stop_the_others(admin: EventAdmin, caplog: pytest.LogCaptureFixture) -> None:
    def broken(event: Event) -> None:
        raise RuntimeError(f"no {event.topic} today")

    seen: list[str] = []
    admin.subscribe("*", broken)
    admin.subscribe("*", lambda event: seen.append(event.topic))
    with caplog.at_level(logging.ERROR, "framework.event_admin"):
        admin.publish("rain", {})
    assert seen == ["rain"]
    assert "no rain today" in caplog.text


def test_a_closed_subscription_gets_nothing(admin: EventAdmin) -> None:
    seen: list[str] = []
    with admin.subscribe("*", lambda event: seen.append(event.topic)) as subscription:
        admin.publish("inside", {})
    subscription.close()
    admin.publish("outside", {})
    assert seen == ["inside"]


def test_a_subscription_that_an_earlier_handler_closed_gets_nothing(admin: EventAdmin) -> None:
    seen: list[str] = []
    admin.subscribe("*", lambda _: subscription.close())
    subscription = admin.subscribe("*", lambda event: seen.append(event.topic))
    admin.publish("t", {})
    assert seen == []


def test_delivery_is_left_to_whoever_was_asked_to_do_it_in_the_order_of_publishing() -> None:
    jobs: deque[Callable[[], None]] = deque()
    admin = EventAdmin(FakeClock(NOW), jobs.append)
    seen: list[str] = []
    admin.subscribe("*", lambda event: seen.append(event.topic))
    admin.publish("first", {})
    admin.publish("second", {})
    assert seen == []
    while jobs:
        jobs.popleft()()
    assert seen == ["first", "second"]


def test_an_event_sent_by_a_handler_comes_after_the_one_it_handles_on_a_serial_deliverer() -> None:
    jobs: deque[Callable[[], None]] = deque()
    admin = EventAdmin(FakeClock(NOW), jobs.append)
    seen: list[str] = []

    def answer(event: Event) -> None:
        if event.topic == "question":
            admin.publish("answer", {})

    admin.subscribe("*", answer)
    admin.subscribe("*", lambda event: seen.append(event.topic))
    admin.publish("question", {})
    while jobs:
        jobs.popleft()()
    assert seen == ["question", "answer"]


def test_a_handler_may_subscribe_and_close_while_it_is_called(admin: EventAdmin) -> None:
    seen: list[str] = []

    def change(_: Event) -> None:
        subscription.close()
        admin.subscribe("*", lambda event: seen.append(event.topic))

    subscription = admin.subscribe("*", change)
    admin.publish("first", {})
    admin.publish("second", {})
    assert seen[-1] == "second"
    assert seen.count("second") == 1
