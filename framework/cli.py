"""The command line: a thin client of a running gateway. It imports nothing heavy.

Only `run`, `--version`, help and the commands that need no gateway are handled here; everything else is sent to it.
"""

from __future__ import annotations

import contextlib
import io
import os
import socket
import struct
import sys
from typing import TYPE_CHECKING, Any

from framework._version import __version__
from framework.admin import exit_statuses
from framework.admin.wire import DisconnectedError, Wire, WireError, socket_path

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import TextIO

STATE_DIR_VARIABLE = "GATEWRIGHT_STATE_DIR"

ANSWER_DEADLINE_S = 10
"""How long a gateway may take to say that it has a command, in seconds; the command may take as long as it likes."""

LARGEST_INPUT = 3_000_000
"""Bytes of a file that a command reads: as base64 they fit into a line to the gateway (`wire.LARGEST`)."""


class UsageError(Exception):
    """The command line cannot be understood."""


class ClientError(Exception):
    """There is no answer to be had; `kind` is what JSON answers call the error."""

    def __init__(self, kind: str, message: str, exit_status: int = exit_statuses.UNAVAILABLE) -> None:
        super().__init__(message)
        self.kind = kind
        self.exit_status = exit_status


class OutputError(Exception):
    """The answer is there, and cannot be written."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line; the exit status."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # as standard error: an answer is shown in any encoding
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        return _perform(arguments)
    except BrokenPipeError:
        _discard_output()
        return exit_statuses.OUTPUT
    except OutputError as error:
        _discard_output()
        print(f"gatewright: {error}", file=sys.stderr)
        return exit_statuses.OUTPUT
    except KeyboardInterrupt:
        return 130


def _perform(arguments: list[str]) -> int:
    try:
        if arguments in (["--version"], ["-V"]):
            _print(f"gatewright {__version__}")
            return 0
        if arguments[:1] == ["run"]:
            from framework.run import main as run_gateway
            from framework.run import run_parser

            if _wants_help(arguments):  # argparse would not tell whether it could be written
                _print(run_parser().format_help().rstrip("\n"))
                return 0
            return run_gateway(arguments[1:])
        return _send(*_common_options(arguments))
    except UsageError as error:
        return _refuse("UsageError", str(error), exit_statuses.USAGE, as_json=_wants_json(arguments))
    except ClientError as error:
        return _refuse(error.kind, str(error), error.exit_status, as_json=_wants_json(arguments))


def _print(text: str) -> None:
    """Write to standard output, at once; OutputError if that cannot be, but for a reader who has gone."""
    with _output() as output:
        print(text, file=output, flush=True)


@contextlib.contextmanager
def _output() -> Iterator[TextIO]:
    """Standard output, to be written to and flushed; OutputError as for `_print`."""
    if sys.stdout is None:  # as Python has it where it is closed
        raise OutputError("the answer cannot be written: standard output is closed")
    try:
        yield sys.stdout
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(f"the answer cannot be written: {error.strerror or error}") from None


def _discard_output() -> None:
    """Have what is not written yet go nowhere, or Python would try again at its end."""
    if sys.stdout is None:
        return
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _wants_json(arguments: list[str]) -> bool:
    return "--json" in _before_separator(arguments)


def _refuse(kind: str, message: str, exit_status: int, *, as_json: bool) -> int:
    """Say why there is no answer, in the form in which a gateway tells of errors."""
    if as_json:
        from json import dumps

        _print(dumps({"error": {"kind": kind, "message": message}}, indent=2, ensure_ascii=False))
    print(f"gatewright: {message}", file=sys.stderr)
    return exit_status


def _common_options(arguments: list[str]) -> tuple[list[str], str | None, bool]:
    """Take `--state-dir` and `--json` out, wherever they stand before a `--`."""
    rest: list[str] = []
    state_dir, as_json = os.environ.get(STATE_DIR_VARIABLE), False
    words = iter(arguments)
    for word in words:
        if word == "--":
            rest.extend([word, *words])
        elif word == "--json":
            as_json = True
        elif word == "--state-dir":
            state_dir = next(words, None)
            if state_dir is None:
                raise UsageError("--state-dir needs a directory")
        elif word.startswith("--state-dir="):
            state_dir = word.partition("=")[2]
        else:
            rest.append(word)
    return rest, state_dir, as_json


def _send(argv: list[str], state_dir: str | None, as_json: bool) -> int:
    wants_help = not argv or _wants_help(argv)
    here = _is_done_here(argv)
    connection = None if state_dir is None or here else _connect(state_dir)
    if connection is None:
        from framework.admin.offline import help_without_gateway, run_without_gateway

        if wants_help:
            _print(help_without_gateway(argv))
            return 0
        message = run_without_gateway(argv, state_dir, as_json=as_json, colour=_shows_colours())
        if message is not None:
            return _finish(message, argv, as_json=as_json)
        if state_dir is None:
            raise UsageError(f"which gateway? Give --state-dir DIR, or set {STATE_DIR_VARIABLE}")
        start = f"gatewright run --state-dir {state_dir}"
        raise ClientError("NoGatewayError", f"no gateway runs on {state_dir}; start it with: {start}")
    wire = Wire(connection)
    try:
        with contextlib.suppress(DisconnectedError):  # a gateway that turns us away says why before it goes
            wire.send({"argv": argv, "json": as_json, "colour": _shows_colours(), "columns": _columns()})
        if not wire.hears_within(ANSWER_DEADLINE_S):
            raise _no_answer(state_dir)
        for message in wire.messages():
            if "ask" in message:
                wire.send(_read(str(message["ask"]), argv, secret=bool(message.get("secret"))))
            elif "exit" in message:
                return _finish(message, argv, as_json=as_json)
            elif "out" in message:
                _print(message["out"])
    except WireError as error:
        raise ClientError("ConnectionBrokenError", f"the connection to the gateway broke: {error}") from None
    finally:
        wire.close()
    raise ClientError("ConnectionBrokenError", "the gateway ended the connection")


def _no_answer(state_dir: str | None) -> ClientError:
    return ClientError(
        "NoAnswerError",
        f"the gateway on {state_dir} has not answered within {ANSWER_DEADLINE_S} s: it is stopped, overloaded, or "
        "stands still; its log may say why, and systemctl restart gatewright starts it again",
    )


def _before_separator(argv: list[str]) -> list[str]:
    return argv[: argv.index("--")] if "--" in argv else argv


def _wants_help(argv: list[str]) -> bool:
    return any(word in ("--help", "-h") for word in _before_separator(argv))


def _shows_colours() -> bool:
    """Whether the answer is seen on a terminal by somebody who does not mind colours (no-color.org)."""
    if sys.stdout is None or os.environ.get("NO_COLOR"):
        return False
    return sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def _columns() -> int | None:
    """How wide the terminal is that the answer is seen on, or None."""
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns
    except (OSError, ValueError, AttributeError):  # it is none, or closed, or no file
        return None


def _is_done_here(argv: list[str]) -> bool:
    """Whether a command is best done in this process, also where a gateway runs.

    What is installed is root's, not the gateway's. A plugin is looked at as it is installed now, before a gateway has
    loaded it. The translations of a descriptor stand in other files beside the one that is named.
    """
    if argv[:1] in (["install"], ["uninstall"]) or argv[:2] == ["plugin", "check"]:
        return True
    return argv[:1] == ["metatype"] and any("/" in word or word.lower().endswith((".xml", ".json")) for word in argv)


def _connect(state_dir: str) -> socket.socket | None:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # Linux waits so long for a place among those to be accepted, too, which the deadline of Python's sockets does not.
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", ANSWER_DEADLINE_S, 0))
    try:
        with socket_path(state_dir) as path:
            connection.connect(path)
    except BlockingIOError:
        connection.close()
        raise _no_answer(state_dir) from None
    except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
        connection.close()
        return None
    except PermissionError:
        connection.close()
        raise ClientError("NotAllowedError", f"the gateway on {state_dir} belongs to another user") from None
    return connection


def _read(path: str, argv: list[str], *, secret: bool) -> dict[str, Any]:
    """A file that the gateway asks for; only what stands in our own arguments is given."""
    from base64 import b64encode

    if not any(word == path or word.endswith(f"=@{path}") or (path == "-" and word.endswith("=-")) for word in argv):
        return {"error": "it stands nowhere in the command's arguments"}
    if path == "-" and sys.stdin is None:
        return {"error": "standard input is closed"}
    try:
        if path == "-" and secret and sys.stdin.isatty():
            content = _typed_secret()
        elif path == "-":
            content = sys.stdin.buffer.read(LARGEST_INPUT + 1)
        else:
            with open(path, "rb") as file:  # noqa: PTH123  # pathlib would cost a tenth of the whole run
                content = file.read(LARGEST_INPUT + 1)
    except OSError as error:
        return {"error": error.strerror or str(error)}
    if len(content) > LARGEST_INPUT:
        return {"error": f"it is larger than {LARGEST_INPUT} bytes"}
    return {"content": b64encode(content).decode()}


def _typed_secret() -> bytes:
    from getpass import getpass

    try:
        return getpass("secret: ").encode()
    except EOFError:
        return b""


def _finish(message: dict[str, Any], argv: list[str], *, as_json: bool) -> int:
    for file in message.get("files", ()):
        problem = _write(file, argv)
        if problem is not None:
            raise ClientError("OutputFileError", problem, 1)
    if message.get("out") and any(file["path"] == "-" for file in message.get("files", ())):
        print(message["out"], file=sys.stderr)  # standard output has the file
    elif message.get("out"):
        _print(message["out"])
    elif message.get("err") and as_json:
        return _refuse(str(message.get("kind")), message["err"], int(message["exit"]), as_json=True)
    if message.get("err"):
        print(f"gatewright: {message['err']}", file=sys.stderr)
    return int(message["exit"])


def _write(file: dict[str, Any], argv: list[str]) -> str | None:
    """Write a file that the gateway made for us; what went wrong, or None."""
    from base64 import b64decode
    from pathlib import Path

    from framework.storage import replace_file

    path = str(file["path"])
    if not any(word == path or word.endswith(f"={path}") for word in argv):
        return f"the gateway wanted to write {path}, which stands nowhere in the arguments; refused"
    if path == "-":
        with _output() as output:
            output.buffer.write(b64decode(file["content"]))
            output.flush()
        return None
    target = Path(path)
    try:
        # In the place of a device or a link, the file would be what all others find there from then on.
        if target.is_symlink() or (target.exists() and not target.is_file()):
            return f"{path} is not a regular file, and stays as it is; name a file, or - for the standard output"
        replace_file(target, b64decode(file["content"]), mode=int(file["mode"]))
    except OSError as error:
        return f"{path} cannot be written: {error.strerror}"
    return None


if __name__ == "__main__":
    sys.exit(main())
