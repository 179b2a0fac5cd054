"""`log names`: what programs that watch the log go by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from framework.admin.command import Answer, Command
from framework.admin.commands import schemas
from framework.admin.rendering import table
from framework.log_events import known_log_events

if TYPE_CHECKING:
    import argparse

    from framework.admin.command import Invocation


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("prefix", nargs="?", default="", metavar="PREFIX", help="only names that begin so: enrollment.")


def _log_names(invocation: Invocation) -> Answer:
    events = [one for one in known_log_events() if one.name.startswith(invocation.options.prefix)]
    data = [{"name": one.name, "text": one[:], "facts": list(one.facts)} for one in events]
    rows = [(one.name, one[:]) for one in events]
    return Answer(data, table(("NAME", "TEXT"), rows) if rows else "no log line has such a name")


COMMANDS: Final = (
    Command(
        path=("log", "names"),
        help="the stable names of the log lines of this gateway and its plugins, with their texts and facts",
        run=_log_names,
        arguments=_arguments,
        examples=("gatewright log names", "gatewright log names enrollment."),
        schema=schemas.log_names,
    ),
)
