"""The descriptor model (Compendium R8 105.6): what a configuration may be. Immutable; both notations load to it."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from metatype.errors import MetatypeError, Problem, ReadingWarning
from metatype.secret import Secret
from metatype.values import NO_LIMIT, AttributeType, ValueProblem, scalar, split, unescape

Extras = Mapping[str, str]
"""XML attributes that the OSGi schema does not know, by name (`{namespace}name` if foreign)."""

_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


class ChangePolicy(enum.StrEnum):
    """What a change of a property means for a live component."""

    MODIFY = "modify"
    REACTIVATE = "reactivate"
    BOOTSTRAP = "bootstrap"


@dataclass(frozen=True, slots=True)
class Option:
    """A value that may be chosen, and how it is shown."""

    value: str
    label: str


@dataclass(frozen=True, slots=True)
class Icon:
    """A picture of the object class; `size` in pixels, or None."""

    resource: str
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Attribute:
    """One property that a configuration may have (AD).

    Attributes:
        id: The property's name.
        cardinality: 0 for a scalar, n > 0 for at most n values, n < 0 for at most -n.
        default: The default as the descriptor has it, or None.
        min: Least value, or least length of a text, as the descriptor has it, or None.
        max: The same at the other end.
        options: If there are any, a value must be one of them, compared as text.
        change: What a change of the property means.
        extras: Attributes that the OSGi schema does not know.
    """

    id: str
    type: AttributeType
    cardinality: int = 0
    required: bool = True
    name: str | None = None
    description: str | None = None
    default: str | None = None
    min: str | None = None
    max: str | None = None
    options: tuple[Option, ...] = ()
    change: ChangePolicy = ChangePolicy.MODIFY
    extras: Extras = field(default_factory=lambda: _NOTHING)

    @property
    def is_password(self) -> bool:
        """Whether values are secrets."""
        return self.type is AttributeType.PASSWORD

    @property
    def most(self) -> int | None:
        """How many values there may be, or None for any number."""
        return None if abs(self.cardinality) >= NO_LIMIT else max(1, abs(self.cardinality))

    @property
    def default_value(self) -> tuple[str, ...] | None:
        """OSGi's `getDefaultValue`: the default as texts; None if there is none, or none that is valid."""
        values = self._default_texts()
        return None if values is None or self.default_problem() is not None else values

    def default_problem(self) -> str | None:
        """Why the default is ignored, or None if it is valid or there is none."""
        values = self._default_texts()
        if values is None:
            return None
        if self.most is not None and len(values) > self.most:
            return f"it has {len(values)} values, at most {self.most} may be"
        for value in values:
            for problem in self._scalar_problems(value):
                return problem.message
        return None

    def validate(self, text: str) -> tuple[Problem, ...]:
        """OSGi's `validate`: all that is wrong with a value given as text; empty if it is valid."""
        return self.problems(text)

    def problems(self, value: object) -> tuple[Problem, ...]:
        """All that is wrong with a value: a text, a typed value, or a list of either."""
        try:
            elements = self._elements(value)
        except ValueProblem as wrong:
            return (self._problem("cardinality", f"must be {wrong.accepted}", value, wrong.accepted),)
        if not elements and self.required:
            return (self._problem("required", "must have at least one value", value, "one value or more"),)
        if self.most is not None and len(elements) > self.most:
            message = f"has {len(elements)} values, at most {self.most} may be"
            return (self._problem("cardinality", message, value, f"at most {self.most} values"),)
        return tuple(problem for element in elements for problem in self._scalar_problems(element))

    def coerce(self, value: object) -> Any:
        """The typed value: a scalar, or a list if the cardinality is not 0.

        Raises:
            MetatypeError: The value is not valid; `.problems` has everything that is wrong.
        """
        found = self.problems(value)
        if found:
            raise MetatypeError("; ".join(map(str, found)), attribute=self.id, problems=found)
        elements = [self.coerce_scalar(element) for element in self._elements(value)]
        return elements if self.cardinality else elements[0]

    def coerce_scalar(self, value: object) -> Any:
        """The typed value of one element, which is known to be valid."""
        return scalar(self.type, value)

    def default_typed(self) -> Any:
        """The default as `coerce` gives values, or None if there is none."""
        texts = self.default_value
        if texts is None:
            return None
        values = [scalar(self.type, text) for text in texts]
        return values if self.cardinality else values[0]

    def _default_texts(self) -> tuple[str, ...] | None:
        if self.default is None:
            return None
        if not self.default.strip():
            if not self.type.is_text:
                return None
            return () if self.cardinality else (self.default,)
        return split(self.default) if self.cardinality else (unescape(self.default),)

    def _elements(self, value: object) -> tuple[object, ...]:
        if isinstance(value, list | tuple):
            if not self.cardinality:
                raise ValueProblem("one value, not a list")
            return tuple(value)
        if self.cardinality and isinstance(value, str):
            return split(value) if value.strip() else ()
        return (value,)

    def _scalar_problems(self, value: object) -> tuple[Problem, ...]:
        if isinstance(value, str) and not value.strip() and not self.type.is_text and self.required and value == "":
            return (self._problem("required", "must not be empty", value, "a value"),)
        try:
            typed = scalar(self.type, value)
        except ValueProblem as wrong:
            shown = "" if self.is_password else f", not {_shown(value)}"
            return (self._problem("type", f"must be {wrong.accepted}{shown}", value, wrong.accepted),)
        found = [*self._option_problems(value, typed), *self._bound_problems(typed, value)]
        return tuple(found)

    def _option_problems(self, value: object, typed: object) -> list[Problem]:
        if not self.options:
            return []
        text = value if isinstance(value, str) else _text(typed)
        if any(option.value == text for option in self.options):
            return []
        choices = ", ".join(option.value for option in self.options)
        shown = "" if self.is_password else f", not {_shown(value)}"
        return [self._problem("option", f"must be one of {choices}{shown}", value, choices)]

    def _bound_problems(self, typed: Any, value: object) -> list[Problem]:
        found = []
        measure, unit = self._measure(typed)
        for rule, bound, words in (("min", self.min, "at least"), ("max", self.max, "at most")):
            limit = self.limit(bound)
            if limit is None or (measure >= limit if rule == "min" else measure <= limit):
                continue
            accepted = f"{words} {bound}{unit}"
            shown = "" if self.is_password else f", not {_shown(value)}"
            found.append(self._problem(rule, f"must be {accepted}{shown}", value, accepted))
        return found

    def _measure(self, typed: Any) -> tuple[Any, str]:
        if isinstance(typed, Secret):
            return len(typed.reveal()), " characters long"
        if self.type is AttributeType.STRING:
            return len(typed), " characters long"
        return typed, ""

    def limit(self, bound: str | None) -> Any:
        """A bound in the measure's type; None if there is none, or none that makes sense."""
        if bound is None:
            return None
        kind = AttributeType.LONG if self.type.is_text else self.type
        try:
            return None if kind is AttributeType.BOOLEAN else scalar(kind, bound)
        except ValueProblem:
            return None

    def _problem(self, rule: str, message: str, value: object, accepted: str | None) -> Problem:
        return Problem(self.id, rule, message, None if self.is_password else value, accepted)


