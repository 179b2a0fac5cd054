"""The lifecycle machine: named rules first, then random interleavings against what the facts demand."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from framework import component, reference
from framework.declarative_services import description_of
from framework.declarative_services.description import DeactivationReason
from framework.declarative_services.lifecycle import (
    Action,
    Activate,
    Activated,
    ActivationFailed,
    Answer,
    CandidatesChanged,
    ConfigurationChanged,
    Deactivate,
    Deactivated,
    Dispose,
    Effect,
    Ended,
    Event,
    Lifecycle,
    Modified,
    Modify,
    Phase,
    Rebind,
    Rebound,
    Released,
    RetryDue,
    ScheduleRetry,
    Withdraw,
    step,
)
from framework.registry import ServiceReference, ServiceRegistry
from metatype import ChangePolicy

if TYPE_CHECKING:
    from collections.abc import Mapping

Cardinalities = Literal["0..1", "1..1", "0..n", "1..n"]


class Store:
    """The interface that the components of these tests refer to."""


def services(count: int) -> tuple[ServiceReference, ...]:
    registry = ServiceRegistry()
    return tuple(registry.register(Store, Store()).reference for _ in range(count))


def lifecycle(
    *,
    cardinality: Any = "1..1",
    policy: Literal["static", "dynamic"] = "static",
    option: Literal["reluctant", "greedy"] = "reluctant",
    modifiable: bool = True,
    policies: Mapping[str, ChangePolicy] | None = None,
) -> Lifecycle:
    store = reference(Store, cardinality=cardinality, policy=policy, policy_option=option)
    body: dict[str, Any] = {"store": store}
    if modifiable:
        body["modified"] = lambda self, change: None
    cls = component("test.Component")(type("Component", (), body))
    return Lifecycle(description_of(cls), policies=policies or {})


def feed(state: Lifecycle, *events: Event) -> tuple[Lifecycle, list[Action]]:
    actions: list[Action] = []
    for event in events:
        state, more = step(state, event)
        actions.extend(more)
    return state, actions


def configured(store: tuple[ServiceReference, ...] = (), **properties: Any) -> ConfigurationChanged:
    return ConfigurationChanged(MappingProxyType(properties), {"store": store}, delivery="delivery")


def active(state: Lifecycle, store: tuple[ServiceReference, ...], **properties: Any) -> Lifecycle:
    state, _ = feed(state, configured(store, **properties), Activated())
    assert state.phase is Phase.ACTIVE
    return state


def test_a_component_waits_until_every_reference_has_its_minimum() -> None:
    (service,) = services(1)
    state, actions = feed(lifecycle(), configured())
    assert state.phase is Phase.UNSATISFIED
    assert [type(action) for action in actions] == [Answer]
    state, actions = feed(state, CandidatesChanged({"store": (service,)}))
    assert actions == [Activate(MappingProxyType({}), MappingProxyType({"store": (service,)}))]


def test_a_component_waits_until_its_configuration_is_known() -> None:
    (service,) = services(1)
    state, actions = feed(lifecycle(), CandidatesChanged({"store": (service,)}))
    assert (state.phase, actions) == (Phase.UNSATISFIED, [])


def test_a_static_reference_that_loses_its_service_ends_the_life_and_tries_another() -> None:
    first, second = services(2)
    state = active(lifecycle(), (first, second))
    state, actions = feed(state, CandidatesChanged({"store": (second,)}))
    assert actions == [Withdraw()]
    state, actions = feed(state, Released())
    assert actions == [Deactivate(DeactivationReason.REFERENCE)]
    state, actions = feed(state, Deactivated())
    assert isinstance(actions[0], Activate)
    assert actions[0].bindings == {"store": (second,)}


def test_static_reluctant_ignores_a_better_service() -> None:
    first, better = services(2)
    state = active(lifecycle(), (first,))
    state, actions = feed(state, CandidatesChanged({"store": (better, first)}))
    assert (state.phase, actions) == (Phase.ACTIVE, [])


def test_static_greedy_reactivates_for_a_better_service() -> None:
    first, better = services(2)
    state = active(lifecycle(option="greedy"), (first,))
    state, actions = feed(state, CandidatesChanged({"store": (better, first)}))
    assert actions == [Withdraw()]


def test_dynamic_reluctant_keeps_what_is_bound() -> None:
    first, better = services(2)
    state = active(lifecycle(policy="dynamic"), (first,))
    state, actions = feed(state, CandidatesChanged({"store": (better, first)}))
    assert actions == []


def test_dynamic_greedy_rebinds_to_the_better_service() -> None:
    first, better = services(2)
    state = active(lifecycle(policy="dynamic", option="greedy"), (first,))
    state, actions = feed(state, CandidatesChanged({"store": (better, first)}))
    assert actions == [Rebind(MappingProxyType({"store": (better,)}))]


def test_a_dynamic_mandatory_reference_without_replacement_ends_the_life() -> None:
    (service,) = services(1)
    state = active(lifecycle(policy="dynamic"), (service,))
    _, actions = feed(state, CandidatesChanged({"store": ()}))
    assert actions == [Withdraw()]


def test_an_old_service_counts_as_bound_until_the_new_one_is() -> None:
    first, better = services(2)
    state = active(lifecycle(policy="dynamic", option="greedy"), (first,))
    state, actions = feed(state, CandidatesChanged({"store": (better, first)}))
    assert state.bound == {"store": (first,)}
    assert isinstance(actions[0], Rebind)
    state, _ = feed(state, Rebound(actions[0].bindings))
    assert state.bound == {"store": (better,)}


@pytest.mark.parametrize(
    ("policy", "modifiable", "first_action", "effect"),
    [
        (ChangePolicy.MODIFY, True, Modify, Effect.MODIFIED),
        (ChangePolicy.MODIFY, False, Withdraw, Effect.REACTIVATED),
        (ChangePolicy.REACTIVATE, True, Withdraw, Effect.REACTIVATED),
        (ChangePolicy.BOOTSTRAP, True, Withdraw, Effect.BOOTSTRAPPED),
    ],
)
def test_the_descriptor_says_what_a_change_means(
    policy: ChangePolicy, modifiable: bool, first_action: type, effect: Effect
) -> None:
    (service,) = services(1)
    state = active(lifecycle(modifiable=modifiable, policies={"url": policy}), (service,), url="a")
    state, actions = feed(state, configured((service,), url="b"))
    assert type(actions[0]) is first_action
    rest: tuple[Event, ...] = (Released(), Deactivated(), Activated())
    state, actions = feed(state, *((Modified(),) if first_action is Modify else rest))
    assert actions[-1] == Answer(("delivery",), Phase.ACTIVE, effect, None)
    assert state.applied == {"url": "b"}


def test_setting_what_is_already_there_does_nothing() -> None:
    (service,) = services(1)
    state = active(lifecycle(), (service,), url="a")
    _, actions = feed(state, configured((service,), url="a"))
    assert actions == [Answer(("delivery",), Phase.ACTIVE, Effect.UNCHANGED, None)]


def test_changes_during_a_callback_are_taken_together_after_it() -> None:
    (service,) = services(1)
    state = active(lifecycle(), (service,), n=0)
    state, actions = feed(state, configured((service,), n=1), configured((service,), n=2), configured((service,), n=3))
    assert [type(action) for action in actions] == [Modify]
    state, actions = feed(state, Modified())
    assert isinstance(actions[0], Modify)
    assert actions[0].properties == {"n": 3}
    _, actions = feed(state, Modified())
    assert actions == [Answer(("delivery",) * 3, Phase.ACTIVE, Effect.MODIFIED, None)]


def test_a_failed_activation_is_retried_with_growing_pauses() -> None:
    (service,) = services(1)
    state, _ = feed(lifecycle(), configured((service,)))
    pauses = []
    for failures in range(1, 12):
        state, actions = feed(state, ActivationFailed("boom"))
        assert state.phase is Phase.FAILED
        retry = next(action for action in actions if isinstance(action, ScheduleRetry))
        pauses.append(retry.delay_s)
        state, actions = feed(state, RetryDue(failures))
        assert isinstance(actions[-1], Activate)
    assert pauses == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]


def test_a_failed_component_is_tried_again_when_its_configuration_changes() -> None:
    (service,) = services(1)
    state, _ = feed(lifecycle(), configured((service,), n=1), ActivationFailed("boom"))
    state, actions = feed(state, configured((service,), n=2))
    assert isinstance(actions[0], Activate)


def test_a_raising_modified_is_told_and_the_component_goes_on() -> None:
    (service,) = services(1)
    state = active(lifecycle(), (service,), n=1)
    state, actions = feed(state, configured((service,), n=2), Modified("ValueError: no"))
    assert actions[-1] == Answer(("delivery",), Phase.ACTIVE, Effect.MODIFIED, "ValueError: no")
    assert state.phase is Phase.ACTIVE


class Simulation:
    """Plays the runtime: performs one callback at a time and keeps account of what must never happen."""

    def __init__(self, state: Lifecycle) -> None:
        self.state = state
        self.under_way: Action | None = None
        self.alive = False
        self.disposed = False

    def feed(self, event: Event) -> None:
        self.state, actions = step(self.state, event)
        for action in actions:
            if isinstance(action, Dispose):
                self.disposed = True
            elif not isinstance(action, Answer | ScheduleRetry):
                assert self.under_way is None, "two callbacks at once"
                self.under_way = action
                self.check(action)

    def check(self, action: Action) -> None:
        if isinstance(action, Activate):
            assert not self.alive
            for described in self.state.description.references:
                bound = action.bindings[described.name]
                assert len(bound) >= described.cardinality.minimum, "activated unsatisfied"
                assert set(bound) <= set(self.state.candidates.get(described.name, ()))
        else:
            assert self.alive, "a callback without a life"

    def drain(self) -> None:
        while self.under_way is not None:
            self.finish(fails=False)

    def finish(self, *, fails: bool) -> None:
        action, self.under_way = self.under_way, None
        match action:
            case Activate():
                self.alive = not fails
                self.feed(ActivationFailed("boom") if fails else Activated())
            case Modify():
                self.feed(Modified("boom" if fails else None))
            case Rebind(bindings):
                self.feed(Rebound(bindings))
            case Withdraw():
                self.feed(Released())
            case Deactivate():
                self.alive = False
                self.feed(Deactivated())


POOL = services(4)

commands = st.one_of(
    st.tuples(st.just("candidates"), st.lists(st.sampled_from(POOL), unique=True)),
    st.tuples(st.just("configure"), st.dictionaries(st.sampled_from(["a", "b", "c"]), st.integers(0, 2))),
    st.tuples(st.just("finish"), st.booleans()),
    st.tuples(st.just("retry"), st.none()),
)


@settings(max_examples=300)
@given(
    cardinality=st.sampled_from(["0..1", "1..1", "0..n", "1..n"]),
    policy=st.sampled_from(["static", "dynamic"]),
    option=st.sampled_from(["reluctant", "greedy"]),
    modifiable=st.booleans(),
    script=st.lists(commands, max_size=25),
    ends=st.booleans(),
)
def test_whatever_the_order_the_end_is_what_the_facts_demand(
    cardinality: str,
    policy: Literal["static", "dynamic"],
    option: Literal["reluctant", "greedy"],
    modifiable: bool,
    script: list[tuple[str, Any]],
    ends: bool,
) -> None:
    policies = {"b": ChangePolicy.REACTIVATE, "c": ChangePolicy.BOOTSTRAP}
    simulation = Simulation(
        lifecycle(cardinality=cardinality, policy=policy, option=option, modifiable=modifiable, policies=policies)
    )
    for command, argument in script:
        match command:
            case "candidates":
                simulation.feed(CandidatesChanged({"store": tuple(argument)}))
            case "configure":
                simulation.feed(ConfigurationChanged(argument, simulation.state.candidates))
            case "finish":
                simulation.finish(fails=argument)
            case "retry":
                simulation.feed(RetryDue(simulation.state.failures))
    if ends:
        simulation.feed(Ended(DeactivationReason.STOPPED))
    simulation.drain()
    simulation.feed(RetryDue(simulation.state.failures))
    simulation.drain()
    state = simulation.state
    if ends:
        assert simulation.disposed
        assert not simulation.alive
        return
    minimum = state.description.references[0].cardinality.minimum
    satisfied = state.configuration is not None and len(state.candidates.get("store", ())) >= minimum
    assert simulation.alive == satisfied
    assert state.phase is (Phase.ACTIVE if satisfied else Phase.UNSATISFIED)
    if satisfied:
        assert state.applied == state.configuration
        assert set(state.bound["store"]) <= set(state.candidates.get("store", ()))
