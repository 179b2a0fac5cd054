"""What may come next in a command line, for shells; the table of commands is the only source."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from framework.admin.command import Completing

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping, Sequence

    from framework.admin.command import Command, GatewayView
    from framework.admin.parsing import CommandTable

ELSEWHERE: Final = ("run",)
"""Commands that the client knows by itself."""

_STATE_DIR: Final = "--state-dir"

FILE_NAMES: Final = "\x00files"
"""Said in place of candidates where a file belongs, which shells complete by themselves."""

_FILE_ARGUMENTS: Final = frozenset({"FILE", "DIR"})


def candidates(table: CommandTable, words: Sequence[str], gateway: GatewayView | None) -> list[str]:
    """What the last of these words may become.

    Args:
        table: The commands that there are.
        words: The words after `gatewright`, the last one perhaps empty or not complete.
        gateway: Asked for values such as pids; nothing is asked if None.

    Returns:
        Candidates, sorted; `FILE_NAMES` alone where a file's name belongs.
    """
    *before, current = words or [""]
    if before and before[-1] == _STATE_DIR:
        return [FILE_NAMES]
    before = without_common(before)
    if before[:1] == ["run"]:
        offered = _of_run(before[1:], current)
        return offered if offered == [FILE_NAMES] else sorted(one for one in offered if one.startswith(current))
    command = table.find(before)
    found = set(_next_words(table, before))
    if command is not None:
        arguments = before[len(command.path) :]
        offered = list(_for_command(table, command, arguments, current, gateway))
        if offered == [FILE_NAMES]:
            return offered
        found.update(offered)
    return sorted(one for one in found if one.startswith(current))


def without_common(before: Sequence[str]) -> list[str]:
    """The words without what may stand before a command: `--state-dir DIR` and `--json`."""
    words = list(before)
    while words and words[0].startswith("-"):
        words = words[2:] if words[0] == _STATE_DIR else words[1:]
    return words


def _of_run(arguments: list[str], current: str) -> list[str]:
    """What may come next after `run`, which the client knows by itself."""
    from framework.run import run_parser  # noqa: PLC0415  # what starts a gateway, for its arguments only

    options = {name: action for action in run_parser()._actions for name in action.option_strings}  # noqa: SLF001  # argparse has no other way to ask
    option = options.get(arguments[-1]) if arguments else None
    if option is not None and _takes_value(option):
        if option.choices is not None:
            return list(map(str, option.choices))
        return [FILE_NAMES] if option.metavar in _FILE_ARGUMENTS else []
    return [name for name in options if name.startswith("--")] if current.startswith("-") else []


def _next_words(table: CommandTable, before: list[str]) -> Iterator[str]:
    length = len(before)
    for command in table.commands():
        if len(command.path) > length and list(command.path[:length]) == before:
            yield command.path[length]
    if not before:
        yield from ELSEWHERE


def _for_command(
    table: CommandTable, command: Command, arguments: list[str], current: str, gateway: GatewayView | None
) -> Iterator[str]:
    actions = table.parser(command)._actions  # noqa: SLF001  # argparse has no other way to ask
    options = {name: action for action in actions for name in action.option_strings}
    if arguments and (option := options.get(arguments[-1])) is not None and _takes_value(option):
        wanted: argparse.Action | None = option
        given = _given(arguments[:-1], actions)
    elif current.startswith("-"):
        yield from (name for name in (*options, "--help") if name.startswith("--"))
        return
    else:
        given = _given(arguments, actions)
        wanted = _next_positional(given, actions)
    if wanted is not None:
        yield from _values(command, wanted, current, given, gateway)


def _takes_value(action: argparse.Action) -> bool:
    return action.nargs != 0


def _given(arguments: list[str], actions: list[argparse.Action]) -> dict[str, tuple[str, ...]]:
    """The arguments so far, by their names."""
    options = {name: action for action in actions for name in action.option_strings}
    found: dict[str, tuple[str, ...]] = {}
    words = iter(arguments)
    for word in words:
        name, is_joined, value = word.partition("=")
        action = options.get(name)
        if action is None:
            action = None if word.startswith("-") else _next_positional(found, actions)
            value = word
        elif not is_joined:
            value = next(words, "") if _takes_value(action) else ""
        if action is not None:
            found[action.dest] = (*found.get(action.dest, ()), value)
    return found


def _next_positional(given: Mapping[str, tuple[str, ...]], actions: list[argparse.Action]) -> argparse.Action | None:
    """What a word without a dash is, after these arguments."""
    positional = [action for action in actions if not action.option_strings]
    free = (one for one in positional if one.nargs in ("*", "+") or one.dest not in given)
    return next(free, None)


def _values(
    command: Command,
    action: argparse.Action,
    current: str,
    given: Mapping[str, tuple[str, ...]],
    gateway: GatewayView | None,
) -> Iterator[str]:
    if action.choices is not None:
        yield from map(str, action.choices)
    elif action.dest in command.values:
        if gateway is not None:
            yield from command.values[action.dest](Completing(gateway, current, given))
    elif action.metavar in _FILE_ARGUMENTS:
        yield FILE_NAMES