@dataclass(frozen=True, slots=True)
class ObjectClass:
    """The properties of one kind of configuration (OCD).

    Attributes:
        attributes: By id, in the descriptor's order.
    """

    id: str
    name: str
    description: str | None = None
    icons: tuple[Icon, ...] = ()
    attributes: Mapping[str, Attribute] = field(default_factory=lambda: _NOTHING)
    extras: Extras = field(default_factory=lambda: _NOTHING)

    def validate(self, properties: Mapping[str, object], *, allow_unknown: bool = False) -> tuple[Problem, ...]:
        """All that is wrong with these properties; empty if they are a valid configuration.

        Reference targets (`<name>.target`) and `kura.*`, `service.*` and `component.*` properties need no attribute.
        """
        found: list[Problem] = []
        for key, value in properties.items():
            attribute = self.attributes.get(key)
            if attribute is not None:
                found.extend(attribute.problems(value))
            elif is_common(key):
                if not isinstance(value, str | int | bool):
                    found.append(Problem(key, "type", "must be text", None, "text"))
            elif not allow_unknown:
                known = ", ".join(self.attributes)
                found.append(Problem(key, "unknown", f"is not a property of {self.id}", None, f"one of {known}"))
        for attribute in self.attributes.values():
            if attribute.required and attribute.id not in properties and attribute.default_value is None:
                found.append(Problem(attribute.id, "required", "is required and has no default", None, "a value"))
        return tuple(found)

    def coerce(self, properties: Mapping[str, object], *, allow_unknown: bool = False) -> dict[str, Any]:
        """Typed values, with defaults where properties are absent.

        Raises:
            MetatypeError: They are no valid configuration; `.problems` has everything that is wrong.
        """
        found = self.validate(properties, allow_unknown=allow_unknown)
        if found:
            raise MetatypeError(f"{self.id}: " + "; ".join(map(str, found)), problems=found)
        typed = self.defaults()
        for key, value in properties.items():
            attribute = self.attributes.get(key)
            typed[key] = value if attribute is None else attribute.coerce(value)
        return typed

    def defaults(self) -> dict[str, Any]:
        """The typed defaults of all attributes that have one."""
        return {
            attribute.id: attribute.default_typed()
            for attribute in self.attributes.values()
            if attribute.default_value is not None
        }


@dataclass(frozen=True, slots=True)
class Designate:
    """Says which object class the configurations of a pid, or of a factory's instances, have."""

    ocdref: str
    pid: str | None = None
    factory_pid: str | None = None
    extras: Extras = field(default_factory=lambda: _NOTHING)


@dataclass(frozen=True, slots=True)
class MetaData:
    """One descriptor.

    Attributes:
        localization: Base name of the properties files with translations, or None.
        object_classes: By id.
        designates: Those that are usable.
        warnings: What was odd in the source; not part of the model's identity.
    """

    localization: str | None = None
    object_classes: Mapping[str, ObjectClass] = field(default_factory=lambda: _NOTHING)
    designates: tuple[Designate, ...] = ()
    extras: Extras = field(default_factory=lambda: _NOTHING)
    warnings: tuple[ReadingWarning, ...] = field(default=(), compare=False)

    def object_class_for(self, pid: str) -> ObjectClass | None:
        """The object class of a pid or factory pid (of an instance `factoryPid~name` too), or None."""
        wanted = pid.split("~", 1)[0]
        for designate in self.designates:
            if wanted == (designate.factory_pid or designate.pid):
                return self.object_classes.get(designate.ocdref)
        return None


def is_common(key: str) -> bool:
    """Whether every configuration may have this property: a reference's target, or an identity."""
    return key.endswith(".target") or key.startswith(("kura.", "service.", "component."))


def _text(value: object) -> str:
    if isinstance(value, Secret):
        return value.reveal()
    return str(value).lower() if isinstance(value, bool) else str(value)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
