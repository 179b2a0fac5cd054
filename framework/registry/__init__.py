"""The service registry (Core R8 5); usable alone."""

from framework.registry.errors import PropertyKeysError, RegistryError, UnregisteredServiceError
from framework.registry.properties import ServiceProperties
from framework.registry.registry import ServiceRegistry, Subscription
from framework.registry.service import (
    ServiceEvent,
    ServiceEventKind,
    ServiceReference,
    ServiceRegistration,
    interface_name,
)

__all__ = [
    "PropertyKeysError",
    "RegistryError",
    "ServiceEvent",
    "ServiceEventKind",
    "ServiceProperties",
    "ServiceReference",
    "ServiceRegistration",
    "ServiceRegistry",
    "Subscription",
    "UnregisteredServiceError",
    "interface_name",
]
