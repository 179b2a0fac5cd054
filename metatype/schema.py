"""An object class as a JSON Schema (draft 2020-12), for form generators and editors."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from metatype.values import INTEGER_BITS, AttributeType

if TYPE_CHECKING:
    from metatype.model import Attribute, ObjectClass


def json_schema(object_class: ObjectClass) -> dict[str, Any]:
    """The schema of configurations in JSON's own types: numbers as numbers, lists as arrays.

    What a change of a property means is the annotation `x-gatewright-change`; passwords are `writeOnly`.
    """
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:gatewright:object-class:{object_class.id}",
        "title": object_class.name,
        **({} if object_class.description is None else {"description": object_class.description}),
        "type": "object",
        "properties": {attribute.id: _property(attribute) for attribute in object_class.attributes.values()},
        "patternProperties": {r"\.target$": {"type": "string"}, r"^(kura|service|component)\.": {}},
        "required": [
            attribute.id
            for attribute in object_class.attributes.values()
            if attribute.required and attribute.default_value is None
        ],
        "additionalProperties": False,
    }


def _property(attribute: Attribute) -> dict[str, Any]:
    schema = _scalar(attribute)
    if attribute.cardinality:
        schema = {"type": "array", "items": schema, **({"minItems": 1} if attribute.required else {})}
        if attribute.most is not None:
            schema["maxItems"] = attribute.most
    annotations: dict[str, Any] = {"x-gatewright-change": attribute.change.value}
    if attribute.name is not None:
        annotations["title"] = attribute.name
    if attribute.description is not None:
        annotations["description"] = attribute.description
    if attribute.is_password:
        annotations["writeOnly"] = True
    elif attribute.default_value is not None:
        annotations["default"] = _plain(attribute.default_typed())
    return {**annotations, **schema}


def _scalar(attribute: Attribute) -> dict[str, Any]:
    if attribute.options:
        return {
            "oneOf": [
                {"const": _plain(typed), "title": option.label}
                for option in attribute.options
                if (typed := _option_value(attribute, option.value)) is not None
            ]
        }
    if attribute.type in INTEGER_BITS:
        return {"type": "integer", **_integer_bounds(attribute)}
    match attribute.type:
        case AttributeType.BOOLEAN:
            return {"type": "boolean"}
        case AttributeType.DOUBLE | AttributeType.FLOAT | AttributeType.BIG_DECIMAL:
            return {"type": "number", **_bounds(attribute, "minimum", "maximum")}
        case AttributeType.CHARACTER:
            return {"type": "string", "minLength": 1, "maxLength": 1}
        case _:
            return {"type": "string", **_bounds(attribute, "minLength", "maxLength")}


def _integer_bounds(attribute: Attribute) -> dict[str, Any]:
    bits = INTEGER_BITS[attribute.type]
    whole = {} if bits is None else {"minimum": -(2 ** (bits - 1)), "maximum": 2 ** (bits - 1) - 1}
    return {**whole, **_bounds(attribute, "minimum", "maximum")}


def _bounds(attribute: Attribute, lower: str, upper: str) -> dict[str, Any]:
    found = {}
    for key, bound in ((lower, attribute.limit(attribute.min)), (upper, attribute.limit(attribute.max))):
        if bound is not None:
            found[key] = _plain(bound)
    return found


def _option_value(attribute: Attribute, text: str) -> Any:
    """The option as JSON would give it; None if it does not even have the attribute's type."""
    if attribute.is_password:
        return text
    return None if attribute.problems([text] if attribute.cardinality else text) else attribute.coerce_scalar(text)


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(element) for element in value]
    return value if value is None or isinstance(value, bool | int | float | str) else json.loads(str(value))
