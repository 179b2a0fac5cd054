"""The rules of Declarative Services (Compendium R8 112), by their numbers in the list that the port goes by."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from framework import (
    ComponentContext,
    ConfigurationChange,
    DeactivationReason,
    ServiceFactory,
    ServiceRegistration,
    component,
    reference,
)
from framework.testing import GatewayHarness

if TYPE_CHECKING:
    from collections.abc import Mapping


class Store:
    """A service."""

    def __init__(self, name: str = "store") -> None:
        self.name = name


class Told:
    """Base of components that note what they are told, in the order in which they are."""

    told: list[Any]

    def activate(self, context: ComponentContext) -> None:
        self.told.append(("activate",))

    def deactivate(self, reason: DeactivationReason) -> None:
        self.told.append(("deactivate", reason))


def offer(harness: GatewayHarness, name: str, ranking: int = 0, **properties: Any) -> Any:
    """Register a store, and wait until everybody has taken notice."""
    registration = harness.registry.register(Store, Store(name), {"service.ranking": ranking, **properties})
    harness.settle()
    return registration


def reader(
    told: list[tuple[Any, ...]], cardinality: Any = "1..1", policy: Any = "static", policy_option: Any = "reluctant"
) -> type:
    """A component with one reference of any kind whose callbacks are noted."""
    stores: Any = reference(Store, cardinality=cardinality, policy=policy, policy_option=policy_option)

    def bind(self: Told, service: Store, properties: Mapping[str, Any]) -> None:
        self.told.append(("bind", service.name))

    def unbind(self: Told, service: Store, properties: Mapping[str, Any]) -> None:
        self.told.append(("unbind", service.name))

    def updated(self: Told, service: Store, properties: Mapping[str, Any]) -> None:
        self.told.append(("updated", service.name, properties["x"]))

    for method in (stores.bind(bind), stores.unbind(unbind), stores.updated(updated)):
        assert callable(method)
    body = {"told": told, "stores": stores, "bind": bind, "unbind": unbind, "updated": updated}
    return component("test.Reader")(type("Reader", (Told,), body))


def test_components_1_a_component_is_active_once_enabled_configured_and_referring_to_its_minimum() -> None:
    told: list[tuple[Any, ...]] = []

    @component("test.Careful", configuration_policy="require", enabled=False)
    class Careful(Told):
        stores = reference(Store, cardinality="1..n")

    Careful.told = told
    with GatewayHarness(components=[Careful]) as harness:
        assert harness.state("test.Careful") == "disabled"
        harness.gateway.runtime.enable("test.Careful")
        offer(harness, "a")
        assert harness.state("test.Careful") == "unsatisfied"
        assert "no valid configuration" in " ".join(harness.explain("test.Careful").sentences)
        harness.configuration_admin.update("test.Careful", {"x": 1})
        assert harness.state("test.Careful") == "active"
        harness.gateway.runtime.disable("test.Careful")
        harness.settle()
        assert harness.state("test.Careful") == "disabled"
    assert told == [("activate",), ("deactivate", DeactivationReason.DISABLED)]


def test_components_1_a_property_raises_the_minimum_of_a_reference() -> None:
    told: list[tuple[Any, ...]] = []
    with GatewayHarness(components=[reader(told, "0..n", "dynamic")]) as harness:
        offer(harness, "a")
        harness.configuration_admin.update("test.Reader", {"stores.cardinality.minimum": 2})
        assert harness.state("test.Reader") == "unsatisfied"
        assert "needs 2 services" in " ".join(harness.explain("test.Reader").sentences)
        offer(harness, "b")
        assert harness.state("test.Reader") == "active"


@pytest.mark.parametrize("minimum", [2, "many", -1, True])
def test_components_1_a_minimum_that_a_unary_reference_cannot_have_is_not_used_and_shown(minimum: Any) -> None:
    with GatewayHarness(components=[reader([], "0..1")]) as harness:
        harness.configuration_admin.update("test.Reader", {"stores.cardinality.minimum": minimum})
        assert harness.state("test.Reader") == "active"
        assert "stores.cardinality.minimum" in " ".join(harness.explain("test.Reader").sentences)


def test_components_2_the_target_comes_from_declaration_properties_and_configuration_the_latter_first() -> None:
    @component("test.Targeted", properties={"store.target": "(x=2)"})
    class Targeted:
        store = reference(Store, target="(x=1)", policy_option="greedy")

        def activate(self, context: ComponentContext) -> None:
            names.append(self.store.name)

    names: list[str] = []
    with GatewayHarness(components=[Targeted]) as harness:
        offer(harness, "declared", x=1)
        assert harness.state("test.Targeted") == "unsatisfied"
        offer(harness, "property", x=2)
        offer(harness, "configured", x=3)
        harness.configuration_admin.update("test.Targeted", {"store.target": "(x=3)"})
    assert names == ["property", "configured"]


def test_components_3_configuration_goes_before_description_and_name_and_id_are_always_there() -> None:
    seen: list[Mapping[str, Any]] = []

    @component("test.Ignoring", configuration_policy="ignore", provides=Store, properties={"a": 1, ".b": 2})
    class Ignoring(Store):
        def activate(self, context: ComponentContext) -> None:
            seen.append(context.properties)

    @component("test.Configured", provides=Store, properties={"a": 1})
    class Configured(Store):
        def activate(self, context: ComponentContext) -> None:
            seen.append(context.properties)

    with GatewayHarness(components=[Ignoring, Configured], conf={"test.Configured": {"a": 2}}) as harness:
        by_name = {properties["component.name"]: properties for properties in seen}
        assert by_name["test.Ignoring"]["a"] == 1
        assert by_name["test.Configured"]["a"] == 2
        assert all(isinstance(properties["component.id"], int) for properties in seen)
        found = harness.registry.find(Store, "(component.name=test.Ignoring)")
        assert found is not None
        assert ".b" not in found.properties


@pytest.mark.parametrize(
    ("cardinality", "policy", "option", "expected"),
    [
        ("0..1", "static", "reluctant", []),
        ("1..1", "static", "reluctant", []),
        ("0..n", "static", "reluctant", []),
        ("0..1", "static", "greedy", ["deactivate", "unbind a", "bind b", "activate"]),
        ("0..n", "static", "greedy", ["deactivate", "unbind a", "bind b", "bind a", "activate"]),
        ("0..1", "dynamic", "reluctant", []),
        ("0..n", "dynamic", "reluctant", ["bind b"]),
        ("1..n", "dynamic", "greedy", ["bind b"]),
        ("1..1", "dynamic", "greedy", ["bind b", "unbind a"]),
    ],
)
def test_components_4_and_5_what_a_better_target_does(
    cardinality: str, policy: str, option: str, expected: list[str]
) -> None:
    told: list[tuple[Any, ...]] = []
    with GatewayHarness(components=[reader(told, cardinality, policy, option)]) as harness:
        offer(harness, "a")
        if harness.state("test.Reader") == "active" and ("bind", "a") not in told:
            harness.configuration_admin.update("test.Reader", {"y": 1})  # a new life takes what is there by now
        told.clear()
        offer(harness, "b", ranking=10)
        assert [" ".join(map(str, entry)) for entry in told if entry[0] != "deactivate"] == [
            entry for entry in expected if entry != "deactivate"
        ]
        assert ("deactivate", DeactivationReason.REFERENCE) in told or "deactivate" not in expected


def test_components_4_dynamic_reluctant_binds_what_was_unbound() -> None:
    told: list[tuple[Any, ...]] = []
    with GatewayHarness(components=[reader(told, "0..1", "dynamic")]) as harness:
        registration = offer(harness, "a")
        registration.unregister()
        harness.settle()
    assert told == [("activate",), ("bind", "a"), ("unbind", "a"), ("deactivate", DeactivationReason.STOPPED)]


def test_components_5_a_static_reference_loses_its_service_after_deactivation() -> None:
    alive: list[bool] = []

    @component("test.Using")
    class Using:
        store = reference(Store)

        def deactivate(self, reason: DeactivationReason) -> None:
            alive.append(harness.registry.get(registration.reference) is self.store)

    with GatewayHarness(components=[Using]) as harness:
        registration = offer(harness, "a")
        registration.unregister()
        assert alive == [True]
        assert harness.registry.get(registration.reference) is None


def test_components_6_bound_in_declaration_order_before_activate_and_unbound_in_reverse_after_deactivate() -> None:
    told: list[Any] = []

    class Two(Told):
        one = reference(Store, target="(n=1)")
        two = reference(Store, target="(n=2)")

        @one.bind
        def _one_bound(self, store: Store, properties: Mapping[str, Any]) -> None:
            self.told.append("bind one")
            raise ValueError("noted, and no reason not to activate")

        @one.unbind
        def _one_unbound(self, store: Store, properties: Mapping[str, Any]) -> None:
            self.told.append("unbind one")

        @two.bind
        def _two_bound(self, store: Store, properties: Mapping[str, Any]) -> None:
            self.told.append("bind two")

        @two.unbind
        def _two_unbound(self, store: Store, properties: Mapping[str, Any]) -> None:
            self.told.append("unbind two")
            raise ValueError("noted")

    Two.told = told
    with GatewayHarness(components=[component("test.Two")(Two)]) as harness:
        offer(harness, "b", n=2)
        offer(harness, "a", n=1)
    assert told == [
        "bind one",
        "bind two",
        ("activate",),
        ("deactivate", DeactivationReason.STOPPED),
        "unbind two",
        "unbind one",
    ]


def test_components_6_a_raising_activate_unbinds_all_leaves_no_service_and_never_uses_the_instance_again() -> None:
    told: list[Any] = []
    instances: list[object] = []

    @component("test.Failing", provides="test.Service")
    class Failing:
        store = reference(Store)

        @store.bind
        def _bound(self, store: Store, properties: Mapping[str, Any]) -> None:
            told.append("bind")

        @store.unbind
        def _unbound(self, store: Store, properties: Mapping[str, Any]) -> None:
            told.append("unbind")

        def activate(self, context: ComponentContext) -> None:
            instances.append(self)
            if len(instances) == 1:
                raise ValueError("not yet")

    with GatewayHarness(components=[Failing]) as harness:
        offer(harness, "a")
        assert told == ["bind", "unbind"]
        assert harness.registry.find("test.Service") is None
        assert "tried again in 1 s" in " ".join(harness.explain("test.Failing").sentences)
        harness.advance(1)
        assert harness.state("test.Failing") == "active"
        assert len({id(one) for one in instances}) == 2


def test_components_6_a_raising_deactivate_is_logged_and_all_is_unbound(caplog: pytest.LogCaptureFixture) -> None:
    told: list[str] = []

    @component("test.Raising", provides="test.Service")
    class Raising:
        store = reference(Store)

        def deactivate(self, reason: DeactivationReason) -> None:
            told.append("deactivate")
            raise ValueError("the valve is stuck")

        @store.unbind
        def _unbound(self, store: Store, properties: Mapping[str, Any]) -> None:
            told.append("unbind")

    with GatewayHarness(components=[Raising]) as harness:
        store = offer(harness, "a")
        store.unregister()
        harness.settle()
        assert told == ["deactivate", "unbind"]
        assert harness.registry.find("test.Service") is None
        assert harness.state("test.Raising") == "unsatisfied"
        assert "the valve is stuck" in caplog.text
        offer(harness, "b")
        assert harness.state("test.Raising") == "active"


def test_components_6_and_9_a_service_that_cannot_be_registered_fails_the_activation_and_ends_that_life() -> None:
    told: list[tuple[Any, ...]] = []

    @component("test.Twice", provides="test.Service", properties={"unit": "K", "Unit": "C"})
    class Twice(Told):
        pass

    Twice.told = told
    with GatewayHarness(components=[Twice]) as harness:
        assert harness.state("test.Twice") == "failed"
        assert told == [("activate",), ("deactivate", DeactivationReason.UNSPECIFIED)]
        assert "differs from 'unit' only in case" in " ".join(harness.explain("test.Twice").sentences)
        assert harness.registry.find("test.Service") is None


def test_components_7_without_modified_a_change_makes_a_new_life() -> None:
    told: list[tuple[Any, ...]] = []
    with GatewayHarness(components=[reader(told, "0..1")]) as harness:
        assert harness.configuration_admin.update("test.Reader", {"y": 1}).outcome == "reactivated"
    assert told[:3] == [("activate",), ("deactivate", DeactivationReason.CONFIGURATION_MODIFIED), ("activate",)]


def test_components_7_modified_is_not_called_when_a_new_target_takes_a_static_service_away() -> None:
    told: list[Any] = []

    @component("test.Modifiable")
    class Modifiable:
        store = reference(Store)

        def modified(self, change: ConfigurationChange) -> None:
            told.append("modified")
            raise ValueError("told to the sender, and the component goes on")

        def deactivate(self, reason: DeactivationReason) -> None:
            told.append(reason)

    with GatewayHarness(components=[Modifiable]) as harness:
        offer(harness, "a", x=1)
        first = harness.configuration_admin.update("test.Modifiable", {"y": 1})
        assert (first.outcome, first.error) == (
            "failed",
            "ValueError: told to the sender, and the component goes on",
        )
        assert harness.state("test.Modifiable") == "active"
        harness.configuration_admin.update("test.Modifiable", {"store.target": "(x=2)"})
        assert told == ["modified", DeactivationReason.REFERENCE]
        assert harness.state("test.Modifiable") == "unsatisfied"


def test_components_8_a_service_is_gone_before_its_component_is_deactivated() -> None:
    found: list[object] = []

    @component("test.Provider", provides=Store)
    class Provider(Store):
        def deactivate(self, reason: DeactivationReason) -> None:
            found.append(harness.registry.find(Store))

    with GatewayHarness(components=[Provider]) as harness:
        assert harness.registry.find(Store) is not None
        harness.gateway.runtime.disable("test.Provider")
        harness.settle()
    assert found == [None]


def test_components_8_the_bundle_of_a_service_is_the_plugin_of_its_component() -> None:
    made_for: list[str] = []
    given_back: list[str] = []

    class Stores(ServiceFactory):
        def get_service(self, bundle: str, registration: ServiceRegistration) -> object:
            made_for.append(bundle)
            return Store()

        def unget_service(self, bundle: str, registration: ServiceRegistration, service: object) -> None:
            given_back.append(bundle)

    @component("test.User", provides="test.User")
    class User:
        store = reference(Store)

    with GatewayHarness(components=[User]) as harness:
        store = harness.registry.register(Store, Stores(), scope="bundle").reference
        harness.settle()
        (plugin,) = {one.plugin for one in harness.components()}
        user = harness.registry.find("test.User")
        assert user is not None
        assert user.bundle == plugin
        assert made_for == [plugin]
        assert list(store.using_bundles) == [plugin]
        harness.gateway.runtime.disable("test.User")
        harness.settle()
        assert not store.using_bundles
        assert given_back == [plugin]


def test_components_9_each_reason_of_deactivation_is_told() -> None:
    told: list[tuple[Any, ...]] = []

    @component("test.Factory", factory=True)
    class Factory(Told):
        pass

    Factory.told = told
    with GatewayHarness(components=[Factory], conf=None) as harness:
        admin, runtime = harness.configuration_admin, harness.gateway.runtime
        admin.update("test.Factory~a", {"x": 1})
        admin.update("test.Factory~a", {"x": 2})
        admin.delete("test.Factory~a")
        admin.update("test.Factory~a", {"x": 1})
        runtime.disable("test.Factory")
        harness.settle()
        runtime.enable("test.Factory")
        harness.settle()
        (plugin,) = {one.plugin for one in harness.components()}
        assert runtime.remove_components(plugin, 30)
    assert [entry[1] for entry in told if entry[0] == "deactivate"] == [
        DeactivationReason.CONFIGURATION_MODIFIED,
        DeactivationReason.CONFIGURATION_DELETED,
        DeactivationReason.DISABLED,
        DeactivationReason.DISPOSED,
    ]


class Egg:
    """What a hen comes from."""


class Hen:
    """What an egg comes from."""


def test_components_10_a_circle_of_mandatory_references_is_reported_and_unsatisfied() -> None:
    @component("test.Egg", provides=Egg)
    class AnEgg(Egg):
        hen = reference(Hen)

    @component("test.Hen", provides=Hen)
    class AHen(Hen):
        egg = reference(Egg)

    with GatewayHarness(components=[AnEgg, AHen]) as harness:
        reported: list[Any] = []
        harness.gateway.event_admin.subscribe(
            "gatewright/component/CIRCLE_FOUND", lambda event: reported.append(event.properties["pids"])
        )
        harness.advance(5)
        assert harness.state("test.Egg") == harness.state("test.Hen") == "unsatisfied"
        assert "test.Egg -> test.Hen -> test.Egg" in " ".join(harness.explain("test.Egg").sentences)
        assert len(reported) == 1


def test_components_10_one_optional_reference_breaks_the_circle() -> None:
    @component("test.Egg", provides=Egg)
    class AnEgg(Egg):
        hen = reference(Hen, cardinality="0..1", policy="dynamic")

    @component("test.Hen", provides=Hen)
    class AHen(Hen):
        egg = reference(Egg)

    with GatewayHarness(components=[AnEgg, AHen]) as harness:
        assert harness.state("test.Egg") == harness.state("test.Hen") == "active"


def test_components_11_services_from_many_threads_leave_the_best_one_bound() -> None:
    told: list[tuple[Any, ...]] = []
    with GatewayHarness(components=[reader(told, "1..1", "dynamic", "greedy")]) as harness:

        def register(thread: int) -> None:
            for number in range(10):
                ranking = thread * 10 + number
                harness.registry.register(Store, Store(f"store {ranking}"), {"service.ranking": ranking})

        threads = [threading.Thread(target=register, args=(number,)) for number in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        harness.settle()
        references = harness.explain("test.Reader").data["references"]
        (bound,) = [one for one in references[0]["candidates"] if one["bound"]]
        best = harness.registry.find(Store)
        assert best is not None
        assert (best.ranking, bound["service_id"]) == (99, best.id)
        binds = [entry[1] for entry in told if entry[0] == "bind"]
        unbinds = [entry[1] for entry in told if entry[0] == "unbind"]
        assert binds[:-1] == unbinds
        assert binds[-1] == "store 99"
