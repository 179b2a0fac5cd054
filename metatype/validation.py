"""What is wrong with a value, by its attribute's rules (Compendium R8 105.6): pure functions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from metatype.errors import Problem
from metatype.secret import Secret
from metatype.values import AttributeType, NotOfTypeError, scalar, split, unescape

if TYPE_CHECKING:
    from collections.abc import Iterator

    from metatype.model import Attribute

_LONGEST_SHOWN: Final = 60
_MOST_SHOWN: Final = 20
_COMPARED_BY_VALUE: Final = (AttributeType.BOOLEAN, AttributeType.PASSWORD)
_WITH_BLANKS: Final = (AttributeType.STRING, AttributeType.CHARACTER)


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


def problems_of(attribute: Attribute, value: object) -> Iterator[Problem]:
    """All that is wrong with a value: a text, a typed value, or a list of either."""
    if is_absent(attribute, value):
        if attribute.required:
            yield _problem(attribute, "required", "must not be empty", value, "a value")
        return
    if isinstance(value, list | tuple) and not attribute.cardinality:
        yield _problem(attribute, "cardinality", "must be one value, not a list", value, "one value")
        return
    found = elements(attribute, value)
    if not found and attribute.required and not attribute.type.is_text:
        yield _problem(attribute, "required", "must have at least one value", value, "one value or more")
    elif attribute.most is not None and len(found) > attribute.most:
        accepted = f"at most {attribute.most} value{'' if attribute.most == 1 else 's'}"
        yield _problem(attribute, "cardinality", f"has {len(found)} values, not {accepted}", value, accepted)
    else:
        rules = _ScalarRules(attribute)
        for element in found:
            yield from rules.problems_of(element)


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
    problem = next(problems_of(attribute, texts if attribute.cardinality else texts[0]), None)
    return None if problem is None else problem.message


def limit(attribute: Attribute, bound: str | None) -> Any:
    """A bound in the type of what it bounds: a value or a length; None if there is none that makes sense."""
    if bound is None or attribute.type is AttributeType.BOOLEAN:
        return None
    return _typed_or_none(AttributeType.LONG if attribute.type.is_text else attribute.type, bound)


def option_value(attribute: Attribute, text: str) -> Any:
    """What an option means in the attribute's type; None if it does not have that type."""
    return _typed_or_none(attribute.type, text)


class _ScalarRules:
    """An attribute's rules for each of its values, prepared once for all of them."""

    def __init__(self, attribute: Attribute) -> None:
        self._attribute = attribute
        self._least = limit(attribute, attribute.min)
        self._most = limit(attribute, attribute.max)
        self._option_texts = frozenset(option.value for option in attribute.options)
        self._option_values = frozenset(option_value(attribute, text) for text in self._option_texts)

    def problems_of(self, value: object) -> Iterator[Problem]:
        attribute = self._attribute
        try:
            typed = scalar(attribute.type, value)
        except NotOfTypeError as error:
            yield _refused(attribute, "type", value, error.accepted)
            return
        if attribute.options and not self._is_option(value, typed):
            yield _refused(attribute, "option", value, _choices(attribute))
        measure, unit = typed, ""
        if attribute.type.is_text:
            text = typed.reveal() if isinstance(typed, Secret) else typed
            measure, unit = len(text), " characters long"
            if attribute.format is not None and re.fullmatch(attribute.format.pattern, text) is None:
                # What was typed is not shown: it may hold the very password that its form forbids.
                accepted, meant = attribute.format.accepted, attribute.format.meant(text)
                hint = "" if meant is None or attribute.is_password else f": {meant}"
                yield Problem(attribute.id, "format", f"must be {accepted}{hint}", None, accepted)
        if self._least is not None and measure < self._least:
            yield _refused(attribute, "min", value, f"at least {self._least}{unit}")
        if self._most is not None and measure > self._most:
            yield _refused(attribute, "max", value, f"at most {self._most}{unit}")

    def _is_option(self, value: object, typed: object) -> bool:
        """Texts are compared as they are (`01` is not `1`), typed values with what the options mean."""
        if isinstance(value, str) and self._attribute.type not in _COMPARED_BY_VALUE:
            text = value if self._attribute.type in _WITH_BLANKS else value.strip()
            return text in self._option_texts
        return typed in self._option_values


def _choices(attribute: Attribute) -> str:
    shown = [option.value for option in attribute.options[:_MOST_SHOWN]]
    if len(attribute.options) > len(shown):
        shown.append("...")
    return ", ".join(shown) if len(shown) == 1 else f"one of {', '.join(shown)}"


def _typed_or_none(kind: AttributeType, text: str) -> Any:
    try:
        return scalar(kind, text)
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
