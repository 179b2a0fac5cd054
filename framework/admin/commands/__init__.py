"""The framework's own commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from framework.admin.command import Command


def framework_commands() -> tuple[Command, ...]:
    """All of them."""
    from framework.admin.commands import components, configuration, events, metatype, status  # noqa: PLC0415  # light facade

    return (*status.COMMANDS, *configuration.COMMANDS, *components.COMMANDS, *events.COMMANDS, *metatype.COMMANDS)
