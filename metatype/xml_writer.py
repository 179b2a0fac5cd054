"""Writes descriptors in OSGi's XML notation, version 1.4."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.sax.saxutils import quoteattr

from metatype.model import ChangePolicy
from metatype.xml_reader import EXTENSION_NAMESPACE, NAMESPACES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from metatype.model import Attribute, Designate, MetaData, ObjectClass


def write_xml(metadata: MetaData) -> str:
    """The descriptor as XML that reads to an equal model."""
    return "\n".join(_Writer(metadata).lines()) + "\n"


class _Writer:
    def __init__(self, metadata: MetaData) -> None:
        self._metadata = metadata
        self._prefixes = {EXTENSION_NAMESPACE: "gw"}

    def lines(self) -> Iterator[str]:
        body = list(self._body())
        declared = {f"xmlns:{prefix}": namespace for namespace, prefix in self._prefixes.items()}
        root = {"xmlns:metatype": NAMESPACES[-1], **declared, "localization": self._metadata.localization}
        yield '<?xml version="1.0" encoding="UTF-8"?>'
        yield f"<metatype:MetaData{self._attributes(root, self._metadata.extras)}>"
        yield from body
        yield "</metatype:MetaData>"

    def _body(self) -> Iterator[str]:
        self._attributes({}, self._metadata.extras)
        for object_class in self._metadata.object_classes.values():
            yield from self._ocd(object_class)
        for designate in self._metadata.designates:
            yield from self._designate(designate)

    def _ocd(self, ocd: ObjectClass) -> Iterator[str]:
        given = {"id": ocd.id, "name": ocd.name, "description": ocd.description}
        yield f"    <OCD{self._attributes(given, ocd.extras)}>"
        for icon in ocd.icons:
            size = None if icon.size is None else str(icon.size)
            yield f"        <Icon{self._attributes({'resource': icon.resource, 'size': size})}/>"
        for attribute in ocd.attributes.values():
            yield from self._ad(attribute)
        yield "    </OCD>"

    def _ad(self, ad: Attribute) -> Iterator[str]:
        given = {
            "id": ad.id,
            "type": ad.type.value,
            "cardinality": str(ad.cardinality),
            "required": "true" if ad.required else "false",
            "name": ad.name,
            "description": ad.description,
            "default": ad.default,
            "min": ad.min,
            "max": ad.max,
            "gw:change": None if ad.change is ChangePolicy.MODIFY else ad.change.value,
        }
        opening = f"        <AD{self._attributes(given, ad.extras)}"
        if not ad.options:
            yield f"{opening}/>"
            return
        yield f"{opening}>"
        for option in ad.options:
            yield f"            <Option{self._attributes({'label': option.label, 'value': option.value})}/>"
        yield "        </AD>"

    def _designate(self, designate: Designate) -> Iterator[str]:
        given = {"pid": designate.pid, "factoryPid": designate.factory_pid}
        yield f"    <Designate{self._attributes(given, designate.extras)}>"
        yield f"        <Object{self._attributes({'ocdref': designate.ocdref})}/>"
        yield "    </Designate>"

    def _attributes(self, given: Mapping[str, str | None], extras: Mapping[str, str] | None = None) -> str:
        written = {name: value for name, value in given.items() if value is not None}
        for name, value in (extras or {}).items():
            written[self._qualified(name)] = value
        return "".join(f" {name}={_quoted(value)}" for name, value in written.items())

    def _qualified(self, name: str) -> str:
        if not name.startswith("{"):
            return name
        namespace, _, local = name[1:].partition("}")
        prefix = self._prefixes.setdefault(namespace, f"x{len(self._prefixes)}")
        return f"{prefix}:{local}"


def _quoted(value: str) -> str:
    return quoteattr(value, {"\n": "&#10;", "\r": "&#13;", "\t": "&#9;"})
