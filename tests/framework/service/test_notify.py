"""What the service manager is told, over a real socket, and a watchdog that only progress feeds."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import pytest

from framework.scheduler import Scheduler
from framework.service import ServiceNotifier, StatusLine, Watchdog
from framework.testing import FakeClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(params=["file", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    """Where a service manager listens, and the address that it tells."""
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    if request.param == "file":
        address = str(tmp_path / "notify")
        listening.bind(address)
    else:
        address = f"@gatewright-test-{os.getpid()}"
        listening.bind(f"\0{address[1:]}")
    listening.setblocking(False)
    with listening:
        yield listening, address


def heard(listening: socket.socket) -> list[str]:
    lines: list[str] = []
    while True:
        try:
            lines += listening.recv(4096).decode().splitlines()
        except BlockingIOError:
            return lines


def test_what_changes_while_the_status_is_told_is_told_next(manager: tuple[socket.socket, str]) -> None:
    listening, address = manager
    scheduler = Scheduler(FakeClock())
    active = 0

    def summary() -> str:
        nonlocal active
        active += 1
        if active < 3:
            status.changed()
            status.changed()
        return f"{active - 1} active"

    status = StatusLine(ServiceNotifier({"NOTIFY_SOCKET": address}), scheduler, summary)
    status.ready()
    assert heard(listening) == [], "all is told by one thread"
    scheduler.run_due()
    assert heard(listening) == [
        *("READY=1", "STATUS=0 active", f"MAINPID={os.getpid()}"),
        *("STATUS=1 active", "STATUS=2 active"),
    ]


def test_each_state_is_told(manager: tuple[socket.socket, str]) -> None:
    listening, address = manager
    notifier = ServiceNotifier({"NOTIFY_SOCKET": address})
    notifier.ready("2 of 2\nREADY=0")
    assert heard(listening) == ["READY=1", "STATUS=2 of 2 READY=0", f"MAINPID={os.getpid()}"]
    clock = FakeClock()
    clock.advance(1.5)
    notifier.reloading(clock)
    assert heard(listening) == ["RELOADING=1", "MONOTONIC_USEC=1500000"]
    notifier.stopping()
    assert heard(listening) == ["STOPPING=1", "STATUS=stopping"]
    notifier.status("0 of 2")
    notifier.reloading(clock)
    notifier.ready("0 of 2")
    assert heard(listening) == [], "it stops, whatever its components tell meanwhile"


@pytest.mark.parametrize("environ", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "relative"}])
def test_where_nobody_listens_nothing_happens(environ: dict[str, str]) -> None:
    notifier = ServiceNotifier(environ)
    assert not notifier.listens
    notifier.ready("fine")


def test_a_manager_that_has_gone_harms_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    ServiceNotifier({"NOTIFY_SOCKET": str(tmp_path / "gone")}).ready("fine")
    assert "cannot be told" in caplog.text


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "60000000"}, 60.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": str(os.getpid())}, 60.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_how_often_progress_is_wanted(environ: dict[str, str], seconds: float | None) -> None:
    assert ServiceNotifier(environ).watchdog_s == seconds


def test_only_progress_feeds_the_watchdog(manager: tuple[socket.socket, str]) -> None:
    listening, address = manager
    clock = FakeClock()
    scheduler = Scheduler(clock)
    waiting: list[Callable[[], None]] = []
    notifier = ServiceNotifier({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "20000000"})
    Watchdog(notifier, scheduler, waiting.append).start()
    assert heard(listening) == []
    waiting.pop()()
    assert heard(listening) == ["WATCHDOG=1"]
    clock.advance(10)
    scheduler.run_due()
    assert heard(listening) == [], "the scheduler goes on, and what it asked for is not done"
    waiting.pop()()
    assert heard(listening) == ["WATCHDOG=1"]


def test_beats_do_not_pile_up_while_the_gateway_stands_still(manager: tuple[socket.socket, str]) -> None:
    listening, address = manager
    clock = FakeClock()
    scheduler = Scheduler(clock)
    waiting: list[Callable[[], None]] = []
    notifier = ServiceNotifier({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "20000000"})
    Watchdog(notifier, scheduler, waiting.append).start()
    for _ in range(5):
        clock.advance(10)
        scheduler.run_due()
    assert len(waiting) == 1
    assert heard(listening) == []
    waiting.pop()()
    assert heard(listening) == ["WATCHDOG=1"]
    clock.advance(10)
    scheduler.run_due()
    assert len(waiting) == 1, "it beats again once it goes on"


def test_without_a_watchdog_nothing_beats() -> None:
    scheduler = Scheduler(FakeClock())
    Watchdog(ServiceNotifier({}), scheduler, lambda then: then()).start()
    assert scheduler.next_due() is None
