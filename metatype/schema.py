"""An object class as a JSON Schema (draft 2020-12), for form generators and editors."""

from __future__ import annotations

import math
import re
import sys
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from metatype.model import is_common
from metatype.validation import limit, option_value
from metatype.values import INTEGER_BITS, LARGEST_FLOAT, AttributeType, scalar

if TYPE_CHECKING:
    from metatype.model import Attribute, ObjectClass


def json_schema(object_class: ObjectClass) -> dict[str, Any]:
    """See `metatype.json_schema`."""
    schema: dict[str, Any] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:gatewright:object-class:{quote(object_class.id, safe='')}",
        "title": object_class.name,
    }
    if object_class.description is not None:
        schema["description"] = object_class.description
    attributes = object_class.attributes.values()
    # An attribute with a name that every configuration may have says itself what its values are.
    own = "|".join(re.escape(attribute.id) for attribute in attributes if is_common(attribute.id))
    others = f"^(?!(?:{own})$)" if own else "^"
    return schema | {
        "type": "object",
        "properties": {attribute.id: _property(attribute) for attribute in attributes},
        # What every configuration may have (`metatype.is_common`).
        "patternProperties": {
            rf"{others}(.*\.target|kura\.service\.pid|service\.(pid|factoryPid))$": {"type": "string"},
            rf"{others}(kura|service|component)\.": {
                "type": ["string", "number", "boolean", "array"],
                "items": {"type": ["string", "number", "boolean"]},
            },
        },
        "required": [
            attribute.id for attribute in attributes if attribute.required and attribute.default_value is None
        ],
        "additionalProperties": False,
    }


def _property(attribute: Attribute) -> dict[str, Any]:
    schema: dict[str, Any] = {}
    if attribute.name is not None:
        schema["title"] = attribute.name
    if attribute.shown_description:
        schema["description"] = attribute.shown_description
    if attribute.is_text_area:
        schema["x-gatewright-text-area"] = True
    if attribute.is_password:
        schema["writeOnly"] = True
    else:
        default = _default(attribute)
        if default is not None:
            schema["default"] = default
    schema["x-gatewright-change"] = attribute.change.value
    if not attribute.cardinality:
        return schema | _scalar(attribute)
    schema |= {"type": "array", "items": _scalar(attribute)}
    if attribute.required and not attribute.type.is_text:
        schema["minItems"] = 1
    if attribute.most is not None:
        schema["maxItems"] = attribute.most
    return schema


def _scalar(attribute: Attribute) -> dict[str, Any]:
    schema = _typed(attribute)
    if attribute.options:
        choices: dict[Any, dict[str, Any]] = {}
        for option in attribute.options:
            value = option.value if attribute.type.is_text else _plain(option_value(attribute, option.value))
            if value is not None:
                choices.setdefault(value, {"const": value, "title": option.label})
        # An empty `oneOf` is no schema; options that are all invalid leave nothing to choose.
        schema["oneOf" if choices else "not"] = list(choices.values()) if choices else {}
    return schema


def _typed(attribute: Attribute) -> dict[str, Any]:
    if attribute.type in INTEGER_BITS:
        bits = INTEGER_BITS[attribute.type]
        whole = {} if bits is None else {"minimum": -(2 ** (bits - 1)), "maximum": 2 ** (bits - 1) - 1}
        return {"type": "integer", **whole, **_bounds(attribute, "minimum", "maximum")}
    match attribute.type:
        case AttributeType.BOOLEAN:
            return {"type": "boolean"}
        case AttributeType.CHARACTER:
            return {"type": "string", "minLength": 1, "maxLength": 1, **_character_range(attribute)}
        case AttributeType.STRING | AttributeType.PASSWORD:
            form = {} if attribute.format is None else {"pattern": f"^(?:{attribute.format.pattern})$"}
            return {"type": "string", **_bounds(attribute, "minLength", "maxLength"), **form}
        case AttributeType.BIG_DECIMAL:
            return {"type": "number", **_bounds(attribute, "minimum", "maximum")}
        case kind:
            largest = LARGEST_FLOAT if kind is AttributeType.FLOAT else sys.float_info.max
            return {
                "type": "number",
                "minimum": -largest,
                "maximum": largest,
                **_bounds(attribute, "minimum", "maximum"),
            }


def _bounds(attribute: Attribute, lower: str, upper: str) -> dict[str, Any]:
    found = {lower: _plain(limit(attribute, attribute.min)), upper: _plain(limit(attribute, attribute.max))}
    if attribute.type.is_text:
        # Lengths are never negative in JSON Schema, and no text is shorter than nothing.
        if found[upper] is not None and found[upper] < 0:
            return {"not": {}}
        found = {key: bound for key, bound in found.items() if bound is None or bound >= 0}
    return {key: bound for key, bound in found.items() if bound is not None}


def _character_range(attribute: Attribute) -> dict[str, Any]:
    least, most = limit(attribute, attribute.min), limit(attribute, attribute.max)
    if least is None and most is None:
        return {}
    least, most = least or "\0", most or chr(sys.maxunicode)
    if least > most:
        return {"not": {}}
    return {"pattern": f"^[{_in_class(least)}-{_in_class(most)}]$"}


def _in_class(character: str) -> str:
    return f"\\{character}" if character in "\\]^-[" else character


def _default(attribute: Attribute) -> Any:
    texts = attribute.default_value
    if texts is None:
        return None
    values = [_plain(scalar(attribute.type, text)) for text in texts]
    return values if attribute.cardinality else values[0]


def _plain(value: Any) -> Any:
    """A scalar in JSON's types."""
    if not isinstance(value, Decimal):
        return value
    number = float(value)
    return number if math.isfinite(number) and value != value.to_integral_value() else int(value)
