from __future__ import annotations

import logging
import threading
from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from typing import TYPE_CHECKING

import pytest

from framework.clock import SystemClock
from framework.fake_clock import FakeClock
from framework.scheduler import Scheduler

if TYPE_CHECKING:
    from collections.abc import Iterator

START = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(START)


@pytest.fixture
def scheduler(clock: FakeClock) -> Iterator[Scheduler]:
    made = Scheduler(clock)
    yield made
    made.stop()


def test_callbacks_come_in_the_order_of_their_times(clock: FakeClock, scheduler: Scheduler) -> None:
    came: list[str] = []
    scheduler.call_later(3, lambda: came.append("third"))
    scheduler.call_later(1, lambda: came.append("first"))
    scheduler.call_at(START + timedelta(seconds=2), lambda: came.append("second"))
    clock.advance(10)
    assert scheduler.run_due() == 3
    assert came == ["first", "second", "third"]


def test_callbacks_of_one_time_come_in_the_order_they_were_asked_for(clock: FakeClock, scheduler: Scheduler) -> None:
    came: list[int] = []
    for number in range(20):
        scheduler.call_later(5, partial(came.append, number))
    clock.advance(5)
    scheduler.run_due()
    assert came == list(range(20))


def test_nothing_comes_before_its_time(clock: FakeClock, scheduler: Scheduler) -> None:
    timer = scheduler.call_later(5, lambda: None)
    clock.advance(4.9)
    assert scheduler.run_due() == 0
    assert timer.active
    clock.advance(0.1)
    assert scheduler.run_due() == 1
    assert not timer.active


def test_a_negative_delay_is_none(scheduler: Scheduler) -> None:
    scheduler.call_later(-5, lambda: None)
    assert scheduler.run_due() == 1


def test_a_cancelled_callback_does_not_come(clock: FakeClock, scheduler: Scheduler) -> None:
    came: list[str] = []
    timer = scheduler.call_later(1, lambda: came.append("cancelled"))
    scheduler.call_later(1, lambda: came.append("kept"))
    timer.cancel()
    timer.cancel()
    assert not timer.active
    clock.advance(1)
    assert scheduler.run_due() == 1
    assert came == ["kept"]


def test_a_callback_may_cancel_another_that_is_due(scheduler: Scheduler) -> None:
    came: list[str] = []

    def cancel_other() -> None:
        other.cancel()

    scheduler.call_later(0, cancel_other)
    other = scheduler.call_later(0, lambda: came.append("cancelled"))
    assert scheduler.run_due() == 1
    assert came == []


def test_a_callback_may_ask_for_another(clock: FakeClock, scheduler: Scheduler) -> None:
    came: list[float] = []

    def again() -> None:
        came.append(clock.monotonic())
        scheduler.call_later(10, again)

    scheduler.call_later(10, again)
    for _ in range(3):
        clock.advance(10)
        scheduler.run_due()
    assert came == [10, 20, 30]


def test_cancelled_timers_do_not_pile_up(clock: FakeClock, scheduler: Scheduler) -> None:
    # What is cancelled long before its time must not keep its memory until then.
    kept = [scheduler.call_later(86_400, lambda: None)]
    for _ in range(10_000):
        scheduler.call_later(86_400, lambda: None).cancel()
        scheduler.call_at(START + timedelta(days=1), lambda: None).cancel()
    assert len(scheduler._after_a_while) + len(scheduler._at_a_time) < 200
    clock.advance(86_400)
    assert scheduler.run_due() == len(kept)


def test_a_callback_that_raises_is_logged_and_stops_no_other(
    clock: FakeClock, scheduler: Scheduler, caplog: pytest.LogCaptureFixture
) -> None:
    came: list[str] = []

    def fails() -> None:
        raise RuntimeError("broken callback")

    scheduler.call_later(1, fails)
    scheduler.call_later(2, lambda: came.append("next"))
    clock.advance(2)
    with caplog.at_level(logging.ERROR, "framework.scheduler"):
        assert scheduler.run_due() == 2
    assert came == ["next"]
    assert "fails" in caplog.text
    assert "broken callback" in caplog.text


