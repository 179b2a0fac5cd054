"""What a configuration may be: descriptors in XML and JSON, values, validation (Compendium R8 105)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metatype.facade import facade

if TYPE_CHECKING:
    from metatype.change_policy import ChangePolicy
    from metatype.errors import MetatypeError, Problem, ReadingWarning
    from metatype.localization import load_translations, localize, localized_keys, parse_properties, read_translations
    from metatype.model import Attribute, Designate, Icon, MetaData, ObjectClass, Option, is_common
    from metatype.notations import dumps, json_schema, load, loads
    from metatype.secret import Secret
    from metatype.text_format import TextFormat
    from metatype.values import AttributeType

_HOMES = {
    "metatype.change_policy": ("ChangePolicy",),
    "metatype.text_format": ("TextFormat",),
    "metatype.errors": ("MetatypeError", "Problem", "ReadingWarning"),
    "metatype.localization": (
        "load_translations",
        "localize",
        "localized_keys",
        "parse_properties",
        "read_translations",
    ),
    "metatype.model": ("Attribute", "Designate", "Icon", "MetaData", "ObjectClass", "Option", "is_common"),
    "metatype.notations": ("dumps", "json_schema", "load", "loads"),
    "metatype.secret": ("Secret",),
    "metatype.values": ("AttributeType",),
}

__getattr__, __dir__ = facade(__name__, _HOMES)

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
    "TextFormat",
    "dumps",
    "is_common",
    "json_schema",
    "load",
    "load_translations",
    "loads",
    "localize",
    "localized_keys",
    "parse_properties",
    "read_translations",
]
