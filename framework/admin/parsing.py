"""From a client's arguments to a command and its options; argparse that never exits the gateway."""

from __future__ import annotations

import argparse
import contextlib
import io
from typing import TYPE_CHECKING, NoReturn

from framework.admin.command import CommandError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from framework.admin.command import Command


class HelpAsked(Exception):  # noqa: N818  # asking for help is no error
    """The client asked for help; `.text` is it."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}\n\n{self.format_usage().strip()}")

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        raise CommandError(message or "", status)


class CommandTable:
    """All commands of a gateway."""

    def __init__(self, commands: Iterable[Command]) -> None:
        self._commands = {command.path: command for command in commands}

    def parse(self, argv: Sequence[str]) -> tuple[Command, argparse.Namespace]:
        """The command that is meant and its options.

        Raises:
            UsageError: There is no such command, or its arguments are wrong.
            HelpAsked: Help was asked for.
        """
        own = argv[: argv.index("--")] if "--" in argv else argv
        words = [word for word in own if word not in ("-h", "--help")]
        command = self.find(words)
        wants_help = len(words) != len(own)
        if command is None:
            if wants_help or not words:
                raise HelpAsked(self.overview(tuple(words)))
            raise UsageError(self._unknown(words))
        parser = self.parser(command)
        if wants_help:
            raise HelpAsked(parser.format_help())
        with contextlib.redirect_stderr(io.StringIO()):
            return command, _options(parser, list(argv[len(command.path) :]))

    def _unknown(self, words: Sequence[str]) -> str:
        """That there is no such command, and which could have been meant."""
        from difflib import get_close_matches  # noqa: PLC0415  # only who mistypes pays for it

        names = [" ".join(path) for path in sorted(self._commands)]
        meant = [name for name in names if name.split()[0] == words[0]]
        meant = meant or get_close_matches(" ".join(words[:2]), names) or get_close_matches(words[0], names)
        rest = "".join(f"\n  gatewright {name}" for name in meant)
        asked = " ".join(words[: 2 if meant and " " in meant[0] else 1])
        return f"there is no command {asked!r}; {f'perhaps you mean:{rest}' if rest else 'see gatewright --help'}"

    def find(self, words: Sequence[str]) -> Command | None:
        """The command that these words begin with."""
        paths = (tuple(words[:length]) for length in range(len(words), 0, -1))
        return next((self._commands[path] for path in paths if path in self._commands), None)

    def overview(self, prefix: tuple[str, ...]) -> str:
        """A list of the commands that begin with these words, or of all if none does."""
        chosen = [c for p, c in sorted(self._commands.items()) if p[: len(prefix)] == prefix]
        rows = chosen or [command for _, command in sorted(self._commands.items())]
        width = max((len(" ".join(command.path)) for command in rows), default=0)
        lines = [f"  {' '.join(command.path):<{width}}  {command.help}" for command in rows]
        head = [
            "usage: gatewright COMMAND [ARGUMENTS] [--state-dir DIR] [--json]",
            "",
            f"  {'run':<{width}}  start a gateway",
        ]
        tail = ["", "gatewright COMMAND --help tells more of each."]
        return "\n".join([*(head if not prefix or not chosen else []), *lines, *tail])

    def commands(self) -> tuple[Command, ...]:
        """All commands, by their words."""
        return tuple(command for _, command in sorted(self._commands.items()))

    def parser(self, command: Command) -> argparse.ArgumentParser:
        """What reads a command's arguments, and knows its help."""
        epilog = ""
        if command.examples:
            epilog += "examples:\n" + "".join(f"  {example}\n" for example in command.examples)
        epilog += "exit status:\n"
        epilog += "".join(f"  {status}  {text}\n" for status, text in command.all_exit_statuses().items())
        parser = _Parser(
            prog=f"gatewright {' '.join(command.path)}",
            description=command.help,
            epilog=epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            add_help=False,
        )
        if command.arguments is not None:
            command.arguments(parser)
        common = parser.add_argument_group("everywhere")
        common.add_argument("--state-dir", metavar="DIR", help="the gateway's state directory (GATEWRIGHT_STATE_DIR)")
        common.add_argument("--json", action="store_true", help="answer in JSON")
        return parser


def _options(parser: argparse.ArgumentParser, words: list[str]) -> argparse.Namespace:
    try:
        return parser.parse_args(words)
    except UsageError:
        # As it is, argparse takes no positionals on both sides of an option; so it does, but not of every parser.
        with contextlib.suppress(UsageError, TypeError):
            return parser.parse_intermixed_args(words)
        raise
