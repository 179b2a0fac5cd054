"""Descriptors read and written in either notation, by content; and a class's configurations as JSON Schema."""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from metatype.errors import MetatypeError

if TYPE_CHECKING:
    from os import PathLike
    from typing import Any

    from metatype.model import MetaData, ObjectClass


def load(path: str | PathLike[str], *, kura_style: bool = False) -> MetaData:
    """Read a descriptor file, XML or JSON by its content.

    Args:
        path: The file.
        kura_style: Whether cardinality 1 and -1 mean a scalar, as Kura takes them; to OSGi they are lists of
            at most one.

    Raises:
        MetatypeError: It is no descriptor; the error says where and why.
        OSError: The file cannot be read.
    """
    return loads(Path(path).read_bytes(), source=str(path), kura_style=kura_style)


def loads(data: bytes | str, *, source: str = "<descriptor>", kura_style: bool = False) -> MetaData:
    """Read a descriptor from text or bytes, XML or JSON by its content.

    Args:
        data: The descriptor.
        source: What errors and warnings call it.
        kura_style: As for `load`.

    Raises:
        MetatypeError: It is no descriptor; the error says where and why.
    """
    raw = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else bytes(data)
    start = raw.removeprefix(codecs.BOM_UTF8).lstrip()[:1]
    if start in (b"{", b"["):
        from metatype.json_notation import read_json  # noqa: PLC0415  # either notation costs only its users

        return read_json(raw, source, kura_style=kura_style)
    if start != b"<" and not raw.startswith((codecs.BOM_UTF16_BE, codecs.BOM_UTF16_LE)):
        message = "is neither XML, which begins with <, nor JSON, which begins with {"
        raise MetatypeError(message, source=source, line=1, column=1)
    from metatype.xml_reader import read_xml  # noqa: PLC0415  # either notation costs only its users

    # A text has been decoded, whatever encoding it once declared.
    encoding = "utf-8" if isinstance(data, str) else None
    return read_xml(raw, source, encoding=encoding, kura_style=kura_style)


def dumps(
    metadata: MetaData,
    format: Literal["xml", "json"] = "xml",  # what callers expect it to be called
) -> str:
    """Write a descriptor as XML (version 1.4) or JSON; either reads to an equal model.

    Raises:
        MetatypeError: XML cannot express it: a control character, an extra whose name is no XML name.
    """
    if format == "json":
        from metatype.json_notation import write_json  # noqa: PLC0415  # either notation costs only its users

        return write_json(metadata)
    from metatype.xml_writer import write_xml  # noqa: PLC0415  # either notation costs only its users

    return write_xml(metadata)


def json_schema(object_class: ObjectClass) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of an object class's configurations.

    What it accepts `ObjectClass.validate` accepts, and the other way round for values of JSON's own types
    (`validate` also takes texts for numbers and booleans, and null for what is absent). Annotations of ours:
    `x-gatewright-change` says what a change of a property means, `x-gatewright-text-area` that a text has
    many lines. Passwords are `writeOnly` and show no default.
    """
    from metatype import schema  # noqa: PLC0415  # few callers need it

    return schema.json_schema(object_class)
