"""A gateway with a component that does not end its activation: what it says until it is ready, and that it stops."""

from __future__ import annotations

import json
import os
import queue
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from framework.starting import end_at_last

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PROGRAM = """
import atexit, functools, os, sys, threading
from framework import component, hookimpl, run
from framework.gateway import Gateway

@component("example.Stuck")
class Stuck:
    def activate(self, context):
        open(sys.argv[1], "rb").read()  # a pipe that nobody writes to

class Plugin:
    @hookimpl
    def gatewright_components(self):
        return [Stuck]

class HangsAtExit:
    @hookimpl
    def gatewright_stopping(self):
        atexit.register(Stuck().activate, None)
        threading.Thread(target=Stuck().activate, args=[None], daemon=False).start()

class BreaksTheStart:
    @hookimpl
    def gatewright_components(self):
        from framework.plugins.host import PluginHost

        def start(_):
            threading.Thread(target=Stuck().activate, args=[None], daemon=False).start()
            raise RuntimeError("a defect of the gateway")

        PluginHost.start = start
        return []

class HangsAsItIsLoaded:
    @hookimpl
    def gatewright_components(self):
        Stuck().activate(None)

class HangsAsItIsStarted:
    @hookimpl
    def gatewright_started(self, gateway):
        Stuck().activate(None)

Plugin = globals()[os.environ.get("EXAMPLE", "Plugin")]
run.Gateway = functools.partial(Gateway, plugins=[Plugin()])
sys.exit(run.main(sys.argv[2:]))
"""


@pytest.fixture
def stuck(
    tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[tuple[subprocess.Popen[str], socket.socket, Path]]:
    """The process, what its service manager hears, and the pipe that its component or plugin waits for."""
    pipe, state_dir = tmp_path / "pipe", tmp_path / "state"
    example = getattr(request, "param", "Plugin")
    os.mkfifo(pipe)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(30)
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(pipe), "--state-dir", str(state_dir)],
            stderr=subprocess.PIPE,
            text=True,
            env={
                **os.environ,
                "NOTIFY_SOCKET": str(tmp_path / "notify"),
                "EXAMPLE": example,
            },
        )
        try:
            yield process, manager, tmp_path
        finally:
            process.kill()
            process.communicate()


def after_the_plugins(manager: socket.socket) -> list[str]:
    """What the service manager hears first when all plugins are loaded and started, for each of which it gives time."""
    steps = []
    while " plugin " in (heard := manager.recv(4096).decode().splitlines())[0]:
        assert heard[1:] == ["EXTEND_TIMEOUT_USEC=60000000"]
        steps.append(heard[0])
    assert "STATUS=starting: loading plugin keystore" in steps
    assert "STATUS=starting: telling plugin keystore that the gateway has started" in steps
    return heard


def test_the_start_waits_and_says_for_what_and_status_answers_meanwhile(stuck: Any) -> None:
    process, manager, directory = stuck
    first = after_the_plugins(manager)
    assert first[0].startswith("STATUS=starting: 1 of ")
    assert first[0].endswith(" components are not decided yet: example.Stuck")
    assert first[1:] == ["EXTEND_TIMEOUT_USEC=60000000"]
    assert "starting: 1 of " in process.stderr.readline()
    status = [sys.executable, "-m", "framework", "status", "--json", "--state-dir", str(directory / "state")]
    asked = subprocess.run(status, capture_output=True, text=True, check=True)
    assert json.loads(asked.stdout)["undecided"] == ["example.Stuck"]
    process.send_signal(signal.SIGHUP)
    (directory / "pipe").write_bytes(b"")
    assert manager.recv(4096).decode().splitlines()[0] == "READY=1", "a reload before it is ready tells nothing"
    assert " ready: " in process.stderr.readline()
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    assert process.returncode == 0


def test_a_signal_to_stop_ends_the_wait(stuck: Any) -> None:
    process, manager, directory = stuck
    assert after_the_plugins(manager)[0].startswith("STATUS=starting: 1 of ")
    process.send_signal(signal.SIGTERM)
    assert manager.recv(4096).decode().splitlines()[0] == "STOPPING=1"
    (directory / "pipe").write_bytes(b"")
    assert " ready: " not in process.communicate(timeout=20)[1]
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("stuck", "step"),
    [
        ("HangsAsItIsLoaded", "loading plugin HangsAsItIsLoaded-1"),
        ("HangsAsItIsStarted", "telling plugin HangsAsItIsStarted-1 that the gateway has started"),
    ],
    indirect=["stuck"],
)
def test_a_signal_to_stop_ends_a_start_that_waits_for_a_plugin(stuck: Any, step: str) -> None:
    process, manager, _ = stuck
    while manager.recv(4096).decode().splitlines()[0] != f"STATUS=starting: {step}":
        pass
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGTERM)
    assert manager.recv(4096).decode().splitlines()[0] == "STOPPING=1", "nothing else is begun, nor waited for"
    assert " ready: " not in process.communicate(timeout=20)[1]
    assert process.returncode == 0


@pytest.mark.parametrize("stuck", ["HangsAtExit"], indirect=True)
def test_what_a_plugin_leaves_does_not_keep_the_process_from_ending(stuck: Any) -> None:
    process, manager, _ = stuck
    assert after_the_plugins(manager)[0] == "READY=1"
    process.send_signal(signal.SIGTERM)
    said = process.communicate(timeout=20)[1]
    assert process.returncode == 0
    assert "what a plugin has left kept the process from ending" in said


@pytest.mark.parametrize("stuck", ["BreaksTheStart"], indirect=True)
def test_a_start_that_fails_in_a_way_that_is_not_foreseen_ends_the_process_whatever_is_left(stuck: Any) -> None:
    process, _, _ = stuck
    said = process.communicate(timeout=20)[1]
    assert process.returncode == 1
    assert "a defect of the gateway" in said


def test_a_process_that_can_neither_stop_nor_log_ends_at_last() -> None:
    left: queue.SimpleQueue[int] = queue.SimpleQueue()
    end_at_last(3, 0, left.put)
    assert left.get(timeout=20) == 3
