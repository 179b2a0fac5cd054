"""Work in the background: no owner keeps another from its own, and what does not end is told."""

from __future__ import annotations

import functools
import threading
from typing import TYPE_CHECKING

from framework.background import HUNG_AFTER_S, MOST_OF_ONE_OWNER, BackgroundWork
from framework.diagnosis import quick_reports
from framework.execution import Activity, WorkerPool
from framework.gateway import Gateway
from framework.kernel import BACKGROUND_WORKERS
from framework.plugins import PluginContext, hookimpl
from framework.scheduler import Scheduler
from framework.testing import FakeClock

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


class Greedy:
    """A plugin whose work in the background does not end."""

    def __init__(self) -> None:
        self.release = threading.Event()
        self.at_it = threading.Semaphore(0)

    def work(self) -> None:
        self.at_it.release()
        self.release.wait(60)

    @hookimpl
    def gatewright_started(self, gateway: PluginContext) -> None:
        for _ in range(2 * BACKGROUND_WORKERS):
            gateway.call_later(1, self.work)


def test_a_plugin_that_fills_the_background_stops_nobody_else_and_is_told_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock, greedy = FakeClock(), Greedy()
    gateway = Gateway(tmp_path / "state", clock=clock, plugins=[greedy], discover=False, keep_time=False, environ={})
    with gateway:
        try:
            clock.advance(1)
            gateway.scheduler.run_due()
            for _ in range(MOST_OF_ONE_OWNER):
                assert greedy.at_it.acquire(timeout=30)
            reached = threading.Event()
            gateway.background.submit("example.Other", reached.set)
            assert reached.wait(30), "what another owner wants done is done"
            clock.advance(HUNG_AFTER_S)
            gateway.scheduler.run_due()
            found = [str(one.finding) for one in quick_reports(gateway).problems]
            waiting = 2 * BACKGROUND_WORKERS - MOST_OF_ONE_OWNER
            assert len(found) == MOST_OF_ONE_OWNER
            assert f"work of Greedy-1 in the background did not end within 300 s, and {waiting} more" in found[0]
            assert "a job of Greedy-1 in the background has not ended" in caplog.text
            assert "in work" in caplog.text, "where it hangs"
        finally:
            greedy.release.set()
        assert gateway.activity.wait_idle(30), "what waited is done"
        assert not quick_reports(gateway).problems


def test_work_that_hangs_gets_the_pool_another_thread() -> None:
    clock, activity = FakeClock(), Activity()
    scheduler = Scheduler(clock)
    work = BackgroundWork(WorkerPool("test", 2, activity), scheduler, clock, hung_after_s=10)
    release, started, reached = threading.Event(), threading.Barrier(3), threading.Event()

    def hang() -> None:
        started.wait(30)
        release.wait(60)

    for owner in ("a", "b"):
        work.submit(owner, hang)
    started.wait(30)
    work.submit("c", reached.set)
    clock.advance(10)
    scheduler.run_due()
    assert reached.wait(30)
    assert [one.owner for one in work.hanging] == ["a", "b"] or [one.owner for one in work.hanging] == ["b", "a"]
    release.set()
    assert activity.wait_idle(30)
    assert work.hanging == ()
    work.close()


def test_all_of_an_owners_work_is_done_in_order_and_what_fails_stops_none_of_it() -> None:
    activity = Activity()
    work = BackgroundWork(WorkerPool("test", 1, activity), Scheduler(FakeClock()), FakeClock())
    done: list[int] = []

    def job(number: int) -> None:
        done.append(number)
        if number % 2:
            raise SystemExit(number)

    for number in range(50):
        work.submit("a", functools.partial(job, number))
    assert activity.wait_idle(30)
    assert done == list(range(50))
    work.close()
