"""Mailboxes run one job at a time and in order; those who wait for jobs do not starve them."""

from __future__ import annotations

import functools
import threading
from typing import TYPE_CHECKING

from framework.execution import Activity, Mailbox, WorkerPool

if TYPE_CHECKING:
    import pytest


def test_jobs_of_a_mailbox_never_overlap_and_keep_their_order() -> None:
    activity = Activity()
    pool = WorkerPool("test", 4, activity)
    mailboxes = [Mailbox(pool) for _ in range(3)]
    done: list[list[int]] = [[] for _ in mailboxes]
    inside = [threading.Lock() for _ in mailboxes]

    def job(box: int, number: int) -> None:
        assert inside[box].acquire(blocking=False), "two jobs of one mailbox at once"
        done[box].append(number)
        inside[box].release()

    for number in range(200):
        for box, mailbox in enumerate(mailboxes):
            mailbox.post(functools.partial(job, box, number))
    assert activity.wait_idle(30)
    assert done == [list(range(200))] * 3
    pool.close()


def hang(release: threading.Event) -> None:
    release.wait(60)


def fail() -> None:
    raise IndexError


def test_a_mailbox_whose_job_hangs_stalls_no_other() -> None:
    activity = Activity()
    pool = WorkerPool("test", 2, activity)
    release, reached = threading.Event(), threading.Event()
    stuck, free = Mailbox(pool), Mailbox(pool)
    stuck.post(functools.partial(hang, release))
    free.post(reached.set)
    assert reached.wait(30)
    release.set()
    assert activity.wait_idle(30)
    pool.close()


def test_a_job_that_waits_for_others_lends_its_place() -> None:
    activity = Activity()
    pool = WorkerPool("test", 1, activity)
    reached = threading.Event()

    def wait_for_another() -> None:
        pool.submit(reached.set)
        assert pool.wait_for(reached, 30)

    pool.submit(wait_for_another)
    assert activity.wait_idle(30)
    assert reached.is_set()
    pool.close()


def test_a_flooded_mailbox_takes_turns_with_the_others() -> None:
    activity = Activity()
    pool = WorkerPool("test", 1, activity)
    begin, done = threading.Event(), []
    flooded, modest = Mailbox(pool, turn=10), Mailbox(pool)
    flooded.post(functools.partial(hang, begin))
    for _ in range(1000):
        flooded.post(lambda: done.append("flooded"))
    modest.post(lambda: done.append("modest"))
    begin.set()
    assert activity.wait_idle(30)
    assert done.index("modest") < 20
    assert len(done) == 1001
    pool.close()


def test_a_job_that_raises_is_told_of_and_the_next_one_runs(caplog: pytest.LogCaptureFixture) -> None:
    activity = Activity()
    pool = WorkerPool("test", 1, activity)
    mailbox = Mailbox(pool)
    reached = threading.Event()
    mailbox.post(fail)
    mailbox.post(reached.set)
    assert activity.wait_idle(30)
    assert reached.is_set()
    assert "IndexError" in caplog.text
    pool.close()


def test_a_closed_pool_takes_nothing_more() -> None:
    activity = Activity()
    pool = WorkerPool("test", 1, activity)
    pool.close()
    reached = threading.Event()
    pool.submit(reached.set)
    assert activity.wait_idle(30)
    assert not reached.is_set()
