"""Reads and writes descriptors in our JSON notation, which `descriptor.schema.json` describes.

A descriptor is an object with `objectClasses` and `designates`. What XML names by attributes has the same
names here, with JSON's own types where they say more: `cardinality` is a number, `required` a boolean. What a
change of a property means is the key `change`. `extras` are attributes, and `extraElements` elements, that the OSGi
schema leaves to others. What Kura's REST interface answers (`kura.schema.json`) is read too, never written.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final, NoReturn

from metatype.change_policy import ChangePolicy
from metatype.errors import MetatypeError, ReadingWarning
from metatype.foreign import canonical
from metatype.json_places import SURROGATE, Fault, first_fault, place_at, places
from metatype.kura_notation import KuraDocument, UnknownTypeError
from metatype.limits import DEEPEST, LARGEST, MOST_ELEMENTS
from metatype.model import Attribute, Designate, Icon, MetaData, ObjectClass, Option
from metatype.reading import attribute_warnings, cardinality_read
from metatype.text_format import TextFormat
from metatype.values import AttributeType

if TYPE_CHECKING:
    from collections.abc import Callable

    import jsonschema

    from metatype.json_places import Path

_SCHEMA: Final = "descriptor.schema.json"
_KURA_SCHEMA: Final = "kura.schema.json"
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
    text = _decoded(data, source)
    document = _parsed(text, source)
    if not KuraDocument.is_one(document):
        _check_schema(document, _SCHEMA, text, source)
        return _Reader(source, text, kura_style=kura_style).metadata(document)
    _check_schema(document, _KURA_SCHEMA, text, source)
    try:
        answer = KuraDocument(document)
    except UnknownTypeError as error:
        raise _error_at(error.path, str(error), text, source) from None
    return _Reader(source, text, answer.original_path, kura_style=kura_style).metadata(answer.document)


def write_json(metadata: MetaData) -> str:
    """The descriptor as JSON that reads to an equal model."""
    document = {
        "$schema": _schema(_SCHEMA)["$id"],
        **_given(localization=metadata.localization, **_extras(metadata)),
        "objectClasses": [_written_object_class(one) for one in metadata.object_classes.values()],
        "designates": [
            _given(pid=one.pid, factoryPid=one.factory_pid, ocdref=one.ocdref, **_extras(one))
            for one in metadata.designates
        ],
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _decoded(data: bytes, source: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line, column = place_at(data[: error.start].decode("utf-8", "replace"), error.start)
        message = f"is no well-formed JSON: {error.reason}"
        raise MetatypeError(message, source=source, line=line, column=column) from None


def _parsed(text: str, source: str) -> Any:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            raise _RefusedError
        return found

    def refuse(_constant: str) -> NoReturn:
        raise _RefusedError

    try:
        document = json.loads(text, object_pairs_hook=unique, parse_constant=refuse)
        _check_limits(document)
    except json.JSONDecodeError as error:
        message = f"is no well-formed JSON: {error.msg}"
        raise MetatypeError(message, source=source, line=error.lineno, column=error.colno) from None
    except (_RefusedError, ValueError, RecursionError):  # ours, thousands of digits, thousands of brackets
        fault = first_fault(text) or Fault("cannot be read as JSON", (1, 1))
        line, column = fault.place
        raise MetatypeError(fault.message, source=source, line=line, column=column, element=fault.key) from None
    return document


def _check_limits(document: Any) -> None:
    level, depth, containers = [document], 0, 0
    while level:
        below: list[Any] = []
        for node in level:
            if isinstance(node, str) and SURROGATE.search(node):
                raise _RefusedError
            if isinstance(node, dict | list):
                containers += 1
                if depth == DEEPEST or containers > MOST_ELEMENTS:
                    raise _RefusedError
                below.extend(node)
                if isinstance(node, dict):
                    below.extend(node.values())
        level, depth = below, depth + 1


@cache
def _schema(name: str) -> Any:
    return json.loads(files("metatype").joinpath(name).read_text("utf-8"))


@cache
def _validator(name: str) -> jsonschema.Draft202012Validator:
    import jsonschema  # noqa: PLC0415  # costly, and only needed where JSON is read

    return jsonschema.Draft202012Validator(_schema(name))


def _check_schema(document: Any, name: str, text: str, source: str) -> None:
    error = next(_validator(name).iter_errors(document), None)
    if error is not None:
        path = tuple(error.absolute_path)
        raise _error_at(path, error.message[:_LONGEST_REASON], text, source)


def _error_at(path: Path, message: str, text: str, source: str) -> MetatypeError:
    line, column = places(text, {path}).get(path, (1, 1))
    element = "/".join(map(str, path)) or "the document"
    return MetatypeError(f"{element}: {message}", source=source, line=line, column=column, element=element)


class _RefusedError(Exception):
    """Something is not allowed; what and where, a second look tells."""


class _Reader:
    """Makes the model of a document that fits the schema."""

    def __init__(
        self,
        source: str,
        text: str,
        original_path: Callable[[Path], Path] = lambda path: path,
        *,
        kura_style: bool,
    ) -> None:
        self._source = source
        self._text = text
        self._original_path = original_path
        self._kura_style = kura_style
        self._odd: list[tuple[Path, str, str, str]] = []

    def metadata(self, document: dict[str, Any]) -> MetaData:
        classes: dict[str, ObjectClass] = {}
        for index, given in enumerate(document["objectClasses"]):
            path = ("objectClasses", index)
            if given["id"] in classes:
                self._warn(path, f"there is another object class {given['id']!r}; the first is kept", given["id"], "id")
            else:
                classes[given["id"]] = self._object_class(given, path)
        designates = []
        for index, given in enumerate(document.get("designates", ())):
            ocdref = given["ocdref"]
            if ocdref in classes:
                pids = given.get("pid"), given.get("factoryPid")
                elements = self._elements(given, ("designates", index), 2)
                designates.append(Designate(ocdref, *pids, given.get("extras", {}), elements))
            else:
                message = f"a designate refers to {ocdref!r}, which is no object class here, and is left out"
                self._warn(("designates", index), message, "designates", "ocdref")
        return MetaData(
            localization=document.get("localization"),
            object_classes=classes,
            designates=tuple(designates),
            extras=document.get("extras", {}),
            extra_elements=self._elements(document, (), 1),
            warnings=self._warnings(),
        )

    def _object_class(self, given: dict[str, Any], path: Path) -> ObjectClass:
        attributes: dict[str, Attribute] = {}
        for index, one in enumerate(given.get("attributes", ())):
            at = (*path, "attributes", index)
            if one["id"] in attributes:
                self._warn(at, f"there is another attribute {one['id']!r}; the first is kept", one["id"], "id")
            else:
                attributes[one["id"]] = self._attribute(one, at)
        return ObjectClass(
            id=given["id"],
            name=given.get("name", given["id"]),
            description=given.get("description"),
            icons=tuple(self._icon(one, (*path, "icons", index)) for index, one in enumerate(given.get("icons", ()))),
            attributes=attributes,
            extras=given.get("extras", {}),
            extra_elements=self._elements(given, path, 2),
        )

    def _attribute(self, given: dict[str, Any], path: Path) -> Attribute:
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
                self._option(one, (*path, "options", index)) for index, one in enumerate(given.get("options", ()))
            ),
            change=ChangePolicy(given.get("change", ChangePolicy.MODIFY.value)),
            format=TextFormat(given["format"]) if "format" in given else None,
            extras=given.get("extras", {}),
            extra_elements=self._elements(given, path, 3),
        )
        for field_name, message in attribute_warnings(attribute):
            self._warn(path, message, attribute.id, field_name)
        return attribute

    def _icon(self, given: dict[str, Any], path: Path) -> Icon:
        size = given.get("size")
        # JSON knows no difference between 16 and 16.0; the model does.
        whole = None if size is None else int(size)
        return Icon(given["resource"], whole, given.get("extras", {}), self._elements(given, path, 3))

    def _option(self, given: dict[str, Any], path: Path) -> Option:
        label = given.get("label", given["value"])
        return Option(given["value"], label, given.get("extras", {}), self._elements(given, path, 4))

    def _elements(self, given: dict[str, Any], path: Path, inside: int) -> tuple[str, ...]:
        found = []
        for index, text in enumerate(given.get("extraElements", ())):
            try:
                found.append(canonical(text, inside=inside))
            except MetatypeError as error:
                at = (*path, "extraElements", index)
                raise _error_at(at, error.reason, self._text, self._source) from None
        return tuple(found)

    def _warn(self, path: Path, message: str, element: str, attribute: str) -> None:
        self._odd.append((self._original_path(path), message, element, attribute))

    def _warnings(self) -> tuple[ReadingWarning, ...]:
        found = places(self._text, {path for path, *_ in self._odd})
        return tuple(
            ReadingWarning(message, self._source, *found[path][:1], element, attribute, *found[path][1:])
            for path, message, element, attribute in self._odd
        )


def _written_object_class(one: ObjectClass) -> dict[str, Any]:
    return _given(
        id=one.id,
        name=one.name,
        description=one.description,
        icons=[_given(resource=icon.resource, size=icon.size, **_extras(icon)) for icon in one.icons],
        **_extras(one),
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
        options=[_given(value=option.value, label=option.label, **_extras(option)) for option in one.options],
        change=None if one.change is ChangePolicy.MODIFY else one.change.value,
        format=None if one.format is None else one.format.value,
        **_extras(one),
    )


def _extras(one: MetaData | ObjectClass | Icon | Attribute | Option | Designate) -> dict[str, Any]:
    return {"extras": dict(one.extras), "extraElements": list(one.extra_elements)}


def _given(**values: Any) -> dict[str, Any]:
    """The values that say something: not None, not an empty list or object."""
    return {key: value for key, value in values.items() if value is not None and value not in ([], {})}
