"""The composition root: makes the rooms of the kernel, joins them, starts and stops them."""

from __future__ import annotations

import functools
import logging
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self, TypeVar

from framework.configuration import (
    ConfigurationAdmin,
    ConfigurationDirectory,
    ConfigurationListener,
    ConfigurationNotice,
    ConfigurationStore,
    Credentials,
    DescriptorCatalogue,
    DirectoryWatch,
    StoreCopies,
    open_store,
    rotate_key,
)
from framework.errors import FrameworkError
from framework.event_admin import EventAdmin
from framework.hang_watch import HangWatch
from framework.installation import PluginInstallation
from framework.kernel import Kernel
from framework.log_events import GATEWAY_LEFT_COMPONENTS
from framework.plugins import PluginHost
from framework.sealing import KeyRing
from framework.storage import make_private_directory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from concurrent.futures import Future
    from datetime import datetime

    from framework.admin import Command
    from framework.clock import Clock
    from framework.configuration import DeliveryOutcome
    from framework.declarative_services import (
        ComponentRuntime,
        ComponentSnapshot,
        Explanation,
    )
    from framework.observation.contributed import ContributedMetrics

T = TypeVar("T")

_log = logging.getLogger("framework.gateway")

DELIVERY_DEADLINE_S: Final = 10.0
"""How long a first configuration may take to get to its component, in seconds, before it is not waited for."""

_OWN_WORK: Final = "gatewright"
"""Whose the gateway's own work in the background is, in reports."""


