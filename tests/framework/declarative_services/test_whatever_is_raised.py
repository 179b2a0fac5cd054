"""Whatever a callback raises, the callback has failed: everybody else goes on, and no component is left undecided."""

from __future__ import annotations

import asyncio
import contextlib
import io
import threading
from typing import TYPE_CHECKING, Any

import pytest

from framework import (
    ComponentContext,
    ConfigurationChange,
    DeactivationReason,
    Filter,
    ServiceFactory,
    component,
    hookimpl,
    reference,
)
from framework.admin import Command
from framework.admin.commands import framework_commands
from framework.admin.server import AdminServer
from framework.cli import main
from framework.configuration import ConfigurationListener, ConfigurationPlugin
from framework.log_events import WORK_FAILED
from framework.testing import GatewayHarness

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path


class WithoutText(Exception):  # noqa: N818  # no error of a program, but a type whose errors have no text
    def __str__(self) -> str:
        raise SystemExit(3)


RAISED = [ValueError, SystemExit, asyncio.CancelledError, GeneratorExit, KeyboardInterrupt, WithoutText]


@pytest.fixture(params=RAISED)
def raised(request: pytest.FixtureRequest) -> type[BaseException]:
    cls: type[BaseException] = request.param
    return cls


class Store:
    pass


def a_component(raised: type[BaseException], raising: str) -> type:
    """A component that raises in one of its callbacks as long as its `fails` is True."""

    def called(self: Any, callback: str) -> None:
        if callback == raising and self.fails:
            raise raised

    stores: Any = reference(Store, cardinality="0..n", policy="dynamic")

    class Callbacks:
        fails = True

        def __init__(self) -> None:
            called(self, "__init__")

        def activate(self, _context: ComponentContext) -> None:
            called(self, "activate")

        def modified(self, _change: ConfigurationChange) -> None:
            called(self, "modified")

        def deactivate(self, _reason: DeactivationReason) -> None:
            called(self, "deactivate")

        def __delattr__(self, name: str) -> None:
            called(self, "__delattr__")
            object.__delattr__(self, name)

    def told(callback: str) -> Callable[..., None]:
        return lambda self, _service, _properties: called(self, callback)

    body: dict[str, Any] = {"stores": stores}
    for name in ("bind", "unbind", "updated"):
        body[f"{name}_store"] = getattr(stores, name)(_named(told(name), f"{name}_store"))
    return component("test.Raising")(type("Raising", (Callbacks,), body))


def _named(function: Callable[..., None], name: str) -> Callable[..., None]:
    function.__name__ = name
    return function


@pytest.mark.parametrize(
    ("raising", "state"),
    [
        ("__init__", "failed"),
        ("activate", "failed"),
        ("modified", "active"),
        ("deactivate", "active"),
        ("bind", "active"),
        ("updated", "active"),
        ("unbind", "active"),
        ("__delattr__", "active"),
    ],
)
def test_a_component_is_decided_whatever_its_callback_raises(
    raised: type[BaseException], raising: str, state: str
) -> None:
    raising_component = a_component(raised, raising)
    conf = {"test.Raising": {"x": 1}}
    with GatewayHarness(components=[raising_component], conf=conf) as harness:
        registration = harness.registry.register(Store, Store(), {"x": 1})
        harness.settle()
        registration.set_properties({"x": 2})
        harness.settle()
        update = harness.configuration_admin.update("test.Raising", {"x": 2})
        harness.settle()
        assert harness.state("test.Raising") == state
        assert not harness.gateway.undecided()
        assert update.outcome == ("failed" if raising in {"__init__", "activate", "modified"} else "modified")
        if state == "failed":
            assert update.error is not None
            assert raised.__name__ in update.error
            raising_component.fails = False  # type: ignore[attr-defined]
            harness.advance(60)
            assert harness.state("test.Raising") == "active", "and it is tried again"
        registration.unregister()
        harness.settle()
        harness.gateway.set_enabled("test.Raising", enabled=False)
        harness.settle()
        assert harness.state("test.Raising") == "disabled"


def test_work_of_a_component_fails_alone(raised: type[BaseException], caplog: pytest.LogCaptureFixture) -> None:
    results: list[BaseException | None] = []
    again = threading.Event()

    def fail(*_: object) -> None:
        raise raised

    def done(result: Any) -> None:
        results.append(result.error)
        raise raised

    @component("test.Working")
    class Working:
        def activate(self, context: ComponentContext) -> None:
            context.post(fail)
            context.run_in_background(fail, done)
            context.call_later(1, fail)
            context.call_later(2, again.set)

    with GatewayHarness(components=[Working]) as harness:
        harness.advance(3)
        assert [type(error) for error in results] == [raised]
        assert again.is_set()
        assert harness.state("test.Working") == "active"
    assert [one.msg for one in caplog.records if one.name == "gatewright.test.Working"] == ([WORK_FAILED] * 3)


