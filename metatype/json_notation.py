"""Reads and writes descriptors in our JSON notation, which `descriptor.schema.json` describes.

A descriptor is an object with `objectClasses` and `designates`. What XML names by attributes has the same
names here, with JSON's own types where they say more: `cardinality` is a number, `required` a boolean. What a
change of a property means is the key `change`.
"""

from __future__ import annotations

import json
import re
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final, NoReturn

from metatype.errors import MetatypeError, ReadingWarning
from metatype.limits import DEEPEST, LARGEST, MOST_ELEMENTS
from metatype.model import Attribute, ChangePolicy, Designate, Icon, MetaData, ObjectClass, Option
from metatype.reading import attribute_warnings, cardinality_read
from metatype.values import AttributeType

if TYPE_CHECKING:
    import jsonschema

_SCHEMA: Final = "descriptor.schema.json"
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_LONGEST_REASON: Final = 300


def read_json(data: bytes, source: str, *, kura_style: bool = False) -> MetaData:
    """The descriptor in `data`; MetatypeError with what is known of the place if it is none.

    Args:
        data: The document, UTF-8.
        source: What errors and warnings call it.
        kura_style: Whether cardinality 1 and -1 mean a scalar.
    """
    if len(data) > LARGEST:
        raise MetatypeError(f"is larger than {LARGEST} bytes", source=source)
    document = _parsed(data, source)
    _check_limits(document, source)
    _check_schema(document, source)
    return _Reader(source, kura_style=kura_style).metadata(document)


