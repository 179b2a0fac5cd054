from __future__ import annotations

from collections import deque
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from framework.event_admin import MOST_WAITING, Event, EventAdmin, TopicError
from framework.fake_clock import FakeClock
from framework.filter import Filter, FilterError

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.fixture
def admin() -> EventAdmin:
    return EventAdmin(FakeClock(NOW))


def run(jobs: deque[Callable[[], None]]) -> None:
    while jobs:
        jobs.popleft()()


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


@pytest.mark.parametrize("topic", ["", "/", "a/", "/a", "a//b", "*", "a/*", "a*", "a b", "ä", "a/b\n", "a.b"])
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

    admin.subscribe("t", meddle)
    admin.subscribe("t", lambda event: seen.append(event.properties["n"]))
    given = {"n": 1}
    admin.publish("t", given)
    assert seen == [1]


def test_an_event_is_what_it_was_when_published(admin: EventAdmin) -> None:
    jobs: deque[Callable[[], None]] = deque()
    seen: list[Any] = []
    admin.subscribe("*", lambda event: seen.append(event.properties["n"]), executor=jobs.append)
    given = {"n": 1}
    admin.publish("t", given)
    given["n"] = 2
    run(jobs)
    assert seen == [1]


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


def test_a_handler_gets_its_events_on_its_own_executor_in_the_order_of_publishing(admin: EventAdmin) -> None:
    jobs: deque[Callable[[], None]] = deque()
    seen: list[str] = []
    admin.subscribe("*", lambda event: seen.append(event.topic), executor=jobs.append)
    topics = [f"t/{number}" for number in range(100)]
    for topic in topics:
        admin.publish(topic, {})
    assert seen == []
    run(jobs)
    assert seen == topics


def test_a_closed_subscription_gets_nothing_of_what_waits(admin: EventAdmin) -> None:
    jobs: deque[Callable[[], None]] = deque()
    seen: list[str] = []
    subscription = admin.subscribe("*", lambda event: seen.append(event.topic), executor=jobs.append)
    admin.publish("t", {})
    subscription.close()
    run(jobs)
    assert seen == []


def test_what_a_handler_publishes_comes_to_it_after_the_event_that_it_handles(admin: EventAdmin) -> None:
    seen: list[str] = []

    def answer(event: Event) -> None:
        if event.topic == "question":
            admin.publish("answer", {})
        seen.append(event.topic)

    admin.subscribe("*", answer)
    admin.publish("question", {})
    assert seen == ["question", "answer"]


def test_of_too_many_events_the_oldest_are_dropped_for_the_slow_handler_alone(
    admin: EventAdmin, caplog: pytest.LogCaptureFixture
) -> None:
    jobs: deque[Callable[[], None]] = deque()
    slow: list[int] = []
    quick: list[int] = []
    subscription = admin.subscribe("*", lambda event: slow.append(event.properties["n"]), executor=jobs.append)
    admin.subscribe("*", lambda event: quick.append(event.properties["n"]))
    for number in range(MOST_WAITING + 3):
        admin.publish("t", {"n": number})
    run(jobs)
    assert slow == list(range(3, MOST_WAITING + 3))
    assert quick == list(range(MOST_WAITING + 3))
    assert subscription.dropped == 3
    assert caplog.text.count("is too slow") == 1


def test_a_filter_may_ask_for_the_topic(admin: EventAdmin) -> None:
    seen: list[str] = []
    admin.subscribe("*", lambda event: seen.append(event.topic), "(event.topics=a/*)")
    admin.publish("a/b", {})
    admin.publish("b/a", {})
    assert seen == ["a/b"]


def test_the_subscriptions_of_an_owner_go_together(admin: EventAdmin) -> None:
    seen: list[str] = []
    for owner in ("acme", "acme", "other"):
        admin.subscribe("*", lambda event, owner=owner: seen.append(owner), owner=owner)  # type: ignore[misc]  # a lambda
    assert admin.remove_owner("acme") == 2
    admin.publish("t", {})
    assert seen == ["other"]


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