class RaisingFactory(ServiceFactory):
    def __init__(self, raised: type[BaseException]) -> None:
        self.raised = raised

    def get_service(self, bundle: str, registration: object) -> object:  # as it is called
        raise self.raised

    def unget_service(self, bundle: str, registration: object, service: object) -> None:
        """Nothing was made."""


class RaisingPlugin(ConfigurationPlugin):
    def __init__(self, raised: type[BaseException]) -> None:
        self.raised = raised

    def modify_configuration(self, pid: str, properties: object) -> None:  # as it is called
        raise self.raised


class RaisingListener(ConfigurationListener):
    def __init__(self, raised: type[BaseException]) -> None:
        self.raised = raised

    def configuration_changed(self, notice: object) -> None:  # as it is called
        raise self.raised


@component("test.Reader")
class Reader:
    store = reference(Store)


@component("test.Plain")
class Plain:
    properties: Mapping[str, Any] = {}

    def activate(self, context: ComponentContext) -> None:
        Plain.properties = context.properties

    def modified(self, change: ConfigurationChange) -> None:
        Plain.properties = change.properties


def test_a_factory_that_raises_gives_no_service(raised: type[BaseException]) -> None:
    with GatewayHarness(components=[Reader]) as harness:
        harness.registry.register(Store, RaisingFactory(raised))
        harness.settle()
        assert harness.state("test.Reader") == "unsatisfied"
        assert "matches, but it gave no object" in " ".join(harness.explain("test.Reader").sentences)


def test_a_configuration_is_taken_whatever_plugins_and_listeners_raise(raised: type[BaseException]) -> None:
    with GatewayHarness(components=[Plain]) as harness:
        harness.registry.register(ConfigurationPlugin, RaisingPlugin(raised))
        harness.registry.register(ConfigurationListener, RaisingListener(raised))
        update = harness.configuration_admin.update("test.Plain", {"x": 7})
        harness.settle()
        assert Plain.properties["x"] == 7
        assert update.outcome == "modified"


def test_timers_and_listeners_go_on_after_one_that_raises() -> None:
    def fail(*_: object) -> None:
        raise SystemExit

    reached = threading.Event()

    def use() -> None:
        """On a thread as the gateway's own are: a Ctrl-C of the main thread is for the program."""
        harness.registry.listen(fail)
        harness.registry.listen(lambda _: told.append("listener"))
        harness.registry.register(Store, Store())
        harness.gateway.scheduler.call_later(1, fail)
        harness.gateway.scheduler.call_later(2, reached.set)
        harness.advance(3)

    told: list[str] = []
    with GatewayHarness() as harness:
        user = threading.Thread(target=use)
        user.start()
        user.join(60)
    assert told == ["listener"]
    assert reached.is_set()


def test_ctrl_c_while_the_main_thread_is_in_a_listener_is_for_the_program() -> None:
    def interrupted(_event: object) -> None:
        raise KeyboardInterrupt

    with GatewayHarness() as harness:
        subscription = harness.registry.listen(interrupted)
        with pytest.raises(KeyboardInterrupt):
            harness.registry.register(Store, Store())
        subscription.close()


def test_a_handler_whose_error_has_no_text_is_told_of_no_more(caplog: pytest.LogCaptureFixture) -> None:
    def fail(_event: object) -> None:
        raise WithoutText

    with GatewayHarness() as harness:
        subscription = harness.gateway.event_admin.subscribe("test/*", fail)
        harness.gateway.event_admin.publish("test/event", {})
        harness.settle()
        assert subscription.closed
    assert "WithoutText" in caplog.text


def test_a_filter_is_false_where_comparing_raises() -> None:
    class Strange:
        def __init__(self, _text: str = "") -> None:
            raise SystemExit

    strange = object.__new__(Strange)
    assert not Filter.parse("(x=1)").matches({"x": strange})


def test_a_command_that_tries_to_exit_is_answered(tmp_path: Path) -> None:
    def leave(_invocation: object) -> Any:
        raise SystemExit(3)

    class Acme:
        @hookimpl
        def gatewright_commands(self) -> list[Command]:
            return [Command(path=("acme", "leave"), help="leaves", run=leave)]

    with GatewayHarness(plugins=[Acme()], state_directory=tmp_path) as harness:
        gateway = harness.gateway
        server = AdminServer(gateway, lambda: [*framework_commands(), *gateway.commands], tmp_path)
        server.start()
        with contextlib.redirect_stderr(io.StringIO()) as said:
            assert main(["acme", "leave", "--state-dir", str(tmp_path)]) == 70
        server.stop()
    assert "failed inside the gateway" in said.getvalue()
