"""What a configuration may be: descriptors in XML and JSON, values, validation (Compendium R8 105)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from metatype.errors import MetatypeError, Problem, ReadingWarning
from metatype.model import Attribute, ChangePolicy, Designate, Icon, MetaData, ObjectClass, Option, is_common
from metatype.secret import Secret
from metatype.values import AttributeType

if TYPE_CHECKING:
    from os import PathLike
    from typing import Any

__all__ = [
    "Attribute",
    "AttributeType",
    "ChangePolicy",
    "Designate",
    "Icon",
    "MetaData",
    "MetatypeError",
    "ObjectClass",
    "Option",
    "Problem",
    "ReadingWarning",
    "Secret",
    "dumps",
    "is_common",
    "json_schema",
    "load",
    "loads",
]


def load(path: str | PathLike[str]) -> MetaData:
    """Read a descriptor file, XML or JSON by its content.

    Raises:
        MetatypeError: It is no descriptor; the error says where and why.
        OSError: The file cannot be read.
    """
    return loads(Path(path).read_bytes(), source=str(path))


def loads(data: bytes | str, *, source: str = "<descriptor>") -> MetaData:
    """Read a descriptor from text or bytes, XML or JSON by its content.

    Args:
        data: The descriptor.
        source: What errors and warnings call it.

    Raises:
        MetatypeError: It is no descriptor; the error says where and why.
    """
    raw = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else bytes(data)
    start = raw.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    if start in (b"{", b"["):
        from metatype.json_notation import read_json  # noqa: PLC0415  # either notation costs only its users

        return read_json(raw, source)
    from metatype.xml_reader import read_xml  # noqa: PLC0415  # either notation costs only its users

    return read_xml(raw, source)


def dumps(metadata: MetaData, format: Literal["xml", "json"] = "xml") -> str:
    """Write a descriptor as XML (version 1.4) or JSON; either reads to an equal model."""
    if format == "json":
        from metatype.json_notation import write_json  # noqa: PLC0415  # either notation costs only its users

        return write_json(metadata)
    from metatype.xml_writer import write_xml  # noqa: PLC0415  # either notation costs only its users

    return write_xml(metadata)


def json_schema(object_class: ObjectClass) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of an object class's configurations."""
    from metatype import schema  # noqa: PLC0415  # few callers need it

    return schema.json_schema(object_class)
