"""The life of one component configuration as a pure state machine: `step(state, event) -> (state, actions)`.

No I/O, clock, thread or lock is here. The runtime performs the actions on the component's mailbox and feeds
their outcome back as events. What comes in while a callback runs is only recorded; when the callback has
ended, one look at all facts decides what comes next. So callbacks never overlap, a burst of changes costs one
reaction, and the end state depends on the facts alone and not on the order in which they came.

Rules (Compendium R8 112.3 to 112.5): a component is activated when its configuration policy is fulfilled and
every reference has its minimum; a static reference that loses what is bound, or greedily finds better,
ends this life; a dynamic one is rebound in place; its service is withdrawn, and let go by those who hold it,
before `deactivate` is called; an instance is never used twice.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from framework.declarative_services.description import (
    ComponentDescription,
    ConfigurationPolicy,
    DeactivationReason,
    PolicyOption,
    ReferenceDescription,
    ReferencePolicy,
)
from metatype import ChangePolicy

if TYPE_CHECKING:
    from framework.registry import ServiceReference

Bindings = Mapping[str, tuple["ServiceReference", ...]]
"""Services by reference name, best first."""

FIRST_RETRY_S: Final = 1.0
LONGEST_RETRY_S: Final = 300.0


class Phase(enum.StrEnum):
    """Where a component is in its life."""

    UNSATISFIED = "unsatisfied"
    ACTIVATING = "activating"
    ACTIVE = "active"
    MODIFYING = "modifying"
    REBINDING = "rebinding"
    WITHDRAWING = "withdrawing"
    DEACTIVATING = "deactivating"
    FAILED = "failed"
    DISPOSED = "disposed"


_STABLE: Final = frozenset({Phase.UNSATISFIED, Phase.ACTIVE, Phase.FAILED})


class Effect(enum.IntEnum):
    """What a change of configuration came to, lightest first."""

    UNCHANGED = 0
    MODIFIED = 1
    ACTIVATED = 2
    REACTIVATED = 3
    BOOTSTRAPPED = 4


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """All facts about one component configuration.

    Attributes:
        policies: What a change of each property means; a property without an entry is `modify`.
        configuration: The properties that it should have, or None if it has no configuration.
        applied: The properties that its instance has, or had at the last attempt.
        candidates: The services that match each reference now.
        bound: The services that the instance is bound to.
        owed: Deliveries of configuration whose sender still waits for an answer.
        effect: What has been done for those deliveries so far.
        failure: Why the last activation or `modified` failed, in words.
        failures: Failed activations in a row.
        ending: The reason, once this component configuration is to go for good.
        reason: Why its last life ended.
    """

    description: ComponentDescription
    policies: Mapping[str, ChangePolicy] = field(default_factory=lambda: MappingProxyType({}))
    phase: Phase = Phase.UNSATISFIED
    configuration: Mapping[str, Any] | None = None
    applied: Mapping[str, Any] | None = None
    candidates: Bindings = field(default_factory=lambda: MappingProxyType({}))
    bound: Bindings = field(default_factory=lambda: MappingProxyType({}))
    owed: tuple[object, ...] = ()
    effect: Effect = Effect.UNCHANGED
    failure: str | None = None
    failures: int = 0
    ending: DeactivationReason | None = None
    reason: DeactivationReason | None = None


@dataclass(frozen=True, slots=True)
class ConfigurationChanged:
    """The configuration is now `properties` (None: there is none), with the candidates that its targets give."""

    properties: Mapping[str, Any] | None
    candidates: Bindings
    delivery: object | None = None


@dataclass(frozen=True, slots=True)
class CandidatesChanged:
    """Other services match the references now."""

    candidates: Bindings


@dataclass(frozen=True, slots=True)
class Activated:
    """`Activate` succeeded."""


@dataclass(frozen=True, slots=True)
class ActivationFailed:
    """`Activate` failed; nothing is bound and nothing registered."""

    error: str


@dataclass(frozen=True, slots=True)
class Modified:
    """`Modify` was performed; `error` tells what the component raised, if it did."""

    error: str | None = None


@dataclass(frozen=True, slots=True)
class Rebound:
    """`Rebind` was performed: these are bound now, and what was bound before is let go."""

    bindings: Bindings


@dataclass(frozen=True, slots=True)
class Released:
    """The service is withdrawn and nobody holds it any more."""


@dataclass(frozen=True, slots=True)
class Deactivated:
    """`Deactivate` was performed."""


@dataclass(frozen=True, slots=True)
class RetryDue:
    """The time to retry after failure number `failures` has come."""

    failures: int


@dataclass(frozen=True, slots=True)
class Ended:
    """This component configuration is to go for good."""

    reason: DeactivationReason
    delivery: object | None = None


Event = (
    ConfigurationChanged
    | CandidatesChanged
    | Activated
    | ActivationFailed
    | Modified
    | Rebound
    | Released
    | Deactivated
    | RetryDue
    | Ended
)


@dataclass(frozen=True, slots=True)
class Activate:
    """Make an instance, bind it, call `activate`, register its service."""

    properties: Mapping[str, Any]
    bindings: Bindings


@dataclass(frozen=True, slots=True)
class Modify:
    """Call `modified` and set the service's properties."""

    previous: Mapping[str, Any]
    properties: Mapping[str, Any]
    changed: frozenset[str]


