"""Whether the commands of a plugin keep to what scripts and programs rely on."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Final

from framework.admin.completion import without_common
from framework.admin.exit_statuses import USAGE, WITHOUT_ANSWER
from framework.admin.parsing import CommandTable
from framework.admin.schema import AnswerSchema, document
from framework.clock import SystemClock
from framework.plugins.guard import GuardedCall, GuardError
from framework.plugins.health import Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from framework.admin import Command

SCHEMA_DEADLINE_S: Final = 10.0
"""How long a command may take to make its schema, in seconds."""


OWN_STATUSES: Final = range(1, USAGE)
"""Exit statuses that are a command's own: 0 is done, those from 64 on tell of no answer, or are the shell's."""


def findings(command: Command, commands: Sequence[Command]) -> Iterator[Finding]:
    """What is wrong or odd about a command; `commands` are all of its plugin."""
    name = f"the command {' '.join(command.path)}"
    for status in command.exit_statuses:
        if status not in OWN_STATUSES:
            text = f"{name} answers with exit status {status}, which {_meaning(status)}"
            yield Finding(Severity.ERROR, text, f"choose one from {OWN_STATUSES[0]} to {OWN_STATUSES[-1]}")
    table = CommandTable(commands)
    for example in command.examples:
        if table.find(_words(example)) is None:
            text = f"the example {example!r} of {name} is of no command of this plugin"
            yield Finding(Severity.WARNING, text, f"write a whole command line: gatewright {' '.join(command.path)} …")
    if not command.examples:
        yield Finding(Severity.WARNING, f"the help of {name} has no example", "give it examples=(…)")
    if command.schema is None:
        text = f"{name} does not say what it answers with --json, so no program can rely on it"
        yield Finding(Severity.WARNING, text, "give it schema=…, a function that makes an AnswerSchema")
        return
    call = GuardedCall(SystemClock(), f"the schema of {name}", command.schema)
    try:
        declared = call.result(SystemClock().monotonic() + SCHEMA_DEADLINE_S, SCHEMA_DEADLINE_S)
    except GuardError as error:
        yield Finding(Severity.ERROR, str(error))
        return
    problem = _problem(command, declared)
    if problem is not None:
        yield Finding(Severity.ERROR, f"the schema of {name} is none: {problem}")


def _meaning(status: int) -> str:
    if status == 0:
        return "means that it is done"
    told = WITHOUT_ANSWER.get(status)
    return "is none of a command's own" if told is None else f"means that {told}"


def _words(example: str) -> list[str]:
    """The words of an example after `gatewright`, without what may stand before a command; none of another line."""
    try:
        words = shlex.split(example)
    except ValueError:
        return []
    return without_common(words[1:]) if words[:1] == ["gatewright"] else []


def _problem(command: Command, declared: object) -> str | None:
    """Why what a command declares is no schema, or None."""
    from jsonschema import Draft202012Validator, SchemaError  # noqa: PLC0415  # only who checks a plugin pays for it

    if not isinstance(declared, AnswerSchema):
        return f"{type(declared).__name__} is no AnswerSchema"
    try:
        Draft202012Validator.check_schema(document(command, declared))
    except SchemaError as error:
        return error.message
    return None
