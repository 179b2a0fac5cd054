"""The gateway as systemd runs it: what it says at start, on changes, at reload and at the end; and its unit."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.answers import check_answer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEYSTORE = "gatewright.keystore.FilesystemKeystore~Main"


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(30)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "200000")
        yield listening


def wait_for(listening: socket.socket, wanted: str) -> list[str]:
    """All lines up to the message that has this line."""
    lines: list[str] = []
    while wanted not in lines:
        lines += listening.recv(4096).decode().splitlines()
    return lines


def test_systemd_is_told_of_readiness_progress_reload_and_the_end(gateway: Any, manager: socket.socket) -> None:
    (gateway.conf_dir / "10.json").write_text(json.dumps({KEYSTORE: {"keystore.path": "main.p12"}}))
    gateway.start()
    lines = wait_for(manager, "READY=1")
    lines += [one for one in lines if one.startswith("STATUS=")] or manager.recv(4096).decode().splitlines()
    assert any(one.startswith("STATUS=1 of 2 components active") for one in lines)
    wait_for(manager, "WATCHDOG=1")
    gateway.process.send_signal(signal.SIGHUP)
    wait_for(manager, "RELOADING=1")
    wait_for(manager, "READY=1")
    assert gateway.run("config", "set", KEYSTORE.replace("Main", "Second"), "keystore.path=second.p12").returncode == 0
    while not any(one.startswith("STATUS=2 of 3") for one in lines):
        lines = manager.recv(4096).decode().splitlines()
    gateway.process.send_signal(signal.SIGTERM)
    wait_for(manager, "STOPPING=1")
    status, _ = gateway.stop()
    assert status == 0


def test_a_pipe_among_the_files_keeps_it_neither_from_serving_nor_from_stopping(gateway: Any) -> None:
    os.mkfifo(gateway.conf_dir / "10-pipe.json")
    gateway.start()
    gateway.process.send_signal(signal.SIGHUP)
    done = gateway.run("config", "reload")
    assert (done.returncode, "10-pipe.json: is no regular file" in done.stdout) == (1, True)
    assert gateway.stop()[0] == 0


def install(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "framework", "install", "--root", str(root), "--program", "/usr/bin/gatewright"]
    return subprocess.run([*argv, *arguments], capture_output=True, text=True, check=False)


def test_an_installation_is_shown_then_written_and_written_again_without_change(tmp_path: Path) -> None:
    shown = install(tmp_path, "--dry-run", "--credential", "challenge")
    assert shown.returncode == 0
    assert "LoadCredential=challenge:/etc/gatewright/credentials/challenge" in shown.stdout
    assert list(tmp_path.iterdir()) == []
    assert install(tmp_path, "--credential", "challenge").returncode == 0
    unit = (tmp_path / "etc/systemd/system/gatewright.service").read_text()
    assert "ExecStart=/usr/bin/gatewright run --state-dir /var/lib/gatewright" in unit
    assert "gatewright" in (tmp_path / "etc/sysusers.d/gatewright.conf").read_text()
    again = install(tmp_path, "--credential", "challenge", "--json")
    assert {one["change"] for one in json.loads(again.stdout)["files"]} == {"unchanged"}


def test_an_image_is_enabled_and_its_steps_are_its_own(tmp_path: Path) -> None:
    done = install(tmp_path, "--credential", "challenge", "--json")
    check_answer(["install"], done.stdout)
    link = tmp_path / "etc/systemd/system/multi-user.target.wants/gatewright.service"
    assert link.resolve() == tmp_path / "etc/systemd/system/gatewright.service"
    secret = f"{tmp_path}/etc/gatewright/credentials/challenge"
    assert json.loads(done.stdout)["next_steps"] == [f"install -D -m 0600 SECRET {secret}"]
    unit = (tmp_path / "etc/systemd/system/gatewright.service").read_text()
    assert "SetCredential=challenge:\\n\n" in unit, "a secret that is not there keeps nobody from starting"
    manual = (tmp_path / "usr/local/share/man/man1/gatewright.1").read_text()
    assert manual.startswith(".TH GATEWRIGHT 1")


def test_a_link_out_of_an_image_is_not_followed(tmp_path: Path) -> None:
    image, outside = tmp_path / "image", tmp_path / "outside"
    (outside / "lib/gatewright").mkdir(parents=True)
    image.mkdir()
    (image / "var").symlink_to(outside)
    assert "a link out of" in uninstall(image, "--purge")["error"]["message"]
    assert (outside / "lib/gatewright").is_dir()
    (image / "etc").symlink_to(outside)
    done = install(image)
    assert done.returncode == 1
    assert "a link out of" in done.stderr
    assert files_below(outside) == set()


@pytest.mark.parametrize(
    ("program", "written"),
    [
        ("/opt/my apps/gatewright", '"/opt/my apps/gatewright"'),
        ("/opt/100%/gatewright", "/opt/100%%/gatewright"),
        ("bin/gatewright", None),
        ('/opt/"/gatewright', None),
        ("/opt/$HOME/gatewright", None),
        ("/opt/a\nExecStartPre=/bin/false", None),
    ],
)
def test_a_program_stands_in_the_unit_as_one_word(tmp_path: Path, program: str, written: str | None) -> None:
    done = install(tmp_path, "--program", program)
    if written is None:
        assert done.returncode == 64
        assert "absolute path" in done.stderr
        assert list(tmp_path.iterdir()) == []
    else:
        unit = (tmp_path / "etc/systemd/system/gatewright.service").read_text()
        assert f"ExecStart={written} run --state-dir" in unit


@pytest.mark.parametrize(("program", "warns"), [("/home/me/venv/bin/gatewright", True), ("/usr/bin/gatewright", False)])
def test_a_program_that_the_unit_cannot_see_is_told(tmp_path: Path, program: str, warns: bool) -> None:
    done = install(tmp_path, "--dry-run", "--program", program)
    assert done.returncode == 0
    assert ("the unit does not see /home" in done.stdout) == warns


def test_a_name_that_could_break_the_unit_is_refused(tmp_path: Path) -> None:
    done = install(tmp_path, "--credential", "a\nExecStartPre=/bin/false")
    assert done.returncode == 64
    assert list(tmp_path.iterdir()) == []


def uninstall(root: Path, *arguments: str) -> dict[str, Any]:
    argv = [sys.executable, "-m", "framework", "uninstall", "--root", str(root), "--json", *arguments]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    check_answer(["uninstall"], done.stdout)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def files_below(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir()}


def test_what_was_installed_is_removed_and_keys_and_configuration_only_with_purge(tmp_path: Path) -> None:
    install(tmp_path)
    precious = {"var/lib/gatewright/enrollment.p12", "etc/gatewright/conf.d/50.json", "etc/gatewright/credentials/a"}
    for name in precious:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("{}")
    before = files_below(tmp_path)
    assert len(uninstall(tmp_path, "--dry-run", "--purge")["removed"]) == 7 + 9, "files, and directories for them"
    assert files_below(tmp_path) == before, "nothing goes in a dry run"
    answer = uninstall(tmp_path)
    assert files_below(tmp_path) == precious
    assert answer["kept"] == [str(tmp_path / "etc/gatewright"), str(tmp_path / "var/lib/gatewright")]
    assert uninstall(tmp_path)["removed"] == [], "once more it finds nothing"
    uninstall(tmp_path, "--purge")
    assert files_below(tmp_path) == set()


def test_directories_that_installing_made_go_with_it_and_no_others(tmp_path: Path) -> None:
    of_the_image = {"etc", "etc/tmpfiles.d", "usr", "usr/local", "usr/local/share"}
    for name in sorted(of_the_image):
        (tmp_path / name).mkdir()
    install(tmp_path)
    assert "unchanged" in install(tmp_path).stdout, "once more it still knows what it has made"
    (tmp_path / "etc/systemd/system/other.service").touch()
    shown = uninstall(tmp_path, "--dry-run")["removed"]
    assert uninstall(tmp_path)["removed"] == shown
    assert {path for path in shown if (tmp_path / path).exists()} == set()
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")}
    assert left == {*of_the_image, "etc/systemd", "etc/systemd/system", "etc/systemd/system/other.service"}


def test_nothing_is_removed_below_a_gateway_that_runs(gateway: Any, tmp_path: Path) -> None:
    install(tmp_path)
    gateway.state_dir = tmp_path / "var/lib/gatewright"
    gateway.state_dir.parent.mkdir(parents=True)
    gateway.start()
    before = files_below(tmp_path)
    assert "stop it first" in uninstall(tmp_path, "--purge")["error"]["message"]
    assert (tmp_path / "etc/systemd/system/gatewright.service").exists()
    assert before <= files_below(tmp_path)


def test_a_secret_can_be_one_that_only_this_machine_decrypts(tmp_path: Path) -> None:
    shown = install(tmp_path, "--dry-run", "--encrypted-credential", "challenge").stdout
    assert "LoadCredentialEncrypted=challenge:/etc/gatewright/credentials/challenge.cred" in shown
    assert "systemd-creds encrypt --name=challenge SECRET /etc/gatewright/credentials/challenge.cred" in shown


@pytest.mark.peer("systemd-analyze")
def test_the_unit_is_one_and_hardened(tmp_path: Path) -> None:
    install(tmp_path, "--program", "/bin/true", "--credential", "a", "--encrypted-credential", "b")
    unit = tmp_path / "etc/systemd/system/gatewright.service"
    environ = {**os.environ, "SYSTEMD_LOG_LEVEL": "warning"}
    verified = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False, env=environ
    )
    assert "gatewright.service" not in verified.stderr, verified.stderr
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", str(unit)],
        capture_output=True,
        text=True,
        check=False,
    )
    (score,) = re.findall(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout)
    assert float(score) <= 2.0, done.stdout
