"""Why a component is as it is, in words and as data."""

from __future__ import annotations

import contextlib
import functools
from collections import deque
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Any, Final

from framework.declarative_services.instance import service_properties
from framework.declarative_services.lifecycle import (
    HAVING_A_LIFE,
    Lifecycle,
    Phase,
    available,
    configuration_missing,
    minimum_of,
    unsatisfied_references,
)
from framework.filter import mismatch
from framework.registry import PropertyKeysError, ServiceRegistry

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from framework.clock import Clock
    from framework.declarative_services.description import ComponentDescription, ReferenceDescription
    from framework.declarative_services.managed import ManagedComponent
    from framework.declarative_services.release import ReleaseLedger
    from framework.declarative_services.tracking import ReferenceTracker
    from framework.registry import ServiceReference

_UNDER_WAY: Final = {
    Phase.OFFERING: "its service is being registered",
    Phase.ACTIVATING: "its activation is under way",
    Phase.MODIFYING: "its modified() is under way",
    Phase.REBINDING: "it is being bound to other services",
    Phase.UPDATING: "it is being told of changed properties of services",
    Phase.DEACTIVATING: "its deactivation is under way",
}


_UNAVAILABLE: Final = "it gave no object when it was asked for one; it is asked again"


@dataclass(frozen=True, slots=True)
class CandidateVerdict:
    """A service of a reference's interface and whether it matches the reference's target.

    Attributes:
        refusal: Why it does not match, or why it cannot be bound though it does, or None.
    """

    service_id: int
    service_pid: str | None
    matches: bool
    bound: bool
    refusal: str | None

    def sentence(self) -> str:
        """The verdict in words."""
        name = f"service {self.service_id}" + (f" ({self.service_pid})" if self.service_pid else "")
        if self.bound:
            return f"{name} is bound"
        if self.matches and self.refusal:
            return f"{name} matches, but {self.refusal}"
        return f"{name} matches" if self.matches else f"{name} does not match: {self.refusal}"


@dataclass(frozen=True, slots=True)
class ReferenceSnapshot:
    """A reference as it is now.

    Attributes:
        minimum: How many services it needs.
        minimum_error: Why a configured minimum does not count, or None.
        target: The filter in force, or None.
        target_error: Why that filter is none, or None.
        satisfied: Whether it has the services that it needs.
    """

    name: str
    interface: str
    cardinality: str
    policy: str
    minimum: int
    minimum_error: str | None
    target: str | None
    target_error: str | None
    satisfied: bool
    candidates: tuple[CandidateVerdict, ...]

    def sentence(self) -> str:
        """What keeps this reference from being satisfied."""
        number = "a service" if self.minimum <= 1 else f"{self.minimum} services"
        wants = f"reference {self.name} ({self.cardinality}) needs {number} of {self.interface}"
        if self.target_error is not None:
            return f"{wants}, but its target is no valid filter: {self.target_error}"
        if self.target is not None:
            wants += f" that matches {self.target}"
        if not self.candidates:
            return f"{wants}, and no service of that interface is registered"
        verdicts = "; ".join(candidate.sentence() for candidate in self.candidates)
        found = sum(candidate.matches for candidate in self.candidates) or "none"
        return f"{wants}, and {found} of the {len(self.candidates)} registered matches: {verdicts}"

    def as_data(self) -> dict[str, Any]:
        """The same as JSON data."""
        return {
            "name": self.name,
            "interface": self.interface,
            "cardinality": self.cardinality,
            "policy": self.policy,
            "minimum": self.minimum,
            "minimum_error": self.minimum_error,
            "target": self.target,
            "target_error": self.target_error,
            "satisfied": self.satisfied,
            "candidates": [
                {
                    "service_id": candidate.service_id,
                    "service_pid": candidate.service_pid,
                    "matches": candidate.matches,
                    "bound": candidate.bound,
                    "refusal": candidate.refusal,
                }
                for candidate in self.candidates
            ],
        }


