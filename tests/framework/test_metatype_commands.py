"""`gatewright metatype lint` and `show`, without a gateway and through one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import pytest

from components.keystore import plugin
from framework.admin.commands import framework_commands
from framework.admin.server import AdminServer
from framework.cli import main
from framework.testing import GatewayHarness

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PID: Final = "gatewright.keystore.FilesystemKeystore"
ODD: Final = """<MetaData>
<OCD id="o" name="%n">
<AD id="a" type="Long" required="trie" default="x"/>
<AD id="p" type="Password" default="canary-5a1c" name="%p" min="2"/>
</OCD>
</MetaData>"""


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    path = tmp_path / "odd.xml"
    path.write_text(ODD)
    (tmp_path / "OSGI-INF" / "l10n").mkdir(parents=True)
    (tmp_path / "OSGI-INF" / "l10n" / "bundle.properties").write_text("n=Name")
    (tmp_path / "OSGI-INF" / "l10n" / "bundle_du.properties").write_text("n=Naam")
    return path


def test_lint_prints_all_warnings_of_all_files_with_their_places(odd: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = odd.with_name("broken.xml")
    broken.write_text('<MetaData>\n<OCD id="o"><AD id="a" type="Long" odd=""/>\n<AD/>')
    assert main(["metatype", "lint", str(odd), str(broken)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(": ")[0] for line in lines] == [
        f"{odd}:3:1",
        f"{odd}:3:1",
        str(odd),
        f"{broken}:2:13",
        f"{broken}:3:1",
        "2 files",
    ]
    assert "warning: required='trie' is taken for false" in lines[0]
    assert "warning: the default of 'a' is ignored" in lines[1]
    assert "warning: %p of 'p' has no translation" in lines[2]
    assert "error: AD has no id" in lines[4]
    assert lines[5] == "2 files: 1 broken, 4 warnings"


def test_lint_says_with_its_exit_status_whether_there_is_something(
    odd: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clean = odd.with_name("clean.json")
    clean.write_text('{"objectClasses": []}')
    assert main(["metatype", "lint", str(clean)]) == 0
    assert capsys.readouterr().out == "1 file: nothing to say\n"
    assert main(["metatype", "lint", "--json", str(clean), str(odd)]) == 3
    found = json.loads(capsys.readouterr().out)
    assert found[0] == {
        "severity": "warning",
        "message": "required='trie' is taken for false",
        "source": str(odd),
        "line": 3,
        "column": 1,
        "element": "AD",
        "attribute": "required",
    }
    assert main(["metatype", "lint", str(odd.with_name("none.xml"))]) == 1
    assert "No such file" in capsys.readouterr().err


def test_show_renders_a_file_as_a_table_in_the_language_asked_for(
    odd: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["metatype", "show", str(odd), "--locale", "du_NL"]) == 0
    shown = capsys.readouterr().out
    assert "Naam" in shown
    assert [line.split()[:3] for line in shown.splitlines()[-2:]] == [["a", "Long", "no"], ["p", "Password", "yes"]]
    assert "length at least 2" in shown
    assert "canary" not in shown
    assert main(["metatype", "show", str(odd), "--locale", "../x"]) == 1
    assert "is no locale" in capsys.readouterr().err


def test_show_of_a_pid_without_a_gateway_asks_the_plugins_that_are_installed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["metatype", "show", PID, "--schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert schema["properties"]["keystore.password"]["writeOnly"] is True
    assert main(["metatype", "show", PID, "--json"]) == 0
    descriptor = json.loads(capsys.readouterr().out)
    assert descriptor["designates"] == [{"factoryPid": PID, "ocdref": PID}]
    assert main(["metatype", "show", "no.such.Pid"]) == 1
    assert "no plugin that is installed" in capsys.readouterr().err


@pytest.fixture
def running(tmp_path: Path) -> Iterator[list[str]]:
    state_directory = tmp_path / "state"
    with GatewayHarness(plugins=[plugin], state_directory=state_directory) as harness:
        server = AdminServer(harness.gateway, framework_commands, state_directory)
        server.start()
        yield ["--state-dir", str(state_directory)]
        server.stop()


@pytest.mark.parametrize("pid", [PID, f"{PID}~Any"])
def test_show_of_a_pid_asks_the_gateway_that_runs(
    pid: str, running: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["metatype", "show", pid, *running]) == 0
    shown = capsys.readouterr().out
    assert f"factory pid   {PID}" in shown
    assert "keystore.password" in shown


def test_what_a_running_gateway_does_not_know_is_told(
    running: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["metatype", "show", "gatewright.scep.SCEPEnrollmentService", *running]) == 1
    assert PID in capsys.readouterr().err
    assert main(["metatype", "show", PID, "--locale", "du", *running]) == 1
    assert "only beside it are translations" in capsys.readouterr().err
    (tmp_path / "odd.xml").write_text(ODD)
    assert main(["metatype", "lint", str(tmp_path / "odd.xml"), *running]) == 3
