"""Events find their handlers as if each handler were asked, without asking each."""

from __future__ import annotations

import enum
import functools
import threading
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from framework.event_admin import Event, EventAdmin, EventSubscription
from framework.fake_clock import FakeClock
from framework.filter import Filter

if TYPE_CHECKING:
    import pytest


class Word(enum.StrEnum):
    ONE = "one"


class Number(enum.IntEnum):
    ONE = 1


TOPICS = ("a", "a/b", "a/b/c", "b")
PATTERNS = (*TOPICS, "a/*", "a/b/*", "*")
FILTERS = (
    None,
    "(x=1)",
    "(X=2)",
    "(|(x=1)(x=2)(y=one))",
    "(&(x=1)(y=one))",
    "(!(x=1))",
    "(y=*)",
    "(event.topics=a/b)",
    "(&(event.topics=a)(x=1))",
)
PROPERTIES = st.dictionaries(
    st.sampled_from(["x", "X", "y", "event.topics"]),
    st.sampled_from([1, 1.0, True, "1", "one", 2, [1, "one"], None, Word.ONE, Number.ONE, [2, Word.ONE]]),
    max_size=3,
)


def note(heard: list[int], number: int, event: Event) -> None:
    heard.append(number)


def naively(patterns: list[str], text: str | None, topic: str, properties: dict[str, Any]) -> bool:
    covered = any(one in ("*", topic) or (one.endswith("/*") and topic.startswith(one[:-1])) for one in patterns)
    condition = None if text is None else Filter.parse(text)
    asks_for_topic = text is not None and "event.topics" in text
    told = {**properties, "event.topics": topic} if asks_for_topic else properties
    return covered and (condition is None or condition.matches(told))


@given(
    wishes=st.lists(
        st.tuples(st.lists(st.sampled_from(PATTERNS), min_size=1, max_size=3), st.sampled_from(FILTERS), st.booleans()),
        max_size=12,
    ),
    topic=st.sampled_from(TOPICS),
    properties=PROPERTIES,
)
def test_an_event_comes_to_those_who_want_it_in_the_order_in_which_they_subscribed(
    wishes: list[tuple[list[str], str | None, bool]], topic: str, properties: dict[str, Any]
) -> None:
    admin = EventAdmin(FakeClock())
    heard: list[int] = []
    opened: list[EventSubscription] = []
    for number, (patterns, text, _) in enumerate(wishes):
        opened.append(admin.subscribe(patterns, functools.partial(note, heard, number), text))
    for subscription, (_, _, stays) in zip(opened, wishes, strict=True):
        if not stays:
            subscription.close()
    admin.publish(topic, properties)
    assert heard == [
        number
        for number, (patterns, text, stays) in enumerate(wishes)
        if stays and naively(patterns, text, topic, properties)
    ]


def test_of_many_handlers_only_those_are_asked_who_could_want_an_event(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    wants = EventSubscription.wants

    def counting(self: EventSubscription, event: Event) -> bool:
        asked.append(self)
        return wants(self, event)

    monkeypatch.setattr(EventSubscription, "wants", counting)
    admin = EventAdmin(FakeClock())
    heard: list[int] = []
    for number in range(500):
        admin.subscribe("a/*", functools.partial(note, heard, number), f"(pid=p{number})")
        admin.subscribe(f"b/t{number}", functools.partial(note, heard, -number))
    admin.publish("a/b", {"pid": "p7"})
    admin.publish("b/t8", {"pid": "p9"})
    assert (heard, len(asked)) == ([7, -8], 2)


def test_handlers_come_and_go_while_events_are_published() -> None:
    admin = EventAdmin(FakeClock())
    heard: list[int] = []
    admin.subscribe("a/*", lambda event: heard.append(event.properties["n"]), "(x=1)")
    done = threading.Event()

    def come_and_go() -> None:
        while not done.is_set():
            with admin.subscribe(["a/*", "b"], lambda _: None, "(|(x=1)(y=2))"), admin.subscribe("*", lambda _: None):
                pass

    threads = [threading.Thread(target=come_and_go) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(2000):
        admin.publish("a/b", {"x": 1, "n": number})
    done.set()
    for thread in threads:
        thread.join()
    assert heard == list(range(2000))
    assert len(admin.subscriptions) == 1
