"""`explain` tells of every way of not being active what it is, in words and as data, and what to do about it."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from framework import ComponentContext, ConfigurationChange, DeactivationReason, Kernel, component, hookimpl, reference
from framework.testing import GatewayHarness

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DESCRIPTOR = """\
<metatype:MetaData xmlns:metatype="http://www.osgi.org/xmlns/metatype/v1.4.0">
  <OCD id="rated" name="Rated"><AD id="rate" type="Integer" min="1"/></OCD>
  <Designate {pid}="{name}"><Object ocdref="rated"/></Designate>
</metatype:MetaData>
"""


class Store:
    """A service."""


@component("test.Disabled", enabled=False)
class Disabled:
    pass


@component("test.Careful", configuration_policy="require")
class Careful:
    pass


@component("test.Factory", factory=True)
class Factory:
    pass


@component("test.Reader")
class Reader:
    store = reference(Store, target="(color=red)")


@component("test.Misled", properties={"store.target": "(color=red"})
class Misled:
    store = reference(Store)


@component("test.Many")
class Many:
    stores = reference(Store, cardinality="1..n", policy="dynamic")


@component("test.Provider", provides=Store, configuration_policy="require", properties={"color": "red"})
class Provider(Store):
    pass


@component("test.Failing")
class Failing:
    def activate(self, context: ComponentContext) -> None:
        raise ValueError("the pump is dry")


@component("test.Lazy", provides=Store, lazy=True)
class Lazy(Store):
    pass


@component("test.LazyFailing", provides=Store, lazy=True)
class LazyFailing(Store):
    def activate(self, context: ComponentContext) -> None:
        raise ValueError("the pump is dry")


@dataclass(frozen=True)
class Way:
    """A way of not being active.

    Attributes:
        arrange: Brings the component there.
        told: What the sentences say.
        data: What the data say.
    """

    name: str
    components: tuple[type, ...]
    pid: str
    state: str
    told: tuple[str, ...]
    data: Callable[[Any], bool] = lambda data: bool(data["reasons"])
    arrange: Callable[[Kernel], object] = lambda kernel: None


def offer(**properties: Any) -> Callable[[Kernel], object]:
    return lambda kernel: kernel.registry.register(Store, Store(), properties)


def ask(kernel: Kernel) -> None:
    found = kernel.registry.find(Store)
    assert found is not None
    assert kernel.registry.get(found) is None


def verdicts(data: Any) -> list[tuple[bool, str | None]]:
    return [(one["matches"], one["refusal"]) for one in data["references"][0]["candidates"]]


WAYS = (
    Way("disabled", (Disabled,), "test.Disabled", "disabled", ("gatewright component enable test.Disabled",)),
    Way(
        "without configuration",
        (Careful,),
        "test.Careful",
        "unsatisfied",
        ("no valid configuration", "gatewright config set test.Careful"),
    ),
    Way(
        "a factory without instances",
        (Factory,),
        "test.Factory",
        "unknown",
        ("a component is made for each configuration test.Factory~NAME",),
    ),
    Way("unknown", (Careful,), "test.Nobody", "unknown", ("there is no component", "test.Careful")),
    Way(
        "no service of the interface",
        (Reader,),
        "test.Reader",
        "unsatisfied",
        ("reference store (1..1) needs a service", "(color=red)", "no service of that interface is registered"),
        lambda data: verdicts(data) == [] and not data["references"][0]["satisfied"],
    ),
    Way(
        "all candidates refused",
        (Reader,),
        "test.Reader",
        "unsatisfied",
        ("none of the 1 registered matches", "does not match", "color", "blue"),
        lambda data: [matches for matches, _ in verdicts(data)] == [False],
        offer(color="blue"),
    ),
    Way(
        "a target that is no filter",
        (Misled,),
        "test.Misled",
        "unsatisfied",
        ("its target is no valid filter", "^"),
        lambda data: data["references"][0]["target_error"] is not None,
        offer(color="red"),
    ),
    Way(
        "too few for a raised minimum",
        (Many,),
        "test.Many",
        "unsatisfied",
        ("needs 2 services", "1 of the 1 registered matches"),
        lambda data: data["references"][0]["minimum"] == 2,
        lambda kernel: (offer()(kernel), kernel.configure("test.Many", {"stores.cardinality.minimum": 2})),
    ),
    Way(
        "a provider that is not active itself",
        (Reader, Provider),
        "test.Reader",
        "unsatisfied",
        ("test.Provider would provide it, but is unsatisfied", "gatewright explain test.Provider"),
    ),
    Way(
        "a failed activation",
        (Failing,),
        "test.Failing",
        "failed",
        ("activation failed once: ValueError: the pump is dry", "tried again in"),
        lambda data: data["failures"] == 1 and "dry" in data["failure"],
    ),
    Way("lazy and not asked for", (Lazy,), "test.Lazy", "satisfied", ("when somebody asks for the service",)),
    Way(
        "lazy, and failed when asked",
        (LazyFailing,),
        "test.LazyFailing",
        "satisfied",
        ("the last time somebody asked, its activation failed", "the pump is dry"),
        lambda data: "dry" in data["failure"],
        ask,
    ),
)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
def test_each_way_of_not_being_active_is_explained(way: Way) -> None:
    with Kernel(way.components) as kernel:
        assert kernel.settle()
        way.arrange(kernel)
        assert kernel.settle()
        explanation = kernel.explain(way.pid)
        text = " ".join(explanation.sentences)
        assert (explanation.state, [words for words in way.told if words not in text]) == (way.state, [])
        assert way.data(explanation.data)


class Gate:
    """Where callbacks stand until they may go on."""

    def __init__(self) -> None:
        self.reached, self.go_on = threading.Event(), threading.Event()

    def stand(self) -> None:
        self.reached.set()
        assert self.go_on.wait(60)


class Slow:
    """A component all of whose callbacks stand at a gate if they are to."""

    gate: Gate
    slow: str

    def _at(self, callback: str) -> None:
        if callback == self.slow:
            self.gate.stand()

    def activate(self, context: ComponentContext) -> None:
        self._at("activate")

    def modified(self, change: ConfigurationChange) -> None:
        self._at("modified")

    def deactivate(self, reason: DeactivationReason) -> None:
        self._at("deactivate")


def configure(kernel: Kernel) -> None:
    threading.Thread(target=kernel.configure, args=("test.Slow", {"x": 1}), daemon=True).start()


def change_properties(kernel: Kernel) -> None:
    registration = kernel.registry.register(Store, Store())
    assert kernel.settle()
    registration.set_properties({"x": 1})


@pytest.mark.parametrize(
    ("callback", "cause", "told"),
    [
        ("activate", lambda kernel: kernel.runtime.enable("test.Slow"), "its activation is under way"),
        ("modified", configure, "its modified() is under way"),
        ("bind", offer(), "it is being bound to other services"),
        ("updated", change_properties, "it is being told of changed properties"),
        ("deactivate", lambda kernel: kernel.runtime.disable("test.Slow"), "its deactivation is under way"),
    ],
)
def test_a_callback_that_is_under_way_is_told_of(callback: str, cause: Callable[[Kernel], object], told: str) -> None:
    @component("test.Slow", enabled=callback != "activate")
    class Referring(Slow):
        gate = Gate()
        slow = callback
        stores = reference(Store, cardinality="0..n", policy="dynamic")

        @stores.bind
        def bound(self, service: Store, properties: Any) -> None:
            self._at("bind")

        @stores.updated
        def updated(self, service: Store, properties: Any) -> None:
            self._at("updated")

    with Kernel([Referring]) as kernel:
        assert kernel.settle()
        cause(kernel)
        try:
            assert Referring.gate.reached.wait(60)
            assert told in " ".join(kernel.explain("test.Slow").sentences)
        finally:
            Referring.gate.go_on.set()


def test_who_still_holds_the_service_of_a_component_that_ends_is_told_of() -> None:
    gate = Gate()

    @component("test.Provider", provides=Store)
    class Ending(Store):
        pass

    @component("test.Holder")
    class Holder:
        store = reference(Store)

        def deactivate(self, reason: DeactivationReason) -> None:
            gate.stand()

    with Kernel([Ending, Holder]) as kernel:
        assert kernel.settle()
        kernel.runtime.disable("test.Provider")
        try:
            assert gate.reached.wait(60)
            explanation = kernel.explain("test.Provider")
            assert explanation.state == "withdrawing"
            assert "waits until its service is let go by test.Holder" in " ".join(explanation.sentences)
        finally:
            gate.go_on.set()


def link(number: int, to: int) -> tuple[str, dict[str, str]]:
    return f"test.Link~{number}", {"number": str(number), "next.target": f"(number={to})"}


class Linked:
    """A service."""


@component("test.Link", factory=True, provides=Linked)
class Link(Linked):
    next = reference(Linked)


def test_components_10_circles_are_found_at_the_end_of_the_longest_chain() -> None:
    last = 1200
    with Kernel([Link]) as kernel:
        for number in range(last):
            kernel.configure(*link(number, number + 1))
        assert kernel.explain("test.Link~0").data["circle"] is None
        kernel.configure(*link(last, last - 2))
        found = kernel.explain(f"test.Link~{last}").data["circle"]
        assert found == [f"test.Link~{number}" for number in (last, last - 2, last - 1, last)]
        assert kernel.explain("test.Link~0").data["circle"] is None


def test_two_circles_are_both_told_of_and_one_of_a_single_component_is_one() -> None:
    told: list[tuple[str, ...]] = []
    with GatewayHarness(components=[Link], conf=dict([link(1, 2), link(2, 1), link(3, 3), link(4, 1)])) as harness:
        harness.gateway.event_admin.subscribe(
            "gatewright/component/CIRCLE_FOUND", lambda event: told.append(event.properties["pids"])
        )
        harness.advance(5)
        assert sorted(map(sorted, map(set, told))) == [["test.Link~1", "test.Link~2"], ["test.Link~3"]]
        assert harness.explain("test.Link~4").data["circle"] is None


def test_what_is_wrong_with_a_configuration_is_told_of_a_component_and_of_a_factorys_instance(tmp_path: Path) -> None:
    single, several = tmp_path / "single.xml", tmp_path / "several.xml"
    single.write_text(DESCRIPTOR.format(pid="pid", name="test.Rated"))
    several.write_text(DESCRIPTOR.format(pid="factoryPid", name="test.RatedFactory"))
    rated = component("test.Rated", descriptor=str(single))(type("Rated", (), {}))
    factory = component("test.RatedFactory", factory=True, descriptor=str(several))(type("RatedFactory", (), {}))
    conf = {"test.Rated": {"rate": 0}, "test.RatedFactory~one": {"rate": 0}}
    with GatewayHarness(components=[rated, factory], conf=conf) as harness:
        for pid, state in (("test.Rated", "unsatisfied"), ("test.RatedFactory~one", "unknown")):
            explanation = harness.explain(pid)
            assert explanation.state == state
            assert f"{pid}: is not used: rate: must be at least 1, not 0" in " ".join(explanation.sentences)
            assert any("must be at least 1" in reason for reason in explanation.data["reasons"])
        missing = "what is configured for it is not valid: rate: is required and has no default"
        assert missing in harness.explain("test.Rated").sentences


def test_a_plugin_in_quarantine_is_told_of_when_its_component_is_asked_for() -> None:
    class Broken:
        @hookimpl
        def gatewright_components(self) -> list[type]:
            raise RuntimeError("no such bus")

    with GatewayHarness(plugins=[Broken()]) as harness:
        told = " ".join(harness.explain("test.OfBroken").sentences)
        assert "there is no component test.OfBroken" in told
        assert "no such bus" in told
