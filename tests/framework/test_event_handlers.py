"""A handler of events that raises, hangs or sends harms nobody but itself (Compendium R8 113.8)."""

from __future__ import annotations

import functools
import threading
from typing import TYPE_CHECKING, Any

import pytest

from framework.errors import FrameworkError
from framework.event_admin import HANDLER_DEADLINE_S, HANDLER_DENIED, Event, EventAdmin
from framework.execution import Activity, WorkerPool
from framework.fake_clock import FakeClock
from framework.scheduler import Scheduler

if TYPE_CHECKING:
    from collections.abc import Iterator

_PATIENCE_S = 30


class Kernel:
    """An event admin on threads, and a clock to turn."""

    def __init__(self, workers: int = 2) -> None:
        self.clock = FakeClock()
        self.scheduler = Scheduler(self.clock)
        self.activity = Activity()
        self.pool = WorkerPool("test-events", workers, self.activity)
        self.admin = EventAdmin(self.clock, self.pool, self.scheduler)

    def settle(self) -> None:
        assert self.activity.wait_idle(_PATIENCE_S)

    def pass_deadline(self) -> None:
        self.clock.advance(HANDLER_DEADLINE_S)
        self.scheduler.run_due()


@pytest.fixture
def kernel() -> Iterator[Kernel]:
    kernel = Kernel()
    yield kernel
    kernel.admin.close()
    kernel.pool.close()


class Hanging:
    """A handler that hangs until it is released."""

    def __init__(self) -> None:
        self.reached, self.release = threading.Event(), threading.Event()
        self.calls = 0

    def __call__(self, _: Event) -> None:
        self.calls += 1
        self.reached.set()
        assert self.release.wait(_PATIENCE_S)


def test_a_handler_that_raises_is_reported_and_cut_off_and_the_others_go_on(
    kernel: Kernel, caplog: pytest.LogCaptureFixture
) -> None:
    calls: list[str] = []
    seen: list[str] = []

    def broken(event: Event) -> None:
        calls.append(event.topic)
        raise SystemExit(f"no {event.topic} today")

    denials: list[Any] = []
    kernel.admin.subscribe("weather/*", broken, owner="acme")
    kernel.admin.subscribe("weather/*", lambda event: seen.append(event.topic))
    kernel.admin.subscribe(HANDLER_DENIED, lambda event: denials.append(dict(event.properties)))
    kernel.admin.publish("weather/rain", {})
    kernel.settle()
    kernel.admin.publish("weather/snow", {})
    kernel.settle()
    assert (calls, seen) == (["weather/rain"], ["weather/rain", "weather/snow"])
    (denied,) = kernel.admin.denied
    assert (denied.owner, denied.topics) == ("acme", ("weather/*",))
    assert denied.reason == "SystemExit: no weather/rain today"
    assert denials == [{"owner": "acme", "topics": ["weather/*"], "reason": denied.reason}]
    assert "in broken" in caplog.text


def test_a_handler_that_hangs_is_reported_with_its_stack_and_cut_off(kernel: Kernel) -> None:
    hanging = Hanging()
    seen: list[str] = []
    kernel.admin.subscribe("*", hanging)
    kernel.admin.subscribe("t/*", lambda event: seen.append(event.topic))
    kernel.admin.publish("t/1", {})
    assert hanging.reached.wait(_PATIENCE_S)
    kernel.pass_deadline()
    kernel.admin.publish("t/2", {})
    hanging.release.set()
    kernel.settle()
    assert (hanging.calls, seen) == (1, ["t/1", "t/2"])
    (denied,) = kernel.admin.denied
    assert "for more than 5 s" in denied.reason
    assert denied.stack is not None
    assert "self.release.wait" in denied.stack


def test_handlers_that_hang_leave_threads_for_the_others(kernel: Kernel) -> None:
    hanging = [Hanging() for _ in range(5)]
    for handler in hanging:
        kernel.admin.subscribe("*", handler)
        kernel.admin.publish("t", {})
        assert handler.reached.wait(_PATIENCE_S)
        kernel.pass_deadline()
    reached = threading.Event()
    kernel.admin.subscribe("*", lambda _: reached.set())
    kernel.admin.publish("t", {})
    assert reached.wait(_PATIENCE_S)
    for handler in hanging:
        handler.release.set()
    kernel.settle()


def test_a_handler_that_is_quick_enough_leaves_no_timer(kernel: Kernel) -> None:
    kernel.admin.subscribe("*", lambda _: None)
    kernel.admin.publish("t", {})
    kernel.settle()
    assert kernel.scheduler.next_due() is None


