"""The kernel: service registry, events, time and component runtime, joined.

A gateway is a kernel with a store, plugins and an admin interface round it. A program or a test of one's own can do
with the kernel alone: it reads and stores nothing, and starts in a fraction of the time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Self

from framework.background import BackgroundWork
from framework.clock import SystemClock
from framework.configuration.catalogue import ConfigurationType, factory_pid_of, with_identities
from framework.configuration.event import ConfigurationEvent, DeliveryOutcome
from framework.declarative_services.context import Facilities, MemorySecrets
from framework.declarative_services.declaration import description_of
from framework.declarative_services.runtime import ComponentRuntime
from framework.event_admin import EventAdmin
from framework.execution import Activity, WorkerPool
from framework.registry import ServiceRegistry
from framework.scheduler import Scheduler

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from framework.clock import Clock
    from framework.declarative_services.context import ComponentSecrets
    from framework.declarative_services.explanation import ComponentSnapshot, Explanation

STOP_DEADLINE_S: Final = 7.0
"""How long components have to end; with what else is to be closed all is over within 10 s, whatever they do."""

DELIVERY_DEADLINE_S: Final = 10.0
"""How long `configure` waits for the component, in seconds."""

EVENT_WORKERS: Final = 4
"""Threads for handlers of events, started when there is work for them."""

BACKGROUND_WORKERS: Final = 16
"""Threads for work in the background, such as waiting for a network, started when there is work for them."""

_PLUGIN: Final = "kernel"
"""Who contributes the components that are given to a kernel."""


class Kernel:
    """Hosts components in a program of one's own.

        >>> from framework import Kernel, component
        >>> @component("example.Greeter", provides=("example.Greeter",))
        ... class Greeter:
        ...     pass
        >>> with Kernel([Greeter]) as kernel:
        ...     kernel.settle()
        ...     kernel.explain("example.Greeter").state
        True
        'active'

    Args:
        components: Component classes, each made with the decorator `component`.
        clock: The source of time; the system's if None.
        state_directory: Where components may keep files; those that ask for it without one fail.
        secrets: Gives the secrets that a component (by pid) keeps; they are kept in memory if None.
        keep_time: Whether a thread follows the clock; a test that turns the clock itself also runs what is due.

    Attributes:
        registry: The service registry.
        event_admin: The event admin.
        scheduler: The only timer.
        runtime: The component runtime.
        background: Runs what components and plugins do in the background.
        activity: Counts what is under way.
    """

    def __init__(
        self,
        components: Iterable[type] = (),
        *,
        clock: Clock | None = None,
        state_directory: Path | None = None,
        secrets: Callable[[str], ComponentSecrets] | None = None,
        keep_time: bool = True,
    ) -> None:
        self.clock: Clock = clock or SystemClock()
        self.activity = Activity()
        self.registry = ServiceRegistry()
        self.scheduler = Scheduler(self.clock)
        workers = WorkerPool("gatewright-background", BACKGROUND_WORKERS, self.activity)
        self.background = BackgroundWork(workers, self.scheduler, self.clock)
        self._event_pool = WorkerPool("gatewright-events", EVENT_WORKERS, self.activity)
        self.event_admin = EventAdmin(self.clock, self._event_pool, self.scheduler)
        facilities = Facilities(
            clock=self.clock,
            scheduler=self.scheduler,
            event_admin=self.event_admin,
            background=self.background,
            state_directory=state_directory,
            secrets=secrets or MemorySecrets().of,
        )
        self.runtime = ComponentRuntime(self.registry, facilities, self.activity)
        self._classes = tuple(components)
        self._keep_time = keep_time
        self._kinds: dict[str, ConfigurationType] = {}
        self._revision = 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Follow the clock, and wire the components.

        Raises:
            DeclarationError: A class is no component, or two have the same name.
            FrameworkError: A component's descriptor says nothing of it.
            MetatypeError: A descriptor is wrong.
            OSError: A descriptor cannot be read.
        """
        if self._keep_time:
            self.scheduler.start()
        if not self._classes:
            return
        described = [(cls, _object_class(cls)) for cls in self._classes]
        self.runtime.add_components(_PLUGIN, described)
        for cls, object_class in described:
            description = description_of(cls)
            kind = ConfigurationType(description.name, description.factory, object_class)
            self._kinds[kind.pid] = kind
            if not kind.factory:
                current = _effective(kind, kind.pid, {}, only_valid=False)
                self.runtime.deliver(ConfigurationEvent(kind.pid, None, current, 0, configured=False))

    def stop(self) -> bool:
        """Deactivate all components, dependents first; whether all of them ended within `STOP_DEADLINE_S`."""
        ended = self.runtime.stop(STOP_DEADLINE_S)
        self.scheduler.stop()
        self.background.close()
        self.event_admin.close()
        self._event_pool.close()
        return ended

    def configure(self, pid: str, properties: Mapping[str, Any] | None) -> DeliveryOutcome:
        """Give a component a configuration in place of the one that it has, and wait until it has taken it.

        Args:
            pid: A component's name, or `factoryPid~name`, which is made if it is not there.
            properties: All of it, checked against the descriptor if there is one; None takes it away.

        Raises:
            ConfigurationError: There is no such component, or the properties are not valid: `.problems` says all.
            TimeoutError: The component has not taken it within `DELIVERY_DEADLINE_S`; it will.
        """
        kind = self._kinds.get(factory_pid_of(pid) or pid)
        if kind is None or kind.factory != bool(factory_pid_of(pid)):
            from framework.configuration.errors import ConfigurationError  # noqa: PLC0415  # only for what is wrong

            raise ConfigurationError(pid, f"there is no such component; there are {', '.join(sorted(self._kinds))}")
        current = None if properties is None else _effective(kind, pid, properties)
        self._revision += 1
        event = ConfigurationEvent(pid, factory_pid_of(pid), current, self._revision, configured=properties is not None)
        return self.runtime.deliver(event).result(DELIVERY_DEADLINE_S)

    def components(self) -> tuple[ComponentSnapshot, ...]:
        """All component configurations, by pid."""
        return self.runtime.components()

    def explain(self, pid: str) -> Explanation:
        """Why the component configuration `pid` is as it is."""
        return self.runtime.explain(pid)

    def settle(self, timeout_s: float = DELIVERY_DEADLINE_S) -> bool:
        """Wait until nothing is under way; False if that takes longer than `timeout_s` seconds."""
        return self.activity.wait_idle(timeout_s)


def _object_class(cls: type) -> Any:
    """What the component's descriptor says of its configuration; None if it has no descriptor."""
    description = description_of(cls)
    if description.descriptor is None:
        return None
    from framework.installation import object_class_of  # noqa: PLC0415  # only for components with a descriptor

    return object_class_of(description)


def _effective(
    kind: ConfigurationType, pid: str, properties: Mapping[str, Any], *, only_valid: bool = True
) -> Mapping[str, Any] | None:
    """All properties, typed, defaults filled; ConfigurationError, or None, if they are not valid."""
    if kind.object_class is None and not properties:
        return with_identities(pid, {})
    from framework.configuration import planning  # noqa: PLC0415  # only for what is configured
    from framework.configuration.errors import ConfigurationError  # noqa: PLC0415  # as above

    problems = planning.problems_of(kind, properties)
    if problems and only_valid:
        raise ConfigurationError(pid, "the properties are not valid:", problems)
    return None if problems else planning.effective(kind, pid, planning.Layers({}, properties))
