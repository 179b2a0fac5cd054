"""Writes descriptors in OSGi's XML notation, version 1.4."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from xml.sax.saxutils import quoteattr

from metatype.change_policy import ChangePolicy
from metatype.errors import MetatypeError
from metatype.foreign import canonical
from metatype.names import CHANGE, EXTENSION_NAMESPACE, FORMAT, MODELLED, NAMESPACES, XML_NAMESPACE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from metatype.model import Attribute, Designate, MetaData, ObjectClass, Option

_LETTERS: Final = r"A-Z_a-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u00ff"
_NAME: Final = re.compile(rf"(?:\{{(?P<namespace>[^{{}}\s]+)\}})?(?P<local>[{_LETTERS}][-.0-9\u00b7{_LETTERS}]*)")
_UNWRITABLE: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_xml(metadata: MetaData) -> str:
    """The descriptor as XML that reads to an equal model; MetatypeError if XML cannot express it."""
    return "".join(f"{line}\n" for line in _Writer().lines(metadata))


class _Writer:
    def __init__(self) -> None:
        self._prefixes = {EXTENSION_NAMESPACE: "gw", XML_NAMESPACE: "xml"}

    def lines(self, metadata: MetaData) -> Iterator[str]:
        given = self._attributes("MetaData", {"localization": metadata.localization}, metadata.extras)
        body = [
            *(line for one in metadata.object_classes.values() for line in self._object_class(one)),
            *(line for one in metadata.designates for line in self._designate(one)),
            *_foreign(metadata.extra_elements, 1),
        ]
        # Declared last, when all that need a prefix have one.
        declared = "".join(
            f" xmlns:{prefix}={_quoted(namespace)}"
            for namespace, prefix in self._prefixes.items()
            if namespace != XML_NAMESPACE
        )
        yield '<?xml version="1.0" encoding="UTF-8"?>'
        yield f'<metatype:MetaData xmlns:metatype="{NAMESPACES[-1]}"{declared}{given}>'
        yield from body
        yield "</metatype:MetaData>"

    def _object_class(self, one: ObjectClass) -> Iterator[str]:
        given = {"id": one.id, "name": one.name, "description": one.description}
        yield f"    <OCD{self._attributes('OCD', given, one.extras)}>"
        for icon in one.icons:
            size = None if icon.size is None else str(icon.size)
            shown = {"resource": icon.resource, "size": size}
            opening = f"        <Icon{self._attributes('Icon', shown, icon.extras)}"
            yield from _element(opening, "        </Icon>", _foreign(icon.extra_elements, 3))
        for attribute in one.attributes.values():
            yield from self._attribute(attribute)
        yield from _foreign(one.extra_elements, 2)
        yield "    </OCD>"

    def _attribute(self, one: Attribute) -> Iterator[str]:
        given = {
            "id": one.id,
            "type": one.type.value,
            "cardinality": str(one.cardinality) if one.cardinality else None,
            "required": "true" if one.required else "false",
            "name": one.name,
            "description": one.description,
            "default": one.default,
            "min": one.min,
            "max": one.max,
            CHANGE: None if one.change is ChangePolicy.MODIFY else one.change.value,
            FORMAT: None if one.format is None else one.format.value,
        }
        opening = f"        <AD{self._attributes('AD', given, one.extras)}"
        options = [line for option in one.options for line in self._option(option)]
        yield from _element(opening, "        </AD>", [*options, *_foreign(one.extra_elements, 3)])

    def _option(self, one: Option) -> Iterator[str]:
        shown = {"value": one.value, "label": one.label}
        opening = f"            <Option{self._attributes('Option', shown, one.extras)}"
        yield from _element(opening, "            </Option>", _foreign(one.extra_elements, 4))

    def _designate(self, one: Designate) -> Iterator[str]:
        given = {"pid": one.pid, "factoryPid": one.factory_pid}
        yield f"    <Designate{self._attributes('Designate', given, one.extras)}>"
        yield f"        <Object ocdref={_quoted(one.ocdref)}/>"
        yield from _foreign(one.extra_elements, 2)
        yield "    </Designate>"

    def _attributes(self, element: str, given: Mapping[str, str | None], extras: Mapping[str, str]) -> str:
        for name in extras:
            if name in MODELLED[element]:
                raise MetatypeError(f"the extra {name!r} is no extra but an attribute of {element}", element=element)
        written = {name: value for name, value in given.items() if value is not None} | dict(extras)
        return "".join(f" {self._qualified(element, name)}={_quoted(value)}" for name, value in written.items())

    def _qualified(self, element: str, name: str) -> str:
        match = _NAME.fullmatch(name)
        if match is None or name == "xmlns" or match["namespace"] == "http://www.w3.org/2000/xmlns/":
            raise MetatypeError(f"the extra {name!r} of {element} has no name that XML allows", element=element)
        if match["namespace"] is None:
            return match["local"]
        prefix = self._prefixes.setdefault(match["namespace"], f"x{len(self._prefixes)}")
        return f"{prefix}:{match['local']}"


def _element(opening: str, closing: str, content: Iterable[str]) -> Iterator[str]:
    lines = list(content)
    if not lines:
        yield f"{opening}/>"
        return
    yield f"{opening}>"
    yield from lines
    yield closing


def _foreign(texts: Iterable[str], inside: int) -> Iterator[str]:
    for text in texts:
        yield "    " * inside + canonical(text, inside=inside)


def _quoted(value: str) -> str:
    unwritable = _UNWRITABLE.search(value)
    if unwritable is not None:
        raise MetatypeError(f"XML has no way to write the character {unwritable[0]!r}; JSON has")
    return quoteattr(value, {"\n": "&#10;", "\r": "&#13;", "\t": "&#9;"})
