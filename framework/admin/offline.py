"""What can be done when no gateway runs: help, and the commands that need none; from the plugins that are installed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from framework.admin.answers import error_message, final_message, help_message
from framework.admin.command import CommandError, OfflineInvocation
from framework.admin.commands import framework_commands
from framework.admin.parsing import CommandTable, HelpAsked
from framework.errors import FrameworkError
from framework.plugins import PluginHost


def help_without_gateway(argv: list[str]) -> str:
    """What `--help` with these words says."""
    try:
        installed_commands().parse([*argv, "--help"])
    except (HelpAsked, CommandError) as answer:
        return str(answer)
    return ""


def run_without_gateway(
    argv: list[str], state_dir: str | None, *, as_json: bool, colour: bool
) -> dict[str, Any] | None:
    """Run a command that needs no gateway here and now.

    Args:
        argv: The command line, without what all commands have in common.
        state_dir: The state directory that no gateway runs on, or None if none is named.
        as_json: Whether the answer is to be JSON.
        colour: Whether it may have colours.

    Returns:
        The message that a gateway would have ended with, or None if the command needs one.
    """
    try:
        command, options = installed_commands().parse(argv)
        if command.offline is None:
            return None
        invocation = OfflineInvocation(options, None if state_dir is None else Path(state_dir).absolute())
        return final_message(command.offline(invocation), as_json=as_json, colour=colour)
    except HelpAsked as help_asked:
        return help_message(help_asked.text)
    except CommandError as error:
        return error_message(error, error.exit_status, error.data, as_json=as_json)
    except FrameworkError as error:
        return error_message(error, 1, {}, as_json=as_json)


def installed_commands() -> CommandTable:
    """The framework's commands and those of the plugins that are installed."""
    host = PluginHost()
    host.load_entry_points()
    contributed = (command for plugin in host.plugins for command in plugin.commands)
    return CommandTable([*framework_commands(), *contributed])
