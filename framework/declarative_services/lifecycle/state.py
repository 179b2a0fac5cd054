"""What is known of one component configuration at one moment."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from framework.declarative_services.description import (
    ComponentDescription,
    ConfigurationPolicy,
    DeactivationReason,
    ReferenceDescription,
)
from framework.record import Record

if TYPE_CHECKING:
    from framework.registry import ServiceReference
    from metatype import ChangePolicy

Bindings = Mapping[str, tuple["ServiceReference", ...]]
"""Services by reference name, best first."""


class Phase(enum.StrEnum):
    """Where a component configuration is in its life."""

    UNSATISFIED = "unsatisfied"
    OFFERING = "offering"
    SATISFIED = "satisfied"
    ACTIVATING = "activating"
    ACTIVE = "active"
    MODIFYING = "modifying"
    REBINDING = "rebinding"
    UPDATING = "updating"
    WITHDRAWING = "withdrawing"
    DEACTIVATING = "deactivating"
    FAILED = "failed"
    DISPOSED = "disposed"


HAVING_A_LIFE: Final = frozenset({Phase.ACTIVE, Phase.MODIFYING, Phase.REBINDING, Phase.UPDATING})
"""Phases in which there is an instance that was activated and is not to go."""


UNDECIDED: Final = frozenset(
    {Phase.OFFERING, Phase.ACTIVATING, Phase.MODIFYING, Phase.REBINDING, Phase.WITHDRAWING, Phase.DEACTIVATING}
)
"""Phases that a callback is to end."""


class Effect(enum.IntEnum):
    """What a change of configuration came to, lightest first."""

    UNCHANGED = 0
    MODIFIED = 1
    ACTIVATED = 2
    REACTIVATED = 3
    BOOTSTRAPPED = 4


_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


class Lifecycle(Record):
    """All facts about one component configuration; each step makes some anew.

    Attributes:
        defaults: The properties that it has without a configuration.
        policies: What a change of each property means; a property without an entry is `modify`.
        enabled: Whether the component may be active at all.
        configuration: The properties that it should have, or None if it has no configuration.
        applied: The properties that its instance (of a lazy component: its service) has, or had at the last attempt.
        candidates: The services that match each reference now.
        minimums: How many services a reference needs, where a property raises its minimum.
        unavailable: Services that match and could not be had when they were to be bound; they are left out for a while.
        misses: How often in a row some could not be had.
        bound: The services that the instance is bound to.
        binding: The services that it is just being bound to instead, by reference; nothing at other times.
        updates: References and bound services whose properties have changed, which the instance is to be told.
        demands: Those who wait for the instance of a lazy component.
        owed: Deliveries of configuration whose sender still waits for an answer.
        effect: What has been done for those deliveries so far.
        failure: Why the last activation or `modified` failed, in words.
        failures: Failed activations in a row.
        ending: The reason, once this component configuration is to go for good.
        reason: Why its last life ended.
    """

    description: ComponentDescription
    defaults: Mapping[str, Any] = _NOTHING
    policies: Mapping[str, ChangePolicy] = _NOTHING
    phase: Phase = Phase.UNSATISFIED
    enabled: bool = True
    configuration: Mapping[str, Any] | None = None
    applied: Mapping[str, Any] | None = None
    candidates: Bindings = _NOTHING
    minimums: Mapping[str, int] = _NOTHING
    unavailable: frozenset[ServiceReference] = frozenset()
    misses: int = 0
    bound: Bindings = _NOTHING
    binding: Bindings = _NOTHING
    updates: tuple[tuple[str, ServiceReference], ...] = ()
    demands: tuple[object, ...] = ()
    owed: tuple[object, ...] = ()
    effect: Effect = Effect.UNCHANGED
    failure: str | None = None
    failures: int = 0
    ending: DeactivationReason | None = None
    reason: DeactivationReason | None = None


def held(state: Lifecycle) -> frozenset[ServiceReference]:
    """The services that the instance uses, or may use already."""
    return frozenset(
        service for bindings in (state.bound, state.binding) for these in bindings.values() for service in these
    )


def available(state: Lifecycle, reference: ReferenceDescription) -> tuple[ServiceReference, ...]:
    """The services that match the reference now and could be had as far as is known, best first."""
    candidates = state.candidates.get(reference.name, ())
    if not state.unavailable:
        return candidates
    return tuple(service for service in candidates if service not in state.unavailable)


def minimum_of(state: Lifecycle, reference: ReferenceDescription) -> int:
    """How many services the reference needs, raised by `<name>.cardinality.minimum` or not."""
    return state.minimums.get(reference.name, reference.cardinality.minimum)


def unsatisfied_references(state: Lifecycle) -> tuple[ReferenceDescription, ...]:
    """The references that have fewer services than they need."""
    return tuple(reference for reference in state.description.references if _lacks(state, reference))


def configuration_missing(state: Lifecycle) -> bool:
    """Whether the configuration policy keeps the component from being active."""
    return state.configuration is None and state.description.configuration_policy is not ConfigurationPolicy.IGNORE


def satisfied(state: Lifecycle) -> bool:
    """Whether nothing keeps the component from being active (Compendium R8 112.5.2)."""
    if not state.enabled or configuration_missing(state):
        return False
    for reference in state.description.references:  # noqa: SIM110  # half the time of any()
        if _lacks(state, reference):
            return False
    return True


def _lacks(state: Lifecycle, reference: ReferenceDescription) -> bool:
    return len(available(state, reference)) < minimum_of(state, reference)
