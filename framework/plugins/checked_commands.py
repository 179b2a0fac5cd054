"""Whether the commands of a plugin keep to what scripts and programs rely on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from framework.admin.exit_statuses import WITHOUT_ANSWER
from framework.admin.schema import AnswerSchema, document
from framework.clock import SystemClock
from framework.plugins.guard import GuardedCall, GuardError
from framework.plugins.health import Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from framework.admin import Command

SCHEMA_DEADLINE_S: Final = 10.0
"""How long a command may take to make its schema, in seconds."""


def findings(command: Command) -> Iterator[Finding]:
    """What is wrong or odd about a command."""
    name = f"the command {' '.join(command.path)}"
    reserved = sorted(command.exit_statuses.keys() & WITHOUT_ANSWER.keys())
    if reserved:
        text = f"{name} answers with exit status {reserved[0]}, which means that {WITHOUT_ANSWER[reserved[0]]}"
        yield Finding(Severity.ERROR, text, "choose one from 1 to 63")
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