def test_send_returns_when_all_handlers_were_called(kernel: Kernel) -> None:
    seen: list[int] = []
    for number in range(3):
        kernel.admin.subscribe("t", functools.partial(lambda number, _: seen.append(number), number))
    kernel.admin.send("t", {})
    assert seen == [0, 1, 2]


def test_send_inside_an_event_handler_does_not_deadlock(kernel: Kernel) -> None:
    seen: list[str] = []

    def first(event: Event) -> None:
        seen.append(f"first {event.topic}")
        if event.topic == "a":
            kernel.admin.send("b", {})
            seen.append("first goes on")

    def second(event: Event) -> None:
        seen.append(f"second {event.topic}")
        kernel.admin.send("c", {})

    kernel.admin.subscribe("*", first)
    kernel.admin.subscribe("b", second)
    kernel.admin.send("a", {})
    assert seen == ["first a", "first b", "second b", "first c", "first goes on"]


def test_a_handler_that_sends_to_itself_for_ever_is_cut_off(kernel: Kernel) -> None:
    kernel.admin.subscribe("t", lambda _: kernel.admin.send("t", {}), owner="endless")
    kernel.admin.send("t", {})
    assert "levels inside of handlers" in kernel.admin.denied[0].reason
    assert not [one for one in kernel.admin.subscriptions if one.owner == "endless"]


def test_who_sends_to_a_handler_that_hangs_goes_on_at_the_deadline(kernel: Kernel) -> None:
    hanging, gone_on = Hanging(), threading.Event()
    kernel.admin.subscribe("t", hanging)

    def send() -> None:
        kernel.admin.send("t", {})
        gone_on.set()

    sender = threading.Thread(target=send)
    sender.start()
    assert hanging.reached.wait(_PATIENCE_S)
    kernel.pass_deadline()
    assert gone_on.wait(_PATIENCE_S)
    hanging.release.set()
    sender.join(_PATIENCE_S)
    kernel.settle()


def test_who_sends_goes_on_when_the_gateway_stops(kernel: Kernel) -> None:
    hanging = Hanging()
    kernel.admin.subscribe("t", hanging)
    sender = threading.Thread(target=lambda: kernel.admin.send("t", {}))
    sender.start()
    assert hanging.reached.wait(_PATIENCE_S)
    kernel.admin.close()
    sender.join(_PATIENCE_S)
    assert not sender.is_alive()
    hanging.release.set()
    kernel.settle()
    kernel.admin.subscribe("t", hanging)
    kernel.admin.send("t", {})
    assert hanging.calls == 1


def test_a_sent_event_to_a_handler_with_its_own_executor_is_not_waited_for(kernel: Kernel) -> None:
    jobs: list[Any] = []
    seen: list[str] = []
    kernel.admin.subscribe("t", lambda event: seen.append(event.topic), executor=jobs.append)
    kernel.admin.send("t", {})
    assert seen == []
    jobs.pop()()
    assert seen == ["t"]


def test_each_handler_gets_the_events_of_many_publishers_one_at_a_time_and_in_their_order(kernel: Kernel) -> None:
    seen: list[list[tuple[int, int]]] = [[] for _ in range(3)]
    inside = [threading.Lock() for _ in seen]

    def handle(number: int, event: Event) -> None:
        assert inside[number].acquire(blocking=False), "two events at once"
        seen[number].append((event.properties["publisher"], event.properties["n"]))
        inside[number].release()

    for number in range(len(seen)):
        kernel.admin.subscribe("*", functools.partial(handle, number))

    def publish(publisher: int) -> None:
        for n in range(100):
            kernel.admin.publish("t", {"publisher": publisher, "n": n})

    publishers = [threading.Thread(target=publish, args=(number,)) for number in range(4)]
    for thread in publishers:
        thread.start()
    for thread in publishers:
        thread.join(_PATIENCE_S)
    kernel.settle()
    assert kernel.admin.denied == ()
    for events in seen:
        for publisher in range(4):
            assert [n for who, n in events if who == publisher] == list(range(100))


def test_sending_too_deep_is_an_error_that_says_what_to_do() -> None:
    admin = EventAdmin(FakeClock())
    errors: list[FrameworkError] = []

    def again(_: Event) -> None:
        try:
            admin.send("t", {})
        except FrameworkError as error:
            errors.append(error)

    admin.subscribe("t", again)
    admin.send("t", {})
    assert "publish it instead" in str(errors[0])
