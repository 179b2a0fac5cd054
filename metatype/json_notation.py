"""Descriptors in our JSON notation, which the schema `descriptor.schema.json` describes.

A descriptor is an object with `objectClasses` and `designates`; an attribute has the same names as in XML, with
JSON's own types where they say more: `cardinality` is a number, `required` a boolean. What a change of the property means
is the key `change`.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NoReturn

from metatype.errors import MetatypeError, ReadingWarning
from metatype.model import Attribute, ChangePolicy, Designate, Icon, MetaData, ObjectClass, Option
from metatype.values import AttributeType

if TYPE_CHECKING:
    import jsonschema

LARGEST: Final = 1024 * 1024
DEEPEST: Final = 16


def read_json(data: bytes, source: str) -> MetaData:
    """The descriptor in `data`; MetatypeError with source, line and column if it is none."""
    if len(data) > LARGEST:
        raise MetatypeError(f"is larger than {LARGEST} bytes", source=source)
    document = _parse(data, source)
    _check(document, source)
    warnings: list[ReadingWarning] = []
    classes = {one["id"]: _object_class(one, source, warnings) for one in document["objectClasses"]}
    if len(classes) != len(document["objectClasses"]):
        raise MetatypeError("has two object classes of the same id", source=source, element="objectClasses")
    designates = []
    for one in document.get("designates", ()):
        designate = Designate(one["ocdref"], one.get("pid"), one.get("factoryPid"), _extras(one))
        if designate.ocdref in classes:
            designates.append(designate)
        else:
            message = f"a designate refers to {designate.ocdref!r}, which is no object class here, and is left out"
            warnings.append(ReadingWarning(message, source, None, "designates", "ocdref"))
    return MetaData(
        localization=document.get("localization"),
        object_classes=MappingProxyType(classes),
        designates=tuple(designates),
        extras=_extras(document),
        warnings=tuple(warnings),
    )


def write_json(metadata: MetaData) -> str:
    """The descriptor as JSON that reads to an equal model."""
    document = {
        "$schema": "https://gatewright.org/schemas/descriptor-v1.json",
        **_given(localization=metadata.localization, extras=dict(metadata.extras)),
        "objectClasses": [_write_object_class(one) for one in metadata.object_classes.values()],
        "designates": [
            _given(pid=one.pid, factoryPid=one.factory_pid, ocdref=one.ocdref, extras=dict(one.extras))
            for one in metadata.designates
        ],
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _parse(data: bytes, source: str) -> Any:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            twice = next(key for key, _ in pairs if sum(other == key for other, _ in pairs) > 1)
            raise MetatypeError(f"has the key {twice!r} twice in one object", source=source, element=twice)
        return found

    def refuse(constant: str) -> NoReturn:
        raise MetatypeError(f"has {constant}, which is no JSON", source=source)

    try:
        text = data.decode("utf-8-sig")
        return json.loads(text, object_pairs_hook=unique, parse_constant=refuse)
    except json.JSONDecodeError as error:
        message = f"is no well-formed JSON: {error.msg}"
        raise MetatypeError(message, source=source, line=error.lineno, column=error.colno) from None
    except MetatypeError:
        raise
    except (ValueError, RecursionError) as error:
        raise MetatypeError(f"is no well-formed JSON: {error}", source=source) from None


@cache
def _validator() -> jsonschema.Draft202012Validator:
    import jsonschema  # noqa: PLC0415  # costly, and only needed where JSON is read

    schema = json.loads(files("metatype").joinpath("descriptor.schema.json").read_text("utf-8"))
    return jsonschema.Draft202012Validator(schema)


def _check(document: Any, source: str) -> None:
    error = next(iter(sorted(_validator().iter_errors(document), key=lambda one: list(map(str, one.path)))), None)
    if error is not None:
        where = "/".join(map(str, error.absolute_path)) or "the document"
        raise MetatypeError(f"{where}: {error.message[:300]}", source=source, element=where)


def _object_class(one: dict[str, Any], source: str, warnings: list[ReadingWarning]) -> ObjectClass:
    attributes: dict[str, Attribute] = {}
    for given in one.get("attributes", ()):
        attribute = _attribute(given)
        if attribute.id in attributes:
            message = f"there is another attribute {attribute.id!r}; the first is kept"
            warnings.append(ReadingWarning(message, source, None, one["id"], attribute.id))
            continue
        problem = attribute.default_problem()
        if problem is not None:
            message = f"the default of {attribute.id!r} is ignored: {problem}"
            warnings.append(ReadingWarning(message, source, None, attribute.id, "default"))
        attributes[attribute.id] = attribute
    return ObjectClass(
        id=one["id"],
        name=one.get("name", one["id"]),
        description=one.get("description"),
        icons=tuple(Icon(icon["resource"], icon.get("size")) for icon in one.get("icons", ())),
        attributes=MappingProxyType(attributes),
        extras=_extras(one),
    )


def _attribute(given: dict[str, Any]) -> Attribute:
    return Attribute(
        id=given["id"],
        type=AttributeType(given["type"]),
        cardinality=given.get("cardinality", 0),
        required=given.get("required", True),
        name=given.get("name"),
        description=given.get("description"),
        default=given.get("default"),
        min=given.get("min"),
        max=given.get("max"),
        options=tuple(Option(one["value"], one.get("label", one["value"])) for one in given.get("options", ())),
        change=ChangePolicy(given.get("change", ChangePolicy.MODIFY.value)),
        extras=_extras(given),
    )


def _extras(one: dict[str, Any]) -> MappingProxyType[str, str]:
    return MappingProxyType(dict(one.get("extras", {})))


def _write_object_class(one: ObjectClass) -> dict[str, Any]:
    return _given(
        id=one.id,
        name=one.name,
        description=one.description,
        icons=[_given(resource=icon.resource, size=icon.size) for icon in one.icons],
        extras=dict(one.extras),
        attributes=[_write_attribute(attribute) for attribute in one.attributes.values()],
    )


def _write_attribute(one: Attribute) -> dict[str, Any]:
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
        options=[{"value": option.value, "label": option.label} for option in one.options],
        change=None if one.change is ChangePolicy.MODIFY else one.change.value,
        extras=dict(one.extras),
    )


def _given(**values: Any) -> dict[str, Any]:
    """The values that say something: not None, not an empty list or object."""
    return {key: value for key, value in values.items() if value is not None and value not in ([], {})}
