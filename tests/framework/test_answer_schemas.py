"""The schemas of what commands answer with `--json`: each command has one, and they are worth having."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator

from framework.admin.schema import document
from framework.cli import main
from tests.answers import TABLE, check_answer, documents_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from framework.admin.command import Command

EVERY_COMMAND = pytest.mark.parametrize("command", TABLE.commands(), ids=lambda command: " ".join(command.path))
FREE_FORM = {("metatype", "show"), ("schema",)}
"""Commands whose answers are documents under schemas of their own."""


def places(schema: Any) -> Iterator[dict[str, Any]]:
    """The schema and all schemas in it."""
    yield schema
    for part in ("properties", "$defs"):
        for one in schema.get(part, {}).values():
            yield from places(one)
    for part in ("items", "additionalProperties"):
        if isinstance(schema.get(part), dict):
            yield from places(schema[part])
    for one in schema.get("anyOf", ()):
        yield from places(one)


@EVERY_COMMAND
def test_every_command_declares_the_schema_of_its_answers(command: Command) -> None:
    assert command.schema is not None
    Draft202012Validator.check_schema(document(command, command.schema()))


@EVERY_COMMAND
def test_every_object_says_what_may_stand_in_it_and_every_member_what_it_means(command: Command) -> None:
    assert command.schema is not None
    if command.path in FREE_FORM:
        return
    for one in places(document(command, command.schema())):
        kinds = one.get("type", ())
        if "object" in ([kinds] if isinstance(kinds, str) else kinds):
            assert "additionalProperties" in one, one
        for name, member in one.get("properties", {}).items():
            assert "description" in member or "const" in member or "anyOf" in member or member == {"type": "null"}, name


@pytest.mark.parametrize("words", [["cert", "status"], ["config"], ["run"], []], ids=["one", "some", "lines", "all"])
def test_the_schema_command_prints_the_schemas_of_the_commands_that_are_meant(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["schema", *words]) == 0
    printed = json.loads(capsys.readouterr().out)
    paths = [*(command.path for command in TABLE.commands()), ("run",)]
    meant = [path for path in paths if path[: len(words)] == tuple(words)]
    if len(meant) == 1:
        printed = {" ".join(words): printed}
    assert set(printed) == {" ".join(path) for path in meant}
    for schema in printed.values():
        Draft202012Validator.check_schema(schema)


def test_a_command_that_does_not_exist_has_no_schema(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", "nonsense", "--json"]) == 1
    check_answer(["schema"], capsys.readouterr().out, is_error=True)


@pytest.mark.parametrize(
    ("argv", "kind", "status"),
    [
        (["status", "--state-dir", "."], "NoGatewayError", 69),
        (["status"], "UsageError", 64),
        (["status", "--state-dir"], "UsageError", 64),
        (["plugin", "check", "--nonsense"], "UsageError", 64),
    ],
)
def test_an_error_without_a_gateway_is_json_too(
    argv: list[str], kind: str, status: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GATEWRIGHT_STATE_DIR", raising=False)
    assert main(["--json", *argv]) == status
    printed = capsys.readouterr()
    check_answer(argv, printed.out, is_error=True)
    assert documents_of(printed.out)[0]["error"]["kind"] == kind
    assert printed.err