@dataclass(frozen=True, slots=True)
class ComponentSnapshot:
    """A component configuration as it is now.

    Attributes:
        pid: The component configuration's pid.
        component_id: Its number in this run of the gateway, as in `component.id`.
        name: The component's name (for a factory instance, its factory pid).
        state: The phase of its life, such as "active", "unsatisfied" or "failed", or "disabled".
        reason: Why it is not active, in one line, or None.
        plugin: The plugin that contributed it.
        hangs: Whether one of its callbacks does not end.
    """

    pid: str
    component_id: int
    name: str
    state: str
    reason: str | None
    plugin: str
    service_pid: str
    provides: tuple[str, ...]
    references: tuple[ReferenceSnapshot, ...]
    failures: int
    hangs: bool


@dataclass(frozen=True, slots=True)
class Explanation:
    """The answer to "why is this component as it is?".

    Attributes:
        pid: What was asked for.
        state: The phase, "disabled", or "unknown" if there is no such component.
        sentences: The answer for people, most important first.
        data: The same as JSON data.
    """

    pid: str
    state: str
    sentences: tuple[str, ...]
    data: Mapping[str, Any]


class Explainer:
    """Looks at all component configurations at one moment; changes nothing."""

    def __init__(
        self,
        managed: Mapping[str, ManagedComponent],
        descriptions: Mapping[str, ComponentDescription],
        registry: ServiceRegistry,
        ledger: ReleaseLedger,
        clock: Clock,
    ) -> None:
        self._managed = managed
        self._descriptions = descriptions
        self._registry = registry
        self._ledger = ledger
        self._clock = clock

    def snapshot(self, pid: str) -> ComponentSnapshot:
        """A component configuration as it is now; KeyError if there is none of that pid."""
        managed = self._managed[pid]
        state = managed.state
        references = self._references(managed)
        return ComponentSnapshot(
            pid=pid,
            component_id=managed.component_id,
            name=state.description.name,
            state=state_of(state),
            reason="; ".join(self._reasons(managed, references)) or None,
            plugin=managed.plugin,
            service_pid=str((state.configuration or {}).get("kura.service.pid", pid)),
            provides=state.description.provides,
            references=references,
            failures=state.failures,
            hangs=managed.hang is not None,
        )

    def explain(self, pid: str) -> Explanation:
        """Say in words and as data how a component is and why."""
        managed = self._managed.get(pid)
        if managed is None:
            return self._unknown(pid)
        state = managed.state
        references = self._references(managed)
        reasons = self._reasons(managed, references)
        sentences = [f"{pid} is {state_of(state)}", *reasons]
        if state.phase in HAVING_A_LIFE and state.failure:
            sentences.append(f"its last change of configuration failed in the component: {state.failure}")
        sentences.extend(one.minimum_error for one in references if one.minimum_error is not None)
        sentences.extend(
            f"reference {one.name}: {candidate.sentence()}"
            for one in references
            for candidate in one.candidates
            if candidate.bound
        )
        return Explanation(
            pid=pid,
            state=state_of(state),
            sentences=tuple(sentences),
            data={
                "pid": pid,
                "name": state.description.name,
                "state": state_of(state),
                "reasons": reasons,
                "failure": state.failure,
                "failures": state.failures,
                "last_deactivation": None if state.reason is None else state.reason.value,
                "stack": None if managed.hang is None else managed.hang.stack,
                "circle": self._circle(pid),
                "references": [reference.as_data() for reference in references],
            },
        )

    def circles(self) -> tuple[tuple[str, ...], ...]:
        """Each circle of components that wait for one another, once."""
        found: list[tuple[str, ...]] = []
        seen: set[str] = set()
        for pid in self._entangled:
            if pid not in seen and (circle := self._circle(pid)) is not None:
                found.append(tuple(circle))
                seen.update(circle)
        return tuple(found)

    def _unknown(self, pid: str) -> Explanation:
        description = self._descriptions.get(pid)
        if description is not None and description.factory:
            sentences = [
                f"{pid} is a factory: a component is made for each configuration {pid}~NAME",
                f"make one with: gatewright config set {pid}~NAME KEY=VALUE",
            ]
        else:
            known = ", ".join(sorted(self._descriptions.keys() | self._managed.keys())) or "none"
            sentences = [f"there is no component {pid}", f"known components: {known}"]
        return Explanation(pid, "unknown", tuple(sentences), {"pid": pid, "state": "unknown", "reasons": sentences})

    def _reasons(self, managed: ManagedComponent, references: tuple[ReferenceSnapshot, ...]) -> list[str]:
        """Why the component is not active; empty if it is."""
        state, hang = managed.state, managed.hang
        reasons: list[str] = []
        if hang is not None:
            reasons.append(f"a callback of it has not ended for {hang.seconds:.0f} s; it is at:\n{hang.stack}")
        if state.phase in _UNDER_WAY:
            reasons.append(_UNDER_WAY[state.phase])
        elif state.phase is Phase.WITHDRAWING:
            service = self._ledger.withdrawn_by(managed.pid)
            holders = () if service is None else self._ledger.holders(service)
            reasons.append(f"it waits until its service is let go by {', '.join(holders)}" if holders else "it ends")
        elif state.phase is Phase.FAILED:
            reasons.append(self._failure(managed))
        elif state.phase is Phase.SATISFIED:
            reasons.append("its service is registered; an instance is made when somebody asks for the service")
            if state.failure is not None:
                reasons.append(f"the last time somebody asked, its activation failed: {state.failure}")
        elif state.phase is Phase.UNSATISFIED:
            reasons.extend(self._hindrances(managed, references))
        return reasons

    def _failure(self, managed: ManagedComponent) -> str:
        state = managed.state
        tries = "once" if state.failures == 1 else f"{state.failures} times"
        text = f"its activation failed {tries}: {state.failure}"
        if managed.retry_at is None:
            return text
        wait = max(0.0, managed.retry_at - self._clock.monotonic())
        return f"{text}; it is tried again in {wait:.0f} s, or when something changes"

    def _hindrances(self, managed: ManagedComponent, references: tuple[ReferenceSnapshot, ...]) -> Iterator[str]:
        state = managed.state
        if not state.enabled:
            yield f"it is disabled; enable it with: gatewright component enable {state.description.name}"
        if configuration_missing(state):
            yield f"it has no valid configuration; set one with: gatewright config set {managed.pid} KEY=VALUE"
        circle = self._circle(managed.pid)
        if circle is not None:
            yield (
                f"it is part of a circle of components that wait for one another: {' -> '.join(circle)}; "
                "one of their references must be optional (0..1 or 0..n)"
            )
        unsatisfied = {reference.name for reference in unsatisfied_references(state)}
        for snapshot in references:
            if snapshot.name in unsatisfied:
                yield snapshot.sentence()
                yield from self._idle_providers(managed, snapshot.name)

    def _idle_providers(self, managed: ManagedComponent, name: str) -> Iterator[str]:
        reference = next(one for one in managed.state.description.references if one.name == name)
        for pid in self._would_provide(managed, reference):
            state = state_of(self._managed[pid].state)
            yield f"{pid} would provide it, but is {state} (gatewright explain {pid})"

    def _circle(self, pid: str) -> list[str] | None:
        """Pids of components that wait for one another, the shortest way from `pid` back to it, or None."""
        waits_for_whom = self._awaited if pid in self._entangled else {}
        came_from: dict[str, str] = {}
        reached = deque([pid])
        while reached:
            current = reached.popleft()
            for provider in waits_for_whom.get(current, ()):
                if provider == pid:
                    trail = [pid]
                    while current != pid:
                        trail.append(current)
                        current = came_from[current]
                    return [pid, *reversed(trail)]
                if provider not in came_from:
                    came_from[provider] = current
                    reached.append(provider)
        return None

    @functools.cached_property
    def _entangled(self) -> Mapping[str, None]:
        """The pids, as a set in order, among which all circles are; empty if there are none."""
        awaiting: dict[str, list[str]] = {pid: [] for pid in self._awaited}
        for pid, providers in self._awaited.items():
            for provider in providers:
                awaiting.setdefault(provider, []).append(pid)
        free = _outside_of_circles(self._awaited) | _outside_of_circles(awaiting)
        return {pid: None for pid in self._awaited if pid not in free}

    @functools.cached_property
    def _awaited(self) -> Mapping[str, tuple[str, ...]]:
        """Who would provide what components wait for, by the pids of those who wait for a component."""
        found: dict[str, tuple[str, ...]] = {}
        for pid, managed in self._managed.items():
            if managed.state.phase is Phase.UNSATISFIED:
                lacking = unsatisfied_references(managed.state)
                providers = tuple(provider for one in lacking for provider in self._would_provide(managed, one))
                if providers:
                    found[pid] = providers
        return found

    def _would_provide(self, managed: ManagedComponent, reference: ReferenceDescription) -> Iterator[str]:
        """Who would provide what the reference looks for, if it were active."""
        tracker = managed.trackers[reference.name]
        if tracker.target_error is None:
            for service in self._idle_services.find_all(reference.interface, tracker.target):
                yield self._idle_services.get(service)

    @functools.cached_property
    def _idle_services(self) -> ServiceRegistry:
        """The pid of each component without a life, as if it were the service that the component would provide."""
        services = ServiceRegistry()
        for pid, managed in self._managed.items():
            state = managed.state
            if state.description.provides and state.phase not in HAVING_A_LIFE:
                offered = service_properties(state.configuration or state.defaults)
                with contextlib.suppress(PropertyKeysError):  # it could not be registered
                    services.register(state.description.provides, pid, offered)
        return services

    def _references(self, managed: ManagedComponent) -> tuple[ReferenceSnapshot, ...]:
        return tuple(
            self._reference(managed.state, reference, managed.trackers[reference.name])
            for reference in managed.state.description.references
        )

    def _reference(
        self, state: Lifecycle, reference: ReferenceDescription, tracker: ReferenceTracker
    ) -> ReferenceSnapshot:
        """A picture of one reference; every service of its interface gets a verdict."""
        matching = state.candidates.get(reference.name, ())
        bound = state.bound.get(reference.name, ())
        return ReferenceSnapshot(
            name=reference.name,
            interface=reference.interface,
            cardinality=reference.cardinality.value,
            policy=f"{reference.policy.value} {reference.policy_option.value}",
            minimum=minimum_of(state, reference),
            minimum_error=tracker.minimum_error,
            target=None if tracker.target is None else str(tracker.target),
            target_error=tracker.target_error,
            satisfied=len(available(state, reference)) >= minimum_of(state, reference),
            candidates=tuple(
                CandidateVerdict(
                    service.id,
                    _service_pid(service),
                    service in matching,
                    service in bound,
                    _UNAVAILABLE if service in state.unavailable else _refusal(tracker, service),
                )
                for service in self._registry.find_all(reference.interface)
            ),
        )


def _outside_of_circles(leads_to: Mapping[str, Sequence[str]]) -> set[str]:
    """Those from which no way leads into a circle."""
    sorter = TopologicalSorter(leads_to)
    with contextlib.suppress(CycleError):  # what comes before circles can be had all the same
        sorter.prepare()
    free: set[str] = set()
    while ready := sorter.get_ready():
        free.update(ready)
        sorter.done(*ready)
    return free


def state_of(state: Lifecycle) -> str:
    """The word for how a component configuration is."""
    return "disabled" if state.phase is Phase.UNSATISFIED and not state.enabled else state.phase.value


def _refusal(tracker: ReferenceTracker, service: ServiceReference) -> str | None:
    if tracker.target_error is not None:
        return "the target is no valid filter"
    return None if tracker.target is None else mismatch(tracker.target, service.properties)


def _service_pid(service: ServiceReference) -> str | None:
    pid = service.properties.get("kura.service.pid")
    return None if pid is None else str(pid)
