"""Random gateways under random interleavings: what must never happen never does, and the end is the model's.

Each seed is a schedule of its own and replays alone: `pytest -k "schedule and 123"` needs no more than
`GATEWRIGHT_SCHEDULE=123`. `GATEWRIGHT_SCHEDULES` runs more of them than a usual run does.
"""

from __future__ import annotations

import collections
import os
import random
from typing import TYPE_CHECKING, Any

import pytest

from framework import component, reference
from framework.declarative_services import description_of
from framework.filter import Filter
from framework.registry import ServiceReference, interface_name
from tests.framework.declarative_services.simulation import SimulatedRuntime, simulated

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from framework import ComponentContext, ConfigurationChange, DeactivationReason
    from framework.declarative_services import ReferenceDescription

SCHEDULES = int(os.environ.get("GATEWRIGHT_SCHEDULES", "2000"))
CHUNKS = 8
TARGETS = ("(x=0)", "(x=1)", "(|(x=1)(x=2))", "(!(x=0))")


class External:
    """A service from outside."""


class Witness:
    """Base of all components of a simulation: every callback is checked, may be slow, and may fail."""

    world: World
    tags: tuple[str, ...] = ()

    def __init__(self) -> None:
        self.pid = ""
        self.phase = "new"
        self.held: collections.Counter[tuple[str, int]] = collections.Counter()

    def activate(self, context: ComponentContext) -> None:
        self.world.expect(self.phase == "new", "an instance was used twice")
        self.pid = context.pid
        self.phase = "activating"
        for described in description_of(type(self)).references:
            bound = getattr(self, described.attribute)
            count = len(bound) if isinstance(bound, tuple) else int(bound is not None)
            self.world.expect(count >= described.cardinality.minimum, f"{described.name} has {count} services")
        with self.world.callback(context.pid, "activate"):
            self.phase = "active"

    def deactivate(self, reason: DeactivationReason) -> None:
        self.world.expect(self.phase == "active", f"deactivated while {self.phase}")
        with self.world.callback(self.pid, "deactivate"):
            self.phase = "dead"

    def modified(self, change: ConfigurationChange) -> None:
        self.world.expect(self.phase == "active", f"modified while {self.phase}")
        self.world.expect(bool(change.changed), "modified though nothing has changed")
        with self.world.callback(self.pid, "modified"):
            pass

    def bound(self, name: str, service: object) -> None:
        self.world.expect(self.phase in ("new", "active"), f"bound while {self.phase}")
        self.held[name, id(service)] += 1
        self.world.expect(self.held[name, id(service)] == 1, "bound twice")
        self.world.instances.add(self)
        with self.world.callback(self.pid, "bind"):
            pass

    def unbound(self, name: str, service: object) -> None:
        self.held[name, id(service)] -= 1
        self.world.expect(self.held[name, id(service)] == 0, "unbound what was not bound")
        with self.world.callback(self.pid, "unbind"):
            pass


