"""Reads descriptors in OSGi's XML notation (Compendium R8 105.8): expat with own handlers and hard limits."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final
from xml.parsers import expat

from metatype.change_policy import ChangePolicy
from metatype.errors import MetatypeError, ReadingWarning
from metatype.foreign import ElementText, is_foreign
from metatype.limits import DEEPEST, LARGEST, LONGEST_NAMESPACE, MOST_ATTRIBUTES, MOST_ELEMENTS
from metatype.model import Attribute, Designate, Icon, MetaData, ObjectClass, Option
from metatype.names import CHANGE, EXTENSION_NAMESPACE, FORMAT, KEPT, MODELLED, NAMESPACES, PARENTS
from metatype.reading import attribute_warnings, cardinality_read, type_named
from metatype.text_format import TextFormat
from metatype.values import AttributeType, NotOfTypeError, scalar

_ENCODINGS: Final = ("utf-8", "utf-16", "us-ascii", "iso-8859-1", "windows-1252")
_CHUNK: Final = 64 * 1024


@dataclass(slots=True)
class _Element:
    """An element that is open, and what was found in it so far."""

    name: str
    given: dict[str, str]
    line: int
    column: int
    attributes: dict[str, Attribute] = field(default_factory=dict)
    icons: list[Icon] = field(default_factory=list)
    options: list[Option] = field(default_factory=list)
    object_classes: dict[str, ObjectClass] = field(default_factory=dict)
    designates: list[tuple[Designate, _Element]] = field(default_factory=list)
    ocdrefs: list[str] = field(default_factory=list)
    extra_elements: list[str] = field(default_factory=list)


def read_xml(data: bytes, source: str, *, encoding: str | None = None, kura_style: bool = False) -> MetaData:
    """The descriptor in `data`; MetatypeError with source, line and column if it is none.

    Args:
        data: The document.
        source: What errors and warnings call it.
        encoding: The encoding if it is known, whatever the document says.
        kura_style: Whether cardinality 1 and -1 mean a scalar.
    """
    if len(data) > LARGEST:
        raise MetatypeError(f"is larger than {LARGEST} bytes", source=source)
    return _Reader(source, encoding, kura_style=kura_style).read(data)


class _Reader:
    def __init__(self, source: str, encoding: str | None, *, kura_style: bool) -> None:
        self._source = source
        self._kura_style = kura_style
        self._open: list[_Element] = []
        self._skipped = 0
        self._foreign: ElementText | None = None
        self._foreign_size = 0
        self._names: dict[str, str] = {}
        self._elements = 0
        self._warnings: list[ReadingWarning] = []
        self._read: MetaData | None = None
        self._parser = expat.ParserCreate(encoding, namespace_separator=" ")
        self._parser.buffer_text = True
        self._parser.XmlDeclHandler = self._declaration
        self._parser.StartDoctypeDeclHandler = self._doctype
        self._parser.StartNamespaceDeclHandler = self._namespace
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end

    def read(self, data: bytes) -> MetaData:
        try:
            # In pieces: after a refusal nothing more of the document is looked at.
            for start in range(0, len(data), _CHUNK):
                self._parser.Parse(data[start : start + _CHUNK], False)
            self._parser.Parse(b"", True)
        except expat.ExpatError as error:
            raise MetatypeError(
                f"is no well-formed XML: {expat.ErrorString(error.code)}",
                source=self._source,
                line=error.lineno,
                column=error.offset + 1,
                warnings=tuple(self._warnings),
            ) from None
        if self._read is None:  # a root that is closed has been read, and expat refuses any other document
            raise MetatypeError("has no MetaData element", source=self._source)
        return self._read

    def _declaration(self, _version: str, encoding: str | None, _standalone: int) -> None:
        # Any other name would be looked up among Python's codecs, which are not all made for this.
        if encoding is not None and encoding.lower() not in _ENCODINGS:
            raise self._error(f"is in the encoding {encoding!r}; known are {', '.join(_ENCODINGS)}")

    def _doctype(self, *_: object) -> None:
        raise self._error("has a DOCTYPE, which is refused; remove it, descriptors need none")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._elements += 1
        if self._elements > MOST_ELEMENTS:
            raise self._error(f"has more than {MOST_ELEMENTS} elements")
        if len(self._open) + self._skipped >= DEEPEST:
            raise self._error(f"nests deeper than {DEEPEST} elements")
        if len(attributes) > MOST_ATTRIBUTES:
            raise self._error(f"has an element with more than {MOST_ATTRIBUTES} attributes")
        namespace, _, local = name.rpartition(" ")
        if not self._open:
            self._check_root(namespace, local)
        elif self._skipped or not self._has_place(namespace, local):
            self._skip(name, namespace, local, attributes)
            return
        given = {self._clark(key): value for key, value in attributes.items()}
        self._open.append(_Element(local, given, *self._place()))

    def _check_root(self, namespace: str, local: str) -> None:
        if local != "MetaData":
            raise self._error(f"begins with {local}; a descriptor begins with MetaData", local)
        if namespace and namespace not in NAMESPACES:
            raise self._error(f"is of the namespace {namespace}; known are {', '.join(NAMESPACES)}", local)

    def _namespace(self, _prefix: str | None, uri: str | None) -> None:
        if uri is not None and len(uri) > LONGEST_NAMESPACE:
            raise self._error(f"has a namespace of more than {LONGEST_NAMESPACE} characters")

    def _skip(self, name: str, namespace: str, local: str, attributes: dict[str, str]) -> None:
        """Go into an element that the model has no field for; one that is not OSGi's is kept as it is."""
        if not self._skipped and is_foreign(namespace, local) and self._open[-1].name != "Object":
            self._foreign = ElementText()
            self._parser.CharacterDataHandler = self._foreign.text
        if self._foreign is not None:
            self._foreign.start(name, attributes)
        self._skipped += 1

    def _end_skipped(self) -> None:
        self._skipped -= 1
        text = None if self._foreign is None else self._foreign.end()
        if text is None:
            return
        self._parser.CharacterDataHandler = None
        self._foreign = None
        self._foreign_size += len(text)
        if self._foreign_size > LARGEST:
            raise self._error(f"has foreign elements of more than {LARGEST} characters")
        self._open[-1].extra_elements.append(text)

    def _has_place(self, namespace: str, local: str) -> bool:
        parent = self._open[-1].name
        if is_foreign(namespace, local) and parent != "Object":
            if not namespace or namespace in NAMESPACES:
                self._warn(f"the element {local} in {parent} is unknown and means nothing", local)
            return False
        if PARENTS.get(local) != self._open[-1].name:
            self._warn(f"the element {local} has no place in {self._open[-1].name} and is left out", local)
            return False
        return True

    def _end(self, _name: str) -> None:
        if self._skipped:
            self._end_skipped()
            return
        element = self._open.pop()
        if not self._open:
            self._read = self._metadata(element)
            return
        parent = self._open[-1]
        match element.name:
            case "OCD":
                self._close_object_class(element, parent)
            case "AD":
                self._close_attribute(element, parent)
            case "Icon":
                self._close_icon(element, parent)
            case "Option":
                value = self._needed(element, "value")
                label = element.given.get("label", value)
                parent.options.append(Option(value, label, self._extras(element), tuple(element.extra_elements)))
            case "Designate":
                self._close_designate(element, parent)
            case "Object":
                parent.ocdrefs.append(element.given.get("ocdref", ""))

    def _metadata(self, element: _Element) -> MetaData:
        extras = self._extras(element)
        designates = []
        for designate, at in element.designates:
            if designate.ocdref in element.object_classes:
                designates.append(designate)
            else:
                message = f"a Designate refers to {designate.ocdref!r}, which is no OCD here, and is left out"
                self._warn(message, "Object", "ocdref", at)
        return MetaData(
            localization=element.given.get("localization"),
            object_classes=element.object_classes,
            designates=tuple(designates),
            extras=extras,
            extra_elements=tuple(element.extra_elements),
            warnings=tuple(self._warnings),
        )

    def _close_object_class(self, element: _Element, parent: _Element) -> None:
        identifier = self._needed(element, "id")
        if identifier in parent.object_classes:
            self._warn(f"there is another OCD {identifier!r}; the first is kept", "OCD", "id", element)
            return
        parent.object_classes[identifier] = ObjectClass(
            id=identifier,
            name=element.given.get("name", identifier),
            description=element.given.get("description"),
            icons=tuple(element.icons),
            attributes=element.attributes,
            extras=self._extras(element),
            extra_elements=tuple(element.extra_elements),
        )

    def _close_attribute(self, element: _Element, parent: _Element) -> None:
        given = element.given
        identifier = self._needed(element, "id")
        kind = type_named(self._needed(element, "type"))
        if kind is None:
            known = ", ".join(known.value for known in AttributeType)
            message = f"AD {identifier!r} is of the unknown type {given['type']!r}; known are {known}"
            raise self._error(message, "AD", "type", element)
        if identifier in parent.attributes:
            self._warn(f"there is another AD {identifier!r}; the first is kept", "AD", "id", element)
            return
        attribute = Attribute(
            id=identifier,
            type=kind,
            cardinality=cardinality_read(self._cardinality(element), kura_style=self._kura_style),
            required=self._required(element),
            name=given.get("name"),
            description=given.get("description"),
            default=given.get("default"),
            min=given.get("min"),
            max=given.get("max"),
            options=tuple(element.options),
            change=self._change(element),
            format=self._format(element),
            extras=self._extras(element),
            extra_elements=tuple(element.extra_elements),
        )
        for field_name, message in attribute_warnings(attribute):
            self._warn(message, "AD", field_name, element)
        parent.attributes[identifier] = attribute

    def _close_icon(self, element: _Element, parent: _Element) -> None:
        resource = self._needed(element, "resource")
        text = element.given.get("size")
        size = None
        if text is not None:
            try:
                size = scalar(AttributeType.INTEGER, text)
            except NotOfTypeError as error:
                self._warn(f"the size {text!r} is left out; it {error}", "Icon", "size", element)
        parent.icons.append(Icon(resource, size, self._extras(element), tuple(element.extra_elements)))

    def _close_designate(self, element: _Element, parent: _Element) -> None:
        if len(element.ocdrefs) > 1:
            raise self._error("a Designate has two Objects; one is what it may have", "Designate", None, element)
        factory_pid = element.given.get("factoryPid") or None
        pid = None if factory_pid else element.given.get("pid") or None
        if not element.ocdrefs or not (pid or factory_pid):
            missing = "Object" if pid or factory_pid else "pid or factoryPid"
            self._warn(f"a Designate without {missing} is left out", "Designate", None, element)
            return
        extra_elements = tuple(element.extra_elements)
        designate = Designate(element.ocdrefs[0], pid, factory_pid, self._extras(element), extra_elements)
        parent.designates.append((designate, element))

    def _cardinality(self, element: _Element) -> int:
        text = element.given.get("cardinality", "0")
        try:
            number: int = scalar(AttributeType.INTEGER, text)
        except NotOfTypeError as error:
            message = f"the cardinality {text!r} is taken for 0; it {error}"
            self._warn(message, "AD", "cardinality", element)
            return 0
        return number

    def _required(self, element: _Element) -> bool:
        text = element.given.get("required", "true")
        word = text.strip().lower()
        if word not in ("true", "false", "1", "0"):
            self._warn(f"required={text!r} is taken for false", "AD", "required", element)
        return word in ("true", "1")

    def _change(self, element: _Element) -> ChangePolicy:
        text = element.given.get(CHANGE, ChangePolicy.MODIFY.value)
        try:
            return ChangePolicy(text)
        except ValueError:
            message = f"change={text!r} is none of {', '.join(ChangePolicy)}"
            raise self._error(message, "AD", CHANGE, element) from None

    def _format(self, element: _Element) -> TextFormat | None:
        text = element.given.get(FORMAT)
        try:
            return None if text is None else TextFormat(text)
        except ValueError:
            message = f"format={text!r} is none of {', '.join(TextFormat)}"
            raise self._error(message, "AD", FORMAT, element) from None

    def _extras(self, element: _Element) -> dict[str, str]:
        known = MODELLED[element.name]
        extras = {name: value for name, value in element.given.items() if name not in known}
        for name in extras.keys() - KEPT.get(element.name, frozenset()):
            if not name.startswith("{") or name.startswith(f"{{{EXTENSION_NAMESPACE}}}"):
                message = f"the attribute {name} of {element.name} is unknown and means nothing"
                self._warn(message, element.name, name, element)
        return extras

    def _needed(self, element: _Element, name: str) -> str:
        value = element.given.get(name)
        if value is None:
            raise self._error(f"{element.name} has no {name}", element.name, name, element)
        return value

    def _place(self) -> tuple[int, int]:
        return self._parser.CurrentLineNumber, self._parser.CurrentColumnNumber + 1

    def _warn(self, message: str, element: str, attribute: str | None = None, at: _Element | None = None) -> None:
        line, column = self._place() if at is None else (at.line, at.column)
        self._warnings.append(ReadingWarning(message, self._source, line, element, attribute, column))

    def _error(
        self,
        message: str,
        element: str | None = None,
        attribute: str | None = None,
        at: _Element | None = None,
    ) -> MetatypeError:
        line, column = self._place() if at is None else (at.line, at.column)
        return MetatypeError(
            message,
            source=self._source,
            line=line,
            column=column,
            element=element,
            attribute=attribute,
            warnings=tuple(self._warnings),
        )

    def _clark(self, name: str) -> str:
        """A name as extras have it; one object for all its occurrences, since documents repeat long ones."""
        namespace, _, local = name.rpartition(" ")
        return self._names.setdefault(name, f"{{{namespace}}}{local}" if namespace else local)
