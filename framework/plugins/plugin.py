"""What is known of a plugin: loaded, in quarantine, or removed."""

from __future__ import annotations

import weakref
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from framework.errors import FrameworkError

if TYPE_CHECKING:
    import threading

    from framework.admin import Command
    from framework.plugins.health import HealthCheck
    from metatype import MetaData


class PluginError(FrameworkError):
    """A plugin cannot be found, added or removed.

    Attributes:
        plugin: Its name, as far as it is known.
    """

    def __init__(self, plugin: str, message: str) -> None:
        super().__init__(f"{plugin}: {message}")
        self.plugin = plugin


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
        descriptors: Descriptors of pids that have no component class in it.
        health_checks: What it can tell of its own health.
        conformance_tests: Modules with tests of the contracts that it implements.
        root: The package or module that its entry point is in, as far up as it is no namespace package, or "".
        threads: Threads that its code started while it was loaded.
    """

    name: str
    distribution: str | None
    version: str | None
    module: object
    components: tuple[type, ...] = ()
    commands: tuple[Command, ...] = ()
    descriptors: tuple[MetaData, ...] = ()
    health_checks: tuple[HealthCheck, ...] = ()
    conformance_tests: tuple[str, ...] = ()
    root: str = ""
    threads: weakref.WeakSet[threading.Thread] = field(default_factory=weakref.WeakSet, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class QuarantinedPlugin:
    """A plugin that was found but not taken, and why."""

    name: str
    distribution: str | None
    version: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class Removal:
    """What came of taking a plugin out of a running gateway.

    Attributes:
        plugin: Its name.
        left_behind: What could not be taken back, such as a thread that it started and did not end; empty if all was.
    """

    plugin: str
    left_behind: tuple[str, ...]
