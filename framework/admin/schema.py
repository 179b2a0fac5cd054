"""The JSON Schema (draft 2020-12) of what a command answers with `--json`, declared beside the command.

The functions here make the pieces of a schema: each takes what a value means, units included, and gives the schema
of such a value. `record` is strict: what it does not name must not be there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from framework.admin.command import Command

Schema: TypeAlias = Mapping[str, Any]

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


@dataclass(frozen=True, slots=True)
class AnswerSchema:
    """What a command prints with `--json`.

    Attributes:
        answer: Its answer.
        piece: What it prints before, one JSON document a line, while it is at work; None if it prints nothing.
        error: What its errors may tell beside kind and message, by name.
    """

    answer: Schema
    piece: Schema | None = None
    error: Mapping[str, Schema] = field(default_factory=lambda: MappingProxyType({}))


def text(meaning: str, **more: Any) -> Schema:
    """A text."""
    return {"description": meaning, "type": "string", **more}


def moment(meaning: str) -> Schema:
    """A moment in ISO 8601, UTC, such as `2026-01-31T12:00:00Z`."""
    return text(f"{meaning} (ISO 8601, UTC)", format="date-time", pattern="Z$")


def whole(meaning: str, least: int | None = 0) -> Schema:
    """A whole number, at least `least` unless that is None."""
    return {"description": meaning, "type": "integer"} | ({} if least is None else {"minimum": least})


def flag(meaning: str) -> Schema:
    """True or false."""
    return {"description": meaning, "type": "boolean"}


def choice(meaning: str, options: Iterable[str]) -> Schema:
    """One of some words."""
    return {"description": meaning, "enum": list(options)}


def listing(meaning: str, element: Schema) -> Schema:
    """An array of such elements."""
    return {"description": meaning, "type": "array", "items": element}


def mapping(meaning: str, value: Schema) -> Schema:
    """An object with any names, and such values."""
    return {"description": meaning, "type": "object", "additionalProperties": value}


def record(meaning: str, required: Mapping[str, Schema], optional: Mapping[str, Schema] | None = None) -> Schema:
    """An object with these members and no others."""
    return {
        "description": meaning,
        "type": "object",
        "properties": {**required, **(optional or {})},
        "required": list(required),
        "additionalProperties": False,
    }


def nullable(schema: Schema) -> Schema:
    """The same, or null."""
    if isinstance(schema.get("type"), str):
        return {**schema, "type": [schema["type"], "null"]}
    if "enum" in schema:
        return {**schema, "enum": [*schema["enum"], None]}
    return either(schema, {"type": "null"})


def either(*schemas: Schema) -> Schema:
    """One of several."""
    return {"anyOf": list(schemas)}


def property_value(meaning: str) -> Schema:
    """The value of a component's or a service's property; a secret as a mark, or "" if it is empty."""
    single: Sequence[Schema] = (
        {"type": ["string", "number", "boolean", "null"]},
        record("a secret; sent back, it keeps the secret that is there", {"$unchanged": {"const": True}}),
    )
    return {"description": meaning, "anyOf": [*single, {"type": "array", "items": {"anyOf": list(single)}}]}


def document(command: Command, declared: AnswerSchema) -> dict[str, Any]:
    """The whole schema of a command: each JSON document that it prints is valid under it.

    Args:
        command: The command.
        declared: What it declares of its answers.
    """
    kind = text("the class of the error; stable, for programs")
    message = text("what happened, why, and what to do, for people")
    error = record(
        "why the command did not do what it was asked for; the exit status is not 0",
        {"error": record("the error", {"kind": kind, "message": message}, declared.error)},
    )
    parts = {"answer": declared.answer, "error": error}
    if declared.piece is not None:
        parts["piece"] = declared.piece
    statuses = "; ".join(f"{status}: {meaning}" for status, meaning in command.all_exit_statuses().items())
    words = " ".join(command.path)
    return {
        "$schema": DIALECT,
        "$id": f"urn:gatewright:answer:{'-'.join(command.path)}",
        "title": f"gatewright {words} --json",
        "description": f"{command.help}. Exit status: {statuses}.",
        "anyOf": [{"$ref": f"#/$defs/{name}"} for name in parts],
        "$defs": parts,
    }