class World:
    """One schedule: the components, what happens to them, and what they should have come to."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.random = random.Random(seed)
        self.instances: set[Witness] = set()
        self.inside: set[str] = set()
        self.failures_left = self.random.randrange(6)
        self.faults: list[str] = []
        self.classes = tuple(self._class(number) for number in range(self.random.randint(2, 5)))
        self.external: list[Any] = []
        self.disabled: set[str] = set()
        self.simulation: SimulatedRuntime

    def callback(self, pid: str, name: str) -> _Callback:
        return _Callback(self, pid, name)

    def expect(self, holds: bool, fault: str) -> None:
        """Note a fault; to raise it here would only be one more failing callback to the runtime."""
        if not holds:
            self.faults.append(fault)

    def run(self) -> None:
        with simulated(self.seed, *self.classes) as self.simulation:
            for _ in range(self.random.randrange(5, 40)):
                self._disturb()
                for _ in range(self.random.randrange(12)):
                    self.simulation.chooser.run_one()
            self.failures_left = 0
            self.simulation.settle()
            self._compare()
        assert not self.faults, self.faults
        assert not [one for one in self.instances if +one.held], "a bind without its unbind"
        assert all(answer.done() for answer in self.simulation.answers), "a sender was never answered"

    def _class(self, number: int) -> type:
        """A component with random references to what is outside and to components before it."""
        interfaces = [External, *(f"Part{earlier}" for earlier in range(number))]
        body: dict[str, Any] = {"world": self}
        for index in range(self.random.randrange(3)):
            attribute = f"r{index}"
            found: Any = reference(
                self.random.choice(interfaces),
                target=self.random.choice([None, *TARGETS]),
                cardinality=self.random.choice(["0..1", "1..1", "0..n", "1..n"]),  # type: ignore[call-overload]  # all
                policy=self.random.choice(["static", "dynamic"]),
                policy_option=self.random.choice(["reluctant", "greedy"]),
            )
            body[attribute] = found
            body |= _reference_callbacks(attribute, found)
        lazy = self.random.random() < 0.25
        base = type(f"Component{number}", (Witness,), body)
        return component(
            f"part{number}",
            provides=f"Part{number}",
            factory=self.random.random() < 0.3,
            properties={"x": self.random.randrange(3)},
            lazy=lazy,
        )(base)

    def _disturb(self) -> None:
        action = self.random.randrange(9)
        simulation = self.simulation
        described = description_of(self.random.choice(self.classes))
        pid = f"{described.name}~{self.random.randrange(2)}" if described.factory else described.name
        if action in (0, 1):
            self.external.append(simulation.registry.register(External, External(), self._properties()))
        elif action == 2 and self.external:
            self._unregister(self.external.pop(self.random.randrange(len(self.external))))
        elif action == 3 and self.external:
            self.random.choice(self.external).set_properties(self._properties())
        elif action in (4, 5):
            simulation.configure(pid, self._configuration([one.name for one in described.references]))
        elif action == 6 and described.factory:
            simulation.configure(pid, None)
        elif action == 7:
            self._toggle(described.name)
        elif action == 8:
            found = simulation.registry.find(described.provides[0])
            if found is not None:
                simulation.registry.get(found)
        simulation.let_time_pass(self.random.choice([0, 0, 1, 6]))

    def _unregister(self, registration: Any) -> None:
        """Nobody holds a service when its owner hears that it has gone, also if it has just stopped matching."""
        service = self.simulation.registry.get(registration.reference)
        if self.random.random() < 0.3:
            registration.set_properties(self._properties())
        registration.unregister()
        holders = sorted(one.pid for one in self.instances if any(i == id(service) for _, i in +one.held))
        self.expect(not holders, f"{holders} still hold what was unregistered")

    def _toggle(self, name: str) -> None:
        if name in self.disabled:
            self.disabled.discard(name)
            self.simulation.runtime.enable(name)
        elif self.random.random() < 0.4:
            self.disabled.add(name)
            self.simulation.runtime.disable(name)

    def _properties(self) -> dict[str, Any]:
        return {"x": self.random.randrange(3), "service.ranking": self.random.randrange(3)}

    def _configuration(self, references: list[str]) -> dict[str, Any]:
        properties: dict[str, Any] = {"x": self.random.randrange(3), "y": self.random.randrange(2)}
        for name in references:
            if self.random.random() < 0.4:
                properties[f"{name}.target"] = self.random.choice(TARGETS)
            if self.random.random() < 0.2:
                properties[f"{name}.cardinality.minimum"] = self.random.randrange(3)
        return properties

    def _compare(self) -> None:
        """The state that was reached is the one that the facts demand, whatever the way there."""
        present: dict[str, list[Mapping[str, Any]]] = collections.defaultdict(list)
        for registration in self.external:
            present[interface_name(External)].append(registration.reference.properties)
        for cls in self.classes:
            described = description_of(cls)
            for pid, properties in self._configurations(described.name, factory=described.factory):
                merged = {**described.properties, **properties}
                active = described.name not in self.disabled and all(
                    len([one for one in present[ref.interface] if _target(ref, merged).matches(one)])
                    >= _minimum(ref, merged)
                    for ref in described.references
                )
                state = self.simulation.runtime.explain(pid).state
                wanted = {"active", "satisfied"} if described.lazy else {"active"}
                idle = {"disabled"} if described.name in self.disabled else {"unsatisfied"}
                assert state in (wanted if active else idle), (self.seed, pid, state, self._said(pid))
                services = self._services_of(described.provides[0], pid)
                assert len(services) == int(active), f"{pid} has {len(services)} services"
                if active:
                    present[described.provides[0]].append(merged)
                if state == "active":
                    self._compare_bindings(pid, described.references, merged)

    def _compare_bindings(
        self, pid: str, references: tuple[ReferenceDescription, ...], properties: Mapping[str, Any]
    ) -> None:
        shown = {one["name"]: one for one in self.simulation.runtime.explain(pid).data["references"]}
        for ref in references:
            found = self.simulation.registry.find_all(ref.interface, _target(ref, properties))
            bound = {one["service_id"] for one in shown[ref.name]["candidates"] if one["bound"]}
            matching = {one.id for one in found}
            assert bound <= matching, f"{pid} is bound to what does not match"
            best = {one.id for one in (found if ref.cardinality.multiple else found[:1])}
            if ref.policy_option.value == "greedy" or (ref.policy.value == "dynamic" and ref.cardinality.multiple):
                assert bound == best, f"{pid} is not bound to the best"
            elif ref.policy.value == "dynamic" and matching:
                assert bound, f"{pid} is bound to nothing"

    def _configurations(self, name: str, *, factory: bool) -> Iterator[tuple[str, Mapping[str, Any]]]:
        for pid, properties in self.simulation.configurations.items():
            if properties is not None and (pid == name or (factory and pid.startswith(f"{name}~"))):
                yield pid, properties

    def _services_of(self, interface: str, pid: str) -> list[ServiceReference]:
        shown = {one.pid: one for one in self.simulation.runtime.components()}
        return [
            one
            for one in self.simulation.registry.find_all(interface)
            if one.properties["component.id"] == shown[pid].component_id
        ]

    def _said(self, pid: str) -> tuple[str, ...]:
        return self.simulation.runtime.explain(pid).sentences


class _Callback:
    """A callback under way: alone in its component, perhaps slow, perhaps failing."""

    def __init__(self, world: World, pid: str, name: str) -> None:
        self._world = world
        self._pid = pid
        self._name = name

    def __enter__(self) -> None:
        world = self._world
        if self._pid:
            world.expect(self._pid not in world.inside, f"two callbacks of {self._pid} at once")
            world.inside.add(self._pid)
        if world.random.random() < 0.5:
            world.simulation.chooser.run_some()
        if world.failures_left and world.random.random() < 0.2:
            world.failures_left -= 1
            world.inside.discard(self._pid)
            raise RuntimeError(f"{self._name} of {self._pid} fails, as it was told to")

    def __exit__(self, *_: object) -> None:
        self._world.inside.discard(self._pid)


def _reference_callbacks(attribute: str, found: Any) -> dict[str, Any]:
    def bind(self: Witness, service: object, properties: Mapping[str, Any]) -> None:
        self.bound(attribute, service)

    def unbind(self: Witness, service: object, properties: Mapping[str, Any]) -> None:
        self.unbound(attribute, service)

    bind.__name__, unbind.__name__ = f"bind_{attribute}", f"unbind_{attribute}"
    found.bind(bind)
    found.unbind(unbind)
    return {bind.__name__: bind, unbind.__name__: unbind}


def _target(described: ReferenceDescription, properties: Mapping[str, Any]) -> Filter:
    override = properties.get(described.target_property)
    return Filter.parse(override) if override else described.target or Filter.parse("(x=*)")


def _minimum(described: ReferenceDescription, properties: Mapping[str, Any]) -> int:
    declared = described.cardinality.minimum
    wanted = properties.get(described.minimum_property, declared)
    return int(wanted) if wanted >= declared and (wanted <= 1 or described.cardinality.multiple) else declared


def _seeds(chunk: int) -> range:
    only = os.environ.get("GATEWRIGHT_SCHEDULE")
    return range(int(only), int(only) + 1) if only else range(chunk, SCHEDULES, CHUNKS)


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_every_schedule_keeps_the_rules_and_ends_where_the_facts_demand(chunk: int) -> None:
    for seed in _seeds(chunk):
        try:
            World(seed).run()
        except BaseException as fault:
            fault.add_note(f"replay it with GATEWRIGHT_SCHEDULE={seed}")
            raise
