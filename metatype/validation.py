"""What is wrong with a value, by its attribute's rules (Compendium R8 105.6): pure functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metatype.errors import Problem
from metatype.secret import Secret
from metatype.values import AttributeType, NotOfTypeError, scalar, split, unescape

if TYPE_CHECKING:
    from collections.abc import Iterator

    from metatype.model import Attribute

_LONGEST_SHOWN = 60


def is_absent(attribute: Attribute, value: object) -> bool:
    """Whether a value stands for none: None, or an empty text where a text cannot be the value."""
    if value is None:
        return True
    if attribute.cardinality or attribute.type.is_text or not isinstance(value, str):
        return False
    return not value if attribute.type is AttributeType.CHARACTER else not value.strip()


def elements(attribute: Attribute, value: object) -> tuple[object, ...]:
    """The scalars in a value: itself, or a list's."""
    if isinstance(value, list | tuple):
        return tuple(value)
    if attribute.cardinality and isinstance(value, str):
        return split(value) if value.strip() else ()
    return (value,)


def problems_of(attribute: Attribute, value: object) -> tuple[Problem, ...]:
    """All that is wrong with a value: a text, a typed value, or a list of either."""
    if is_absent(attribute, value):
        if not attribute.required:
            return ()
        return (_problem(attribute, "required", "must not be empty", value, "a value"),)
    if isinstance(value, list | tuple) and not attribute.cardinality:
        return (_problem(attribute, "cardinality", "must be one value, not a list", value, "one value"),)
    found = elements(attribute, value)
    if not found and attribute.required and not attribute.type.is_text:
        return (_problem(attribute, "required", "must have at least one value", value, "one value or more"),)
    if attribute.most is not None and len(found) > attribute.most:
        accepted = f"at most {attribute.most} value{'' if attribute.most == 1 else 's'}"
        return (
            _problem(attribute, "cardinality", f"has {len(found)} values, not {accepted}", value, accepted),
        )
    return tuple(problem for element in found for problem in _element_problems(attribute, element))


def default_texts(attribute: Attribute) -> tuple[str, ...] | None:
    """The elements of the default, valid or not; None if there is none."""
    text = attribute.default
    if text is None or is_absent(attribute, text):
        return None
    if not attribute.cardinality:
        return (unescape(text),)
    if not text.strip():
        return () if attribute.type.is_text else None
    return split(text)


def default_problem(attribute: Attribute) -> str | None:
    """Why the default is ignored; None if it is not, or if there is none."""
    texts = default_texts(attribute)
    if texts is None:
        return None
    found = problems_of(attribute, list(texts) if attribute.cardinality else texts[0])
    return found[0].message if found else None


def limit(attribute: Attribute, bound: str | None) -> Any:
    """A bound in the type of what it bounds: a value or a length; None if there is none that makes sense."""
    if bound is None or attribute.type is AttributeType.BOOLEAN:
        return None
    try:
        return scalar(AttributeType.LONG if attribute.type.is_text else attribute.type, bound)
    except NotOfTypeError:
        return None


def _element_problems(attribute: Attribute, value: object) -> Iterator[Problem]:
    try:
        typed = scalar(attribute.type, value)
    except NotOfTypeError as error:
        yield _refused(attribute, "type", value, error.accepted)
        return
    if attribute.options and not _is_option(attribute, value, typed):
        choices = ", ".join(option.value for option in attribute.options)
        yield _refused(
            attribute, "option", value, choices if len(attribute.options) == 1 else f"one of {choices}"
        )
    measure, unit = typed, ""
    if attribute.type.is_text:
        measure, unit = len(typed.reveal() if isinstance(typed, Secret) else typed), " characters long"
    least, most = limit(attribute, attribute.min), limit(attribute, attribute.max)
    if least is not None and measure < least:
        yield _refused(attribute, "min", value, f"at least {least}{unit}")
    if most is not None and measure > most:
        yield _refused(attribute, "max", value, f"at most {most}{unit}")


def _is_option(attribute: Attribute, value: object, typed: object) -> bool:
    """Texts are compared as they are (`01` is not `1`), typed values with what the options mean."""
    if attribute.type.is_text:
        text = typed.reveal() if isinstance(typed, Secret) else typed
        return any(option.value == text for option in attribute.options)
    if isinstance(value, str) and attribute.type is not AttributeType.BOOLEAN:
        return any(option.value in (value, value.strip()) for option in attribute.options)
    return any(option_value(attribute, option.value) == typed for option in attribute.options)


def option_value(attribute: Attribute, text: str) -> Any:
    """What an option means in the attribute's type; None if it does not have that type."""
    try:
        return scalar(attribute.type, text)
    except NotOfTypeError:
        return None


def _refused(attribute: Attribute, rule: str, value: object, accepted: str) -> Problem:
    shown = "" if attribute.is_password else f", not {_shown(value)}"
    return _problem(attribute, rule, f"must be {accepted}{shown}", value, accepted)


def _problem(attribute: Attribute, rule: str, message: str, value: object, accepted: str) -> Problem:
    return Problem(attribute.id, rule, message, None if attribute.is_password else value, accepted)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN - 3]}..."
