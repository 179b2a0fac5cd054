"""What a component is given at its activation."""

from __future__ import annotations

import functools
import logging
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, TypeVar

from framework.declarative_services.errors import MailboxFullError
from framework.errors import FrameworkError
from framework.log_events import WORK_FAILED
from framework.record import Record
from metatype import ChangePolicy, Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from framework.background import BackgroundWork
    from framework.clock import Clock
    from framework.event_admin import Event, EventAdmin, EventSubscription
    from framework.execution import Mailbox
    from framework.filter import Filter
    from framework.registry import ServiceReference, ServiceRegistration, ServiceRegistry
    from framework.scheduler import Scheduler, Timer

T = TypeVar("T")

MOST_WAITING: Final = 10_000
"""So many callbacks of a component may wait; what comes then is refused."""


class ComponentSecrets(Protocol):
    """Secrets that a component keeps, sealed in the gateway's store and durable when a call returns."""

    def get(self, name: str) -> Secret | None:
        """The secret, or None if there is none of that name."""

    def set(self, name: str, secret: Secret) -> None:
        """Store or replace a secret."""

    def delete(self, name: str) -> None:
        """Remove a secret; nothing happens if there is none."""


class MemorySecrets:
    """Secrets of components that are forgotten when the process ends."""

    def __init__(self) -> None:
        self._secrets: dict[tuple[str, str], Secret] = {}

    def of(self, pid: str) -> ComponentSecrets:
        """Those of one component configuration."""
        return _SecretsInMemory(self._secrets, pid)


class _SecretsInMemory:
    def __init__(self, secrets: dict[tuple[str, str], Secret], pid: str) -> None:
        self._secrets = secrets
        self._pid = pid

    def get(self, name: str) -> Secret | None:
        return self._secrets.get((self._pid, name))

    def set(self, name: str, secret: Secret) -> None:
        self._secrets[self._pid, name] = secret

    def delete(self, name: str) -> None:
        self._secrets.pop((self._pid, name), None)


class ConfigurationChange(Record):
    """What `modified` is told.

    Attributes:
        properties: All properties as they are now, typed, defaults filled.
        previous: All properties as they were.
        changed: Names of the properties that differ, came or went.
    """

    properties: Mapping[str, Any]
    previous: Mapping[str, Any]
    changed: frozenset[str]


class BackgroundResult(Record, Generic[T]):
    """What came of work in the background: a value, or the error that it raised."""

    value: T | None
    error: BaseException | None


class Facilities(Record):
    """What the gateway lends to components; one for all of them."""

    clock: Clock
    scheduler: Scheduler
    event_admin: EventAdmin
    background: BackgroundWork
    state_directory: Path | None
    secrets: Callable[[str], ComponentSecrets]


