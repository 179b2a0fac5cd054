"""Which properties are secrets, by the descriptors of the plugins that are installed: known without a gateway."""

from __future__ import annotations

from typing import TYPE_CHECKING

import metatype
from metatype import MetatypeError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from metatype import MetaData, ObjectClass


class InstalledDescriptors:
    """The descriptors of all plugins that are installed, read when they are first asked for."""

    def __init__(self) -> None:
        self._found: tuple[MetaData, ...] | None = None

    def passwords_of(self, pid: str) -> frozenset[str]:
        """The properties of a pid, be it an instance's, that are secrets; none if no descriptor is known."""
        if self._found is None:
            self._found = tuple(_descriptors())
        names = (pid, pid.partition("~")[0])
        classes = (one.object_class_for(name) for one in self._found for name in names)
        return frozenset().union(*map(passwords_in, classes))


def passwords_in(object_class: ObjectClass | None) -> frozenset[str]:
    """The properties of an object class that are secrets."""
    attributes = () if object_class is None else object_class.attributes.values()
    return frozenset(one.id for one in attributes if one.is_password)


def _descriptors() -> Iterator[MetaData]:
    from framework.declarative_services import description_of  # noqa: PLC0415  # only needed without a gateway
    from framework.plugins import PluginHost  # noqa: PLC0415

    host = PluginHost()
    host.load_entry_points()
    for plugin in host.plugins:
        for description in map(description_of, plugin.components):
            if description.descriptor is not None:
                try:
                    yield metatype.load(description.descriptor)
                except (MetatypeError, OSError):
                    continue  # `plugin check` tells of it
