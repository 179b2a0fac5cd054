"""One life of a component: the instance and its bindings. All of it runs on the component's mailbox."""

from __future__ import annotations

import functools
import logging
from typing import TYPE_CHECKING, Any

from framework.declarative_services.errors import ActivationError
from framework.foreign import in_words
from framework.log_events import CALLBACK_FAILED
from metatype import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from framework.declarative_services.context import ComponentContext, ConfigurationChange
    from framework.declarative_services.description import (
        ComponentDescription,
        DeactivationReason,
        ReferenceDescription,
    )
    from framework.declarative_services.lifecycle import Bindings
    from framework.registry import ServiceReference, ServiceRegistry

_log = logging.getLogger("framework.component")


class ComponentInstance:
    """The object that a component class was made into, from `activate` to `deactivate`.

    Attributes:
        component: The object.
        unavailable: The services that it was to be bound to and that could not be had.
    """

    def __init__(
        self,
        description: ComponentDescription,
        registry: ServiceRegistry,
        context: ComponentContext,
        bindings: Bindings,
    ) -> None:
        """Make the object, bind it in the order of declaration, call `activate`.

        Raises:
            BaseException: Whatever the component raised, or ActivationError if a service that it needs, or that is
                better than another, could not be had; all is unbound again then.
        """
        self._description = description
        self._registry = registry
        self._context = context
        self._bound = context.bound
        self.component: Any = description.implementation()
        self.unavailable: frozenset[ServiceReference] = frozenset()
        try:
            for reference in description.references:
                missed = self._bind(reference, bindings.get(reference.name, ()))
                self.unavailable |= missed
                self._check(reference, missed)
            self._call("activate", context)
        except BaseException:
            self._unbind_all()
            raise

    def modify(self, change: ConfigurationChange) -> str | None:
        """Hand a change of configuration over; what the component raised, in words."""
        error = self._guarded("modified", lambda: self._call("modified", change))
        self._context.properties = change.properties
        return error

    def rebind(self, bindings: Bindings) -> tuple[Bindings, frozenset[ServiceReference]]:
        """Replace what dynamic references are bound to: the new are bound before the old are unbound.

        Returns:
            What they are bound to now, and the services that could not be had.
        """
        unavailable: frozenset[ServiceReference] = frozenset()
        for reference in self._description.references:
            if reference.name in bindings:
                unavailable |= self._bind(reference, bindings[reference.name])
        return {name: tuple(self._bound[name]) for name in bindings}, unavailable

    def tell_updates(self, updates: Iterable[tuple[str, ServiceReference]]) -> None:
        """Call the `updated` methods of references for services whose properties have changed."""
        references = {reference.name: reference for reference in self._description.references}
        for name, service in updates:
            bound = self._bound.get(name, {})
            if service in bound:
                self._tell(references[name].updated, service, bound[service])

    def deactivate(self, reason: DeactivationReason) -> None:
        """Call `deactivate`, then unbind in reverse order."""
        self._guarded("deactivate", lambda: self._call("deactivate", reason))
        self._unbind_all()

    def _call(self, callback: str, argument: object) -> None:
        method = getattr(self.component, callback, None)
        if method is not None:
            method(argument)

    def _guarded(self, callback: str, call: Callable[[], object]) -> str | None:
        try:
            call()
        except BaseException as error:  # noqa: BLE001  # a component may raise anything, even try to exit
            _log.exception(CALLBACK_FAILED, {"pid": self._context.pid, "callback": callback})
            return in_words(error)
        return None

    def _tell(self, method: str | None, service: ServiceReference, found: object) -> None:
        if method is not None:
            self._guarded(method, lambda: getattr(self.component, method)(found, service.properties))

    def _bind(
        self, reference: ReferenceDescription, wanted: tuple[ServiceReference, ...]
    ) -> frozenset[ServiceReference]:
        """Bind to what is wanted, and tell what cannot be had; nothing is let go for a single service that cannot."""
        before = self._bound.get(reference.name, {})
        after: dict[ServiceReference, object] = {}
        for service in wanted:
            found = before.get(service)
            if found is None:
                found = self._registry.get(service, self._context.plugin)
            if found is not None:
                after[service] = found
        unavailable = frozenset(service for service in wanted if service not in after)
        if unavailable and before and not reference.cardinality.multiple:
            return unavailable
        self._bound[reference.name] = after
        self._set(reference, tuple(after.values()))
        for service, found in after.items():
            if service not in before:
                self._tell(reference.bind, service, found)
        for service, found in before.items():
            if service not in after:
                self._let_go(reference, service, found)
        return unavailable

    def _let_go(self, reference: ReferenceDescription, service: ServiceReference, found: object) -> None:
        self._tell(reference.unbind, service, found)
        self._registry.unget(service, self._context.plugin)

    def _set(self, reference: ReferenceDescription, found: tuple[object, ...]) -> None:
        """What the attribute reads as from now on; a mandatory one without a service cannot be read."""
        if reference.cardinality.multiple:
            setattr(self.component, reference.attribute, found)
        elif found or reference.cardinality.minimum == 0:
            setattr(self.component, reference.attribute, found[0] if found else None)
        else:
            delattr(self.component, reference.attribute)

    def _check(self, reference: ReferenceDescription, missed: frozenset[ServiceReference]) -> None:
        """Begin no life without what a reference needs, nor without a single service if another may stand in for it."""
        single = bool(missed) and not reference.cardinality.multiple
        if single or len(self._bound[reference.name]) < reference.cardinality.minimum:
            message = f"what {reference.name} was to be bound to could not be had, or has just gone"
            raise ActivationError(self._context.pid, message, self.unavailable)

    def _unbind_all(self) -> None:
        self._context.close()
        for reference in reversed(self._description.references):
            for service, found in self._bound.pop(reference.name, {}).items():
                self._let_go(reference, service, found)
            self._guarded("unbind", functools.partial(delattr, self.component, reference.attribute))


def service_properties(properties: Mapping[str, Any]) -> dict[str, Any]:
    """The properties that others may see: without private ones (leading dot) and without secrets."""
    return {
        name: value
        for name, value in properties.items()
        if not name.startswith(".") and value is not None and not _has_secret(value)
    }


def _has_secret(value: object) -> bool:
    if isinstance(value, list | tuple):
        return any(_has_secret(element) for element in value)
    return isinstance(value, Secret)
