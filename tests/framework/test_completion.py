"""What a shell completes: words, options, choices, pids and files, from the commands' own declarations."""

from __future__ import annotations

import contextlib
import os
import pty
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


PUMP = """\
<MetaData xmlns="http://www.osgi.org/xmlns/metatype/v1.4.0">
  <OCD id="example.Pump" name="Pump">
    <AD id="running" type="Boolean" default="false"/>
    <AD id="mode" type="String" default="eco"><Option label="Eco" value="eco"/><Option label="Full" value="full"/></AD>
    <AD id="valves" type="String" cardinality="4" required="false"/>
    <AD id="pin" type="Password" required="false"/>
  </OCD>
  <Designate pid="example.Pump"><Object ocdref="example.Pump"/></Designate>
</MetaData>
"""


@pytest.fixture(scope="module")
def pump(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayHarness]:
    descriptor = tmp_path_factory.mktemp("pump") / "pump.xml"
    descriptor.write_text(PUMP)
    described = component("example.Pump", descriptor=str(descriptor))(type("Pump", (), {}))
    with GatewayHarness(components=[described], conf={"example.Pump": {"mode": "full"}}) as running:
        yield running


@pytest.mark.parametrize(
    "line",
    [
        Line("config set example.Pump ", ("mode=", "pin=", "running=", "valves=")),
        Line("config plan example.Pump mode=eco valves=a r", ("running=",)),
        Line("config set example.Pump mode=eco valves=a v", ("valves=",)),
        Line("config set example.Pump mode=eco m", ()),
        Line("config set example.Pump --if-revision 3 mode=", ("mode=eco", "mode=full")),
        Line("config set --state-dir /a example.Pump running=t", ("running=true",)),
        Line("config set example.Pump pin=", ("pin=-", "pin=@")),
        Line("config set example.Pump pin=@chal", (FILE_NAMES,)),
        Line("config set example.Pump valves=", ()),
        Line("config set example.Pump --unset m", ("mode",)),
        Line("config set no.such.Pid ", ()),
    ],
    ids=lambda line: line.words,
)
def test_properties_of_the_pid_before_and_their_values_are_known(line: Line, pump: GatewayHarness) -> None:
    assert tuple(candidates(TABLE, line.words.split(" "), pump.gateway)) == line.found


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


FAKE = """\
#!/bin/sh
case "$1 $#" in
"completion "*) exec {python} -m framework "$@";;
"complete "*) for word; do :; done
    case "$*" in *[\\"\\']*) exit;; esac
    case "$word" in
    server.url=*) echo "server.url=http://a:8999";;
    secret=@*) echo "(files)";;
    secret=*) echo secret=@;;
    "") ;;
    s*) printf 'secret=\nserver.url=\n' | grep "^$word";;
    *) echo "mode=eco mode";;
    esac;;
*) printf '%s\n' "$@" >>"$TYPED";;
esac
"""
"""Answers as a gateway would that has three properties, and notes what it is called with."""

START = {
    "bash": ("bash --norc --noprofile -i", 'eval "$(gatewright completion bash)"'),
    "zsh": ("zsh -f -i", 'autoload -U compinit; compinit -u -D; eval "$(gatewright completion zsh)"'),
}


TYPED = {
    "ser\tx": "server.url=x",
    "server.url=\t": "server.url=http://a:8999",
    "server.url=http://a:\t": "server.url=http://a:8999",
    "sec\tx": "secret=x",
    "secret=\tx": "secret=@x",
    "secret=@chall\t": "secret=@challenge.txt",
    "secret=@./chall\t": "secret=@./challenge.txt",
    "secret=@dire\tchall\t": "secret=@directory/challenge.txt",
    "mo\t": "mode=eco mode",
    "a=b ser\tx": "a=b server.url=x",
    "'ser\t\t": "server.url=http://a:8999",
    '"server.url=http://a:\t': "server.url=http://a:8999",
    "'server.url'=\t": "server.url=http://a:8999",
    "'mo\t": "mode=eco mode",
    "'a=b' \"c d\" e\\ f ser\tx": "a=b c d e f server.url=x",
    "secret=@'./chall\t": "secret=@./challenge.txt",
    'secret=@"dire\tchall\t': "secret=@directory/challenge.txt",
    "secret=@'my l\t": "secret=@my list.txt",
    "secret=@my\\ l\t": "secret=@my list.txt",
    "'secret=@my l\t": "secret=@my list.txt",
}
"""What keys become, TAB and all."""


@pytest.mark.parametrize("shell", ["bash", pytest.param("zsh", marks=pytest.mark.peer("zsh"))])
def test_a_shell_completes_what_is_typed(shell: str, tmp_path: Path, on_path: dict[str, str]) -> None:
    (tmp_path / "gatewright").write_text(FAKE.format(python=sys.executable))
    (tmp_path / "directory").mkdir()
    for directory in (tmp_path, tmp_path / "directory"):
        (directory / "challenge.txt").write_text("")
    (tmp_path / "my list.txt").write_text("")
    command, setup = START[shell]
    terminal, its_side = pty.openpty()
    process = subprocess.Popen(
        command.split(),
        stdin=its_side,
        stdout=its_side,
        stderr=its_side,
        start_new_session=True,
        cwd=tmp_path,
        env={**on_path, "TERM": "dumb", "HISTFILE": "", "TYPED": str(tmp_path / "typed")},
    )
    os.close(its_side)
    lines = [setup, *(f"gatewright set {keys}" for keys in TYPED), "exit", ""]
    os.write(terminal, "\n".join(lines).encode())
    with contextlib.suppress(OSError):  # a terminal whose other side has gone
        while os.read(terminal, 1000):
            pass
    os.close(terminal)
    process.wait()
    called = (tmp_path / "typed").read_text().removeprefix("set\n").split("\nset\n")
    assert [words.replace("\n", " ").strip() for words in called] == list(TYPED.values())


@pytest.mark.peer("fish")
def test_fish_completes_keys_values_and_files(tmp_path: Path, on_path: dict[str, str]) -> None:
    (tmp_path / "gatewright").write_text(FAKE.format(python=sys.executable))
    (tmp_path / "challenge.txt").write_text("")
    lines = [f"gatewright set {word}" for word in ("s", "server.url=http://a:", "secret=@chall", "m")]
    script = "gatewright completion fish | source\n" + "\n".join(f'complete -C "{line}"' for line in lines)
    done = subprocess.run(["fish", "-c", script], env=on_path, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        *("secret=", "server.url=", "server.url=http://a:8999", "secret=@challenge.txt", "mode=eco mode")
    ]


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
