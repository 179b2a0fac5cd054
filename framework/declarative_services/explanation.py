"""Why a component is as it is, in words and as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from framework.declarative_services.lifecycle import (
    Lifecycle,
    Phase,
    configuration_missing,
    unsatisfied_references,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from framework.declarative_services.description import ReferenceDescription
    from framework.registry import ServiceReference, ServiceRegistry


@dataclass(frozen=True, slots=True)
class CandidateVerdict:
    """A service of a reference's interface and whether it matches the reference's target."""

    service_id: int
    service_pid: str | None
    matches: bool
    bound: bool

    def sentence(self, target: str | None) -> str:
        """The verdict in words."""
        name = f"service {self.service_id}" + (f" ({self.service_pid})" if self.service_pid else "")
        if self.bound:
            return f"{name} is bound"
        return f"{name} matches" if self.matches else f"{name} does not match {target}"


@dataclass(frozen=True, slots=True)
class ReferenceSnapshot:
    """A reference as it is now.

    Attributes:
        target: The filter in force, or None.
        target_error: Why that filter is none, or None.
        satisfied: Whether it has the services that it needs.
    """

    name: str
    interface: str
    cardinality: str
    policy: str
    target: str | None
    target_error: str | None
    satisfied: bool
    candidates: tuple[CandidateVerdict, ...]

    def sentences(self) -> tuple[str, ...]:
        """What keeps this reference from being satisfied."""
        wants = f"reference {self.name} ({self.cardinality}) needs a service of {self.interface}"
        if self.target_error is not None:
            return (f"{wants}, but its target is no valid filter: {self.target_error}",)
        if self.target is not None:
            wants += f" that matches {self.target}"
        if not self.candidates:
            return (f"{wants}, and no service of that interface is registered",)
        refused = "; ".join(candidate.sentence(self.target) for candidate in self.candidates)
        return (f"{wants}, and none of the {len(self.candidates)} registered does: {refused}",)

    def as_data(self) -> dict[str, Any]:
        """The same as JSON data."""
        return {
            "name": self.name,
            "interface": self.interface,
            "cardinality": self.cardinality,
            "policy": self.policy,
            "target": self.target,
            "target_error": self.target_error,
            "satisfied": self.satisfied,
            "candidates": [
                {
                    "service_id": candidate.service_id,
                    "service_pid": candidate.service_pid,
                    "matches": candidate.matches,
                    "bound": candidate.bound,
                }
                for candidate in self.candidates
            ],
        }


@dataclass(frozen=True, slots=True)
class ComponentSnapshot:
    """A component configuration as it is now.

    Attributes:
        pid: The component configuration's pid.
        name: The component's name (for a factory instance, its factory pid).
        state: The phase of its life, such as "active", "unsatisfied" or "failed".
        reason: Why it is not active, in one sentence, or None.
        plugin: The plugin that contributed it.
    """

    pid: str
    name: str
    state: str
    reason: str | None
    plugin: str
    service_pid: str
    provides: tuple[str, ...]
    references: tuple[ReferenceSnapshot, ...]
    failures: int


@dataclass(frozen=True, slots=True)
class Explanation:
    """The answer to "why is this component as it is?".

    Attributes:
        pid: What was asked for.
        state: The phase, or "unknown" if there is no such component.
        sentences: The answer for people, most important first.
        data: The same as JSON data.
    """

    pid: str
    state: str
    sentences: tuple[str, ...]
    data: Mapping[str, Any]


def snapshot_reference(
    reference: ReferenceDescription,
    target: str | None,
    target_error: str | None,
    state: Lifecycle,
    registry: ServiceRegistry,
) -> ReferenceSnapshot:
    """Take a picture of one reference; every service of its interface gets a verdict."""
    matching = state.candidates.get(reference.name, ())
    bound = state.bound.get(reference.name, ())
    return ReferenceSnapshot(
        name=reference.name,
        interface=reference.interface,
        cardinality=reference.cardinality.value,
        policy=f"{reference.policy.value} {reference.policy_option.value}",
        target=target,
        target_error=target_error,
        satisfied=len(matching) >= reference.cardinality.minimum,
        candidates=tuple(
            CandidateVerdict(service.id, _service_pid(service), service in matching, service in bound)
            for service in registry.find_all(reference.interface)
        ),
    )


def reason_for(state: Lifecycle, references: tuple[ReferenceSnapshot, ...]) -> tuple[str, ...]:
    """Why the component is not active; empty if it is."""
    if state.phase is Phase.FAILED:
        tries = "once" if state.failures == 1 else f"{state.failures} times"
        return (f"its activation failed {tries}: {state.failure}; it is retried with growing pauses",)
    if state.phase is not Phase.UNSATISFIED:
        return ()
    reasons: list[str] = []
    if configuration_missing(state):
        reasons.append(f"it needs a configuration: gatewright config set {state.description.name} KEY=VALUE")
    unsatisfied = {reference.name for reference in unsatisfied_references(state)}
    for snapshot in references:
        if snapshot.name in unsatisfied:
            reasons.extend(snapshot.sentences())
    return tuple(reasons)


def explain(snapshot: ComponentSnapshot, state: Lifecycle) -> Explanation:
    """Say in words and as data how a component is and why."""
    sentences = [f"{snapshot.pid} is {snapshot.state}"]
    reasons = reason_for(state, snapshot.references)
    sentences.extend(reasons)
    if state.phase is Phase.ACTIVE:
        if state.failure:
            sentences.append(f"its last change of configuration failed in the component: {state.failure}")
        sentences.extend(
            f"reference {reference.name}: {candidate.sentence(reference.target)}"
            for reference in snapshot.references
            for candidate in reference.candidates
            if candidate.bound
        )
    if state.phase not in (Phase.ACTIVE, Phase.UNSATISFIED, Phase.FAILED):
        sentences.append("a callback of it is under way")
    return Explanation(
        pid=snapshot.pid,
        state=snapshot.state,
        sentences=tuple(sentences),
        data={
            "pid": snapshot.pid,
            "name": snapshot.name,
            "state": snapshot.state,
            "reasons": list(reasons),
            "failure": state.failure,
            "failures": state.failures,
            "last_deactivation": None if state.reason is None else state.reason.value,
            "references": [reference.as_data() for reference in snapshot.references],
        },
    )


def _service_pid(service: ServiceReference) -> str | None:
    pid = service.properties.get("kura.service.pid")
    return None if pid is None else str(pid)
