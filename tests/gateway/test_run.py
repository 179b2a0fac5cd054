"""`gatewright run` as a process: ready, alone, stopped, and talked to."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import signal
import socket
import stat
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from framework.admin.server import MOST_CLIENTS
from framework.admin.wire import socket_path
from framework.cli import main

if TYPE_CHECKING:
    from pathlib import Path

SCEP = "gatewright.scep.SCEPEnrollmentService"
KEYSTORE = "gatewright.keystore.FilesystemKeystore~EnrollmentKeystore"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_cleanly(gateway: Any, number: int) -> None:
    gateway.start()
    status, log = gateway.stop(number)
    assert status == 0
    assert "Traceback" not in log
    assert not (gateway.state_dir / "admin.sock").exists()


def test_a_second_gateway_refuses_with_the_first_ones_pid(gateway: Any) -> None:
    gateway.start()
    second = subprocess.run(
        [sys.executable, "-m", "framework", "run", "--state-dir", str(gateway.state_dir)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert second.returncode == 1
    assert str(gateway.process.pid) in second.stderr
    assert gateway.run("status").returncode == 0


def test_a_state_directory_that_cannot_be_made_is_told_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    argv = [sys.executable, "-m", "framework", "run", "--state-dir", str(tmp_path / "file" / "state")]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"the state directory {tmp_path}/file/state cannot be made" in done.stderr
    assert "--state-dir" in done.stderr


def test_a_killed_gateway_leaves_nothing_that_keeps_the_next_from_starting(gateway: Any) -> None:
    gateway.start()
    gateway.stop(signal.SIGKILL)
    assert (gateway.state_dir / "admin.sock").exists()
    gateway.start()
    assert gateway.run("status").returncode == 0


def test_only_its_user_can_open_the_socket(gateway: Any) -> None:
    gateway.start()
    assert stat.S_IMODE(gateway.state_dir.stat().st_mode) == 0o700
    assert stat.S_IMODE((gateway.state_dir / "admin.sock").stat().st_mode) == 0o600
    for name in ("configuration.db", "master.key", "gateway.lock"):
        assert stat.S_IMODE((gateway.state_dir / name).stat().st_mode) == 0o600


def test_a_state_directory_with_a_long_path_works(gateway: Any) -> None:
    gateway.state_dir = gateway.home / ("long-" * 30) / ("longer-" * 20)
    gateway.start()
    assert gateway.run("status").returncode == 0


def test_several_components_are_hosted_and_shown(gateway: Any) -> None:
    document = {
        "gatewright.keystore.FilesystemKeystore~One": {"keystore.path": "one.p12"},
        "gatewright.keystore.FilesystemKeystore~Two": {"keystore.path": "two.p12"},
    }
    (gateway.conf_dir / "10-keystores.json").write_text(json.dumps(document))
    gateway.start()
    states = {one["pid"]: one["state"] for one in gateway.json("status")["components"]}
    assert states == {
        "gatewright.keystore.FilesystemKeystore~One": "active",
        "gatewright.keystore.FilesystemKeystore~Two": "active",
        SCEP: "unsatisfied",
    }


def test_a_bad_configuration_file_is_reported_and_stops_no_other(gateway: Any) -> None:
    (gateway.conf_dir / "10-broken.json").write_text("{")
    (gateway.conf_dir / "20-unknown.json").write_text('{"no.such.pid": {"a": 1}}')
    (gateway.conf_dir / "30-wrong.json").write_text(json.dumps({SCEP: {"connect.retry-interval": 0}}))
    (gateway.conf_dir / "40-good.json").write_text(json.dumps({KEYSTORE: {"keystore.path": "a.p12"}}))
    gateway.start()
    status = gateway.json("status")
    told = " ".join(status["problems"])
    assert all(name in told for name in ("10-broken.json", "no.such.pid", "connect.retry-interval"))
    assert {one["pid"]: one["state"] for one in status["components"]}[KEYSTORE] == "active"


def test_configuration_survives_a_restart_and_secrets_are_sealed(gateway: Any) -> None:
    gateway.start()
    done = gateway.run(
        "config", "set", SCEP, "client.subject.dn=CN=a", "client.challenge.password=-", stdin="canary-5f1d\n"
    )
    assert done.returncode == 0, done.stderr
    gateway.stop(signal.SIGKILL)
    gateway.start()
    shown = gateway.json("config", "get", SCEP)
    assert shown["properties"]["client.subject.dn"] == "CN=a"
    assert shown["properties"]["client.challenge.password"] == {"$unchanged": True}
    assert shown["origins"]["client.subject.dn"] == "stored"
    _, log = gateway.stop()
    files = b"".join(path.read_bytes() for path in gateway.state_dir.rglob("*") if path.is_file())
    assert b"canary-5f1d" not in files
    assert "canary-5f1d" not in log + done.stdout + json.dumps(shown)


def test_a_password_in_plain_arguments_is_refused(gateway: Any) -> None:
    gateway.start()
    done = gateway.run("config", "set", SCEP, "client.challenge.password=plain")
    assert done.returncode == 64
    assert "client.challenge.password=@FILE" in done.stderr


def test_all_problems_are_told_at_once_and_nothing_is_changed(gateway: Any) -> None:
    gateway.start()
    done = gateway.run("config", "set", SCEP, "enabled=maybe", "client.keypair.size=1000", "nope=1", "--json")
    assert done.returncode == 4
    problems = json.loads(done.stdout)["error"]["problems"]
    assert {one["property"] for one in problems} == {"enabled", "client.keypair.size", "nope"}
    assert gateway.json("config", "get", SCEP)["revision"] == 0


def test_a_plan_says_what_would_happen_and_does_nothing(gateway: Any) -> None:
    gateway.start()
    effects = {
        setting: gateway.json("config", "plan", SCEP, setting)["effect"]
        for setting in ("server.url=http://other:1", "enabled=true", "client.renew=true", "client.renew=false")
    }
    assert list(effects.values()) == ["bootstrap", "reactivate", "modify", "unchanged"]
    assert gateway.json("config", "get", SCEP)["revision"] == 0


def test_explain_names_what_is_missing(gateway: Any) -> None:
    gateway.start()
    done = gateway.run("explain", SCEP)
    assert done.returncode == 0
    assert "KeystoreService" in done.stdout
    assert "(kura.service.pid=EnrollmentKeystore)" in done.stdout
    assert gateway.run("explain", "no.such.component").returncode == 1


def test_without_a_gateway_the_command_says_how_to_start_one(gateway: Any) -> None:
    done = gateway.run("status")
    assert done.returncode == 69
    assert f"gatewright run --state-dir {gateway.state_dir}" in done.stderr


def test_help_works_without_a_gateway() -> None:
    done = subprocess.run([sys.executable, "-m", "framework", "--help"], capture_output=True, text=True, check=True)
    for command in ("config set", "cert status", "keystore export", "explain", "run"):
        assert command in done.stdout


def test_the_socket_survives_clients_that_send_garbage(gateway: Any) -> None:
    gateway.start()
    handle = os.open(gateway.state_dir, os.O_RDONLY)
    try:
        for garbage in (
            b"",
            b"\n",
            b"not json\n",
            b"[]\n",
            b'{"argv": 1}\n',
            b'{"argv": ["x", 2]}\n',
            b"\xff" * 100_000,
        ):
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(f"/proc/self/fd/{handle}/admin.sock")
                client.sendall(garbage)
    finally:
        os.close(handle)
    assert gateway.run("status").returncode == 0


def test_the_gateway_asks_for_no_file_that_the_arguments_do_not_name(gateway: Any, tmp_path: Path) -> None:
    gateway.start()
    secret = tmp_path / "fingerprint"
    secret.write_text("0" * 64)
    done = gateway.run("config", "set", SCEP, f"server.ca.fingerprint=@{secret}", "--json")
    assert json.loads(done.stdout)["outcome"] in {"bootstrapped", "stored"}
    done = gateway.run("config", "set", SCEP, "server.ca.fingerprint=@/no/such/file")
    assert done.returncode == 4
    assert "/no/such/file" in done.stderr


def test_followers_that_go_away_leave_their_places(gateway: Any) -> None:
    gateway.start()
    handle = os.open(gateway.state_dir, os.O_RDONLY)
    clients: list[socket.socket] = []
    try:
        for _ in range(MOST_CLIENTS):
            client = socket.socket(socket.AF_UNIX)
            client.connect(f"/proc/self/fd/{handle}/admin.sock")
            client.sendall(b'{"argv": ["events", "--follow"], "json": true}\n')
            answers = client.makefile("rb")
            assert json.loads(answers.readline()) == {"begun": True}
            assert b"following" in answers.readline()
            clients.append(client)
        assert "too many clients" in gateway.run("status").stderr
        for client in clients:
            client.close()
        assert any(gateway.run("status").returncode == 0 for _ in range(200)), "their places stay taken"
    finally:
        for client in clients:
            client.close()
        os.close(handle)


def test_a_hangup_has_it_read_its_files_again_and_a_bad_file_ends_nothing(gateway: Any) -> None:
    gateway.start()
    assert gateway.process is not None
    with gateway.following("gatewright/configuration/*") as events:
        (gateway.conf_dir / "20-broken.json").write_text("{")
        (gateway.conf_dir / "40-good.json").write_text(json.dumps({KEYSTORE: {"keystore.path": "a.p12"}}))
        gateway.process.send_signal(signal.SIGHUP)
        assert json.loads(next(events))["properties"]["pid"] == KEYSTORE
        (gateway.conf_dir / "40-good.json").unlink()
        gateway.process.send_signal(signal.SIGHUP)
        assert json.loads(next(events))["topic"] == "gatewright/configuration/CM_DELETED"
    assert "20-broken.json" in " ".join(gateway.json("status")["problems"])
    assert gateway.stop()[0] == 0


def test_a_password_is_asked_for_on_a_terminal_and_not_shown(gateway: Any) -> None:
    gateway.start()
    terminal, its_side = pty.openpty()
    command = ["config", "set", SCEP, "client.challenge.password=-", "--state-dir", str(gateway.state_dir)]
    process = subprocess.Popen(
        [sys.executable, "-m", "framework", *command],
        stdin=its_side,
        stdout=its_side,
        stderr=its_side,
        start_new_session=True,
    )
    os.close(its_side)
    shown = b""
    while b"secret: " not in shown:
        shown += os.read(terminal, 1000)
    os.write(terminal, b"canary-typed\n")
    with contextlib.suppress(OSError):  # a terminal whose other side has gone
        while piece := os.read(terminal, 1000):
            shown += piece
    os.close(terminal)
    assert process.wait() == 0, shown
    assert b"client.challenge.password: (empty) -> ****" in shown
    assert b"canary-typed" not in shown


def test_a_gateway_that_stands_still_is_not_waited_for(
    gateway: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    gateway.start()
    monkeypatch.setattr("framework.cli.ANSWER_DEADLINE_S", 1)
    status = ["status", "--state-dir", str(gateway.state_dir)]
    gateway.process.send_signal(signal.SIGSTOP)
    try:
        assert main(status) == 69
        assert "has not answered within 1 s" in capsys.readouterr().err
        with contextlib.ExitStack() as stack:
            for _ in range(MOST_CLIENTS + 3):  # more than may wait to be accepted
                client = stack.enter_context(socket.socket(socket.AF_UNIX))
                client.setblocking(False)
                with contextlib.suppress(BlockingIOError), socket_path(gateway.state_dir) as path:
                    client.connect(path)
            assert main(status) == 69
        assert "has not answered within 1 s" in capsys.readouterr().err
    finally:
        gateway.process.send_signal(signal.SIGCONT)


def command(line: str, gateway: Any, **environ: str) -> subprocess.CompletedProcess[str]:
    """A line of the shell, in which `gatewright` stands for the command with this gateway."""
    words = f"{sys.executable} -m framework --state-dir {gateway.state_dir}"
    return subprocess.run(
        ["sh", "-c", re.sub(r"(?<![\w/.-])gatewright(?![\w/.-])", lambda _: words, line)],  # not in a path of that name
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        check=False,
    )


def test_an_answer_that_cannot_be_written_is_told_in_one_line(gateway: Any) -> None:
    gateway.start()
    run = f"{sys.executable} -m framework run"
    lines = ("gatewright status", "gatewright status --json", "gatewright --help", "gatewright diagnostics -o -")
    for line in (*lines, f"{run} --help"):
        done = command(f"{line} >/dev/full", gateway)
        assert (done.returncode, done.stderr) == (
            74,
            "gatewright: the answer cannot be written: No space left on device\n",
        )
        closed = command(f"{line} >&-", gateway)
        assert (closed.returncode, closed.stderr) == (
            74,
            "gatewright: the answer cannot be written: standard output is closed\n",
        )
    assert command("gatewright diagnostics -o - | true", gateway).stderr == ""
    assert command(f"{run} --help", gateway).stdout.startswith("usage: gatewright run")


def test_a_file_that_is_too_large_for_any_command_is_not_read_to_its_end(gateway: Any) -> None:
    gateway.start()
    done = command("gatewright config apply /dev/zero", gateway)
    assert (done.returncode, done.stderr.count("\n")) == (4, 1)
    assert "/dev/zero" in done.stderr
    assert "larger than 3000000 bytes" in done.stderr


def test_an_answer_is_shown_in_any_encoding(gateway: Any) -> None:
    (gateway.conf_dir / "10-gr\u00fc\u00dfe.json").write_text("{")
    gateway.start()
    done = command("gatewright status", gateway, PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert "10-gr\\xfc\\xdfe.json" in done.stdout
