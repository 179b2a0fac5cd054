"""Components in a real gateway: bound, rebound, configured and stopped by what happens round them."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from framework import ComponentContext, ConfigurationChange, DeactivationReason, component, reference
from framework.testing import GatewayHarness
from tests.framework.declarative_services.simulation import simulated

if TYPE_CHECKING:
    from pathlib import Path


class Store:
    """A service."""

    def __init__(self, name: str = "store") -> None:
        self.name = name


class Recorder:
    """What the components of a test did, in order."""

    def __init__(self) -> None:
        self.entries: list[Any] = []


RECORDER = Recorder()


@pytest.fixture(autouse=True)
def _fresh_recorder() -> None:
    RECORDER.entries.clear()


@component("test.Reader")
class Reader:
    store = reference(Store, name="Store", target="(kura.service.pid=A)")

    def activate(self, context: ComponentContext) -> None:
        RECORDER.entries.append(("activate", self.store.name))

    def modified(self, change: ConfigurationChange) -> None:
        RECORDER.entries.append(("modified", sorted(change.changed)))

    def deactivate(self, reason: DeactivationReason) -> None:
        RECORDER.entries.append(("deactivate", self.store.name, reason))


def test_a_service_that_comes_later_activates_and_its_going_deactivates() -> None:
    with GatewayHarness(components=[Reader]) as harness:
        assert harness.state("test.Reader") == "unsatisfied"
        registration = harness.registry.register(Store, Store("a"), {"kura.service.pid": "A"})
        harness.settle()
        assert harness.state("test.Reader") == "active"
        registration.unregister()
        harness.settle()
        assert harness.state("test.Reader") == "unsatisfied"
    assert RECORDER.entries == [("activate", "a"), ("deactivate", "a", DeactivationReason.REFERENCE)]


def test_a_holder_is_deactivated_before_its_service_has_gone() -> None:
    with GatewayHarness(components=[Reader]) as harness:
        registration = harness.registry.register(Store, Store("a"), {"kura.service.pid": "A"})
        harness.settle()
        registration.unregister()
        assert RECORDER.entries[-1] == ("deactivate", "a", DeactivationReason.REFERENCE)


@pytest.mark.parametrize("stops_matching_by", ["its properties", "the target"])
def test_a_holder_ends_before_its_service_has_gone_also_if_that_stops_matching_first(stops_matching_by: str) -> None:
    with simulated(0, Reader) as simulation:
        registration = simulation.registry.register(Store, Store("a"), {"kura.service.pid": "A"})
        simulation.settle()
        if stops_matching_by == "its properties":
            registration.set_properties({"kura.service.pid": "B"})
        else:
            simulation.configure("test.Reader", {"Store.target": "(kura.service.pid=B)"})
        registration.unregister()
        assert RECORDER.entries[-1] == ("deactivate", "a", DeactivationReason.REFERENCE)


@pytest.mark.parametrize(("declared", "configured"), [("Color", "color"), ("service.ranking", "Service.Ranking")])
def test_a_configured_property_replaces_the_declared_one_whatever_the_case_of_its_name(
    declared: str, configured: str
) -> None:
    @component("test.Colored", provides=Store, properties={declared: 1})
    class Colored(Store):
        def activate(self, context: ComponentContext) -> None:
            RECORDER.entries.append({name: context.properties[name] for name in context.properties if name in names})

    names = {declared, configured}
    with GatewayHarness(components=[Colored]) as harness:
        assert harness.configuration_admin.update("test.Colored", {configured: 2}).outcome == "reactivated"
        found = harness.registry.find(Store)
        assert found is not None
        assert found.properties[declared] == 2
    assert RECORDER.entries == [{declared: 1}, {declared: 2}]


def test_a_changed_target_rewires_to_another_service() -> None:
    with GatewayHarness(components=[Reader]) as harness:
        harness.registry.register(Store, Store("a"), {"kura.service.pid": "A"})
        harness.registry.register(Store, Store("b"), {"kura.service.pid": "B"})
        harness.settle()
        result = harness.configuration_admin.update("test.Reader", {"Store.target": "(kura.service.pid=B)"})
        assert result.outcome == "reactivated"
        assert RECORDER.entries == [
            ("activate", "a"),
            ("deactivate", "a", DeactivationReason.REFERENCE),
            ("activate", "b"),
        ]


def test_an_explanation_names_the_filter_and_why_each_candidate_was_refused() -> None:
    with GatewayHarness(components=[Reader]) as harness:
        harness.registry.register(Store, Store("b"), {"kura.service.pid": "B"})
        harness.settle()
        explanation = harness.explain("test.Reader")
        text = " ".join(explanation.sentences)
        assert explanation.state == "unsatisfied"
        assert "(kura.service.pid=A)" in text
        assert "(B) does not match" in text
        assert explanation.data["references"][0]["candidates"][0]["matches"] is False


@component("test.Provider", provides=Store)
class Provider(Store):
    def activate(self, context: ComponentContext) -> None:
        RECORDER.entries.append(("provider activate",))

    def deactivate(self, reason: DeactivationReason) -> None:
        RECORDER.entries.append(("provider deactivate", reason))


@component("test.Consumer")
class Consumer:
    store = reference(Store)

    def activate(self, context: ComponentContext) -> None:
        RECORDER.entries.append(("consumer activate",))

    def deactivate(self, reason: DeactivationReason) -> None:
        RECORDER.entries.append(("consumer deactivate", reason))


def test_a_gateway_that_stops_ends_dependents_before_what_they_depend_on() -> None:
    with GatewayHarness(components=[Consumer, Provider]):
        pass
    assert [entry[0] for entry in RECORDER.entries] == [
        "provider activate",
        "consumer activate",
        "consumer deactivate",
        "provider deactivate",
    ]


def test_components_of_a_plugin_that_goes_end_and_are_known_no_more() -> None:
    with GatewayHarness(components=[Consumer, Provider]) as harness:
        (plugin,) = {one.plugin for one in harness.components()}
        assert harness.gateway.runtime.remove_components(plugin, 30)
        assert harness.components() == ()
        assert harness.registry.find(Store) is None
    assert RECORDER.entries[-2:] == [
        ("consumer deactivate", DeactivationReason.DISPOSED),
        ("provider deactivate", DeactivationReason.DISPOSED),
    ]


@component("test.Secretive", provides=Store, properties={"visible": 1, ".private": 2})
class Secretive(Store):
    """Provides a service with properties of all kinds."""


def test_a_service_has_the_properties_that_others_may_see() -> None:
    with GatewayHarness(components=[Secretive], conf={"test.Secretive": {"more": "x"}}) as harness:
        found = harness.registry.find(Store)
        assert found is not None
        assert found.properties["visible"] == 1
        assert found.properties["more"] == "x"
        assert found.properties["component.name"] == "test.Secretive"
        assert found.properties["kura.service.pid"] == "test.Secretive"
        assert ".private" not in found.properties


@component("test.Workers", factory=True, provides=Store)
class Worker(Store):
    def activate(self, context: ComponentContext) -> None:
        RECORDER.entries.append(("activate", context.service_pid, context.properties.get("n")))


def test_each_factory_configuration_makes_a_component() -> None:
    with GatewayHarness(components=[Worker], conf={"test.Workers~one": {"n": 1}}) as harness:
        assert harness.configuration_admin.update("test.Workers~two", {"n": 2}).outcome == "created"
        assert sorted(RECORDER.entries) == [("activate", "one", 1), ("activate", "two", 2)]
        assert harness.registry.find(Store, "(kura.service.pid=two)") is not None
        harness.configuration_admin.delete("test.Workers~two")
        assert harness.registry.find(Store, "(kura.service.pid=two)") is None
        assert harness.state("test.Workers~two") == "unknown"


@component("test.Failing", provides=Store)
class Failing(Store):
    attempts = 0

    def activate(self, context: ComponentContext) -> None:
        Failing.attempts += 1
        if Failing.attempts < 3:
            raise ValueError("not yet")


def test_a_failed_activation_leaves_no_service_and_is_retried() -> None:
    Failing.attempts = 0
    with GatewayHarness(components=[Failing]) as harness:
        assert harness.state("test.Failing") == "failed"
        assert "not yet" in " ".join(harness.explain("test.Failing").sentences)
        assert harness.registry.find(Store) is None
        harness.advance(1)
        assert harness.state("test.Failing") == "failed"
        harness.advance(2)
        assert harness.state("test.Failing") == "active"


def test_a_failing_component_keeps_no_other_from_starting() -> None:
    Failing.attempts = -1000
    with GatewayHarness(components=[Failing, Reader]) as harness:
        harness.registry.register(Store, Store("a"), {"kura.service.pid": "A"})
        harness.settle()
        assert harness.state("test.Reader") == "active"
        assert harness.state("test.Failing") == "failed"


@component("test.Timed")
class Timed:
    def activate(self, context: ComponentContext) -> None:
        context.call_later(60, lambda: RECORDER.entries.append("due"))
        context.run_in_background(lambda: 6 * 7, lambda result: RECORDER.entries.append(result.value))


def test_timers_and_background_work_come_back_to_the_component() -> None:
    with GatewayHarness(components=[Timed]) as harness:
        assert RECORDER.entries == [42]
        harness.advance(59)
        assert RECORDER.entries == [42]
        harness.advance(1)
        assert RECORDER.entries == [42, "due"]


def test_timers_die_with_the_component() -> None:
    with GatewayHarness(components=[Timed]) as harness:
        harness.configuration_admin.update("test.Timed", {"x": 1})
        harness.settle()
        assert RECORDER.entries == [42, 42]
        harness.advance(61)
        assert RECORDER.entries == [42, 42, "due"]


@component("test.Hanging")
class Hanging:
    release = threading.Event()
    entered = threading.Event()

    def activate(self, context: ComponentContext) -> None:
        Hanging.entered.set()
        Hanging.release.wait(60)


def test_a_component_that_hangs_stalls_itself_alone_and_the_gateway_stops(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("framework.kernel.STOP_DEADLINE_S", 0.2)
    harness = GatewayHarness(components=[Hanging, Provider])
    harness.gateway.start()
    try:
        assert Hanging.entered.wait(30)
        consumer = harness.configuration_admin.update("test.Provider", {"x": 1})
        assert consumer.outcome in {"activated", "reactivated"}
        harness.gateway.stop()
        assert "Hanging.release.wait" in caplog.text
    finally:
        Hanging.release.set()
        harness.__exit__()


def test_the_data_directory_is_private_and_survives_a_restart(tmp_path: Path) -> None:
    @component("test.Keeper")
    class Keeper:
        def activate(self, context: ComponentContext) -> None:
            note = context.data_directory / "note"
            RECORDER.entries.append(note.read_text() if note.exists() else None)
            note.write_text("kept")
            RECORDER.entries.append(oct(context.data_directory.stat().st_mode & 0o777))

    for _ in range(2):
        with GatewayHarness(components=[Keeper], state_directory=tmp_path / "state"):
            pass
    assert RECORDER.entries == [None, "0o700", "kept", "0o700"]
