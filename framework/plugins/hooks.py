"""The hooks by which a plugin contributes to a gateway (pluggy, project name `gatewright`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pluggy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from framework.admin import Command

PROJECT: Final = "gatewright"
"""pluggy's project name, and the group of entry points that plugins are found by."""

API_VERSION: Final = 1
"""The version of these hooks. A plugin may state the one it was written for as `GATEWRIGHT_API`."""

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


class Hooks:
    """What a plugin may implement, each function marked with `@hookimpl`."""

    @hookspec
    def gatewright_components(self) -> Sequence[type]:  # type: ignore[empty-body]  # a specification has no body
        """Component classes, decorated with `@component`; their descriptors come with them."""

    @hookspec
    def gatewright_commands(self) -> Sequence[Command]:  # type: ignore[empty-body]  # a specification has no body
        """Commands for the admin interface."""
