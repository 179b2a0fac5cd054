"""The rules of a component configuration's life (Compendium R8 112.3 to 112.5).

A component is activated when it is enabled, its configuration policy is fulfilled and every reference has its
minimum; a static reference that loses what is bound, or greedily finds better, ends this life; a dynamic one is
rebound in place; its service is withdrawn, and let go by those who hold it, before `deactivate` is called; an
instance is never used twice. A lazy component offers its service while it is satisfied, and is activated when
somebody asks for the service's object.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from framework.declarative_services.description import (
    ConfigurationPolicy,
    DeactivationReason,
    PolicyOption,
    ReferenceDescription,
    ReferencePolicy,
)
from framework.declarative_services.lifecycle.messages import (
    Action,
    Activate,
    Activated,
    ActivationFailed,
    Answer,
    CandidatesChanged,
    ConfigurationChanged,
    Deactivate,
    Deactivated,
    Demanded,
    Dispose,
    EnablementChanged,
    Ended,
    Event,
    Look,
    LookDue,
    Looked,
    Modified,
    Modify,
    Offer,
    Offered,
    Rebind,
    Rebound,
    Released,
    RetryDue,
    ScheduleLook,
    ScheduleRetry,
    Supply,
    TellUpdates,
    Updated,
    Withdraw,
)
from framework.declarative_services.lifecycle.state import (
    Bindings,
    Effect,
    Lifecycle,
    Phase,
    available,
    configuration_missing,
    minimum_of,
    satisfied,
)
from metatype import ChangePolicy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from framework.registry import ServiceReference

Decision = tuple[Lifecycle, tuple[Action, ...]]

FIRST_RETRY_S: Final = 1.0
LONGEST_RETRY_S: Final = 300.0

_STABLE: Final = frozenset({Phase.UNSATISFIED, Phase.SATISFIED, Phase.ACTIVE, Phase.FAILED})
_WEIGHTS: Final = {ChangePolicy.MODIFY: 0, ChangePolicy.REACTIVATE: 1, ChangePolicy.BOOTSTRAP: 2}


def step(state: Lifecycle, event: Event) -> Decision:
    """Take one event in; give the new state and what is to be done now."""
    if state.phase is Phase.DISPOSED:
        return state, _turned_away(state, event)
    state, actions = _record(state, event)
    if state.phase not in _STABLE:
        return state, actions
    state, decided = _decide(state)
    return state, actions + decided


def chosen(reference: ReferenceDescription, candidates: tuple[ServiceReference, ...]) -> tuple[ServiceReference, ...]:
    """What a new life binds: all candidates of a multiple reference, the best one of a unary reference."""
    return candidates if reference.cardinality.multiple else candidates[:1]


def retry_delay_s(failures: int) -> float:
    """How long to wait, in seconds, after so many failed activations in a row."""
    return min(FIRST_RETRY_S * 2.0 ** min(failures - 1, 16), LONGEST_RETRY_S)


def _turned_away(state: Lifecycle, event: Event) -> tuple[Action, ...]:
    """Nobody may wait for a component configuration that has gone."""
    match event:
        case Demanded(token):
            return (Supply((token,), active=False),)
        case ConfigurationChanged(delivery=delivery) | Ended(delivery=delivery) if delivery is not None:
            return _answer(state, (delivery,))
        case _:
            return ()


def _record(state: Lifecycle, event: Event) -> Decision:
    match event:
        case ConfigurationChanged(properties, candidates, minimums, delivery):
            state = state.but(
                configuration=properties,
                candidates=candidates,
                minimums=minimums,
                owed=_and(state.owed, delivery),
            )
            return _reconsider(state), ()
        case CandidatesChanged(candidates, modified):
            unavailable = _still_unavailable(state.unavailable, candidates, modified)
            after = state.but(candidates=candidates, unavailable=unavailable, updates=_updates(state, modified))
            return _reconsider_bindings(state, after), ()
        case EnablementChanged(enabled):
            return _reconsider(state.but(enabled=enabled)), ()
        case Demanded(token):
            return state.but(demands=(*state.demands, token)), ()
        case Ended(reason, delivery):
            return _reconsider(state.but(ending=state.ending or reason, owed=_and(state.owed, delivery))), ()
        case RetryDue(failures):
            return (_reconsider(state) if failures == state.failures else state), ()
        case LookDue(misses):
            return state, (Look(state.unavailable),) if state.unavailable and misses == state.misses else ()
        case Looked(found):
            return _after_look(state, found)
        case _:
            return _after_callback(state, event)


def _and(owed: tuple[object, ...], delivery: object | None) -> tuple[object, ...]:
    return owed if delivery is None else (*owed, delivery)


def _reconsider(state: Lifecycle) -> Lifecycle:
    """A failed component gets another try, now that something has changed."""
    return state.but(phase=Phase.UNSATISFIED) if state.phase is Phase.FAILED else state


def _reconsider_bindings(before: Lifecycle, state: Lifecycle) -> Lifecycle:
    """The same for one that would be bound to something else now."""
    if before.phase is Phase.FAILED and _bindings(state) != _bindings(before):
        return _reconsider(state)
    return state


def _updates(state: Lifecycle, modified: frozenset[ServiceReference]) -> tuple[tuple[str, ServiceReference], ...]:
    if not modified:
        return state.updates
    news = (
        (reference.name, service)
        for reference in state.description.references
        if reference.updated is not None
        for service in state.bound.get(reference.name, ())
        if service in modified
    )
    return tuple(dict.fromkeys((*state.updates, *news)))


def _after_callback(state: Lifecycle, event: Event) -> Decision:
    match event, state.phase:
        case Offered(None), Phase.OFFERING:
            return state.but(phase=Phase.SATISFIED, failure=None, failures=0), ()
        case Offered(str() as error), Phase.OFFERING:
            return _after_failure(state, error)
        case Activated(unavailable), Phase.ACTIVATING:
            state, look = _after_misses(state, unavailable)
            bound = {name: tuple(one for one in these if one not in unavailable) for name, these in state.bound.items()}
            return state.but(phase=Phase.ACTIVE, failure=None, failures=0, bound=MappingProxyType(bound)), look
        case ActivationFailed(error, unavailable), Phase.ACTIVATING:
            state, look = _after_misses(state, unavailable)
            state, then = _after_refusal(state, error) if state.description.lazy else _after_failure(state, error)
            return state, look + then
        case Modified(failure), Phase.MODIFYING:
            return state.but(phase=Phase.ACTIVE, failure=failure), ()
        case Rebound(bindings, unavailable), Phase.REBINDING:
            rebound = MappingProxyType({**state.bound, **bindings})
            state = state.but(phase=Phase.ACTIVE, bound=rebound, binding=MappingProxyType({}))
            return _after_misses(state, unavailable)
        case Updated(), Phase.UPDATING:
            return state.but(phase=Phase.ACTIVE), ()
        case Released(), Phase.WITHDRAWING:
            reason = state.reason or DeactivationReason.UNSPECIFIED
            return state.but(phase=Phase.DEACTIVATING), (Deactivate(reason),)
        case Deactivated(), Phase.DEACTIVATING:
            return state.but(phase=Phase.UNSATISFIED, bound=MappingProxyType({}), updates=()), ()
        case _:
            return state, ()


def _after_misses(state: Lifecycle, unavailable: frozenset[ServiceReference]) -> Decision:
    """Leave out services that could not be had, as if they were not there, until they are asked for again."""
    if not unavailable:
        return (state.but(misses=0) if state.misses and not state.unavailable else state), ()
    misses = state.misses + 1
    look = ScheduleLook(retry_delay_s(misses), misses)
    return state.but(unavailable=state.unavailable | unavailable, misses=misses), (look,)


def _still_unavailable(
    unavailable: frozenset[ServiceReference], candidates: Bindings, modified: frozenset[ServiceReference]
) -> frozenset[ServiceReference]:
    """A service that has changed may be had now, and one that has gone is none."""
    if not unavailable:
        return unavailable
    return unavailable.intersection(service for these in candidates.values() for service in these) - modified


def _after_look(state: Lifecycle, found: frozenset[ServiceReference]) -> Decision:
    state = _reconsider_bindings(state, state.but(unavailable=state.unavailable - found))
    return _after_misses(state, state.unavailable) if state.unavailable else (state, ())


def _after_failure(state: Lifecycle, error: str) -> Decision:
    meanwhile = state.configuration != state.applied or _bindings(state) != state.bound
    failures = state.failures + 1
    state = state.but(phase=Phase.FAILED, bound=MappingProxyType({}), failure=error, failures=failures, applied=None)
    if meanwhile or state.ending is not None or not satisfied(state):
        return _reconsider(state), ()
    return state, (ScheduleRetry(retry_delay_s(failures), failures),)


def _after_refusal(state: Lifecycle, error: str) -> Decision:
    """A lazy component that failed goes on to offer its service; who asks next gets the next try."""
    supply = (Supply(state.demands, active=False),) if state.demands else ()
    offering = state.but(
        phase=Phase.SATISFIED,
        bound=MappingProxyType({}),
        updates=(),
        demands=(),
        failure=error,
        failures=state.failures + 1,
    )
    return offering, supply


def _decide(state: Lifecycle) -> Decision:
    if state.phase is Phase.ACTIVE:
        return _decide_active(state)
    if state.phase is Phase.SATISFIED:
        return _decide_offered(state)
    if state.ending is not None:
        gone = state.but(phase=Phase.DISPOSED, owed=(), demands=(), applied=None)
        return gone, (*_supply(state, active=False), *_answer(state, state.owed), Dispose())
    if state.phase is Phase.FAILED or not satisfied(state):
        return _settled(state)
    if state.description.lazy:
        return _offer(state, Effect.ACTIVATED)
    return _activate(state, Effect.ACTIVATED)


def _decide_offered(state: Lifecycle) -> Decision:
    changed = _changed(state)
    if state.ending is not None or not satisfied(state):
        return _withdraw(state, _reason_to_deactivate(state, None) or DeactivationReason.REFERENCE, None)
    if changed:
        return _offer(state, _effect_of(_policy(state, changed), Effect.MODIFIED))
    if state.demands:
        return _activate(state, Effect.UNCHANGED)
    return _settled(state)


def _decide_active(state: Lifecycle) -> Decision:
    changed = _changed(state)
    policy = _policy(state, changed)
    reason = _reason_to_deactivate(state, policy)
    if reason is not None:
        return _withdraw(state, reason, policy)
    rebindings = _rebindings(state)
    if rebindings:
        binding = MappingProxyType(rebindings)
        return state.but(phase=Phase.REBINDING, binding=binding), (Rebind(binding),)
    if changed:
        modify = Modify(state.applied or {}, _properties(state), frozenset(changed))
        effect = max(state.effect, Effect.MODIFIED)
        return state.but(phase=Phase.MODIFYING, applied=state.configuration, effect=effect), (modify,)
    updates = tuple((name, service) for name, service in state.updates if service in state.bound.get(name, ()))
    if updates:
        return state.but(phase=Phase.UPDATING, updates=()), (TellUpdates(updates),)
    return _settled(state)


def _offer(state: Lifecycle, effect: Effect) -> Decision:
    offering = state.but(phase=Phase.OFFERING, applied=state.configuration, effect=max(state.effect, effect))
    return offering, (Offer(_properties(state)),)


def _activate(state: Lifecycle, effect: Effect) -> Decision:
    bindings = _bindings(state)
    activating = state.but(
        phase=Phase.ACTIVATING,
        applied=state.configuration,
        bound=bindings,
        updates=(),
        effect=max(state.effect, effect),
    )
    return activating, (Activate(_properties(state), bindings),)


def _withdraw(state: Lifecycle, reason: DeactivationReason, policy: ChangePolicy | None) -> Decision:
    """End this life. Who waits for its object may hold its service, so they are not left waiting."""
    effect = max(state.effect, _effect_of(policy, Effect.REACTIVATED))
    withdrawing = state.but(phase=Phase.WITHDRAWING, reason=reason, demands=(), effect=effect)
    return withdrawing, (*_supply(state, active=False), Withdraw())


def _reason_to_deactivate(state: Lifecycle, policy: ChangePolicy | None) -> DeactivationReason | None:
    if state.ending is not None:
        return state.ending
    if not state.enabled:
        return DeactivationReason.DISABLED
    if configuration_missing(state):
        return DeactivationReason.CONFIGURATION_DELETED
    for reference in state.description.references:
        if _must_end_life(state, reference):
            return DeactivationReason.REFERENCE
    if policy is not None and (policy is not ChangePolicy.MODIFY or not state.description.modifiable):
        return DeactivationReason.CONFIGURATION_MODIFIED
    return None


def _must_end_life(state: Lifecycle, reference: ReferenceDescription) -> bool:
    candidates, held = available(state, reference), state.bound.get(reference.name, ())
    if len(candidates) < minimum_of(state, reference):
        return True
    if reference.policy is ReferencePolicy.DYNAMIC or held is candidates:
        return False
    bound = set(held)
    if not bound.issubset(candidates):
        return True
    return reference.policy_option is PolicyOption.GREEDY and not bound.issuperset(chosen(reference, candidates))


def _rebindings(state: Lifecycle) -> dict[str, tuple[ServiceReference, ...]]:
    rebindings = {}
    for reference in state.description.references:
        if reference.policy is not ReferencePolicy.DYNAMIC:
            continue
        candidates = available(state, reference)
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
    applied, wanted = state.applied, state.configuration
    if applied is wanted or state.description.configuration_policy is ConfigurationPolicy.IGNORE:
        return set()
    applied, wanted = applied or {}, wanted or {}
    missing = object()
    return {
        name
        for name in applied.keys() | wanted.keys()
        if _differ(applied.get(name, missing), wanted.get(name, missing))
    }


def _differ(one: object, other: object) -> bool:
    """Whether values differ; 1, 1.0 and True do, though Python calls them equal."""
    return type(one) is not type(other) or one != other


def _policy(state: Lifecycle, changed: set[str]) -> ChangePolicy | None:
    """The heaviest policy of the changed properties."""
    if not changed:
        return None
    policies = (state.policies.get(name, ChangePolicy.MODIFY) for name in changed)
    return max(policies, key=_WEIGHTS.__getitem__)


def _effect_of(policy: ChangePolicy | None, otherwise: Effect) -> Effect:
    return Effect.BOOTSTRAPPED if policy is ChangePolicy.BOOTSTRAP else otherwise


def _properties(state: Lifecycle) -> Mapping[str, Any]:
    if state.configuration is None or state.description.configuration_policy is ConfigurationPolicy.IGNORE:
        return state.defaults
    return state.configuration


def _bindings(state: Lifecycle) -> Bindings:
    return MappingProxyType(
        {reference.name: chosen(reference, available(state, reference)) for reference in state.description.references}
    )


def _settled(state: Lifecycle) -> Decision:
    actions = (*_supply(state, active=state.phase is Phase.ACTIVE), *_answer(state, state.owed))
    if not actions and state.effect is Effect.UNCHANGED:
        return state, ()
    return state.but(owed=(), demands=(), effect=Effect.UNCHANGED), actions


def _supply(state: Lifecycle, *, active: bool) -> tuple[Action, ...]:
    return (Supply(state.demands, active),) if state.demands else ()


def _answer(state: Lifecycle, deliveries: tuple[object, ...]) -> tuple[Action, ...]:
    return (Answer(deliveries, state.phase, state.effect, state.failure),) if deliveries else ()
