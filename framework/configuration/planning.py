"""What a configuration is, and what a change of it would do: pure functions over layers."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from framework.configuration.catalogue import ConfigurationType, factory_pid_of, instance_name_of
from framework.filter import Filter, FilterError
from metatype import ChangePolicy, Problem, Secret

Properties = Mapping[str, Any]

UNCHANGED: Final = "$unchanged"
"""`{"$unchanged": true}` in place of a secret keeps the one that is there: what a reader was shown can be sent back."""


class Origin(enum.StrEnum):
    """The layer that a property's value comes from, lowest first."""

    DEFAULT = "default"
    FILE = "file"
    STORED = "stored"


class PlannedEffect(enum.StrEnum):
    """What taking a change would mean, lightest first."""

    UNCHANGED = "unchanged"
    MODIFY = "modify"
    REACTIVATE = "reactivate"
    BOOTSTRAP = "bootstrap"
    CREATE = "create"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Layers:
    """Where the properties of one pid come from; lower layers hold where higher ones say nothing."""

    file: Properties
    stored: Properties

    def merged(self) -> dict[str, Any]:
        """What is configured, without defaults."""
        return {**self.file, **self.stored}

    def with_stored(self, stored: Properties) -> Layers:
        """The same with another stored layer."""
        return Layers(self.file, stored)


@dataclass(frozen=True, slots=True)
class Difference:
    """A property that would change; `old` or `new` is None where it is absent."""

    property: str
    old: Any
    new: Any


@dataclass(frozen=True, slots=True)
class Plan:
    """What an update would do.

    Attributes:
        problems: Why it would be refused; empty if it would not.
        differences: The properties that would change, by name.
        effect: The heaviest thing that these changes mean.
        stored: The stored layer that would result.
    """

    pid: str
    problems: tuple[Problem, ...]
    differences: tuple[Difference, ...]
    effect: PlannedEffect
    stored: Properties


def problems_of(kind: ConfigurationType, properties: Properties) -> tuple[Problem, ...]:
    """All that is wrong with a configuration."""
    if kind.object_class is None:
        found = [_untyped_problem(name, value) for name, value in properties.items()]
    else:
        found = list(kind.object_class.validate(properties))
    for name, value in properties.items():
        if name.endswith(".target") and isinstance(value, str) and value.strip():
            try:
                Filter.parse(value)
            except FilterError as error:
                problem = f"is no valid filter: {error}"
                found.append(Problem(name, "filter", problem, value, "an OSGi filter such as (kura.service.pid=NAME)"))
    return tuple(problem for problem in found if problem is not None)


def effective(kind: ConfigurationType, pid: str, layers: Layers) -> Properties:
    """All properties, typed, defaults filled, with the identities that the admin sets; they must be valid."""
    merged = layers.merged()
    typed = merged if kind.object_class is None else kind.object_class.coerce(merged)
    factory_pid = factory_pid_of(pid)
    identities = {"service.pid": pid, **({} if factory_pid is None else {"service.factoryPid": factory_pid})}
    return MappingProxyType({"kura.service.pid": instance_name_of(pid) or pid, **typed, **identities})


def coerced(kind: ConfigurationType, properties: Properties) -> dict[str, Any]:
    """Valid properties with their types, without defaults."""
    if kind.object_class is None:
        return dict(properties)
    attributes = kind.object_class.attributes
    return {name: attributes[name].coerce(value) if name in attributes else value for name, value in properties.items()}


def origins(properties: Properties, layers: Layers) -> dict[str, Origin]:
    """The layer that each property comes from."""
    return {
        name: Origin.STORED if name in layers.stored else Origin.FILE if name in layers.file else Origin.DEFAULT
        for name in properties
    }


def plan(
    kind: ConfigurationType,
    pid: str,
    layers: Layers,
    changes: Properties,
    *,
    exists: bool,
    replace: bool,
) -> Plan:
    """What storing `changes` would do (a None removes the property from the stored layer).

    Args:
        kind: What the configuration may be.
        pid: The configuration's pid.
        layers: What is configured now.
        changes: Properties to be stored.
        exists: Whether there is such a configuration now; a singleton always has one.
        replace: Whether the changes are all that is to be stored, or are merged into what is.
    """
    stored: dict[str, Any] = {} if replace else dict(layers.stored)
    for name, value in changes.items():
        if isinstance(value, dict) and value.get(UNCHANGED) is True:
            if name in layers.stored:
                stored[name] = layers.stored[name]
        elif value is None:
            stored.pop(name, None)
        else:
            stored[name] = value
    after = layers.with_stored(stored)
    problems = problems_of(kind, after.merged())
    if problems:
        return Plan(pid, problems, (), PlannedEffect.UNCHANGED, layers.stored)
    after = layers.with_stored(coerced(kind, stored))
    new = effective(kind, pid, after)
    old = effective(kind, pid, layers) if exists and not problems_of(kind, layers.merged()) else {}
    differences = difference(old, new)
    effect = PlannedEffect.CREATE if not exists else heaviest(kind, frozenset(one.property for one in differences))
    return Plan(pid, (), differences, effect, after.stored)


def difference(old: Properties, new: Properties) -> tuple[Difference, ...]:
    """What differs, by name; values are compared with their types."""
    return tuple(
        Difference(name, old.get(name), new.get(name))
        for name in sorted(old.keys() | new.keys())
        if not _same(old.get(name), new.get(name))
    )


def heaviest(kind: ConfigurationType, changed: frozenset[str]) -> PlannedEffect:
    """What a change of these properties means to a live component, by its descriptor."""
    attributes = {} if kind.object_class is None else kind.object_class.attributes
    policies = {attributes[name].change if name in attributes else ChangePolicy.MODIFY for name in changed}
    for policy in (ChangePolicy.BOOTSTRAP, ChangePolicy.REACTIVATE, ChangePolicy.MODIFY):
        if policy in policies:
            return PlannedEffect(policy.value)
    return PlannedEffect.UNCHANGED


def _same(old: Any, new: Any) -> bool:
    return type(old) is type(new) and bool(old == new)


def _untyped_problem(name: str, value: Any) -> Problem | None:
    elements = value if isinstance(value, list | tuple) else (value,)
    if all(isinstance(element, str | int | float | bool | Secret) for element in elements):
        return None
    return Problem(name, "type", "must be text, a number, true or false, or a list of these", None, "a simple value")
