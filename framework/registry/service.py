"""A service as its users see it (a reference) and as its owner does (a registration)."""

from __future__ import annotations

import enum
from functools import total_ordering
from typing import TYPE_CHECKING, Any

from framework.record import Record
from framework.registry.properties import OBJECT_CLASS, SERVICE_RANKING, ServiceProperties

if TYPE_CHECKING:
    from collections.abc import Mapping

    from framework.registry.registry import ServiceRegistry
    from framework.registry.uses import ServiceUses


def interface_name(interface: type | str) -> str:
    """The name that a service is registered under: the class's module and qualified name, or the text itself."""
    return interface if isinstance(interface, str) else f"{interface.__module__}.{interface.__qualname__}"


@total_ordering
class ServiceReference:
    """A handle on a registered service; equal to and hashed as itself, ordered best first.

    The better of two has the higher `service.ranking`, or the lower id. (Core R8 5.2.5 orders the other way
    round; here `sorted` gives the best first.)

    Attributes:
        id: The service's number, never used again.
        bundle: The plugin that registered it, or "".
        order: What to sort by: best first.
        properties: The properties as they are now; as they last were, once the service has gone.
        state: What the registry keeps with it; nobody else's business.
    """

    __slots__ = ("bundle", "id", "order", "properties", "state")

    def __init__(self, service_id: int, bundle: str, properties: ServiceProperties, state: ServiceState) -> None:
        self.id = service_id
        self.bundle = bundle
        self.state = state
        self.set_properties(properties)

    @property
    def ranking(self) -> int:
        """Its `service.ranking`, 0 if that is no integer."""
        return -self.order[0]

    @property
    def interfaces(self) -> tuple[str, ...]:
        """The names that the service is registered under."""
        return tuple(self.properties[OBJECT_CLASS])

    @property
    def using_bundles(self) -> tuple[str, ...]:
        """Who has got the service and not given it back, in alphabetical order (Core R8 5.2.4)."""
        uses = self.state.uses
        return () if uses is None else uses.bundles()

    def set_properties(self, properties: ServiceProperties) -> None:
        """Replace the properties; only the registry does that."""
        ranking = properties.folded.get(SERVICE_RANKING)
        self.properties = properties
        self.order = (-ranking if type(ranking) is int else 0, self.id)

    def __lt__(self, other: object) -> bool:
        return self.order < other.order if isinstance(other, ServiceReference) else NotImplemented

    def __repr__(self) -> str:
        return f"<ServiceReference {self.id} {', '.join(self.interfaces)}>"


class ServiceState:
    """What the registry keeps with a service, changed under its lock only.

    Attributes:
        uses: Gives the object; None once the service has gone.
        news: What listeners are still to be told of it, in order.
        telling: Whether somebody is telling them.
        going: Whether it is to go when they have been told.
    """

    __slots__ = ("going", "news", "telling", "uses")

    def __init__(self, uses: ServiceUses) -> None:
        self.uses: ServiceUses | None = uses
        self.news: tuple[tuple[ServiceEventKind, ServiceProperties | None, ServiceProperties], ...] = ()
        self.telling = False
        self.going = False


class ServiceEventKind(enum.Enum):
    """What has happened to a service (Core R8 5.4)."""

    REGISTERED = "registered"
    MODIFIED = "modified"
    MODIFIED_ENDMATCH = "modified, matches no more"
    UNREGISTERING = "unregistering"


class ServiceEvent(Record):
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
