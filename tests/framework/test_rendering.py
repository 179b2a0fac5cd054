"""How answers look: columns, colours on a terminal and nowhere else, and nothing that steers it."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import pytest

from framework.admin.rendering import Tone, Toned, fields, mark, paint, table


def test_columns_are_as_wide_with_colours_as_without() -> None:
    rows = [(Toned("ok", Tone.GOOD), "first"), (Toned("error", Tone.BAD), None)]
    plain = paint(table(("STATE", "NAME"), rows), colour=False)
    assert plain.splitlines() == ["STATE  NAME", "ok     first", "error  -"]
    coloured = paint(table(("STATE", "NAME"), rows), colour=True)
    assert "\x1b[32mok\x1b[0m     first" in coloured
    assert "\x1b[31merror\x1b[0m  -" in coloured


def test_a_field_keeps_its_tone() -> None:
    assert paint(fields([("state", Toned("active", Tone.GOOD))]), colour=True) == "state  \x1b[32mactive\x1b[0m"


def test_a_foreign_text_can_neither_colour_nor_steer() -> None:
    forged = mark(Toned("x", Tone.BAD)) + "\x1b[2J"
    assert "\x1b" not in paint(mark(forged), colour=True)
    assert "\x1b" not in paint(table(("A",), [(forged,)]), colour=True)


@pytest.mark.parametrize(("environ", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)])
def test_colours_are_for_terminals_that_want_them(
    environ: dict[str, str], coloured: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    state = tmp_path_factory.mktemp("state")
    argv = [sys.executable, "-m", "framework", "doctor", "--state-dir", str(state)]
    base = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        with subprocess.Popen(argv, stdout=theirs, env={**base, "TERM": "xterm", **environ}) as process:
            os.close(theirs)
            shown = b""
            while piece := _read(terminal.fileno()):
                shown += piece
        assert process.returncode == 2
    assert b"no gateway runs on" in shown
    assert (b"\x1b[31m" in shown) is coloured


def test_a_pipe_gets_no_colours(tmp_path_factory: pytest.TempPathFactory) -> None:
    state = tmp_path_factory.mktemp("state")
    argv = [sys.executable, "-m", "framework", "doctor", "--state-dir", str(state)]
    done = subprocess.run(argv, capture_output=True, check=False, env={**os.environ, "TERM": "xterm"})
    assert b"\x1b" not in done.stdout


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:  # what Linux answers when the other end of a terminal has gone
        return b""