@dataclass(frozen=True, slots=True)
class Rebind:
    """Give dynamic references other services, the new before the old are let go."""

    bindings: Bindings


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Take the service out of the registry and wait until those who hold it have let go."""


@dataclass(frozen=True, slots=True)
class Deactivate:
    """Call `deactivate`, unbind all."""

    reason: DeactivationReason


@dataclass(frozen=True, slots=True)
class ScheduleRetry:
    """Send `RetryDue(failures)` in `delay_s` seconds."""

    delay_s: float
    failures: int


@dataclass(frozen=True, slots=True)
class Answer:
    """Tell the senders of configuration what came of it."""

    deliveries: tuple[object, ...]
    phase: Phase
    effect: Effect
    failure: str | None


@dataclass(frozen=True, slots=True)
class Dispose:
    """This component configuration has gone."""


Action = Activate | Modify | Rebind | Withdraw | Deactivate | ScheduleRetry | Answer | Dispose


def step(state: Lifecycle, event: Event) -> tuple[Lifecycle, tuple[Action, ...]]:
    """Take one event in; give the new state and what is to be done now."""
    if state.phase is Phase.DISPOSED:
        delivery = getattr(event, "delivery", None)
        return state, _answer(state, (delivery,)) if delivery is not None else ()
    state, actions = _record(state, event)
    if state.phase not in _STABLE:
        return state, actions
    state, decided = _decide(state)
    return state, actions + decided


def chosen(reference: ReferenceDescription, candidates: tuple[ServiceReference, ...]) -> tuple[ServiceReference, ...]:
    """What a new life binds: all candidates of a multiple reference, the best one of a unary reference."""
    return candidates if reference.cardinality.multiple else candidates[:1]


def unsatisfied_references(state: Lifecycle) -> tuple[ReferenceDescription, ...]:
    """The references that have fewer services than they need."""
    return tuple(
        reference
        for reference in state.description.references
        if len(state.candidates.get(reference.name, ())) < reference.cardinality.minimum
    )


def configuration_missing(state: Lifecycle) -> bool:
    """Whether the configuration policy keeps the component from being active."""
    return state.configuration is None and state.description.configuration_policy is not ConfigurationPolicy.IGNORE


def _record(state: Lifecycle, event: Event) -> tuple[Lifecycle, tuple[Action, ...]]:
    match event:
        case ConfigurationChanged(properties, candidates, delivery):
            owed = state.owed if delivery is None else (*state.owed, delivery)
            state = replace(state, configuration=properties, candidates=candidates, owed=owed)
            return _reconsider(state), ()
        case CandidatesChanged(candidates):
            before = _bindings(state)
            state = replace(state, candidates=candidates)
            return (_reconsider(state) if _bindings(state) != before else state), ()
        case Ended(reason, delivery):
            owed = state.owed if delivery is None else (*state.owed, delivery)
            return _reconsider(replace(state, ending=state.ending or reason, owed=owed)), ()
        case RetryDue(failures):
            return (_reconsider(state) if failures == state.failures else state), ()
        case ActivationFailed(error):
            return _after_failure(state, error)
        case Released() if state.phase is Phase.WITHDRAWING and state.reason is not None:
            return replace(state, phase=Phase.DEACTIVATING), (Deactivate(state.reason),)
        case _:
            return _after_callback(state, event), ()


def _reconsider(state: Lifecycle) -> Lifecycle:
    """A failed component gets another try, now that something has changed."""
    return replace(state, phase=Phase.UNSATISFIED) if state.phase is Phase.FAILED else state


def _after_callback(state: Lifecycle, event: Event) -> Lifecycle:
    match event, state.phase:
        case Activated(), Phase.ACTIVATING:
            return replace(state, phase=Phase.ACTIVE, failure=None, failures=0)
        case Modified(error), Phase.MODIFYING:
            return replace(state, phase=Phase.ACTIVE, failure=error)
        case Rebound(bindings), Phase.REBINDING:
            return replace(state, phase=Phase.ACTIVE, bound=MappingProxyType({**state.bound, **bindings}))
        case Deactivated(), Phase.DEACTIVATING:
            return replace(state, phase=Phase.UNSATISFIED, bound=MappingProxyType({}))
        case _:
            return state


def _after_failure(state: Lifecycle, error: str) -> tuple[Lifecycle, tuple[Action, ...]]:
    tried = state.applied
    failures = state.failures + 1
    state = replace(
        state, phase=Phase.FAILED, bound=MappingProxyType({}), failure=error, failures=failures, applied=None
    )
    if state.configuration != tried or state.ending is not None:
        return _reconsider(state), ()
    delay_s = min(FIRST_RETRY_S * 2 ** min(failures - 1, 16), LONGEST_RETRY_S)
    return state, (ScheduleRetry(delay_s, failures),)


def _decide(state: Lifecycle) -> tuple[Lifecycle, tuple[Action, ...]]:
    if state.phase is Phase.ACTIVE:
        return _decide_active(state)
    if state.ending is not None:
        gone = replace(state, phase=Phase.DISPOSED, owed=(), applied=None)
        return gone, (*_answer(state, state.owed), Dispose())
    if state.phase is Phase.FAILED or configuration_missing(state) or unsatisfied_references(state):
        return _settled(state)
    properties = _properties(state)
    bindings = _bindings(state)
    activating = replace(state, phase=Phase.ACTIVATING, applied=state.configuration, bound=bindings)
    return _with_effect(activating, Effect.ACTIVATED), (Activate(properties, bindings),)


def _decide_active(state: Lifecycle) -> tuple[Lifecycle, tuple[Action, ...]]:
    changed = _changed(state)
    policy = max((state.policies.get(name, ChangePolicy.MODIFY) for name in changed), key=_weight, default=None)
    reason = _reason_to_deactivate(state, policy)
    if reason is not None:
        effect = Effect.BOOTSTRAPPED if policy is ChangePolicy.BOOTSTRAP else Effect.REACTIVATED
        return _with_effect(replace(state, phase=Phase.WITHDRAWING, reason=reason), effect), (Withdraw(),)
    rebindings = _rebindings(state)
    if rebindings:
        return replace(state, phase=Phase.REBINDING), (Rebind(MappingProxyType(rebindings)),)
    if changed:
        modify = Modify(state.applied or {}, _properties(state), frozenset(changed))
        modifying = replace(state, phase=Phase.MODIFYING, applied=state.configuration)
        return _with_effect(modifying, Effect.MODIFIED), (modify,)
    return _settled(state)


def _reason_to_deactivate(state: Lifecycle, policy: ChangePolicy | None) -> DeactivationReason | None:
    if state.ending is not None:
        return state.ending
    if configuration_missing(state):
        return DeactivationReason.CONFIGURATION_DELETED
    for reference in state.description.references:
        if _must_end_life(state, reference):
            return DeactivationReason.REFERENCE
    if policy is not None and (policy is not ChangePolicy.MODIFY or not state.description.modifiable):
        return DeactivationReason.CONFIGURATION_MODIFIED
    return None


def _must_end_life(state: Lifecycle, reference: ReferenceDescription) -> bool:
    candidates = state.candidates.get(reference.name, ())
    bound = state.bound.get(reference.name, ())
    if len(candidates) < reference.cardinality.minimum:
        return True
    if reference.policy is ReferencePolicy.DYNAMIC:
        return False
    if any(service not in candidates for service in bound):
        return True
    return reference.policy_option is PolicyOption.GREEDY and chosen(reference, candidates) != bound


def _rebindings(state: Lifecycle) -> dict[str, tuple[ServiceReference, ...]]:
    rebindings = {}
    for reference in state.description.references:
        if reference.policy is not ReferencePolicy.DYNAMIC:
            continue
        candidates = state.candidates.get(reference.name, ())
        bound = state.bound.get(reference.name, ())
        wanted = chosen(reference, candidates)
        keeps = (
            not reference.cardinality.multiple
            and reference.policy_option is PolicyOption.RELUCTANT
            and bool(bound)
            and bound[0] in candidates
        )
        if not keeps and wanted != bound:
            rebindings[reference.name] = wanted
    return rebindings


def _changed(state: Lifecycle) -> set[str]:
    if state.description.configuration_policy is ConfigurationPolicy.IGNORE:
        return set()
    applied, wanted = state.applied or {}, state.configuration or {}
    missing = object()
    return {name for name in applied.keys() | wanted.keys() if applied.get(name, missing) != wanted.get(name, missing)}


def _properties(state: Lifecycle) -> Mapping[str, Any]:
    if state.configuration is None or state.description.configuration_policy is ConfigurationPolicy.IGNORE:
        return state.description.properties
    return state.configuration


def _bindings(state: Lifecycle) -> Bindings:
    return MappingProxyType(
        {
            reference.name: chosen(reference, state.candidates.get(reference.name, ()))
            for reference in state.description.references
        }
    )


def _settled(state: Lifecycle) -> tuple[Lifecycle, tuple[Action, ...]]:
    return replace(state, owed=(), effect=Effect.UNCHANGED), _answer(state, state.owed)


def _answer(state: Lifecycle, deliveries: tuple[object, ...]) -> tuple[Action, ...]:
    return (Answer(deliveries, state.phase, state.effect, state.failure),) if deliveries else ()


def _with_effect(state: Lifecycle, effect: Effect) -> Lifecycle:
    """Remember the heaviest effect until the senders are answered."""
    return replace(state, effect=max(state.effect, effect))


_WEIGHTS: Final = {ChangePolicy.MODIFY: 0, ChangePolicy.REACTIVATE: 1, ChangePolicy.BOOTSTRAP: 2}


def _weight(policy: ChangePolicy) -> int:
    return _WEIGHTS[policy]
