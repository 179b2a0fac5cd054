from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest

from framework.clock import SystemClock
from framework.fake_clock import FakeClock

if TYPE_CHECKING:
    from framework.clock import Clock

NOON = datetime(2030, 6, 1, 12, tzinfo=UTC)


def test_the_system_clock_gives_aware_utc() -> None:
    assert SystemClock().now().tzinfo is UTC


def test_the_system_clock_waits_until_notified_whatever_the_timeout() -> None:
    condition = threading.Condition()
    arrived = threading.Event()

    def wait() -> None:
        with condition:
            arrived.set()
            SystemClock().wait(condition, 1e12)  # more than the platform's lock takes

    waiter = threading.Thread(target=wait)
    waiter.start()
    arrived.wait(10)
    with condition:
        condition.notify_all()
    waiter.join(10)
    assert not waiter.is_alive()


def test_time_stands_still_until_it_is_turned() -> None:
    clock = FakeClock(NOON)
    assert (clock.now(), clock.monotonic()) == (NOON, 0.0)
    clock.advance(90)
    assert (clock.now(), clock.monotonic()) == (NOON + timedelta(seconds=90), 90.0)


def test_a_jump_of_the_wall_clock_lets_no_time_pass() -> None:
    clock = FakeClock(NOON)
    clock.set(datetime(1970, 1, 1, tzinfo=UTC))
    assert (clock.now().year, clock.monotonic()) == (1970, 0.0)


def test_the_fake_clock_shows_utc_wherever_its_time_was_told() -> None:
    clock = FakeClock(datetime(2030, 6, 1, 14, tzinfo=timezone(timedelta(hours=2))))
    assert clock.now().tzinfo is UTC
    assert clock.now() == NOON


def test_naive_times_and_time_backwards_are_refused() -> None:
    naive = NOON.replace(tzinfo=None)
    with pytest.raises(ValueError, match="time zone"):
        FakeClock(naive)
    with pytest.raises(ValueError, match="time zone"):
        FakeClock().set(naive)
    with pytest.raises(ValueError, match="backwards"):
        FakeClock().advance(-1)


def test_a_waiter_sees_every_turn_of_time_however_the_threads_interleave() -> None:
    clock = FakeClock()
    condition = threading.Condition()
    arrived = threading.Event()
    rounds = 200

    def wait_for_all(of: Clock) -> None:
        arrived.set()
        for second in range(1, rounds + 1):
            with condition:
                while of.monotonic() < second:
                    of.wait(condition, second - of.monotonic())

    waiter = threading.Thread(target=wait_for_all, args=(clock,))
    waiter.start()
    arrived.wait(10)
    for _ in range(rounds):
        clock.advance(1)
    waiter.join(10)
    assert not waiter.is_alive()


def test_waiting_for_no_time_returns_at_once() -> None:
    condition = threading.Condition()
    with condition:
        FakeClock().wait(condition, 0)
