"""What went wrong in other component runtimes in twenty years of bug reports, and must not here."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

import pytest

from framework import ComponentContext, ConfigurationChange, DeactivationReason, Secret, component, reference
from framework.declarative_services import MailboxFullError
from framework.declarative_services.context import MOST_WAITING
from framework.testing import GatewayHarness

if TYPE_CHECKING:
    from collections.abc import Mapping

    from framework import ServiceEvent, ServiceRegistration


class Store:
    """A service."""


def test_a_service_that_is_removed_during_activation_ends_the_life_that_began_with_it() -> None:
    told: list[str] = []

    @component("test.Reader")
    class Reader:
        store = reference(Store)

        def activate(self, context: ComponentContext) -> None:
            told.append("activate")
            entered.set()
            assert removing.wait(30)
            assert self.store is not None

        def deactivate(self, reason: DeactivationReason) -> None:
            told.append(f"deactivate for {reason.value}")

    entered, removing = threading.Event(), threading.Event()
    with GatewayHarness(components=[Reader]) as harness:
        registration = harness.registry.register(Store, Store())
        assert entered.wait(30)
        harness.registry.listen(lambda event: removing.set(), Store)
        registration.unregister()
        harness.settle()
        assert told == ["activate", "deactivate for reference"]
        assert harness.state("test.Reader") == "unsatisfied"


def test_a_service_that_is_registered_inside_activate_is_found_and_goes_with_its_component() -> None:
    @component("test.Registering")
    class Registering:
        def activate(self, context: ComponentContext) -> None:
            context.register(Store, Store(), {"inner": True})

    @component("test.Reader")
    class Reader:
        store = reference(Store)

    with GatewayHarness(components=[Reader, Registering]) as harness:
        assert harness.state("test.Reader") == "active"
        harness.gateway.runtime.disable("test.Registering")
        harness.settle()
        assert harness.registry.find(Store) is None
        assert harness.state("test.Reader") == "unsatisfied"


def test_a_listener_that_unregisters_itself_hears_no_more_and_the_others_hear_all() -> None:
    heard: list[str] = []

    def once(event: ServiceEvent) -> None:
        heard.append("once")
        subscription.close()

    with GatewayHarness() as harness:
        subscription = harness.registry.listen(once, Store)
        harness.registry.listen(lambda event: heard.append("always"), Store)
        harness.registry.register(Store, Store())
        harness.registry.register(Store, Store())
    assert heard == ["once", "always", "always"]


def test_an_unbind_that_changes_service_properties_stalls_nobody() -> None:
    @component("test.Counting")
    class Counting:
        stores = reference(Store, cardinality="0..n", policy="dynamic")
        registration: ServiceRegistration

        def activate(self, context: ComponentContext) -> None:
            self.registration = context.register("test.Count", object(), {"count": 0})

        @stores.unbind
        def _gone(self, store: Store, properties: Mapping[str, Any]) -> None:
            self.registration.set_properties({"count": len(self.stores)})

    @component("test.Watching")
    class Watching:
        count = reference(object, name="count", target="(count=1)", cardinality="0..1", policy="dynamic")

    with GatewayHarness(components=[Counting, Watching]) as harness:
        first = harness.registry.register(Store, Store())
        harness.registry.register(Store, Store())
        harness.settle()
        first.unregister()
        harness.settle()
        assert harness.registry.find("test.Count", "(count=1)") is not None


def test_a_target_that_is_updated_on_a_live_reference_rebinds_in_place() -> None:
    told: list[str] = []

    @component("test.Live")
    class Live:
        store = reference(Store, policy="dynamic", target="(x=1)")

        @store.bind
        def _bound(self, store: Store, properties: Mapping[str, Any]) -> None:
            told.append(f"bind {properties['x']}")

        @store.unbind
        def _unbound(self, store: Store, properties: Mapping[str, Any]) -> None:
            told.append(f"unbind {properties['x']}")

        def modified(self, change: ConfigurationChange) -> None:
            told.append("modified")

        def deactivate(self, reason: DeactivationReason) -> None:
            told.append("deactivate")

    with GatewayHarness(components=[Live]) as harness:
        for number in (1, 2):
            harness.registry.register(Store, Store(), {"x": number})
        harness.settle()
        harness.configuration_admin.update("test.Live", {"store.target": "(x=2)"})
        assert told == ["bind 1", "bind 2", "unbind 1", "modified"]


def test_one_update_activates_once() -> None:
    activations: list[Mapping[str, Any]] = []

    @component("test.Once")
    class Once:
        store = reference(Store, target="(x=1)")

        def activate(self, context: ComponentContext) -> None:
            activations.append(context.properties)

    with GatewayHarness(components=[Once]) as harness:
        harness.registry.register(Store, Store(), {"x": 1})
        harness.registry.register(Store, Store(), {"x": 2})
        harness.settle()
        activations.clear()
        harness.configuration_admin.update("test.Once", {"store.target": "(x=2)", "y": 1})
        harness.settle()
        assert len(activations) == 1


def test_an_update_that_races_a_delete_leaves_what_came_last() -> None:
    @component("test.Racing", factory=True)
    class Racing:
        def deactivate(self, reason: DeactivationReason) -> None:
            deactivating.set()
            assert go_on.wait(30)

    deactivating, go_on = threading.Event(), threading.Event()
    with GatewayHarness(components=[Racing]) as harness:
        admin = harness.configuration_admin
        admin.update("test.Racing~a", {"x": 1})
        admin.delete("test.Racing~a", timeout=0)
        assert deactivating.wait(30)
        assert admin.update("test.Racing~a", {"x": 2}, timeout=0).outcome == "stored"
        go_on.set()
        harness.settle()
        assert harness.state("test.Racing~a") == "active"
        assert admin.get("test.Racing~a").properties["x"] == 2


def test_services_that_come_and_go_while_deactivating_change_nothing_but_the_next_life() -> None:
    names: list[Any] = []

    @component("test.Reader")
    class Reader:
        store = reference(Store, policy_option="greedy")

        def activate(self, context: ComponentContext) -> None:
            names.append(context.reference_properties("store")["n"])

        def deactivate(self, reason: DeactivationReason) -> None:
            deactivating.set()
            assert go_on.wait(30)

    deactivating, go_on = threading.Event(), threading.Event()
    with GatewayHarness(components=[Reader]) as harness:
        harness.registry.register(Store, Store(), {"n": 0})
        harness.settle()
        harness.registry.register(Store, Store(), {"n": 1, "service.ranking": 1})
        assert deactivating.wait(30)
        short = harness.registry.register(Store, Store(), {"n": 2, "service.ranking": 2})
        short.unregister()
        harness.registry.register(Store, Store(), {"n": 3, "service.ranking": 3})
        go_on.set()
        harness.settle()
        assert names == [0, 3]


def test_a_greedy_mandatory_reference_activates_with_something_bound() -> None:
    bound: list[object] = []

    @component("test.Greedy")
    class Greedy:
        store = reference(Store, policy="dynamic", policy_option="greedy")

        def activate(self, context: ComponentContext) -> None:
            bound.append(self.store)

    with GatewayHarness(components=[Greedy]) as harness:
        for _ in range(20):
            registration = harness.registry.register(Store, Store())
            registration.unregister()
        harness.settle()
        harness.registry.register(Store, Store())
        harness.settle()
    assert None not in bound


def test_what_was_never_bound_is_not_unbound() -> None:
    told: list[str] = []

    @component("test.Reader")
    class Reader:
        first = reference(Store, target="(n=1)")
        second = reference(Store, target="(n=2)")

        @first.unbind
        def _first_unbound(self, store: Store, properties: Mapping[str, Any]) -> None:
            told.append("unbind first")

        @second.unbind
        def _second_unbound(self, store: Store, properties: Mapping[str, Any]) -> None:
            told.append("unbind second")

        @first.bind
        def _first_bound(self, store: Store, properties: Mapping[str, Any]) -> None:
            going.unregister()

    with GatewayHarness(components=[Reader]) as harness:
        going = harness.registry.register(Store, Store(), {"n": 2})
        harness.registry.register(Store, Store(), {"n": 1})
        harness.settle()
        assert told == ["unbind first"]
        assert harness.state("test.Reader") == "unsatisfied"


def test_an_event_that_is_sent_inside_an_event_handler_is_delivered() -> None:
    heard: list[str] = []

    @component("test.Echo")
    class Echo:
        def activate(self, context: ComponentContext) -> None:
            context.subscribe("test/echo/*", lambda event: heard.append(event.topic))
            context.subscribe("test/call", lambda event: context.publish("test/echo/ONE", {}))

    with GatewayHarness(components=[Echo]) as harness:
        harness.gateway.event_admin.publish("test/call", {})
        harness.settle()
        harness.gateway.runtime.disable("test.Echo")
        harness.settle()
        harness.gateway.event_admin.publish("test/call", {})
        harness.settle()
    assert heard == ["test/echo/ONE"]


def test_passwords_are_in_no_log_of_a_failing_component(caplog: pytest.LogCaptureFixture) -> None:
    @component("test.Leaky", provides=Store)
    class Leaky(Store):
        def activate(self, context: ComponentContext) -> None:
            properties = {**context.properties, "password": Secret("tr0ub4dor")}
            raise ValueError(f"cannot be activated with {properties}")

    with caplog.at_level(logging.DEBUG), GatewayHarness(components=[Leaky]) as harness:
        assert harness.state("test.Leaky") == "failed"
        told = " ".join(harness.explain("test.Leaky").sentences)
    assert "cannot be activated" in caplog.text + told
    assert "tr0ub4dor" not in caplog.text + told


def test_a_configuration_that_changes_while_it_is_delivered_is_delivered_again() -> None:
    seen: list[int] = []

    @component("test.Slow")
    class Slow:
        def modified(self, change: ConfigurationChange) -> None:
            seen.append(change.properties["x"])
            modifying.set()
            assert go_on.wait(30)

    modifying, go_on = threading.Event(), threading.Event()
    with GatewayHarness(components=[Slow]) as harness:
        harness.configuration_admin.update("test.Slow", {"x": 1}, timeout=0)
        assert modifying.wait(30)
        for number in (2, 3, 4):
            harness.configuration_admin.update("test.Slow", {"x": number}, timeout=0)
        go_on.set()
        harness.settle()
    assert seen == [1, 4]


def test_two_holders_of_one_service_are_both_ended_before_it_goes() -> None:
    ended: list[str] = []

    def holder(name: str) -> type:
        def deactivate(self: object, reason: DeactivationReason) -> None:
            ended.append(name)

        return component(name)(type("Holder", (), {"store": reference(Store), "deactivate": deactivate}))

    with GatewayHarness(components=[holder(f"test.Holder{number}") for number in range(20)]) as harness:
        registration = harness.registry.register(Store, Store())
        harness.settle()
        registration.unregister()
        assert len(ended) == 20


@pytest.mark.parametrize("stops_first", ["test.Holder", "test.Registering"])
def test_components_that_hold_what_each_other_offers_go_without_waiting(
    stops_first: str, caplog: pytest.LogCaptureFixture
) -> None:
    """One of the services is a component's own, the other one is registered by a component while it is active."""

    class Inner:
        """What is registered."""

    @component("test.Holder", provides=Store)
    class Holder(Store):
        inner = reference(Inner, cardinality="0..1", policy="dynamic")

    @component("test.Registering")
    class Registering:
        store = reference(Store)

        def activate(self, context: ComponentContext) -> None:
            context.register(Inner, Inner())

    components = sorted((Holder, Registering), key=lambda one: f"test.{one.__name__}" != stops_first)
    with GatewayHarness(components=components) as harness:
        (inner,) = harness.explain("test.Holder").data["references"]
        assert [one["bound"] for one in inner["candidates"]] == [True]
        assert harness.state("test.Registering") == "active"
    assert "still hold" not in caplog.text


