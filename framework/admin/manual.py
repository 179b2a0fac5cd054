"""The manual page, made from the commands' own help: one source, nothing to keep in step."""

from __future__ import annotations

import argparse
import re
from typing import TYPE_CHECKING, Final

from framework._version import __version__
from framework.admin.command import COMMON_EXIT_STATUSES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from framework.admin.parsing import CommandTable

_DESCRIPTION: Final = (
    "Gatewright hosts components on an edge gateway: it wires them by OSGi target filters, configures them from files "
    "and commands, and obtains and renews the gateway's X.509 certificate over SCEP. Most commands talk to a "
    "gateway that runs, over a socket that only its user can open; those that can do without one do."
)
_FILES: Final = (
    ("/etc/gatewright/conf.d/*.json", "configuration: objects of pid to properties, later names over earlier ones"),
    ("/var/lib/gatewright", "the state directory: configuration store, master key, keystores, socket"),
)
_ENVIRONMENT: Final = (
    ("GATEWRIGHT_STATE_DIR", "the state directory, where --state-dir is not given"),
    ("CREDENTIALS_DIRECTORY", 'systemd\'s credentials: what {"$credential": "NAME"} in a file names'),
    ("GATEWRIGHT_CREDENTIAL_NAME", "the file of the credential NAME, where systemd has none of that name"),
    ("NO_COLOR", "if it is set, no colours are shown"),
)
_LOG: Final = (
    "Every kind of log line has a stable name, and named facts; texts may change with each version. What goes to "
    "journald has them as the fields GATEWRIGHT_EVENT and GATEWRIGHT_ with each fact's name, so that journalctl -u "
    "gatewright GATEWRIGHT_EVENT=enrollment.refused finds refused requests, and -o verbose shows all fields. With "
    "--log-format json they are event and facts, under the schema that gatewright schema run prints."
)


def manual_page(table: CommandTable, run: argparse.ArgumentParser) -> str:
    """The page `gatewright(1)`, in the language of man(7).

    Args:
        table: The commands that there are.
        run: The arguments of `gatewright run`.
    """
    return "\n".join(_lines(table, run)) + "\n"


def _lines(table: CommandTable, run: argparse.ArgumentParser) -> Iterator[str]:
    from framework.run import EXIT_STATUSES  # noqa: PLC0415  # what starts a gateway, for its arguments only

    yield f'.TH GATEWRIGHT 1 "" "gatewright {__version__}" "User Commands"'
    yield from (".SH NAME", "gatewright \\- component framework and certificate enrolment for edge gateways")
    yield from (".SH SYNOPSIS", ".B gatewright", _text("COMMAND [ARGUMENTS] [--state-dir DIR] [--json]"))
    yield from (".SH DESCRIPTION", _text(_DESCRIPTION))
    yield ".SH COMMANDS"
    yield from _command(run, "gatewright run", run.description or "", (), EXIT_STATUSES)
    for command in table.commands():
        words = "gatewright " + " ".join(command.path)
        yield from _command(table.parser(command), words, command.help, command.examples, command.exit_statuses)
    yield ".SH EXIT STATUS"
    yield from _definitions(sorted((str(status), text) for status, text in COMMON_EXIT_STATUSES.items()))
    yield from (".SH LOG", _text(_LOG))
    yield from (".SH FILES", *_definitions(_FILES))
    yield from (".SH ENVIRONMENT", *_definitions(_ENVIRONMENT))


def _command(
    parser: argparse.ArgumentParser,
    words: str,
    help_text: str,
    examples: Sequence[str],
    exit_statuses: Mapping[int, str],
) -> Iterator[str]:
    usage = " ".join(parser.format_usage().split()).removeprefix(f"usage: {words}").strip()
    yield from (f".SS {_text(words)} {_text(usage)}".rstrip(), _text(help_text), *_arguments(parser))
    if examples:
        yield from (".PP", "Examples:", ".nf", *(f".RS\n{_text(example)}\n.RE" for example in examples), ".fi")
    if exit_statuses:
        yield from (".PP", "Exit status:")
        yield from _definitions([(str(status), text) for status, text in sorted(exit_statuses.items())])


def _arguments(parser: argparse.ArgumentParser) -> Iterator[str]:
    common = ("state_dir", "json", "help")
    formatter = argparse.HelpFormatter(parser.prog, width=10_000)
    for action in parser._actions:  # noqa: SLF001  # argparse has no other way to ask
        if action.dest not in common or parser.prog == "gatewright run":
            name = formatter._format_action_invocation(action)  # noqa: SLF001  # as its own help writes it
            yield from _definitions([(name, action.help or "")])


def _definitions(pairs: Sequence[tuple[str, str]]) -> Iterator[str]:
    for name, text in pairs:
        yield from (".TP", f".B {_text(name)}", _text(text))


def _text(text: str) -> str:
    """A text as man(7) takes it: no blank lines, nothing at its beginning that would be a request."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    escaped = "".join(one if one.isascii() else f"\\[u{ord(one):04X}]" for one in escaped)
    return re.sub(r"(?m)^(?=[.'])", r"\\&", " ".join(escaped.split()))
