"""One life of a component: the instance, its bindings and its service. All of it runs on the component's mailbox."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from framework.declarative_services.errors import ActivationError
from metatype import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from framework.declarative_services.context import ComponentContext, ConfigurationChange
    from framework.declarative_services.description import (
        ComponentDescription,
        DeactivationReason,
        ReferenceDescription,
    )
    from framework.declarative_services.lifecycle import Bindings
    from framework.registry import ServiceReference, ServiceRegistration, ServiceRegistry

_log = logging.getLogger("framework.component")


class ComponentInstance:
    """The object that a component class was made into, from `activate` to `deactivate`."""

    def __init__(
        self,
        description: ComponentDescription,
        registry: ServiceRegistry,
        context: ComponentContext,
        bindings: Bindings,
    ) -> None:
        """Make the object, bind it, call `activate` and register its service.

        Raises:
            Exception: Whatever the component raised, or ActivationError if a service has gone meanwhile; all is
                unbound again then and no service is left behind.
        """
        self._description = description
        self._registry = registry
        self._context = context
        self._registration: ServiceRegistration | None = None
        self._component = description.implementation()
        try:
            for reference in description.references:
                self._bind(reference, bindings)
            self._call("activate", context)
            self._register(context.properties)
        except BaseException:
            self._unbind_all()
            raise

    @property
    def service(self) -> ServiceReference | None:
        """The service that it is registered as, or None if it provides none."""
        return None if self._registration is None else self._registration.reference

    def modify(self, change: ConfigurationChange) -> str | None:
        """Hand a change of configuration over; what the component raised, in words."""
        error = self._guarded("modified", lambda: self._component.modified(change))
        self._context.properties = change.properties
        if self._registration is not None:
            self._registration.set_properties(service_properties(change.properties))
        return error

    def rebind(self, bindings: Bindings) -> None:
        """Replace what dynamic references read as."""
        for reference in self._description.references:
            if reference.name in bindings:
                self._bind(reference, bindings)

    def withdraw(self) -> None:
        """Let nobody find the service any more; those who hold it are told by the registry's event."""
        if self._registration is not None:
            self._registration.withdraw()

    def deactivate(self, reason: DeactivationReason) -> None:
        """Call `deactivate`, then unbind in reverse order."""
        if callable(getattr(self._component, "deactivate", None)):
            self._guarded("deactivate", lambda: self._component.deactivate(reason))
        self._unbind_all()

    def _call(self, callback: str, argument: object) -> None:
        method = getattr(self._component, callback, None)
        if method is not None:
            method(argument)

    def _guarded(self, callback: str, call: Callable[[], object]) -> str | None:
        try:
            call()
        except Exception as error:  # noqa: BLE001  # a component may raise anything
            _log.exception("%s: %s failed; the gateway goes on", self._context.pid, callback)
            return in_words(error)
        return None

    def _bind(self, reference: ReferenceDescription, bindings: Bindings) -> None:
        services = []
        for found in bindings.get(reference.name, ()):
            service = self._registry.get(found)
            if service is not None:
                services.append(service)
        if len(services) < reference.cardinality.minimum:
            raise ActivationError(self._context.pid, f"what {reference.name} was to be bound to has just gone")
        unary = services[0] if services else None
        setattr(self._component, reference.attribute, tuple(services) if reference.cardinality.multiple else unary)

    def _unbind_all(self) -> None:
        self._context.close()
        if self._registration is not None:
            self._registration.unregister()
            self._registration = None
        for reference in reversed(self._description.references):
            delattr(self._component, reference.attribute)

    def _register(self, properties: Mapping[str, Any]) -> None:
        provides = self._description.provides
        if provides:
            self._registration = self._registry.register(provides, self._component, service_properties(properties))


def service_properties(properties: Mapping[str, Any]) -> dict[str, Any]:
    """The properties that others may see: without private ones (leading dot) and without secrets."""
    return {
        name: value
        for name, value in properties.items()
        if not name.startswith(".") and value is not None and not _has_secret(value)
    }


def in_words(error: BaseException) -> str:
    """An error as one line for people."""
    text = str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _has_secret(value: object) -> bool:
    if isinstance(value, list | tuple):
        return any(_has_secret(element) for element in value)
    return isinstance(value, Secret)
