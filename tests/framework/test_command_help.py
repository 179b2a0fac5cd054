"""The help of commands: each tells by example how it is used, and what its exit statuses mean."""

from __future__ import annotations

import shlex

import pytest

from framework.admin.command import Command, CommandError
from framework.admin.exit_statuses import USAGE, WITHOUT_ANSWER
from framework.admin.offline import installed_commands
from framework.admin.parsing import HelpAsked

TABLE = installed_commands()


@pytest.mark.parametrize("command", TABLE.commands(), ids=lambda command: " ".join(command.path))
def test_the_examples_of_a_command_are_command_lines_of_it(command: Command) -> None:
    assert command.examples
    for example in command.examples:
        program, *words = shlex.split(example)
        assert program == "gatewright"
        chosen, _ = TABLE.parse(words)
        assert chosen.path == command.path


@pytest.mark.parametrize("command", TABLE.commands(), ids=lambda command: " ".join(command.path))
def test_help_tells_what_each_exit_status_means(command: Command) -> None:
    with pytest.raises(HelpAsked) as asked:
        TABLE.parse([*command.path, "--help"])
    for status, meaning in command.all_exit_statuses().items():
        assert f"  {status}  {meaning}" in asked.value.text
    assert {0, 1, *WITHOUT_ANSWER} <= set(command.all_exit_statuses())
    assert not WITHOUT_ANSWER.keys() & command.exit_statuses.keys(), "scripts tell an answer from none"


def test_a_wrong_command_line_ends_with_a_status_of_its_own() -> None:
    with pytest.raises(CommandError) as refused:
        TABLE.parse(["config", "get"])
    assert refused.value.exit_status == USAGE


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (["statsu"], ["status"]),
        (["confg", "get", "PID"], ["config get"]),
        (["cert"], ["cert status", "cert renew"]),
        (["cert", "stats"], ["cert status"]),
    ],
)
def test_a_mistyped_command_is_told_with_what_may_be_meant(typed: list[str], meant: list[str]) -> None:
    with pytest.raises(CommandError) as refused:
        TABLE.parse(typed)
    assert refused.value.exit_status == USAGE
    for name in meant:
        assert f"\n  gatewright {name}" in str(refused.value)
    assert len(str(refused.value).splitlines()) < 12
