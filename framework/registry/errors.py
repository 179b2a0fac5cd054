"""Errors of the service registry."""

from __future__ import annotations

from framework.errors import FrameworkError


class RegistryError(FrameworkError):
    """Base of the registry's errors."""


class PropertyKeysError(RegistryError, ValueError):
    """Two property keys differ only in case, or one is no text (Core R8 5.2.3).

    Attributes:
        key: The key at fault.
    """

    def __init__(self, key: object, reason: str) -> None:
        super().__init__(f"the property key {key!r} {reason}")
        self.key = key


class UnregisteredServiceError(RegistryError):
    """The registration was used after its service had been unregistered.

    Attributes:
        service_id: The service's id.
    """

    def __init__(self, service_id: int) -> None:
        super().__init__(f"service {service_id} has been unregistered; its registration cannot be changed any more")
        self.service_id = service_id
