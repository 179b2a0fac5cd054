"""The hooks by which a plugin contributes to a gateway (pluggy, project name `gatewright`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pluggy

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from framework.admin import Command
    from framework.plugins.context import PluginContext
    from framework.plugins.health import HealthCheck
    from metatype import MetaData

PROJECT: Final = "gatewright"
"""pluggy's project name, and the group of entry points that plugins are found by."""

API_VERSION: Final = 1
"""The version of these hooks. A plugin may state the one it was written for as `GATEWRIGHT_API`."""

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


class Hooks:
    """What a plugin may implement, each function marked with `@hookimpl`.

    A keystore has no hook of its own: it is a component that provides `KeystoreService`, found by target filters as
    any service is. A second way in would be a second thing to configure, to remove and to get wrong.
    """

    @hookspec
    def gatewright_components(self) -> Sequence[type]:  # type: ignore[empty-body]  # a specification has no body
        """Component classes, decorated with `@component`; their descriptors come with them."""

    @hookspec
    def gatewright_commands(self) -> Sequence[Command]:  # type: ignore[empty-body]  # a specification has no body
        """Commands for the admin interface; none may have the words of one that is there already."""

    @hookspec
    def gatewright_descriptors(self) -> Sequence[MetaData | Path | str]:  # type: ignore[empty-body]  # a specification has no body
        """Descriptors, or paths of such files, for pids that have no component class in this plugin."""

    @hookspec
    def gatewright_health_checks(self) -> Sequence[HealthCheck]:  # type: ignore[empty-body]  # a specification has no body
        """What `gatewright status` asks about the plugin."""

    @hookspec
    def gatewright_conformance_tests(self) -> Sequence[str]:  # type: ignore[empty-body]  # a specification has no body
        """Names of modules with pytest tests that `gatewright plugin check` runs in a process of their own.

        Such a module subclasses the kits of the contracts that the plugin implements, such as
        `components.keystore.conformance.KeystoreConformance`. Nothing of it is imported into a gateway.
        """

    @hookspec
    def gatewright_started(self, gateway: PluginContext) -> None:
        """The plugin's components are known and configured; what it does with `gateway` goes with it."""

    @hookspec
    def gatewright_stopping(self) -> None:
        """The gateway stops, or the plugin is removed; its components are still there."""
