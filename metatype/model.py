"""The descriptor model: what a configuration may be (Compendium R8 105.6).

Immutable; both notations load to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal

from metatype import validation
from metatype.change_policy import ChangePolicy
from metatype.errors import MetatypeError, Problem, ReadingWarning
from metatype.values import NO_LIMIT, AttributeType, scalar

if TYPE_CHECKING:
    from metatype.text_format import TextFormat

Extras = Mapping[str, str]
"""XML attributes that the OSGi schema leaves to others, by name (`{namespace}name` if foreign).

Elements that it leaves to others are each model's `extra_elements`: texts of XML, each of which stands for itself.
"""

Unknown = Literal["refuse", "report", "keep"]
"""What becomes of a property that has no attribute: a problem; a problem that is not fatal; nothing."""

_TEXT_AREA: Final = "textarea"
_TEXT_PROPERTIES: Final = ("kura.service.pid", "service.pid", "service.factoryPid")


@dataclass(frozen=True, slots=True)
class Option:
    """A value that may be chosen, and how it is shown."""

    value: str
    label: str
    extras: Extras = field(default_factory=dict)
    extra_elements: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _freeze(self, "extras")


@dataclass(frozen=True, slots=True)
class Icon:
    """A picture of the object class; `size` in pixels, or None."""

    resource: str
    size: int | None = None
    extras: Extras = field(default_factory=dict)
    extra_elements: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _freeze(self, "extras")


@dataclass(frozen=True, slots=True)
class Attribute:
    """One property that a configuration may have (AD).

    Attributes:
        id: The property's name.
        cardinality: 0 for a scalar, n > 0 for at most n values, n < 0 for at most -n.
        default: The default as the descriptor has it, or None.
        min: Least value, or least length of a text, as the descriptor has it, or None.
        max: The same at the other end.
        options: If there are any, a value must be one of them.
        change: What a change of the property means.
        format: What form a text has, or None for any.
        extras: What the OSGi schema leaves to others.
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
    format: TextFormat | None = None
    extras: Extras = field(default_factory=dict)
    extra_elements: tuple[str, ...] = ()
    _default_value: tuple[str, ...] | None = field(init=False, repr=False, compare=False, default=None)
    _typed_default: Any = field(init=False, repr=False, compare=False, default=None)

    def __post_init__(self) -> None:
        _freeze(self, "extras")
        # Once: a default is looked at whenever a configuration is.
        value = None if validation.default_problem(self) else validation.default_texts(self)
        object.__setattr__(self, "_default_value", value)
        if value is not None:
            object.__setattr__(self, "_typed_default", self.typed(value if self.cardinality else value[0]))

    @property
    def is_password(self) -> bool:
        """Whether values are secrets."""
        return self.type is AttributeType.PASSWORD

    @property
    def is_text_area(self) -> bool:
        """Whether the description ends with Kura's hint `|TextArea`, in any case: values have many lines."""
        return self._described()[1]

    @property
    def shown_description(self) -> str | None:
        """The description for people, without Kura's hint; or None."""
        return self._described()[0]

    @property
    def most(self) -> int | None:
        """How many values there may be, or None for any number."""
        return None if abs(self.cardinality) >= NO_LIMIT else max(1, abs(self.cardinality))

    @property
    def default_value(self) -> tuple[str, ...] | None:
        """OSGi's `getDefaultValue`: the default's elements; None if there is none, or none that is valid."""
        return self._default_value

    def validate(self, text: str | None) -> tuple[Problem, ...]:
        """OSGi's `validate`: all that is wrong with a value given as text (None: absent)."""
        return self.problems(text)

    def problems(self, value: object) -> tuple[Problem, ...]:
        """All that is wrong with a value: a text, a typed value, or a list of either."""
        return tuple(validation.problems_of(self, value))

    def coerce(self, value: object) -> Any:
        """The typed value: a scalar, or a list if the cardinality is not 0; None where a value is absent.

        An empty text is an absent value of a type that is neither String nor Password.

        Raises:
            MetatypeError: The value is not valid; `.problems` has everything that is wrong.
        """
        found = self.problems(value)
        if found:
            raise MetatypeError("; ".join(map(str, found)), attribute=self.id, problems=found)
        return self.typed(value)

    def typed(self, value: object) -> Any:
        """What `coerce` gives for a value that is known to be valid."""
        if validation.is_absent(self, value):
            return None
        typed = [scalar(self.type, element) for element in validation.elements(self, value)]
        return typed if self.cardinality else typed[0]

    def typed_default(self) -> Any:
        """The default as `coerce` would give it; None if there is none, or none that is valid."""
        return list(self._typed_default) if isinstance(self._typed_default, list) else self._typed_default

    def _described(self) -> tuple[str | None, bool]:
        text, separator, hint = (self.description or "").rpartition("|")
        if separator and hint.strip().lower() == _TEXT_AREA:
            return text.rstrip(), True
        return self.description, False


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
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    extras: Extras = field(default_factory=dict)
    extra_elements: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _freeze(self, "attributes", "extras")

    def validate(self, properties: Mapping[str, object], *, unknown: Unknown = "refuse") -> tuple[Problem, ...]:
        """All that is wrong with these properties; a valid configuration has no fatal problem.

        What every configuration may have (`is_common`) needs no attribute.

        Args:
            properties: Texts, typed values, or lists of either; None for what is absent.
            unknown: Whether a property without an attribute is a problem, one that is not fatal, or none.
        """
        found: list[Problem] = []
        for key, value in properties.items():
            attribute = self.attributes.get(key)
            if attribute is not None:
                found.extend(() if value is None else attribute.problems(value))
            elif is_common(key):
                found.extend(_common_problems(key, value))
            elif unknown != "keep":
                accepted = f"one of {', '.join(self.attributes)}" if self.attributes else "no property at all"
                message = f"is not a property of {self.id}"
                found.append(Problem(key, "unknown", message, None, accepted, fatal=unknown == "refuse"))
        found.extend(
            Problem(attribute.id, "required", "is required and has no default", None, "a value")
            for attribute in self.attributes.values()
            if attribute.required and properties.get(attribute.id) is None and attribute.default_value is None
        )
        return tuple(found)

    def coerce(self, properties: Mapping[str, object], *, unknown: Unknown = "refuse") -> dict[str, Any]:
        """Typed values, with defaults where properties are absent; what has neither is left out.

        A property without an attribute is kept as it is, unless it is refused.

        Raises:
            MetatypeError: They are no valid configuration; `.problems` has everything that is wrong.
        """
        found = tuple(one for one in self.validate(properties, unknown=unknown) if one.fatal)
        if found:
            raise MetatypeError(f"{self.id}: " + "; ".join(map(str, found)), problems=found)
        return self.typed(properties)

    def typed(self, properties: Mapping[str, object]) -> dict[str, Any]:
        """What `coerce` gives for properties that are known to be valid."""
        typed: dict[str, Any] = {}
        for attribute in self.attributes.values():
            value = attribute.typed(properties[attribute.id]) if properties.get(attribute.id) is not None else None
            if value is None:
                value = attribute.typed_default()
            if value is not None:
                typed[attribute.id] = value
        return typed | {key: value for key, value in properties.items() if key not in self.attributes}


