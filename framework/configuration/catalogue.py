"""Which pids there are, and what their configurations may be."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from framework.record import Record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from metatype import ObjectClass

INSTANCE_SEPARATOR: Final = "~"
"""Between a factory pid and the name of an instance."""

STABLE_ID: Final = "kura.service.pid"
"""The user-visible id of a component; the pid, or an instance's name, unless the properties say otherwise."""


def factory_pid_of(pid: str) -> str | None:
    """The factory pid of `factoryPid~name`, or None for a singleton's pid."""
    factory_pid, separator, _ = pid.partition(INSTANCE_SEPARATOR)
    return factory_pid if separator else None


def instance_name_of(pid: str) -> str | None:
    """The name of `factoryPid~name`, or None for a singleton's pid."""
    _, separator, name = pid.partition(INSTANCE_SEPARATOR)
    return name if separator else None


def with_identities(pid: str, properties: Mapping[str, Any]) -> Mapping[str, Any]:
    """Properties with the identities that the admin sets, whatever is given for them (Compendium R8 104.4.2)."""
    factory_pid = factory_pid_of(pid)
    identities = {"service.pid": pid, **({} if factory_pid is None else {"service.factoryPid": factory_pid})}
    return MappingProxyType({STABLE_ID: instance_name_of(pid) or pid, **properties, **identities})


class ConfigurationType(Record):
    """What is known of a pid or factory pid.

    Attributes:
        pid: The pid, or factory pid.
        factory: Whether configurations are made as `pid~name`.
        object_class: What its properties may be; None takes whatever has a simple type.
    """

    pid: str
    factory: bool
    object_class: ObjectClass | None


class DescriptorCatalogue:
    """The known pids; filled by the gateway as plugins come."""

    def __init__(self) -> None:
        self._types: dict[str, ConfigurationType] = {}

    def __contains__(self, pid: str) -> bool:
        """Whether a pid, or factory pid, is known."""
        return pid in self._types

    def add(self, pid: str, *, factory: bool, object_class: ObjectClass | None) -> None:
        """Make a pid known."""
        self._types = {**self._types, pid: ConfigurationType(pid, factory, object_class)}

    def remove(self, pid: str) -> None:
        """Forget a pid; nothing happens if it is not known."""
        self._types = {known: kind for known, kind in self._types.items() if known != pid}

    def get(self, pid: str) -> ConfigurationType | None:
        """What is known of a singleton's or an instance's pid; None if nothing, or if its form does not fit."""
        kind = self._types.get(factory_pid_of(pid) or pid)
        if kind is None or kind.factory != bool(instance_name_of(pid)):
            return None
        return kind

    def singletons(self) -> tuple[str, ...]:
        """All pids that are no factory's."""
        return tuple(sorted(pid for pid, kind in self._types.items() if not kind.factory))

    def known(self) -> tuple[str, ...]:
        """All pids, those of factories as `pid~NAME`."""
        return tuple(
            sorted(f"{pid}{INSTANCE_SEPARATOR}NAME" if kind.factory else pid for pid, kind in self._types.items())
        )