def test_a_time_is_the_wall_clocks_and_a_while_is_not(clock: FakeClock, scheduler: Scheduler) -> None:
    came: list[str] = []
    scheduler.call_at(START + timedelta(days=365), lambda: came.append("at"))
    scheduler.call_later(60, lambda: came.append("after"))
    clock.set(START + timedelta(days=366))
    assert scheduler.run_due() == 1
    assert came == ["at"]


def test_a_wall_clock_that_is_put_back_delays_a_time(clock: FakeClock, scheduler: Scheduler) -> None:
    timer = scheduler.call_at(START + timedelta(seconds=30), lambda: None)
    clock.set(START - timedelta(days=1))
    clock.advance(60)
    assert scheduler.run_due() == 0
    assert timer.active
    clock.advance(86_400)
    assert scheduler.run_due() == 1


def test_the_next_due_time_is_known_so_that_a_test_can_go_there(clock: FakeClock, scheduler: Scheduler) -> None:
    assert scheduler.next_due() is None
    scheduler.call_at(START + timedelta(days=400), lambda: None)
    assert scheduler.next_due() == 400 * 86_400
    earlier = scheduler.call_later(50, lambda: None)
    assert scheduler.next_due() == 50
    earlier.cancel()
    clock.set(START + timedelta(days=399))
    assert scheduler.next_due() == 86_400


def test_a_timer_tells_when_it_is_due(clock: FakeClock, scheduler: Scheduler) -> None:
    clock.advance(7)
    assert scheduler.call_later(5, lambda: None).due == 12
    paris = timezone(timedelta(hours=1))
    assert scheduler.call_at(datetime(2030, 6, 1, 13, tzinfo=paris), lambda: None).due == datetime(
        2030, 6, 1, 12, tzinfo=UTC
    )


def test_a_time_without_a_zone_is_refused(scheduler: Scheduler) -> None:
    with pytest.raises(ValueError, match="time zone"):
        scheduler.call_at(START.replace(tzinfo=None), lambda: None)


def test_the_thread_follows_the_clock() -> None:
    clock = FakeClock(START)
    scheduler = Scheduler(clock)
    scheduler.start()
    came = threading.Event()
    for moment in ("after", "at"):
        came.clear()
        if moment == "after":
            scheduler.call_later(3600, came.set)
        else:
            scheduler.call_at(clock.now() + timedelta(hours=1), came.set)
        clock.advance(3599)
        assert not came.is_set()
        clock.advance(1)
        assert came.wait(10)
    scheduler.stop()


def test_the_thread_works_with_the_systems_clock() -> None:
    scheduler = Scheduler(SystemClock())
    scheduler.start()
    after, at = threading.Event(), threading.Event()
    scheduler.call_later(0.01, after.set)
    scheduler.call_at(SystemClock().now(), at.set)
    assert after.wait(10)
    assert at.wait(10)
    scheduler.stop()


def test_after_the_stop_nothing_comes(clock: FakeClock) -> None:
    scheduler = Scheduler(clock)
    scheduler.start()
    before = scheduler.call_later(1, lambda: pytest.fail("came after the stop"))
    scheduler.stop()
    late = scheduler.call_later(0, lambda: pytest.fail("came after the stop"))
    assert not before.active
    assert not late.active
    clock.advance(10)
    assert scheduler.run_due() == 0
    assert not any(thread.name == "gatewright-scheduler" for thread in threading.enumerate())


def test_a_callback_may_stop_the_scheduler() -> None:
    scheduler = Scheduler(SystemClock())
    stopped = threading.Event()

    def stop() -> None:
        scheduler.stop()
        stopped.set()

    scheduler.start()
    scheduler.call_later(0, stop)
    assert stopped.wait(10)
    scheduler.stop()
