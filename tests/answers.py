"""Whether what a command printed with `--json` is what its schema says."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from jsonschema import Draft202012Validator

from framework.admin.offline import installed_commands
from framework.admin.schema import document

if TYPE_CHECKING:
    from collections.abc import Sequence

    from framework.admin.command import Command

TABLE = installed_commands()


def command_of(argv: Sequence[str]) -> Command:
    """The command of a command line, whose options of all commands come last."""
    command = TABLE.find(argv)
    assert command is not None, argv
    return command


def documents_of(printed: str) -> list[Any]:
    """The JSON documents that were printed one after another."""
    found, decoder, rest = [], json.JSONDecoder(), printed.strip()
    while rest:
        value, end = decoder.raw_decode(rest)
        found.append(value)
        rest = rest[end:].lstrip()
    return found


def check_answer(argv: Sequence[str], printed: str, *, is_error: bool | None = None) -> None:
    """Fail unless each document is valid: pieces first, and at last an answer or an error.

    Args:
        argv: The command line.
        printed: Its standard output.
        is_error: Whether the last document has to be an error; None: either.
    """
    command = command_of(argv)
    assert command.schema is not None, f"{' '.join(command.path)} declares no schema"
    *pieces, last = documents_of(printed)
    schema = document(command, command.schema())
    ends_with_error = isinstance(last, dict) and set(last) == {"error"} and isinstance(last["error"], dict)
    assert is_error is None or ends_with_error == is_error, last
    for part, value in [*(("piece", one) for one in pieces), ("error" if ends_with_error else "answer", last)]:
        assert part in schema["$defs"], f"{' '.join(argv)} printed something before its answer: {value}"
        problems = list(Draft202012Validator(schema["$defs"][part]).iter_errors(value))
        assert problems == [], f"{' '.join(argv)}: " + "\n".join(f"{one.json_path}: {one.message}" for one in problems)
