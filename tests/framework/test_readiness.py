"""A gateway is ready when all components are decided, whatever some of them do."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any

import pytest

from framework import ComponentContext, component, reference
from framework.configuration import ConfigurationPlugin
from framework.readiness import Readiness, named
from framework.testing import GatewayHarness

if TYPE_CHECKING:
    from collections.abc import Iterator, MutableMapping, Sequence


class Supply:
    pass


@component("test.Slow", provides=(Supply,))
class Slow(Supply):
    entered, go_on = threading.Event(), threading.Event()

    def activate(self, _context: ComponentContext) -> None:
        self.entered.set()
        self.go_on.wait(60)


@component("test.Consumer")
class Consumer:
    supply = reference(Supply)


@component("test.Failing")
class Failing:
    def activate(self, _context: ComponentContext) -> None:
        raise ValueError("never")


class Heard:
    """What is said while a gateway starts."""

    def __init__(self, harness: GatewayHarness) -> None:
        self.waits: list[tuple[str, ...]] = []
        self.ready = 0
        self.harness = harness
        self.readiness = Readiness(harness.gateway, self._waits, self._ready)

    def _waits(self, pids: Sequence[str]) -> None:
        self.waits.append(tuple(pids))

    def _ready(self) -> None:
        self.ready += 1

    def close(self) -> None:
        """Stop the gateway."""
        Slow.go_on.set()
        self.harness.__exit__()

    def advance(self, seconds: float) -> None:
        """Let time pass without waiting for what does not end."""
        self.harness.clock.advance(seconds)
        self.harness.gateway.scheduler.run_due()


@pytest.fixture(autouse=True)
def gate() -> Iterator[None]:
    Slow.entered.clear()
    Slow.go_on.clear()
    yield
    Slow.go_on.set()


def started(*components: type) -> Heard:
    harness = GatewayHarness(components=components)
    heard = Heard(harness)
    harness.gateway.start()
    heard.readiness.begin()
    return heard


def test_it_is_ready_when_the_last_component_is_active_and_says_what_it_waits_for() -> None:
    heard = started(Slow, Consumer)
    with contextlib.closing(heard):
        assert Slow.entered.wait(60)
        heard.advance(0)
        assert (heard.ready, heard.waits) == (0, []), "who starts in a moment says nothing else"
        heard.advance(1)
        heard.advance(1)
        assert heard.waits == [("test.Slow",)], "and nothing twice"
        Slow.go_on.set()
        heard.harness.settle()
        heard.advance(0)
        assert (heard.ready, heard.readiness.reached) == (1, True)
        assert heard.harness.state("test.Consumer") == "active", "it waited for those, too, that could begin only then"
        heard.advance(5)
        assert heard.ready == 1


def test_what_hangs_or_fails_is_decided_and_keeps_nobody_waiting() -> None:
    harness = GatewayHarness(components=[Slow, Failing])
    failed, hung = threading.Event(), threading.Event()
    topics, events = "gatewright/component/*", harness.gateway.event_admin
    events.subscribe(topics, lambda _: failed.set(), "(&(pid=test.Failing)(state=failed))")
    events.subscribe(topics, lambda _: hung.set(), "(&(pid=test.Slow)(hangs=true))")
    heard = Heard(harness)
    harness.gateway.start()
    heard.readiness.begin()
    with contextlib.closing(heard):
        assert Slow.entered.wait(60)
        assert failed.wait(60)
        heard.advance(9)
        assert heard.ready == 0
        heard.advance(2)
        assert hung.wait(60)
        heard.advance(1)
        assert heard.ready == 1
        assert "test.Slow" in [one.pid for one in harness.components() if one.hangs]


def test_a_stop_meanwhile_is_the_end_of_it() -> None:
    heard = started(Slow)
    with contextlib.closing(heard):
        heard.readiness.cancel()
        Slow.go_on.set()
        heard.harness.settle()
        heard.advance(5)
        assert (heard.ready, heard.waits, heard.readiness.reached) == (0, [], False)


@pytest.mark.parametrize("found_by", ["its last change", "the look of each second"])
def test_a_component_that_never_comes_to_rest_is_not_waited_for_and_told_once(
    found_by: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    seconds = 0 if found_by == "its last change" else 1
    monkeypatch.setattr("framework.readiness.RESTLESS_AFTER", 3 if seconds == 0 else 1000)
    heard = started(Slow)
    gateway = heard.harness.gateway
    with contextlib.closing(heard):
        assert Slow.entered.wait(60)
        for _ in range(3):
            gateway.event_admin.send("gatewright/component/STATE_CHANGED", {"pid": "test.Slow", "state": "activating"})
        if seconds:
            heard.advance(0)
            monkeypatch.setattr("framework.readiness.RESTLESS_AFTER", 3)
        heard.advance(seconds)
        assert heard.ready == 1
        told = [one for one in caplog.messages if one.startswith("ready without")]
        assert told == ["ready without test.Slow, which goes from state to state without an end"]


def test_a_configuration_that_a_plugin_keeps_is_waited_for_no_longer_than_its_deadline() -> None:
    entered, go_on = threading.Event(), threading.Event()

    class Keeping(ConfigurationPlugin):
        def modify_configuration(self, pid: str, properties: MutableMapping[str, Any]) -> None:
            entered.set()
            go_on.wait(60)

    harness = GatewayHarness(components=[Failing])
    harness.registry.register(ConfigurationPlugin, Keeping())
    heard = Heard(harness)
    harness.gateway.start()
    heard.readiness.begin()
    with contextlib.closing(heard):
        assert entered.wait(60)
        heard.advance(1)
        assert (heard.ready, heard.waits) == (0, [("test.Failing",)])
        heard.advance(9)
        assert heard.ready == 1
        go_on.set()


def test_a_line_names_some_of_many() -> None:
    assert named(["a", "b", "c"]) == "a, b, c"
    assert named(["a", "b", "c", "d", "e"]) == "a, b, c and 2 more"
