"""The names of the XML notation (Compendium R8 105.8), which the reader and the writer share."""

from __future__ import annotations

from typing import Final

NAMESPACES: Final = tuple(f"http://www.osgi.org/xmlns/metatype/v1.{minor}.0" for minor in range(5))
"""OSGi's, oldest first; a descriptor without any is read as one of the oldest."""

EXTENSION_NAMESPACE: Final = "http://gatewright.org/xmlns/metatype/v1"
"""Ours, for what the OSGi schema leaves to others."""

CHANGE: Final = f"{{{EXTENSION_NAMESPACE}}}change"
"""The attribute of AD that says what a change of the property means."""

FORMAT: Final = f"{{{EXTENSION_NAMESPACE}}}format"
"""The attribute of AD that says what form a text has."""

MODELLED: Final = {
    "MetaData": frozenset({"localization"}),
    "OCD": frozenset({"id", "name", "description"}),
    "AD": frozenset(
        {"id", "type", "cardinality", "required", "name", "description", "default", "min", "max", CHANGE, FORMAT}
    ),
    "Icon": frozenset({"resource", "size"}),
    "Option": frozenset({"value", "label"}),
    "Designate": frozenset({"pid", "factoryPid"}),
    "Object": frozenset({"ocdref"}),
}
"""The attributes of each element that the model has fields for; all others are extras."""

KEPT: Final = {"Designate": frozenset({"bundle", "optional", "merge"})}
"""Attributes of the OSGi schema that mean nothing here, and are kept as extras."""

PARENTS: Final = {
    "OCD": "MetaData",
    "Designate": "MetaData",
    "AD": "OCD",
    "Icon": "OCD",
    "Option": "AD",
    "Object": "Designate",
}
"""Where each element has its place."""

OSGI_ELEMENTS: Final = frozenset({"MetaData", "Attribute", "Value", *PARENTS})
"""All elements of the OSGi schema, those included that mean nothing here."""

XML_NAMESPACE: Final = "http://www.w3.org/XML/1998/namespace"
"""That of `xml:lang`, which needs no declaration."""