def write_json(metadata: MetaData) -> str:
    """The descriptor as JSON that reads to an equal model."""
    document = {
        "$schema": _schema()["$id"],
        **_given(localization=metadata.localization, extras=dict(metadata.extras)),
        "objectClasses": [_written_object_class(one) for one in metadata.object_classes.values()],
        "designates": [
            _given(pid=one.pid, factoryPid=one.factory_pid, ocdref=one.ocdref, extras=dict(one.extras))
            for one in metadata.designates
        ],
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _parsed(data: bytes, source: str) -> Any:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in pairs:
            if key in found:
                raise MetatypeError(f"has the key {key!r} twice in one object", source=source, element=key)
            found[key] = value
        return found

    def refuse(constant: str) -> NoReturn:
        raise MetatypeError(f"has {constant}, which is no JSON", source=source)

    try:
        return json.loads(data.decode("utf-8-sig"), object_pairs_hook=unique, parse_constant=refuse)
    except json.JSONDecodeError as error:
        message = f"is no well-formed JSON: {error.msg}"
        raise MetatypeError(message, source=source, line=error.lineno, column=error.colno) from None
    except MetatypeError:
        raise
    except (ValueError, RecursionError) as error:  # no UTF-8, thousands of digits, thousands of brackets
        raise MetatypeError(f"is no well-formed JSON: {error}", source=source) from None


def _check_limits(document: Any, source: str) -> None:
    level, depth, containers = [document], 0, 0
    while level:
        below: list[Any] = []
        for node in level:
            if isinstance(node, str) and _SURROGATE.search(node):
                raise MetatypeError("has half of a surrogate pair, which is no character", source=source)
            if isinstance(node, dict | list):
                containers += 1
                if depth == DEEPEST:
                    raise MetatypeError(f"nests deeper than {DEEPEST} objects and lists", source=source)
                if containers > MOST_ELEMENTS:
                    raise MetatypeError(f"has more than {MOST_ELEMENTS} objects and lists", source=source)
                below.extend(node)
                if isinstance(node, dict):
                    below.extend(node.values())
        level, depth = below, depth + 1


@cache
def _schema() -> Any:
    return json.loads(files("metatype").joinpath(_SCHEMA).read_text("utf-8"))


@cache
def _validator() -> jsonschema.Draft202012Validator:
    import jsonschema  # noqa: PLC0415  # costly, and only needed where JSON is read

    return jsonschema.Draft202012Validator(_schema())


def _check_schema(document: Any, source: str) -> None:
    error = next(_validator().iter_errors(document), None)
    if error is not None:
        where = "/".join(map(str, error.absolute_path)) or "the document"
        raise MetatypeError(f"{where}: {error.message[:_LONGEST_REASON]}", source=source, element=where)


class _Reader:
    """Makes the model of a document that fits the schema."""

    def __init__(self, source: str, *, kura_style: bool) -> None:
        self._source = source
        self._kura_style = kura_style
        self._warnings: list[ReadingWarning] = []

    def metadata(self, document: dict[str, Any]) -> MetaData:
        classes: dict[str, ObjectClass] = {}
        for given in document["objectClasses"]:
            if given["id"] in classes:
                self._warn(f"there is another object class {given['id']!r}; the first is kept", given["id"], "id")
            else:
                classes[given["id"]] = self._object_class(given)
        designates = []
        for given in document.get("designates", ()):
            ocdref = given["ocdref"]
            if ocdref in classes:
                pids = given.get("pid"), given.get("factoryPid")
                designates.append(Designate(ocdref, *pids, given.get("extras", {})))
            else:
                message = f"a designate refers to {ocdref!r}, which is no object class here, and is left out"
                self._warn(message, "designates", "ocdref")
        return MetaData(
            localization=document.get("localization"),
            object_classes=classes,
            designates=tuple(designates),
            extras=document.get("extras", {}),
            warnings=tuple(self._warnings),
        )

    def _object_class(self, given: dict[str, Any]) -> ObjectClass:
        attributes: dict[str, Attribute] = {}
        for one in given.get("attributes", ()):
            if one["id"] in attributes:
                self._warn(f"there is another attribute {one['id']!r}; the first is kept", one["id"], "id")
            else:
                attributes[one["id"]] = self._attribute(one)
        return ObjectClass(
            id=given["id"],
            name=given.get("name", given["id"]),
            description=given.get("description"),
            icons=tuple(_icon(one) for one in given.get("icons", ())),
            attributes=attributes,
            extras=given.get("extras", {}),
        )

    def _attribute(self, given: dict[str, Any]) -> Attribute:
        attribute = Attribute(
            id=given["id"],
            type=AttributeType(given["type"]),
            cardinality=cardinality_read(int(given.get("cardinality", 0)), kura_style=self._kura_style),
            required=given.get("required", True),
            name=given.get("name"),
            description=given.get("description"),
            default=given.get("default"),
            min=given.get("min"),
            max=given.get("max"),
            options=tuple(
                Option(one["value"], one.get("label", one["value"]), one.get("extras", {}))
                for one in given.get("options", ())
            ),
            change=ChangePolicy(given.get("change", ChangePolicy.MODIFY.value)),
            extras=given.get("extras", {}),
        )
        for field_name, message in attribute_warnings(attribute):
            self._warn(message, attribute.id, field_name)
        return attribute

    def _warn(self, message: str, element: str, attribute: str) -> None:
        self._warnings.append(ReadingWarning(message, self._source, None, element, attribute))


def _icon(given: dict[str, Any]) -> Icon:
    size = given.get("size")
    # JSON knows no difference between 16 and 16.0; the model does.
    return Icon(given["resource"], None if size is None else int(size), given.get("extras", {}))


def _written_object_class(one: ObjectClass) -> dict[str, Any]:
    return _given(
        id=one.id,
        name=one.name,
        description=one.description,
        icons=[_given(resource=icon.resource, size=icon.size, extras=dict(icon.extras)) for icon in one.icons],
        extras=dict(one.extras),
        attributes=[_written_attribute(attribute) for attribute in one.attributes.values()],
    )


def _written_attribute(one: Attribute) -> dict[str, Any]:
    return _given(
        id=one.id,
        type=one.type.value,
        cardinality=one.cardinality or None,
        required=one.required,
        name=one.name,
        description=one.description,
        default=one.default,
        min=one.min,
        max=one.max,
        options=[_given(value=option.value, label=option.label, extras=dict(option.extras)) for option in one.options],
        change=None if one.change is ChangePolicy.MODIFY else one.change.value,
        extras=dict(one.extras),
    )


def _given(**values: Any) -> dict[str, Any]:
    """The values that say something: not None, not an empty list or object."""
    return {key: value for key, value in values.items() if value is not None and value not in ([], {})}