def test_a_hanging_callback_is_shown_with_its_stack_and_keeps_nobody_else_from_working() -> None:
    @component("test.Hanging", factory=True)
    class Hanging:
        def activate(self, context: ComponentContext) -> None:
            entered.release()
            assert go_on.wait(60)

    @component("test.Healthy")
    class Healthy:
        pass

    entered, go_on = threading.Semaphore(0), threading.Event()
    hanging = {f"test.Hanging~{number}": {"x": 1} for number in range(12)}
    harness = GatewayHarness(components=[Hanging, Healthy], conf=hanging)
    reported = threading.Semaphore(0)
    harness.gateway.event_admin.subscribe("gatewright/component/HANG_CHANGED", lambda event: reported.release())
    harness.gateway.start()
    try:
        for _ in range(8):
            assert entered.acquire(timeout=30)
        assert set(hanging) <= set(harness.gateway.undecided())
        harness.clock.advance(11)
        harness.gateway.scheduler.run_due()
        for _ in range(8):
            assert reported.acquire(timeout=30)
        for _ in range(4):
            assert entered.acquire(timeout=30), "those that wait behind hanging ones get threads of their own"
        assert len(hanging.keys() & set(harness.gateway.undecided())) == 4, "what hangs is decided"
        (pid, *_) = [one.pid for one in harness.components() if one.hangs]
        assert "go_on.wait(60)" in " ".join(harness.explain(pid).sentences)
        assert harness.configuration_admin.update("test.Healthy", {"x": 1}).outcome in {"activated", "reactivated"}
        go_on.set()
        harness.settle()
        assert harness.gateway.undecided() == ()
        assert not any(one.hangs for one in harness.components())
    finally:
        go_on.set()
        harness.__exit__()


