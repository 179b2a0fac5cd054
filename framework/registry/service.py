"""A service as its users see it (a reference) and as its owner does (a registration)."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from functools import total_ordering
from typing import TYPE_CHECKING, Any

from framework.registry.properties import OBJECT_CLASS, SERVICE_RANKING, ServiceProperties

if TYPE_CHECKING:
    from collections.abc import Mapping

    from framework.registry.registry import ServiceRegistry


def interface_name(interface: type | str) -> str:
    """The name that a service is registered under: the class's module and qualified name, or the text itself."""
    return interface if isinstance(interface, str) else f"{interface.__module__}.{interface.__qualname__}"


@total_ordering
class ServiceReference:
    """A handle on a registered service; equal to and hashed as itself, ordered best first.

    The better of two has the higher `service.ranking`, or the lower id. (Core R8 5.2.5 orders the other way
    round; here `sorted` gives the best first.)
    """

    __slots__ = ("_properties", "_service", "id", "ranking")

    def __init__(self, service_id: int, service: object, properties: ServiceProperties) -> None:
        self.id = service_id
        self._service: object | None = service
        self.set_properties(properties)

    @property
    def properties(self) -> ServiceProperties:
        """The properties as they are now; as they last were, once the service has gone."""
        return self._properties

    @property
    def interfaces(self) -> tuple[str, ...]:
        """The names that the service is registered under."""
        return tuple(self._properties[OBJECT_CLASS])

    @property
    def order(self) -> tuple[int, int]:
        """What to sort by: best first."""
        return (-self.ranking, self.id)

    @property
    def service(self) -> object | None:
        """The service object, or None when it has gone; users ask the registry instead."""
        return self._service

    def set_properties(self, properties: ServiceProperties) -> None:
        """Replace the properties; only the registry does that."""
        self._properties = properties
        ranking = properties.folded.get(SERVICE_RANKING)
        self.ranking = ranking if type(ranking) is int else 0

    def drop(self) -> None:
        """Let the service object go; only the registry does that."""
        self._service = None

    def __lt__(self, other: object) -> bool:
        return self.order < other.order if isinstance(other, ServiceReference) else NotImplemented

    def __repr__(self) -> str:
        return f"<ServiceReference {self.id} {', '.join(self.interfaces)}>"


class ServiceEventKind(enum.Enum):
    """What has happened to a service (Core R8 5.4)."""

    REGISTERED = "registered"
    MODIFIED = "modified"
    MODIFIED_ENDMATCH = "modified, matches no more"
    UNREGISTERING = "unregistering"


@dataclass(frozen=True, slots=True)
class ServiceEvent:
    """Something that happened to a service.

    Attributes:
        kind: What.
        reference: To which service.
    """

    kind: ServiceEventKind
    reference: ServiceReference


class ServiceRegistration:
    """The owner's handle on a service; made by `ServiceRegistry.register`.

    Attributes:
        reference: The service's reference.
    """

    __slots__ = ("_registry", "reference")

    def __init__(self, registry: ServiceRegistry, reference: ServiceReference) -> None:
        self._registry = registry
        self.reference = reference

    def set_properties(self, properties: Mapping[str, Any]) -> None:
        """Replace the properties; listeners are told MODIFIED or MODIFIED_ENDMATCH, even if nothing differs.

        Raises:
            UnregisteredServiceError: The service has been unregistered.
            PropertyKeysError: Two keys differ only in case.
        """
        self._registry.replace_properties(self.reference, properties)

    def withdraw(self) -> None:
        """Begin to unregister: nobody finds the service any more, listeners are told UNREGISTERING.

        Those who hold it can still use it until `unregister`. Does nothing if it is withdrawn already.
        """
        self._registry.withdraw(self.reference)

    def unregister(self) -> None:
        """Withdraw the service, if that has not been done, and let it go; does nothing the second time."""
        self._registry.unregister(self.reference)
