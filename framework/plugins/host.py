"""Loads plugins under guard: one that fails is quarantined and reported, and keeps nobody else from starting."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, Final

import pluggy

from framework.plugins.hooks import API_VERSION, PROJECT, Hooks

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from framework.admin import Command

_log = logging.getLogger("framework.plugins")

_FRAMEWORK_DISTRIBUTION: Final = "gatewright"


@dataclass(frozen=True, slots=True)
class Plugin:
    """A plugin that was loaded.

    Attributes:
        name: The entry point's name, prefixed with the distribution's unless it is the gateway's own.
        distribution: The distribution that it came with, or None.
        version: That distribution's version, or None.
        module: The object that carries the hook implementations.
        components: The component classes that it contributes.
        commands: The commands that it contributes.
    """

    name: str
    distribution: str | None
    version: str | None
    module: object
    components: tuple[type, ...]
    commands: tuple[Command, ...]


@dataclass(frozen=True, slots=True)
class QuarantinedPlugin:
    """A plugin that was found but not taken, and why."""

    name: str
    distribution: str | None
    version: str | None
    reason: str


class PluginHost:
    """Finds, checks and holds the plugins of one gateway."""

    def __init__(self) -> None:
        self._plugins: tuple[Plugin, ...] = ()
        self._quarantined: tuple[QuarantinedPlugin, ...] = ()
        self._manager = pluggy.PluginManager(PROJECT)
        self._manager.add_hookspecs(Hooks)

    @property
    def plugins(self) -> tuple[Plugin, ...]:
        """The plugins that were loaded, in order."""
        return self._plugins

    @property
    def quarantined(self) -> tuple[QuarantinedPlugin, ...]:
        """The plugins that were refused, each with the reason."""
        return self._quarantined

    def load_entry_points(self) -> None:
        """Load every plugin that an installed distribution offers in the group `gatewright`."""
        for entry_point in sorted(entry_points(group=PROJECT), key=_order):
            distribution = None if entry_point.dist is None else entry_point.dist.name
            version = None if entry_point.dist is None else entry_point.dist.version
            name = entry_point.name if _is_ours(entry_point) else f"{distribution}:{entry_point.name}"
            try:
                module = entry_point.load()
            except (Exception, SystemExit) as error:  # noqa: BLE001  # an import may raise anything, even try to exit
                self.quarantine(name, f"its import failed: {_in_words(error)}", distribution, version)
                continue
            self.add(name, module, distribution, version)

    def load_objects(self, objects: Iterable[object]) -> None:
        """Take objects or modules with hook implementations as plugins."""
        for number, plugin in enumerate(objects, 1):
            name = getattr(plugin, "__name__", None) or f"{type(plugin).__name__}-{number}"
            self.add(str(name), plugin)

    def add(self, name: str, module: object, distribution: str | None = None, version: str | None = None) -> None:
        """Check one plugin and take it, or quarantine it with the reason."""
        wants = getattr(module, "GATEWRIGHT_API", API_VERSION)
        if wants != API_VERSION:
            reason = (
                f"it was written for version {wants!r} of the plugin interface, this gateway has {API_VERSION}: "
                "install a version of the plugin that fits"
            )
            self.quarantine(name, reason, distribution, version)
            return
        try:
            self._manager.register(module, name)
            self._manager.check_pending()
            components = tuple(self._contributions(module, "gatewright_components"))
            commands = tuple(self._contributions(module, "gatewright_commands"))
        except (Exception, SystemExit) as error:  # noqa: BLE001  # a hook may raise anything
            self._manager.unregister(name=name)
            self.quarantine(name, f"its hooks failed: {_in_words(error)}", distribution, version)
            return
        plugin = Plugin(name, distribution, version, module, components, commands)
        self._plugins = (*self._plugins, plugin)

    def quarantine(self, name: str, reason: str, distribution: str | None = None, version: str | None = None) -> None:
        """Note that a plugin is not taken, and forget what it contributed."""
        self._plugins = tuple(plugin for plugin in self._plugins if plugin.name != name)
        self._quarantined = (*self._quarantined, QuarantinedPlugin(name, distribution, version, reason))
        _log.error("plugin %s is not used: %s", name, reason)

    def _contributions(self, module: object, hook: str) -> Sequence[Any]:
        """Ask one plugin alone, so that its failure is its own."""
        others = [plugin for plugin in self._manager.get_plugins() if plugin is not module]
        caller = self._manager.subset_hook_caller(hook, others)
        return [contribution for answer in caller() for contribution in answer]


def _order(entry_point: EntryPoint) -> tuple[bool, str, str]:
    distribution = "" if entry_point.dist is None else entry_point.dist.name
    return (not _is_ours(entry_point), distribution, entry_point.name)


def _is_ours(entry_point: EntryPoint) -> bool:
    return entry_point.dist is not None and entry_point.dist.name == _FRAMEWORK_DISTRIBUTION


def _in_words(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