@pytest.mark.parametrize("ends_while", ["it is looked at", "it is told of"])
def test_a_callback_that_ends_just_as_it_is_found_hanging_does_not_hang(
    ends_while: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    @component("test.Slow")
    class Slow:
        def activate(self, context: ComponentContext) -> None:
            entered.set()
            assert go_on.wait(60)

    entered, go_on = threading.Event(), threading.Event()
    harness = GatewayHarness(components=[Slow])

    def end(*_: object) -> str:
        go_on.set()
        harness.settle()
        return "its stack"

    class Telling(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            told.append(record)
            end()

    told: list[logging.LogRecord] = []
    handler = Telling()
    logging.getLogger("framework.hang_watch").addHandler(handler)
    if ends_while == "it is looked at":
        monkeypatch.setattr("framework.hang_watch.stack_of", end)
    harness.gateway.start()
    try:
        assert entered.wait(60)
        harness.clock.advance(10)
        harness.gateway.scheduler.run_due()
        harness.settle()
        assert len(told) == (ends_while == "it is told of")
        (slow,) = [one for one in harness.components() if one.pid == "test.Slow"]
        assert (slow.state, slow.hangs) == ("active", False)
    finally:
        go_on.set()
        logging.getLogger("framework.hang_watch").removeHandler(handler)
        harness.__exit__()


def test_a_flood_of_callbacks_is_refused_and_harms_its_component_alone() -> None:
    refused: list[MailboxFullError] = []

    @component("test.Flooding")
    class Flooding:
        def activate(self, context: ComponentContext) -> None:
            for _ in range(MOST_WAITING + 10):
                try:
                    context.post(lambda: None)
                except MailboxFullError as error:
                    refused.append(error)

    @component("test.Healthy")
    class Healthy:
        pass

    with GatewayHarness(components=[Flooding, Healthy]) as harness:
        assert harness.configuration_admin.update("test.Healthy", {"x": 1}).outcome == "reactivated"
        assert {error.pid for error in refused} == {"test.Flooding"}
        assert harness.state("test.Flooding") == "active"


def test_a_flood_of_property_changes_costs_its_holders_few_reactions() -> None:
    updates: list[int] = []

    @component("test.Watching")
    class Watching:
        store = reference(Store)

        @store.updated
        def _changed(self, store: Store, properties: Mapping[str, Any]) -> None:
            updates.append(properties["n"])
            changing.set()
            assert go_on.wait(30)

    changing, go_on = threading.Event(), threading.Event()
    with GatewayHarness(components=[Watching]) as harness:
        registration = harness.registry.register(Store, Store(), {"n": 0})
        harness.settle()
        registration.set_properties({"n": 1})
        assert changing.wait(30)
        for number in range(2, 1000):
            registration.set_properties({"n": number})
        go_on.set()
        harness.settle()
    assert updates == [1, 999]