class ComponentContext:
    """A component's view of the gateway, from `activate` to `deactivate`.

    Callbacks given to `call_later`, `call_at` and `run_in_background` run on the component's mailbox: never
    two at once, never together with another callback of it, and never after `deactivate` was called.

    Attributes:
        pid: The component configuration's pid: the component's name, or `factoryPid~name`.
        name: The component's name.
        plugin: The plugin that contributes it, which is the bundle that uses and offers its services.
        properties: Typed properties, defaults filled, at the time of activation.
        clock: The gateway's clock, the only source of time.
        bound: What is bound, by reference name: each service's reference with its object. The runtime's to change.
    """

    def __init__(
        self,
        pid: str,
        name: str,
        properties: Mapping[str, Any],
        *,
        plugin: str,
        policies: Mapping[str, ChangePolicy],
        registry: ServiceRegistry,
        mailbox: Mailbox,
        facilities: Facilities,
    ) -> None:
        self.pid = pid
        self.name = name
        self.plugin = plugin
        self.properties = properties
        self.clock = facilities.clock
        self.bound: dict[str, dict[ServiceReference, object]] = {}
        self._policies = policies
        self._registry = registry
        self._mailbox = mailbox
        self._facilities = facilities
        # Tuples, since most components have none of these, and there may be many components.
        self._timers: tuple[Timer, ...] = ()
        self._subscriptions: tuple[EventSubscription, ...] = ()
        self._registrations: tuple[ServiceRegistration, ...] = ()
        self._closed = False

    @functools.cached_property
    def logger(self) -> logging.Logger:
        """A logger named after the pid; `framework.LogEvent` gives its lines stable names."""
        return logging.getLogger(f"gatewright.{self.pid.removeprefix('gatewright.')}")

    @property
    def state_directory(self) -> Path:
        """What relative paths in properties are relative to.

        Raises:
            FrameworkError: The component runs where nothing is kept: in a `Kernel` without state directory.
        """
        directory = self._facilities.state_directory
        if directory is None:
            raise FrameworkError(f"{self.pid} keeps files, and there is no state directory; give the kernel one")
        return directory

    @property
    def secrets(self) -> ComponentSecrets:
        """Secrets that the component keeps."""
        return self._facilities.secrets(self.pid)

    @property
    def service_pid(self) -> str:
        """The instance's stable, user-visible id (`kura.service.pid`), which target filters name."""
        return str(self.properties.get("kura.service.pid", self.pid))

    @property
    def bootstrap_identity(self) -> str:
        """A digest of all properties whose change policy is `bootstrap`: 64 lower-case hex digits of SHA-256.

        A component that derives something durable from them (trust, an identity) stores this value with it. When
        the two differ at activation, what was stored belongs to other properties, whenever they were changed.
        """
        import hashlib  # noqa: PLC0415  # most components derive nothing
        import json  # noqa: PLC0415  # as above

        derived_from = {
            name: _plain(self.properties.get(name))
            for name, policy in self._policies.items()
            if policy is ChangePolicy.BOOTSTRAP
        }
        return hashlib.sha256(json.dumps(derived_from, sort_keys=True).encode()).hexdigest()

    @property
    def data_directory(self) -> Path:
        """A private directory (0700) of this component configuration that survives restarts."""
        from urllib.parse import quote  # noqa: PLC0415  # most components have no directory

        from framework.storage import make_private_directory  # noqa: PLC0415  # as above

        directory = self.state_directory / "data" / quote(self.pid, safe="~")
        make_private_directory(directory.parent)
        make_private_directory(directory)
        return directory

    def reference_properties(self, name: str) -> Mapping[str, Any]:
        """The service properties, as they are now, of the best service that `name` is bound to; empty if unbound."""
        best = next(iter(self.bound.get(name, ())), None)
        return {} if best is None else best.properties

    def register(
        self,
        interfaces: type | str | Sequence[type | str],
        service: object,
        properties: Mapping[str, Any] | None = None,
    ) -> ServiceRegistration:
        """Offer a service beside the one that the component is declared to provide; it goes when the component does.

        Raises:
            RegistryError: As `ServiceRegistry.register` does.
        """
        registration = self._registry.register(interfaces, service, properties, bundle=self.plugin)
        self._registrations = (*self._registrations, registration)
        return registration

    def subscribe(
        self, topics: str | Sequence[str], handler: Callable[[Event], None], filter: str | Filter | None = None
    ) -> EventSubscription:
        """Call `handler` on the mailbox with events of these topics, until the component is deactivated.

        Events of one handler come in order. One that raises, or is at an event for too long, is told of no more
        (Compendium R8 113.8.2), and that is reported.

        Raises:
            TopicError: A topic is none.
            FilterError: The filter is none.
        """

        def handle(event: Event) -> None:
            if not self._closed:
                handler(event)

        subscription = self._facilities.event_admin.subscribe(
            topics, handle, filter, owner=self.pid, executor=self._mailbox.post
        )
        self._subscriptions = (*self._subscriptions, subscription)
        return subscription

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> Timer:
        """Run `callback` in `delay_s` seconds, whatever the wall clock does meanwhile."""
        return self._keep(self._facilities.scheduler.call_later(delay_s, self._guarded(callback)))

    def call_at(self, when: datetime, callback: Callable[[], None]) -> Timer:
        """Run `callback` when the wall clock shows `when` (aware) or later."""
        return self._keep(self._facilities.scheduler.call_at(when, self._guarded(callback)))

    def post(self, callback: Callable[[], None]) -> None:
        """Run `callback` on the mailbox, after what is already waiting there; may be called from any thread.

        Raises:
            MailboxFullError: So much is waiting that the component does not keep up; nothing was posted.
        """
        if self._mailbox.waiting >= MOST_WAITING:
            raise MailboxFullError(self.pid, MOST_WAITING)
        self._mailbox.post(lambda: self._run(callback))

    def run_in_background(self, work: Callable[[], T], done: Callable[[BackgroundResult[T]], None]) -> None:
        """Run `work`, which may wait for a network, in the background; then `done` on the mailbox.

        A few of a component's works run at the same time, others wait for them. One that does not end is reported.
        """

        def perform() -> None:
            try:
                result = BackgroundResult(work(), None)
            except BaseException as error:  # noqa: BLE001  # handed on: `done` hears of whatever happened
                result = BackgroundResult(None, error)
            self._mailbox.post(lambda: self._run(lambda: done(result)))

        self._facilities.background.submit(self.pid, perform)

    def publish(self, topic: str, properties: Mapping[str, Any]) -> None:
        """Publish an event."""
        self._facilities.event_admin.publish(topic, properties)

    def close(self) -> None:
        """Take back all that was registered, subscribed or scheduled; called by the runtime when this life ends."""
        self._closed = True
        for registration in reversed(self._registrations):
            registration.unregister()
        for subscription in self._subscriptions:
            subscription.close()
        for timer in self._timers:
            timer.cancel()
        self._timers = ()

    def _keep(self, timer: Timer) -> Timer:
        self._timers = (*(kept for kept in self._timers if kept.active), timer)
        return timer

    def _guarded(self, callback: Callable[[], None]) -> Callable[[], None]:
        return lambda: self._mailbox.post(lambda: self._run(callback))

    def _run(self, callback: Callable[[], None]) -> None:
        if self._closed:
            return
        try:
            callback()
        except BaseException:
            self.logger.exception(WORK_FAILED, {"pid": self.pid})


def _plain(value: Any) -> Any:
    if isinstance(value, Secret):
        import hashlib  # noqa: PLC0415  # most components derive nothing

        return {"secret": hashlib.sha256(value.reveal().encode()).hexdigest()}
    if isinstance(value, list | tuple):
        return [_plain(element) for element in value]
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
