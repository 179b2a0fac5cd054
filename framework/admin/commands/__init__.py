"""The framework's own commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from framework.admin.command import Command


def framework_commands() -> tuple[Command, ...]:
    """All of them."""
    from framework.admin.commands import (  # noqa: PLC0415  # light facade
        completion,
        components,
        configuration,
        configuration_batch,
        configuration_history,
        diagnostics,
        doctor,
        events,
        install,
        log_names,
        manual,
        metatype,
        plugins,
        schema,
        status,
    )

    return (
        *status.COMMANDS,
        *doctor.COMMANDS,
        *diagnostics.COMMANDS,
        *configuration.COMMANDS,
        *configuration_batch.COMMANDS,
        *configuration_history.COMMANDS,
        *components.COMMANDS,
        *events.COMMANDS,
        *log_names.COMMANDS,
        *metatype.COMMANDS,
        *plugins.COMMANDS,
        *completion.COMMANDS,
        *manual.COMMANDS,
        *schema.COMMANDS,
        *install.COMMANDS,
    )
