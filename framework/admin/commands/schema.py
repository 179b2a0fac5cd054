"""`schema`: the JSON Schema of what commands answer with `--json`, and of log lines in JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from framework.admin.command import Answer, Command, CommandError, Invocation, OfflineInvocation
from framework.admin.commands import schemas
from framework.admin.parsing import CommandTable
from framework.admin.schema import document
from framework.service.line_schema import line_schema

if TYPE_CHECKING:
    import argparse


def _schema(invocation: Invocation) -> Answer:
    from framework.admin.commands import framework_commands  # noqa: PLC0415  # which lists this command, too

    table = CommandTable([*framework_commands(), *invocation.gateway.commands])
    return _answer(table, invocation.options.words)


def _schema_offline(invocation: OfflineInvocation) -> Answer:
    from framework.admin.offline import installed_commands  # noqa: PLC0415  # which uses the list of commands

    return _answer(installed_commands(), invocation.options.words)


def _answer(table: CommandTable, words: list[str]) -> Answer:
    data: dict[str, Any] = {
        " ".join(command.path): document(command, command.schema())
        for command in table.commands()
        if command.schema is not None and command.path[: len(words)] == tuple(words)
    }
    if words in ([], ["run"]):
        data["run"] = line_schema()
    if not data:
        raise CommandError(f"there is no command {' '.join(words)!r} whose answers have a schema")
    chosen = data.get(" ".join(words), data)
    return Answer(chosen, json.dumps(chosen, indent=2, ensure_ascii=False))


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("words", metavar="COMMAND", nargs="*", help="the words of a command (default: all commands)")


COMMANDS: Final = (
    Command(
        path=("schema",),
        help="the JSON Schema of what a command answers with --json, or of all that begin with some words; "
        "of run: that of a log line with --log-format json",
        run=_schema,
        offline=_schema_offline,
        arguments=_arguments,
        examples=("gatewright schema cert status", "gatewright schema config", "gatewright schema run"),
        exit_statuses={1: "there is no such command"},
        schema=schemas.schema,
    ),
)