class Gateway:
    """One gateway on one state directory.

    Whoever makes a `Gateway` sees to it that no second one uses the directory at the same time (the command
    `gatewright run` does, with `framework.instance_lock`).

    Args:
        state_directory: Where all that is durable is kept; made (0700) if it is not there.
        conf_directory: Where `*.json` configuration files are read from, or None.
        clock: The source of time; the system's if None.
        plugins: Objects or modules with hook implementations, beside those that are installed.
        discover: Whether installed distributions are searched for plugins.
        keep_time: Whether a thread of the gateway follows the clock; a test that turns the clock itself also runs
            what is due itself.
        environ: The environment that credentials are looked up in; the process's if None.
        begins: Told, on the thread that calls `start`, of each plugin before it is loaded and before it hears that the
            gateway has started: there is progress, whatever the plugin before did.
    """

    def __init__(
        self,
        state_directory: Path,
        conf_directory: Path | None = None,
        *,
        clock: Clock | None = None,
        plugins: Iterable[object] = (),
        discover: bool = True,
        keep_time: bool = True,
        environ: Mapping[str, str] | None = None,
        begins: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.state_directory = Path(state_directory).absolute()
        self.conf_directory = None if conf_directory is None else Path(conf_directory).absolute()
        self._kernel = Kernel(
            clock=clock,
            state_directory=self.state_directory,
            secrets=lambda pid: _running(self._store).component_secrets(pid),
            keep_time=keep_time,
        )
        self.clock: Clock = self._kernel.clock
        self.started_at: datetime = self.clock.now()
        self._started = self._delivered = self.clock.monotonic()
        self.activity = self._kernel.activity
        self.registry = self._kernel.registry
        self.scheduler = self._kernel.scheduler
        self.event_admin = self._kernel.event_admin
        self.background = self._kernel.background
        self._environ = os.environ if environ is None else environ
        self._extra_plugins = tuple(plugins)
        self._discover = discover
        self._keep_time = keep_time
        self._catalogue = DescriptorCatalogue()
        self._installation = PluginInstallation(
            clock=self.clock,
            registry=self.registry,
            event_admin=self.event_admin,
            scheduler=self.scheduler,
            background=self.background,
            catalogue=self._catalogue,
            state_directory=self.state_directory,
        )
        self.plugins = PluginHost(self.clock, self._installation, begins)
        self._store: ConfigurationStore | None = None
        self._copies: StoreCopies | None = None
        self._metrics_lock = threading.Lock()
        self._contributed_metrics: ContributedMetrics | None = None
        self._configuration_admin: ConfigurationAdmin | None = None
        self._first_deliveries: Mapping[str, Future[DeliveryOutcome]] = {}

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def uptime_s(self) -> float:
        """How long it runs, in seconds, whatever the wall clock did meanwhile."""
        return self.clock.monotonic() - self._started

    @property
    def contributed_metrics(self) -> ContributedMetrics:
        """Figures of rooms and plugins, asked for by whoever observes the gateway, and by `doctor`."""
        from framework.observation.contributed import ContributedMetrics  # noqa: PLC0415  # only who asks pays for it

        with self._metrics_lock:
            if self._contributed_metrics is None:
                self._contributed_metrics = ContributedMetrics(self.registry, self.clock)
        return self._contributed_metrics

    @property
    def configuration_admin(self) -> ConfigurationAdmin:
        """The configuration admin of the running gateway."""
        return _running(self._configuration_admin)

    @property
    def runtime(self) -> ComponentRuntime:
        """The component runtime of the running gateway."""
        _running(self._configuration_admin)
        return self._kernel.runtime

    @property
    def commands(self) -> tuple[Command, ...]:
        """The commands that plugins contribute."""
        return tuple(command for plugin in self.plugins.plugins for command in plugin.commands)

    def start(self) -> None:
        """Open the store, load the plugins, configure and wire the components.

        Raises:
            FrameworkError: The state directory, its store or its master key cannot be used; the message says
                why and what to do. A plugin that fails does not keep the gateway from starting.
            StartAbandonedError: `abandon_start` was called meanwhile; all that was begun is stopped.
        """
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def abandon_start(self) -> None:
        """Have `start`, which is under way on another thread, end at once, whatever a plugin does."""
        self.plugins.abandon()

    def _start(self) -> None:
        make_private_directory(self.state_directory)
        keys = KeyRing.load(self.state_directory, self._environ)
        store = open_store(self.state_directory, keys, self.clock)
        self._store = store
        credentials = Credentials(self._environ)
        files = None if self.conf_directory is None else ConfigurationDirectory(self.conf_directory, credentials)
        admin = ConfigurationAdmin(
            store,
            files,
            self._catalogue,
            self._kernel.runtime.deliver,
            registry=self.registry,
            activity=self.activity,
            watch=lambda pool: HangWatch(pool, self.scheduler, self.clock),
        )
        self._configuration_admin = admin
        self.registry.register(ConfigurationAdmin, admin)
        self.registry.register(EventAdmin, self.event_admin)
        self.registry.register(ConfigurationListener, _ConfigurationEvents(self.event_admin))
        self._kernel.start()
        self._installation.open(self._kernel.runtime, admin)
        if self._discover:
            self.plugins.load_entry_points()
        self.plugins.load_objects(self._extra_plugins)
        in_background = functools.partial(self.background.submit, _OWN_WORK)
        watch = None
        if files is not None and self._keep_time:  # before they are read, or what comes meanwhile would be overlooked
            watch = DirectoryWatch(files, self.scheduler, in_background, lambda: admin.reload(timeout=0))
        admin.load_files()
        self._delivered = self.clock.monotonic()
        self._first_deliveries = admin.deliver_all()
        self.plugins.start()
        self._copies = StoreCopies(store, self.scheduler, in_background)
        self._copies.start()
        if watch is not None:
            watch.start()

    def stop(self) -> None:
        """Deactivate all components, dependents first, and close what was opened; at most 10 s."""
        self.plugins.stop()
        if not self._kernel.stop():
            _log.error(GATEWAY_LEFT_COMPONENTS)
        if self._configuration_admin is not None:
            self._configuration_admin.close()
        if self._copies is not None:
            self._copies.make()
        if self._store is not None:
            self._store.close()
        self._configuration_admin = self._store = self._copies = None

    def rotate_master_key(self) -> None:
        """Make a new master key and seal all stored secrets under it.

        Raises:
            SealingError: The key is a credential, which only who starts the gateway can change.
            ConfigurationStoreError: It could not be stored; the old key holds.
        """
        keys = KeyRing.load(self.state_directory, self._environ)
        rotate_key(_running(self._store), keys, self.state_directory)

    def undecided(self) -> tuple[str, ...]:
        """The pids of components that are neither active, nor wait for something, nor have failed, nor hang.

        That is, whose first configuration has not come to them, or of which a callback is under way. None of them can
        stay so: what takes its time is found hanging, and a configuration that a plugin keeps is not waited for longer
        than `DELIVERY_DEADLINE_S` seconds.
        """
        undecided = self.runtime.undecided()
        if self._first_deliveries and self.clock.monotonic() - self._delivered < DELIVERY_DEADLINE_S:
            self._first_deliveries = {pid: one for pid, one in self._first_deliveries.items() if not one.done()}
            undecided |= self._first_deliveries.keys() - self.runtime.hanging()
        return tuple(sorted(undecided))

    def prove_progress(self, then: Callable[[], None]) -> None:
        """Have `then` called after a way through all that components' work goes through: timers, then the runtime."""
        if self._keep_time:
            self.scheduler.call_later(0, functools.partial(self._kernel.runtime.prove_progress, then))
        else:
            self._kernel.runtime.prove_progress(then)

    def components(self) -> tuple[ComponentSnapshot, ...]:
        """All component configurations, by pid."""
        return self.runtime.components()

    def explain(self, pid: str) -> Explanation:
        """Why the component configuration `pid` is as it is."""
        from framework.diagnosis.surroundings import completed  # noqa: PLC0415  # only who asks pays for it

        return completed(self.runtime.explain(pid), self.configuration_admin, self.plugins)

    def set_enabled(self, name: str, *, enabled: bool) -> None:
        """Enable or disable a component, with all its factory instances, until the gateway starts again.

        Raises:
            UnknownComponentError: There is no component of that name.
        """
        if enabled:
            self.runtime.enable(name)
        else:
            self.runtime.disable(name)


class _ConfigurationEvents(ConfigurationListener):
    """Publishes changes of configurations as events."""

    def __init__(self, event_admin: EventAdmin) -> None:
        self._event_admin = event_admin

    def configuration_changed(self, notice: ConfigurationNotice) -> None:
        properties = {
            "pid": notice.pid,
            "factory_pid": notice.factory_pid,
            "revision": notice.revision,
            "outcome": notice.outcome,
        }
        self._event_admin.publish(f"gatewright/configuration/{notice.kind.value}", properties)


def _running(part: T | None) -> T:
    if part is None:
        raise FrameworkError("the gateway is not running; start it first")
    return part
