"""Reads descriptors in OSGi's XML notation (Compendium R8 105.8), on expat with own handlers and hard limits."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final
from xml.parsers import expat

from metatype.errors import MetatypeError, ReadingWarning
from metatype.model import Attribute, ChangePolicy, Designate, Icon, MetaData, ObjectClass, Option
from metatype.values import AttributeType

LARGEST: Final = 1024 * 1024
DEEPEST: Final = 16
MOST_ATTRIBUTES: Final = 64
MOST_ELEMENTS: Final = 20_000

NAMESPACES: Final = tuple(f"http://www.osgi.org/xmlns/metatype/v1.{minor}.0" for minor in range(5))
EXTENSION_NAMESPACE: Final = "http://gatewright.org/xmlns/metatype/v1"
CHANGE: Final = f"{{{EXTENSION_NAMESPACE}}}change"

_TYPES: Final = {kind.value.lower(): kind for kind in AttributeType} | {"char": AttributeType.CHARACTER}
_PARENTS: Final = {
    "MetaData": (),
    "OCD": ("MetaData",),
    "Designate": ("MetaData",),
    "AD": ("OCD",),
    "Icon": ("OCD",),
    "Option": ("AD",),
    "Object": ("Designate",),
    "Attribute": ("Object",),
    "Value": ("Attribute",),
}
_KNOWN: Final = {
    "MetaData": {"localization"},
    "OCD": {"id", "name", "description"},
    "AD": {"id", "type", "cardinality", "required", "name", "description", "default", "min", "max"},
    "Icon": {"resource", "size"},
    "Option": {"value", "label"},
    "Designate": {"pid", "factoryPid", "bundle", "optional", "merge"},
    "Object": {"ocdref"},
}


@dataclass(slots=True)
class _Element:
    """An element that is open."""

    name: str
    attributes: dict[str, str]
    line: int
    column: int
    ads: dict[str, Attribute] = field(default_factory=dict)
    icons: list[Icon] = field(default_factory=list)
    options: list[Option] = field(default_factory=list)
    objects: list[str] = field(default_factory=list)


def read_xml(data: bytes, source: str) -> MetaData:
    """The descriptor in `data`; MetatypeError with source, line and column if it is none."""
    if len(data) > LARGEST:
        raise MetatypeError(f"is larger than {LARGEST} bytes", source=source)
    return _Reader(source).read(data)


class _Reader:
    def __init__(self, source: str) -> None:
        self._source = source
        self._stack: list[_Element] = []
        self._skipped = 0
        self._elements = 0
        self._namespace = ""
        self._warnings: list[ReadingWarning] = []
        self._object_classes: dict[str, ObjectClass] = {}
        self._designates: list[tuple[Designate, _Element]] = []
        self._root: _Element | None = None
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.StartDoctypeDeclHandler = self._doctype

    def read(self, data: bytes) -> MetaData:
        try:
            self._parser.Parse(data, True)
        except expat.ExpatError as error:
            reason = expat.ErrorString(error.code)
            raise MetatypeError(
                f"is no well-formed XML: {reason}", source=self._source, line=error.lineno, column=error.offset + 1
            ) from None
        except (ValueError, LookupError) as error:
            if isinstance(error, MetatypeError):
                raise
            raise MetatypeError(f"is no well-formed XML: {error}", source=self._source) from None
        if self._root is None:
            raise MetatypeError("has no MetaData element", source=self._source)
        root = self._root
        return MetaData(
            localization=root.attributes.get("localization"),
            object_classes=MappingProxyType(self._object_classes),
            designates=tuple(self._usable_designates()),
            extras=self._extras(root),
            warnings=tuple(self._warnings),
        )

    def _doctype(self, *_: object) -> None:
        raise self._error("DOCTYPE is refused; remove it")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._elements += 1
        if self._elements > MOST_ELEMENTS:
            raise self._error(f"has more than {MOST_ELEMENTS} elements")
        if len(self._stack) + self._skipped >= DEEPEST:
            raise self._error(f"nests deeper than {DEEPEST} elements")
        if len(attributes) > MOST_ATTRIBUTES:
            raise self._error(f"has an element with more than {MOST_ATTRIBUTES} attributes")
        namespace, _, local = name.rpartition(" ")
        if not self._stack and not self._skipped:
            self._open_root(namespace, local)
        elif self._skipped or namespace not in ("", self._namespace):
            self._skipped += 1
            return
        elif local not in _PARENTS or self._stack[-1].name not in _PARENTS[local]:
            self._warn(f"the element {local} has no place here and is left out", local)
            self._skipped += 1
            return
        self._stack.append(_Element(local, {_clark(key): value for key, value in attributes.items()}, *self._place()))

    def _open_root(self, namespace: str, local: str) -> None:
        if local != "MetaData":
            raise self._error(f"begins with {local}; a descriptor begins with MetaData", local)
        if namespace and namespace not in NAMESPACES:
            raise self._error(f"is of the namespace {namespace}; known are {', '.join(NAMESPACES)}", local)
        self._namespace = namespace

    def _end(self, _name: str) -> None:
        if self._skipped:
            self._skipped -= 1
            return
        element = self._stack.pop()
        parent = self._stack[-1] if self._stack else None
        match element.name, parent:
            case "MetaData", _:
                self._root = element
            case "OCD", _:
                self._close_ocd(element)
            case "Designate", _:
                self._close_designate(element)
            case "AD", _Element():
                self._close_ad(element, parent)
            case "Icon", _Element():
                size = element.attributes.get("size", "")
                resource = self._needed(element, "resource")
                parent.icons.append(Icon(resource, int(size) if size.isascii() and size.isdigit() else None))
            case "Option", _Element():
                value = self._needed(element, "value")
                parent.options.append(Option(value, element.attributes.get("label", value)))
            case "Object", _Element():
                parent.objects.append(element.attributes.get("ocdref", ""))

    def _close_ocd(self, element: _Element) -> None:
        identifier = self._needed(element, "id")
        if identifier in self._object_classes:
            self._warn(f"there is another OCD {identifier!r}; the first is kept", "OCD", "id", element)
            return
        self._object_classes[identifier] = ObjectClass(
            id=identifier,
            name=element.attributes.get("name", identifier),
            description=element.attributes.get("description"),
            icons=tuple(element.icons),
            attributes=MappingProxyType(element.ads),
            extras=self._extras(element),
        )

    def _close_ad(self, element: _Element, parent: _Element) -> None:
        given = element.attributes
        identifier = self._needed(element, "id")
        kind = _TYPES.get(self._needed(element, "type").strip().lower())
        if kind is None:
            raise self._error(f"AD {identifier!r} is of unknown type {given['type']!r}", "AD", "type", element)
        if identifier in parent.ads:
            self._warn(f"there is another AD {identifier!r}; the first is kept", "AD", "id", element)
            return
        attribute = Attribute(
            id=identifier,
            type=kind,
            cardinality=self._cardinality(element),
            required=self._required(element),
            name=given.get("name"),
            description=given.get("description"),
            default=given.get("default"),
            min=given.get("min"),
            max=given.get("max"),
            options=tuple(element.options),
            change=self._change(element),
            extras=self._extras(element),
        )
        problem = attribute.default_problem()
        if problem is not None:
            self._warn(f"the default of {identifier!r} is ignored: {problem}", "AD", "default", element)
        parent.ads[identifier] = attribute

    def _close_designate(self, element: _Element) -> None:
        if len(element.objects) > 1:
            raise self._error("a Designate has two Objects", "Designate", None, element)
        given = element.attributes
        factory_pid = given.get("factoryPid") or None
        pid = None if factory_pid else given.get("pid") or None
        if not element.objects or not (pid or factory_pid):
            self._warn("a Designate without pid or without Object is left out", "Designate", None, element)
            return
        self._designates.append((Designate(element.objects[0], pid, factory_pid, self._extras(element)), element))

    def _usable_designates(self) -> list[Designate]:
        usable = []
        for designate, element in self._designates:
            if designate.ocdref in self._object_classes:
                usable.append(designate)
            else:
                message = f"a Designate refers to {designate.ocdref!r}, which is no OCD here, and is left out"
                self._warn(message, "Object", "ocdref", element)
        return usable

    def _cardinality(self, element: _Element) -> int:
        text = element.attributes.get("cardinality", "0").strip()
        try:
            return int(text)
        except ValueError:
            self._warn(f"the cardinality {text!r} is no whole number and taken for 0", "AD", "cardinality", element)
            return 0

    def _required(self, element: _Element) -> bool:
        text = element.attributes.get("required", "true").strip().lower()
        if text not in ("true", "false", "0", "1"):
            self._warn(f"required={text!r} is taken for false", "AD", "required", element)
        return text in ("true", "1")

    def _change(self, element: _Element) -> ChangePolicy:
        text = element.attributes.get(CHANGE, ChangePolicy.MODIFY.value)
        try:
            return ChangePolicy(text)
        except ValueError:
            choices = ", ".join(policy.value for policy in ChangePolicy)
            raise self._error(f"change={text!r} is none of {choices}", element.name, CHANGE, element) from None

    def _extras(self, element: _Element) -> Any:
        known = _KNOWN.get(element.name, set())
        extras = {
            name: value for name, value in element.attributes.items() if name not in known and name != CHANGE
        }
        for name in extras:
            if not name.startswith("{"):
                message = f"the attribute {name!r} of {element.name} is unknown and kept as an extra"
                self._warn(message, element.name, name, element)
        return MappingProxyType(extras)

    def _needed(self, element: _Element, attribute: str) -> str:
        value = element.attributes.get(attribute)
        if value is None:
            raise self._error(f"{element.name} has no {attribute}", element.name, attribute, element)
        return value

    def _place(self) -> tuple[int, int]:
        return self._parser.CurrentLineNumber, self._parser.CurrentColumnNumber + 1

    def _warn(
        self, message: str, element: str, attribute: str | None = None, at: _Element | None = None
    ) -> None:
        line = at.line if at is not None else self._place()[0]
        self._warnings.append(ReadingWarning(message, self._source, line, element, attribute))

    def _error(
        self, message: str, element: str | None = None, attribute: str | None = None, at: _Element | None = None
    ) -> MetatypeError:
        line, column = (at.line, at.column) if at is not None else self._place()
        return MetatypeError(
            message, source=self._source, line=line, column=column, element=element, attribute=attribute
        )


def _clark(name: str) -> str:
    namespace, _, local = name.rpartition(" ")
    return f"{{{namespace}}}{local}" if namespace else local
