"""What a plugin is given of the gateway: whatever it does with it is undone when the plugin goes."""

from __future__ import annotations

import functools
import logging
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from framework.clock import Clock
    from framework.event_admin import Event, EventAdmin, EventSubscription
    from framework.filter import Filter
    from framework.registry import ServiceReference, ServiceRegistration, ServiceRegistry
    from framework.scheduler import Scheduler, Timer


class PluginContext:
    """One plugin's view of the gateway, until the plugin is removed.

    Attributes:
        plugin: The plugin's name.
        clock: The only source of time.
        logger: A logger named after the plugin.
        state_directory: Where durable state is.
    """

    def __init__(
        self,
        plugin: str,
        *,
        clock: Clock,
        registry: ServiceRegistry,
        event_admin: EventAdmin,
        scheduler: Scheduler,
        state_directory: Path,
        run_in_background: Callable[[Callable[[], None]], None],
    ) -> None:
        self.plugin = plugin
        self.clock = clock
        self.logger = logging.getLogger(f"gatewright.plugin.{plugin}")
        self.state_directory = state_directory
        self._registry = registry
        self._event_admin = event_admin
        self._scheduler = scheduler
        self._run_in_background = run_in_background
        self._lock = threading.Lock()
        self._registrations: list[ServiceRegistration] = []
        self._timers: set[Timer] = set()
        self._closed = False

    def find_all(self, interface: type | str, filter: str | Filter | None = None) -> Sequence[ServiceReference]:
        """Services, the best first."""
        return self._registry.find_all(interface, filter)

    def get(self, reference: ServiceReference) -> Any:
        """The service of a reference, or None if it has gone."""
        return self._registry.get(reference, self.plugin)

    def register(
        self,
        interfaces: type | str | Sequence[type | str],
        service: object,
        properties: Mapping[str, Any] | None = None,
    ) -> ServiceRegistration:
        """Register a service, until the plugin goes."""
        registration = self._registry.register(interfaces, service, properties, bundle=self.plugin)
        with self._lock:
            self._registrations.append(registration)
        return registration

    def publish(self, topic: str, properties: Mapping[str, Any]) -> None:
        """Publish an event."""
        self._event_admin.publish(topic, properties)

    def subscribe(
        self, topics: str | Sequence[str], handler: Callable[[Event], None], filter: str | Filter | None = None
    ) -> EventSubscription:
        """Call `handler` with events of these topics, until the plugin goes; see `EventAdmin.subscribe`."""
        return self._event_admin.subscribe(topics, handler, filter, owner=self.plugin)

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> Timer:
        """Run `callback` in the background in `delay_s` seconds, unless the plugin has gone by then."""
        run = functools.partial(self._run_in_background, functools.partial(self._call, callback))
        timer = self._scheduler.call_later(delay_s, run)
        with self._lock:
            self._timers = {kept for kept in self._timers if kept.active} | {timer}
            closed = self._closed
        if closed:
            timer.cancel()
        return timer

    def close(self) -> None:
        """Take back all that was registered, subscribed or scheduled; called when the plugin goes."""
        with self._lock:
            self._closed = True
            registrations, self._registrations = self._registrations, []
            timers, self._timers = self._timers, set()
        for timer in timers:
            timer.cancel()
        for registration in reversed(registrations):
            registration.unregister()
        self._event_admin.remove_owner(self.plugin)

    def _call(self, callback: Callable[[], None]) -> None:
        if not self._closed:
            callback()
