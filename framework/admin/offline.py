"""Help when no gateway runs: the same commands, from the plugins that are installed."""

from __future__ import annotations

from framework.admin.command import CommandError
from framework.admin.commands import framework_commands
from framework.admin.parsing import CommandTable, HelpAsked
from framework.plugins import PluginHost


def help_without_gateway(argv: list[str]) -> str:
    """What `--help` with these words says."""
    host = PluginHost()
    host.load_entry_points()
    contributed = (command for plugin in host.plugins for command in plugin.commands)
    try:
        CommandTable([*framework_commands(), *contributed]).parse([*argv, "--help"])
    except (HelpAsked, CommandError) as answer:
        return str(answer)
    return ""