@dataclass(frozen=True, slots=True)
class Designate:
    """Says which object class the configurations of a pid, or of a factory's instances, have."""

    ocdref: str
    pid: str | None = None
    factory_pid: str | None = None
    extras: Extras = field(default_factory=dict)
    extra_elements: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _freeze(self, "extras")


@dataclass(frozen=True, slots=True)
class MetaData:
    """One descriptor.

    Attributes:
        localization: Base name of the properties files with translations, or None.
        object_classes: By id, in the descriptor's order.
        designates: Those that are usable.
        warnings: What was odd in the source; not part of the model's identity.
    """

    localization: str | None = None
    object_classes: Mapping[str, ObjectClass] = field(default_factory=dict)
    designates: tuple[Designate, ...] = ()
    extras: Extras = field(default_factory=dict)
    extra_elements: tuple[str, ...] = ()
    warnings: tuple[ReadingWarning, ...] = field(default=(), compare=False)

    def __post_init__(self) -> None:
        _freeze(self, "object_classes", "extras")

    def object_class_for(self, pid: str) -> ObjectClass | None:
        """The object class of a pid, a factory pid, or a factory's instance (`factoryPid~name`); or None."""
        factory_pid = pid.partition("~")[0]
        for designate in self.designates:
            if pid == designate.pid or (designate.factory_pid and designate.factory_pid in (pid, factory_pid)):
                return self.object_classes.get(designate.ocdref)
        return None


def is_common(key: str) -> bool:
    """Whether every configuration may have this property: a reference's target, or what identifies it."""
    return key.endswith(".target") or key.startswith(("kura.", "service.", "component."))


def _common_problems(key: str, value: object) -> tuple[Problem, ...]:
    if key.endswith(".target") or key in _TEXT_PROPERTIES:
        return () if isinstance(value, str) else (Problem(key, "type", "must be text", None, "text"),)
    parts = value if isinstance(value, list | tuple) else (value,)
    if all(isinstance(part, str | int | float) for part in parts):
        return ()
    accepted = "a text, a number, true or false, or a list of these"
    return (Problem(key, "type", f"must be {accepted}", None, accepted),)


def _freeze(instance: object, *names: str) -> None:
    """Keep mappings that nobody else can change."""
    for name in names:
        object.__setattr__(instance, name, MappingProxyType(dict(getattr(instance, name))))
