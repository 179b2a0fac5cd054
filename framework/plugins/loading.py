"""Finds plugins, imports them under guard, and asks them what they contribute."""

from __future__ import annotations

from dataclasses import replace
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import metatype
from framework.plugins.guard import GuardedCall
from framework.plugins.health import HealthCheck
from framework.plugins.hooks import API_VERSION, PROJECT
from framework.plugins.modules import root_of
from framework.plugins.plugin import Plugin, PluginError

if TYPE_CHECKING:
    from collections.abc import Callable

    import pluggy

    from framework.clock import Clock
    from framework.plugins.guard import Abandonment

T = TypeVar("T")

FRAMEWORK_DISTRIBUTION: Final = "gatewright"

IMPORT_DEADLINE_S: Final = 30.0
"""How long the import of a plugin may take, in seconds."""

HOOK_DEADLINE_S: Final = 10.0
"""How long the hooks of a plugin may take to say what it contributes, in seconds."""


def installed_plugins() -> tuple[EntryPoint, ...]:
    """The entry points of all installed distributions in the group `gatewright`, Gatewright's own first."""
    return tuple(sorted(entry_points(group=PROJECT), key=_order))


def name_of(entry_point: EntryPoint) -> str:
    """The name of the plugin: the entry point's, with its distribution's before it unless that is Gatewright."""
    if entry_point.dist is None or _is_ours(entry_point):
        return entry_point.name
    return f"{entry_point.dist.name}:{entry_point.name}"


def found(entry_point: EntryPoint) -> Plugin:
    """What is known of a plugin before anything of it is imported."""
    dist = entry_point.dist
    return Plugin(
        name_of(entry_point),
        None if dist is None else dist.name,
        None if dist is None else dist.version,
        module=None,
        root=root_of(entry_point.module),
    )


def import_plugin(plugin: Plugin, entry_point: EntryPoint, clock: Clock, abandonment: Abandonment) -> Plugin:
    """Import what an entry point names; GuardError, or StartAbandonedError."""
    module = _guarded(plugin, clock, "its import", entry_point.load, IMPORT_DEADLINE_S, abandonment)
    return replace(plugin, module=module)


def ask(plugin: Plugin, manager: pluggy.PluginManager, clock: Clock, abandonment: Abandonment) -> Plugin:
    """Ask an imported plugin, which `manager` is to know from now on, for all that it contributes.

    Raises:
        PluginError: It was written for another version of the plugin interface, or contributes what is none.
        GuardError: Its hooks raised, tried to exit, or hung.
        StartAbandonedError: Nobody wants to know any more.
    """
    module = plugin.module
    wants = getattr(module, "GATEWRIGHT_API", API_VERSION)
    if wants != API_VERSION:
        raise PluginError(
            plugin.name,
            f"it was written for version {wants!r} of the plugin interface, this gateway has {API_VERSION}: "
            "install a version of the plugin that fits",
        )

    def answers() -> Plugin:
        manager.register(module, plugin.name)
        manager.check_pending()
        return replace(
            plugin,
            components=tuple(contributions(manager, module, "gatewright_components")),
            commands=tuple(contributions(manager, module, "gatewright_commands")),
            descriptors=tuple(map(_descriptor, contributions(manager, module, "gatewright_descriptors"))),
            health_checks=tuple(map(_health_check, contributions(manager, module, "gatewright_health_checks"))),
            conformance_tests=tuple(map(str, contributions(manager, module, "gatewright_conformance_tests"))),
        )

    return _guarded(plugin, clock, "its hooks", answers, HOOK_DEADLINE_S, abandonment)


def contributions(manager: pluggy.PluginManager, module: object, hook: str) -> list[Any]:
    """What one plugin alone answers to a hook, so that a failure is its own."""
    return [contribution for answer in caller_of(manager, module, hook)() for contribution in answer]


def caller_of(manager: pluggy.PluginManager, module: object, hook: str) -> pluggy.HookCaller:
    """The hook of one plugin alone."""
    others = [plugin for plugin in manager.get_plugins() if plugin is not module]
    return manager.subset_hook_caller(hook, others)


def _guarded(
    plugin: Plugin, clock: Clock, what: str, work: Callable[[], T], seconds: float, abandonment: Abandonment
) -> T:
    deadline = clock.monotonic() + seconds
    call = GuardedCall(clock, what, work)
    try:
        return call.result(deadline, seconds, abandonment)
    finally:
        plugin.threads.update(call.new_threads())


def _descriptor(given: object) -> metatype.MetaData:
    if isinstance(given, metatype.MetaData):
        return given
    if isinstance(given, str | Path):
        return metatype.load(given)
    raise TypeError(f"gatewright_descriptors gave {given!r}, which is neither a MetaData nor a path")


def _health_check(given: object) -> HealthCheck:
    if not isinstance(given, HealthCheck):
        raise TypeError(f"gatewright_health_checks gave {given!r}, which is no HealthCheck")
    return given


def _order(entry_point: EntryPoint) -> tuple[bool, str, str]:
    distribution = "" if entry_point.dist is None else entry_point.dist.name
    return (not _is_ours(entry_point), distribution, entry_point.name)


def _is_ours(entry_point: EntryPoint) -> bool:
    return entry_point.dist is not None and entry_point.dist.name == FRAMEWORK_DISTRIBUTION
