"""The service registry (Core R8 5); usable alone."""

from framework.registry.errors import PropertyKeysError, RegistryError, UnregisteredServiceError
from framework.registry.listeners import Subscription
from framework.registry.properties import OBJECT_CLASS, ServiceProperties
from framework.registry.registry import ServiceRegistry
from framework.registry.service import (
    ServiceEvent,
    ServiceEventKind,
    ServiceReference,
    ServiceRegistration,
    interface_name,
)
from framework.registry.uses import ServiceFactory, ServiceObjects, ServiceScope

__all__ = [
    "OBJECT_CLASS",
    "PropertyKeysError",
    "RegistryError",
    "ServiceEvent",
    "ServiceEventKind",
    "ServiceFactory",
    "ServiceObjects",
    "ServiceProperties",
    "ServiceReference",
    "ServiceRegistration",
    "ServiceRegistry",
    "ServiceScope",
    "Subscription",
    "UnregisteredServiceError",
    "interface_name",
]
