"""What a reference looks for now: its target and minimum, from declaration, properties or configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from framework.filter import Filter, FilterError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from framework.declarative_services.description import ReferenceDescription
    from framework.registry import ServiceEvent, ServiceReference, ServiceRegistry, Subscription


class ReferenceTracker:
    """Follows the services that match one reference of one component configuration.

    Args:
        on_event: Called by the registry, on whatever thread changed a service, with the reference's name.

    Attributes:
        target: The filter in force, or None.
        target_error: Why that filter is none, or None; nothing matches then.
        minimum: How many services are needed.
        minimum_error: Why a configured minimum does not count, or None.
    """

    def __init__(
        self,
        registry: ServiceRegistry,
        reference: ReferenceDescription,
        on_event: Callable[[str, ServiceEvent], None],
    ) -> None:
        self._registry = registry
        self._reference = reference
        self._on_event = on_event
        self._subscription: Subscription | None = None
        self.target: Filter | None = None
        self.target_error: str | None = None
        self.minimum = reference.cardinality.minimum
        self.minimum_error: str | None = None

    def follow(self, properties: Mapping[str, Any]) -> None:
        """Look for what these properties say, beside the declaration (Compendium R8 112.6)."""
        self._set_minimum(properties.get(self._reference.minimum_property))
        target, error = self._reference.target, None
        override = properties.get(self._reference.target_property)
        if isinstance(override, str) and override.strip():
            try:
                target = Filter.parse(override)
            except FilterError as wrong:
                target, error = None, str(wrong)
        if self._subscription is not None and (self.target, self.target_error) == (target, error):
            return
        self.close()
        self.target, self.target_error = target, error
        self._subscription = self._registry.listen(self._take, self._reference.interface, target)

    def candidates(self) -> tuple[ServiceReference, ...]:
        """The services that match now, best first."""
        if self.target_error is not None:
            return ()
        return self._registry.find_all(self._reference.interface, self.target)

    def close(self) -> None:
        """Follow no more."""
        if self._subscription is not None:
            self._subscription.close()
            self._subscription = None

    def _take(self, event: ServiceEvent) -> None:
        self._on_event(self._reference.name, event)

    def _set_minimum(self, value: Any) -> None:
        """A configured minimum may only raise the declared one; a unary reference takes one service at most."""
        cardinality = self._reference.cardinality
        self.minimum, self.minimum_error = cardinality.minimum, None
        if value is None:
            return
        number = int(value) if isinstance(value, str) and value.strip().isdecimal() else value
        if type(number) is not int or number < cardinality.minimum or (number > 1 and not cardinality.multiple):
            self.minimum_error = f"{self._reference.minimum_property} = {value!r} is not used: it may only raise "
            self.minimum_error += f"the minimum of {cardinality.value}"
            return
        self.minimum = number
