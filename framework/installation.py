"""Puts what a plugin contributes into the gateway, and takes it out of it again."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import metatype
from framework.declarative_services import description_of
from framework.errors import FrameworkError
from framework.plugins import PluginContext
from framework.plugins.modules import is_below

if TYPE_CHECKING:
    from pathlib import Path

    from framework.background import BackgroundWork
    from framework.clock import Clock
    from framework.configuration import ConfigurationAdmin, DescriptorCatalogue
    from framework.declarative_services import ComponentDescription, ComponentRuntime
    from framework.event_admin import EventAdmin
    from framework.plugins import Plugin
    from framework.registry import ServiceRegistry
    from framework.scheduler import Scheduler


class PluginInstallation:
    """The gateway as plugins' contributions see it."""

    def __init__(
        self,
        *,
        clock: Clock,
        registry: ServiceRegistry,
        event_admin: EventAdmin,
        scheduler: Scheduler,
        background: BackgroundWork,
        catalogue: DescriptorCatalogue,
        state_directory: Path,
    ) -> None:
        self._clock = clock
        self._registry = registry
        self._event_admin = event_admin
        self._scheduler = scheduler
        self._background = background
        self._catalogue = catalogue
        self._state_directory = state_directory
        self._runtime: ComponentRuntime | None = None
        self._configuration_admin: ConfigurationAdmin | None = None
        self._pids: dict[str, tuple[str, ...]] = {}

    def open(self, runtime: ComponentRuntime, configuration_admin: ConfigurationAdmin) -> None:
        """Join the running parts of the gateway."""
        self._runtime = runtime
        self._configuration_admin = configuration_admin

    def install(self, plugin: Plugin) -> None:
        """Make components and descriptors of a plugin known, all or none.

        Raises:
            FrameworkError: A declaration is wrong, or a component or pid is another plugin's already.
            MetatypeError: A descriptor is wrong.
            OSError: A descriptor cannot be read.
        """
        if self._runtime is None:
            raise FrameworkError("the gateway is not running; start it first")
        prepared = [(cls, object_class_of(description_of(cls))) for cls in plugin.components]
        types: dict[str, tuple[bool, metatype.ObjectClass | None]] = {}
        for cls, object_class in prepared:
            description = description_of(cls)
            types[description.name] = (description.factory, object_class)
        for pid, factory, object_class in described_pids(plugin):
            if pid in types or pid in self._catalogue:
                raise FrameworkError(f"{pid} is described already; a descriptor of a plugin is for pids of its own")
            types[pid] = (factory, object_class)
        self._runtime.add_components(plugin.name, prepared)
        for pid, (factory, object_class) in types.items():
            self._catalogue.add(pid, factory=factory, object_class=object_class)
        self._pids[plugin.name] = tuple(types)

    def configure(self, plugin: Plugin) -> None:
        """Hand what is configured to the components of a plugin that came while the gateway runs."""
        if self._configuration_admin is not None:
            self._configuration_admin.reload()  # what files say of pids that were not known was not kept
            self._configuration_admin.deliver_all(self._pids.get(plugin.name, ()))

    def uninstall(self, plugin: Plugin, timeout_s: float) -> tuple[str, ...]:
        """Take out components, descriptors, services and handlers of a plugin; what did not end in time, in words."""
        left: list[str] = []
        if self._runtime is not None and not self._runtime.remove_components(plugin.name, timeout_s):
            left.append(f"a component did not end within {timeout_s:g} s; it is forgotten when it does")
        for pid in self._pids.pop(plugin.name, ()):
            self._catalogue.remove(pid)
        self._event_admin.remove_owner(plugin.name)
        for subscription in self._event_admin.subscriptions:
            module = getattr(subscription.handler, "__module__", None)
            if plugin.root and module is not None and is_below(module, plugin.root):
                subscription.close()
        return tuple(left)

    def context(self, plugin: str) -> PluginContext:
        """A new view of the gateway for a plugin."""
        return PluginContext(
            plugin,
            clock=self._clock,
            registry=self._registry,
            event_admin=self._event_admin,
            scheduler=self._scheduler,
            state_directory=self._state_directory,
            run_in_background=functools.partial(self._background.submit, plugin),
        )

    def publish(self, topic: str, properties: dict[str, Any]) -> None:
        """Publish an event."""
        self._event_admin.publish(topic, properties)


def object_class_of(description: ComponentDescription) -> metatype.ObjectClass | None:
    """What the component's descriptor says of its configuration; None if it has no descriptor.

    Raises:
        FrameworkError: It says nothing of that component.
        MetatypeError: It is wrong.
        OSError: It cannot be read.
    """
    if description.descriptor is None:
        return None
    object_class = metatype.load(description.descriptor).object_class_for(description.name)
    if object_class is None:
        raise FrameworkError(f"{description.descriptor} designates no object class for {description.name}")
    return object_class


def described_pids(plugin: Plugin) -> list[tuple[str, bool, metatype.ObjectClass | None]]:
    """The pids that descriptors without component designate: pid, whether it is a factory's, and its object class."""
    found = []
    for metadata in plugin.descriptors:
        for designate in metadata.designates:
            pid = designate.factory_pid or designate.pid
            if pid is not None:
                found.append((pid, designate.factory_pid is not None, metadata.object_class_for(pid)))
    return found
