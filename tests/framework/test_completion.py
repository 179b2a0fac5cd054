"""What a shell completes: words, options, choices, pids and files, from the commands' own declarations."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from framework import component
from framework.admin.commands import framework_commands
from framework.admin.completion import FILE_NAMES, candidates
from framework.admin.parsing import CommandTable
from framework.testing import GatewayHarness

if TYPE_CHECKING:
    from collections.abc import Iterator

TABLE = CommandTable(framework_commands())


@component("example.Thermometer")
class Thermometer:
    pass


@dataclass(frozen=True)
class Line:
    words: str
    found: tuple[str, ...]


@pytest.mark.parametrize(
    "line",
    [
        Line("ru", ("run",)),
        Line("conf", ("config",)),
        Line("config ro", ("rollback", "rotate-key")),
        Line("config get --", ("--help", "--json", "--show-origin", "--state-dir")),
        Line("completion ", ("bash", "fish", "zsh")),
        Line("metatype lint ", (FILE_NAMES,)),
        Line("diagnostics -o ", (FILE_NAMES,)),
        Line("diagnostics -", ("--help", "--json", "--output", "--state-dir")),
        Line("no such command ", ()),
        Line("--state-dir ", (FILE_NAMES,)),
        Line("--state-dir /var/lib/gatewright config ro", ("rollback", "rotate-key")),
        Line("--json --state-dir=/a completion b", ("bash",)),
        Line("run --log-format ", ("journal", "json", "text")),
        Line("run --state-dir /a --conf-d", ("--conf-dir",)),
        Line("run --conf-dir ", (FILE_NAMES,)),
        Line("status extra ", ()),
    ],
)
def test_words_options_choices_and_files_need_no_gateway(line: Line) -> None:
    assert tuple(candidates(TABLE, line.words.split(" "), None)) == line.found


@pytest.fixture(scope="module")
def harness() -> Iterator[GatewayHarness]:
    with GatewayHarness(components=[Thermometer]) as running:
        yield running


@pytest.mark.parametrize(
    "words", ["explain ", "config get exam", "config get --show-origin ", "component enable ", "config export a "]
)
def test_a_running_gateway_knows_its_pids(words: str, harness: GatewayHarness) -> None:
    assert candidates(TABLE, words.split(" "), harness.gateway) == ["example.Thermometer"]


def test_without_a_gateway_there_are_no_pids() -> None:
    assert candidates(TABLE, ["explain", ""], None) == []


@pytest.fixture
def on_path(tmp_path: Path) -> dict[str, str]:
    """An environment in which `gatewright` is this one."""
    program = tmp_path / "gatewright"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m framework "$@"\n')
    program.chmod(0o755)
    root = str(Path(__file__).resolve().parents[2])
    return {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": root}


BASH = """
eval "$(gatewright completion bash)"
COMP_WORDS=(gatewright config ro); COMP_CWORD=2
_gatewright
printf '%s\\n' "${COMPREPLY[@]}"
"""


def test_bash_completes_with_the_script_it_is_given(on_path: dict[str, str]) -> None:
    done = subprocess.run(["bash", "-c", BASH], env=on_path, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["rollback", "rotate-key"]
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("shell", "option"),
    [
        pytest.param("bash", "-n"),
        pytest.param("zsh", "-n", marks=pytest.mark.peer("zsh")),
        pytest.param("fish", "--no-execute", marks=pytest.mark.peer("fish")),
    ],
)
def test_the_scripts_are_of_the_shells_language(shell: str, option: str, on_path: dict[str, str]) -> None:
    script = subprocess.run(["gatewright", "completion", shell], env=on_path, capture_output=True, check=True).stdout
    checked = subprocess.run([shell, option], input=script, capture_output=True, check=False)
    assert checked.returncode == 0, checked.stderr
