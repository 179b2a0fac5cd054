"""What a configuration is, and what a change of it would do: pure functions over layers."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from framework.configuration.catalogue import STABLE_ID, ConfigurationType, instance_name_of, with_identities
from framework.configuration.texts import pid_problems, text_problems
from framework.filter import Filter, FilterError
from metatype import ChangePolicy, Problem, Secret

Properties = Mapping[str, Any]

UNCHANGED: Final = "$unchanged"
"""`{"$unchanged": true}` in place of a secret keeps the one that is there: what a reader was shown can be sent back."""


ADMINS_OWN: Final = ("service.pid", "service.factoryPid")
"""Properties that the admin sets, whatever is given for them (Compendium R8 104.4.2)."""


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
    """What an update, or a delete, would do.

    Attributes:
        problems: Why it would be refused; empty if it would not.
        differences: The properties that would change, by name.
        effect: The heaviest thing that these changes mean.
        stored: The stored layer that would result; None if nothing would be stored for the pid.
    """

    pid: str
    problems: tuple[Problem, ...]
    differences: tuple[Difference, ...]
    effect: PlannedEffect
    stored: Properties | None


def problems_of(kind: ConfigurationType, properties: Properties) -> tuple[Problem, ...]:
    """All that is wrong with a configuration."""
    if kind.object_class is None:
        found = [_untyped_problem(name, value) for name, value in properties.items()]
    else:
        found = list(kind.object_class.validate(properties))
    found.extend(text_problems(kind, properties))
    for name, value in properties.items():
        if name.endswith(".target") and isinstance(value, str) and value.strip():
            try:
                Filter.parse(value)
            except FilterError as error:
                problem = f"is no valid filter: {error}"
                found.append(Problem(name, "filter", problem, value, "an OSGi filter such as (kura.service.pid=NAME)"))
    return tuple(problem for problem in found if problem is not None)


def effective(kind: ConfigurationType, pid: str, layers: Layers) -> Properties:
    """All properties, typed, defaults filled, with the identities that the admin sets; known to be valid."""
    merged = layers.merged()
    return with_identities(pid, merged if kind.object_class is None else kind.object_class.typed(merged))


def coerced(kind: ConfigurationType, properties: Properties) -> dict[str, Any]:
    """Properties that are known to be valid, with their types, without defaults."""
    if kind.object_class is None:
        return dict(properties)
    attributes = kind.object_class.attributes
    return {name: attributes[name].typed(value) if name in attributes else value for name, value in properties.items()}


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
    named, problems = with_known_names(kind, layers.merged(), changes)
    stored: dict[str, Any] = {} if replace else dict(layers.stored)
    for name, value in named.items():
        if is_mark(value):
            if not _is_there(kind, layers, name):
                problems = (*problems, _nothing_to_keep(pid, name))
            elif name in layers.stored:
                stored[name] = layers.stored[name]
        elif value is None:
            stored.pop(name, None)
        elif name not in ADMINS_OWN:
            stored[name] = _with_marks_resolved(value, layers.merged().get(name))
    if stored.get(STABLE_ID) == (instance_name_of(pid) or pid) and STABLE_ID not in layers.file:
        del stored[STABLE_ID]
    problems = (*problems, *pid_problems(pid), *problems_of(kind, layers.with_stored(stored).merged()))
    if problems:
        return Plan(pid, problems, (), PlannedEffect.UNCHANGED, layers.stored)
    after = layers.with_stored(coerced(kind, stored))
    differences = difference(_before(kind, pid, layers, exists=exists), effective(kind, pid, after))
    effect = PlannedEffect.CREATE if not exists else heaviest(kind, frozenset(one.property for one in differences))
    return Plan(pid, (), differences, effect, after.stored)


def plan_delete(kind: ConfigurationType, pid: str, layers: Layers, *, in_files: bool) -> Plan:
    """What removing the stored layer would do; an instance that no file has either is gone then."""
    before = _before(kind, pid, layers, exists=True)
    after = layers.with_stored(MappingProxyType({}))
    gone = (kind.factory and not in_files) or bool(problems_of(kind, after.merged()))
    differences = difference(before, {} if gone else effective(kind, pid, after))
    effect = heaviest(kind, frozenset(one.property for one in differences))
    if kind.factory and not in_files:
        effect = PlannedEffect.DELETE
    return Plan(pid, (), differences, effect, None)


def is_mark(value: object) -> bool:
    """Whether a value stands for "as it is"."""
    return isinstance(value, dict) and value.get(UNCHANGED) is True


def _is_there(kind: ConfigurationType, layers: Layers, name: str) -> bool:
    """Whether a mark for a property has something to keep, in whichever layer; an empty secret is shown without one."""
    attribute = None if kind.object_class is None else kind.object_class.attributes.get(name)
    value = layers.merged().get(name, None if attribute is None else attribute.typed_default())
    return value is not None and not (isinstance(value, Secret) and not value)


def _nothing_to_keep(pid: str, name: str) -> Problem:
    message = (
        "is marked as unchanged, but there is none here to keep: take the mark out, or set it first, with: "
        f"gatewright config set {pid} {name}=@FILE"
    )
    return Problem(name, "unchanged", message, None, "the secret itself")


def _before(kind: ConfigurationType, pid: str, layers: Layers, *, exists: bool) -> Properties:
    return effective(kind, pid, layers) if exists and not problems_of(kind, layers.merged()) else {}


def with_known_names(
    kind: ConfigurationType, current: Properties, changes: Properties
) -> tuple[dict[str, Any], tuple[Problem, ...]]:
    """Keys compare without case (Compendium R8 104.4.2); the descriptor's spelling is kept, else the first one used."""
    attributes = () if kind.object_class is None else tuple(kind.object_class.attributes)
    spelled = {name.lower(): name for name in (*reversed(tuple(current)), *reversed(attributes))}
    named: dict[str, Any] = {}
    problems: list[Problem] = []
    given: dict[str, str] = {}
    for name, value in changes.items():
        known = name if name in attributes else spelled.get(name.lower(), name)
        first = given.setdefault(known if known in attributes else known.lower(), name)
        if first != name:
            message = f"differs from {first!r} only in case, which makes no difference"
            problems.append(Problem(name, "unique", message, None, "one of them"))
        named[known] = value
    return named, tuple(problems)


def _with_marks_resolved(value: Any, current: Any) -> Any:
    """A list in which secrets that are to stay as they are stand as marks."""
    if not isinstance(value, list | tuple) or not any(map(is_mark, value)):
        return value
    kept = current if isinstance(current, list | tuple) else ()
    return [kept[place] if is_mark(element) and place < len(kept) else element for place, element in enumerate(value)]


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
