"""Who waits for a configuration to be taken, or hangs over one, holds up nobody else; a gateway leaves no thread."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from framework import ComponentContext, ConfigurationAdmin, component, reference
from framework.configuration import ConfigurationPlugin, UpdateResult
from framework.configuration.delivery import WORKERS as PLUGIN_WORKERS
from framework.declarative_services.runtime import WORKERS
from framework.testing import GatewayHarness

if TYPE_CHECKING:
    from collections.abc import MutableMapping


def test_components_that_wait_in_callbacks_for_others_to_be_configured_leave_them_threads() -> None:
    all_waiting = threading.Barrier(WORKERS)
    answers: list[UpdateResult] = []

    @component("test.Waiting", factory=True)
    class Waiting:
        admin = reference(ConfigurationAdmin)

        def activate(self, context: ComponentContext) -> None:
            all_waiting.wait(30)
            answers.append(self.admin.update(context.pid.replace("Waiting", "Awaited"), {"x": 1}))

    @component("test.Awaited", factory=True)
    class Awaited:
        pass

    with GatewayHarness(components=[Waiting, Awaited]) as harness:
        harness.configuration_admin.apply({f"test.Waiting~{number}": {"x": 1} for number in range(WORKERS)}, timeout=0)
        harness.settle()
        assert [one.outcome for one in answers] == ["created"] * WORKERS


def test_a_component_that_configures_itself_in_a_callback_does_not_wait_for_itself() -> None:
    answers: list[UpdateResult] = []

    @component("test.Itself")
    class Itself:
        admin = reference(ConfigurationAdmin)

        def activate(self, context: ComponentContext) -> None:
            answers.append(self.admin.update(context.pid, {"x": 1}))

    with GatewayHarness(components=[Itself]) as harness:
        assert answers[0].outcome == "stored"
        assert "when the callback that changed it has returned" in str(answers[0].error)
        assert harness.state("test.Itself") == "active"
        assert harness.configuration_admin.get("test.Itself").properties["x"] == 1


def test_plugins_that_hang_keep_no_other_pid_from_its_own() -> None:
    entered, go_on = threading.Semaphore(0), threading.Event()

    class Hanging(ConfigurationPlugin):
        def modify_configuration(self, pid: str, properties: MutableMapping[str, Any]) -> None:
            entered.release()
            go_on.wait(60)

    class Good(ConfigurationPlugin):
        def modify_configuration(self, pid: str, properties: MutableMapping[str, Any]) -> None:
            properties["seen"] = True

    @component("test.Tank", factory=True)
    class Tank:
        def activate(self, context: ComponentContext) -> None:
            seen.append(context.properties["seen"])

    seen: list[bool] = []
    hanging = [f"test.Tank~{number}" for number in range(PLUGIN_WORKERS)]
    with GatewayHarness(components=[Tank]) as harness:
        harness.registry.register(ConfigurationPlugin, Hanging(), {"cm.target": hanging})
        harness.registry.register(ConfigurationPlugin, Good(), {"cm.target": "test.Tank~good"})
        try:
            for pid in hanging:
                harness.configuration_admin.update(pid, {"x": 1}, timeout=0)
                assert entered.acquire(timeout=30)
            harness.clock.advance(10)
            harness.gateway.scheduler.run_due()
            assert harness.configuration_admin.update("test.Tank~good", {"x": 1}).outcome == "created"
            assert seen == [True]
        finally:
            go_on.set()


def test_a_gateway_that_has_stopped_leaves_no_thread_behind() -> None:
    @component("test.Plain")
    class Plain:
        pass

    before = set(threading.enumerate())
    with GatewayHarness(components=[Plain]) as harness:
        harness.configuration_admin.update("test.Plain", {"x": 1})
    for thread in set(threading.enumerate()) - before:
        thread.join(60)
        assert not thread.is_alive(), thread.name
