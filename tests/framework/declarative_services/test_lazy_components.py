"""Lazy components (OSGi's delayed ones, Compendium R8 112.2.4): made when their service is first asked for."""

from __future__ import annotations

from framework import ComponentContext, DeactivationReason, component, reference
from framework.testing import GatewayHarness


class Store:
    """A service."""


def test_components_8_a_lazy_component_is_made_when_its_service_is_first_asked_for() -> None:
    told: list[str] = []

    @component("test.Lazy", provides=Store, lazy=True)
    class Lazy(Store):
        def activate(self, context: ComponentContext) -> None:
            told.append("activate")

        def deactivate(self, reason: DeactivationReason) -> None:
            told.append(reason.value)

    with GatewayHarness(components=[Lazy]) as harness:
        found = harness.registry.find(Store)
        assert found is not None
        assert (harness.state("test.Lazy"), told) == ("satisfied", [])
        harness.configuration_admin.update("test.Lazy", {"x": 1})
        assert (found.properties["x"], told) == (1, [])
        assert isinstance(harness.registry.get(found), Lazy)
        assert harness.registry.get(found) is harness.registry.get(found)
        assert (harness.state("test.Lazy"), told) == ("active", ["activate"])


def test_components_8_a_lazy_component_that_cannot_be_activated_gives_nothing_and_is_tried_at_the_next_asking() -> None:
    attempts: list[int] = []

    @component("test.Lazy", provides=Store, lazy=True)
    class Lazy(Store):
        def activate(self, context: ComponentContext) -> None:
            attempts.append(1)
            if len(attempts) == 1:
                raise ValueError("not yet")

    with GatewayHarness(components=[Lazy]) as harness:
        found = harness.registry.find(Store)
        assert found is not None
        assert harness.registry.get(found) is None
        assert "not yet" in " ".join(harness.explain("test.Lazy").sentences)
        assert isinstance(harness.registry.get(found), Lazy)


def test_components_8_lazy_components_that_ask_for_each_other_while_they_are_made_get_nothing() -> None:
    got: list[object] = []

    @component("test.First", provides="test.First", lazy=True)
    class First:
        def activate(self, context: ComponentContext) -> None:
            second = harness.registry.find("test.Second")
            assert second is not None
            harness.registry.get(second)

    @component("test.Second", provides="test.Second", lazy=True)
    class Second:
        def activate(self, context: ComponentContext) -> None:
            first = harness.registry.find("test.First")
            assert first is not None
            got.append(harness.registry.get(first))

    with GatewayHarness(components=[First, Second]) as harness:
        found = harness.registry.find("test.First")
        assert found is not None
        assert isinstance(harness.registry.get(found), First)
    assert got == [None]


def test_a_lazy_component_that_lives_follows_its_configuration_and_ends_with_its_reference() -> None:
    told: list[str] = []

    @component("test.Lazy", provides="test.Lazy", lazy=True)
    class Lazy:
        store = reference(Store)

        def activate(self, context: ComponentContext) -> None:
            told.append("activate")

        def deactivate(self, reason: DeactivationReason) -> None:
            told.append(reason.value)

    with GatewayHarness(components=[Lazy]) as harness:
        assert harness.registry.find("test.Lazy") is None
        store = harness.registry.register(Store, Store())
        harness.settle()
        found = harness.registry.find("test.Lazy")
        assert found is not None
        assert harness.registry.get(found) is not None
        assert harness.configuration_admin.update("test.Lazy", {"x": 1}).outcome == "reactivated"
        assert harness.state("test.Lazy") == "satisfied"
        again = harness.registry.find("test.Lazy")
        assert again is not None
        assert harness.registry.get(found) is None
        assert harness.registry.get(again) is not None
        store.unregister()
        harness.settle()
        assert harness.state("test.Lazy") == "unsatisfied"
    assert told == ["activate", "configuration modified", "activate", "reference"]
