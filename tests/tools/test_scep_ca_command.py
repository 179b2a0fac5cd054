"""The development CA as a process: how it is started, what it says, how it ends."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from components.scep.client import ScepClient
from components.scep.errors import ScepError, TransportError
from components.scep.transaction import Capabilities
from framework.clock import SystemClock
from tests.tools.scep_requester import CHALLENGE, Requester
from tools.scep_ca import IssuancePolicy, ScepCa
from tools.scep_ca.__main__ import main

if TYPE_CHECKING:
    from collections.abc import Iterator

    from components.keystore import SoftwarePrivateKey

ROOT = Path(__file__).resolve().parents[2]
POST = Capabilities.parse("POSTPKIOperation")


@pytest.fixture
def challenge_file(tmp_path: Path) -> Path:
    path = tmp_path / "challenge"
    path.write_text(f"{CHALLENGE}\n")
    return path


@contextlib.contextmanager
def running(*arguments: str | Path, environment: dict[str, str] | None = None) -> Iterator[subprocess.Popen[str]]:
    """The command, until the block ends."""
    with subprocess.Popen(
        [sys.executable, "-m", "tools.scep_ca", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def announced(process: subprocess.Popen[str]) -> dict[str, Any]:
    """What the process says of itself when it is ready."""
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, process.stderr and process.stderr.read()
    facts: dict[str, Any] = json.loads(line)
    return facts


def test_it_says_where_it_is_and_ends_when_it_is_told(
    ca_directory: Path, challenge_file: Path, tmp_path: Path, client_key: SoftwarePrivateKey
) -> None:
    ready = tmp_path / "ready.json"
    command = ("--directory", ca_directory, "--port", "0", "--challenge-file", challenge_file, "--json")
    with running(*command, "--ready-file", ready) as process:
        facts = announced(process)
        assert json.loads(ready.read_text()) == facts
        assert facts["pid"] == process.pid
        client = ScepClient(facts["url"], clock=SystemClock())
        (certificate,) = client.get_ca_cert()
        requester = Requester(client_key, certificate)
        requester.certificate(client.pki_operation(requester.message(), client.get_ca_caps()))

        process.send_signal(signal.SIGTERM)
        _, log = process.communicate()

    assert process.returncode == 0
    assert not ready.exists()
    assert "issued serial" in log
    assert CHALLENGE not in log
    with ScepCa.open(ca_directory, IssuancePolicy(None)) as ca:
        assert facts["fingerprint"] == ca.fingerprint
        assert len(ca.issued()) == 1


def test_it_tells_people_the_same(ca_directory: Path) -> None:
    variable = "SCEP_CHALLENGE"
    command = ("--directory", ca_directory, "--port", "0", "--challenge-environment", variable)
    with running(*command, environment={variable: CHALLENGE}) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        others = process.stdout.read()
        status = process.wait()

    assert status == 0
    assert re.fullmatch(r"SCEP CA at http://127\.0\.0\.1:\d+/cgi-bin/pkiclient\.exe\n", first)
    with ScepCa.open(ca_directory, IssuancePolicy(None)) as ca:
        assert ca.fingerprint in others


def test_its_shape_and_its_faults_are_told_on_the_command_line(tmp_path: Path) -> None:
    directory = tmp_path / "ca"
    command = ("--directory", directory, "--port", "0", "--no-challenge", "--intermediate", "--registration-authority")
    with running(*command, "--fault", "no-capabilities", "--json") as process:
        facts = announced(process)
        client = ScepClient(facts["url"], clock=SystemClock())
        assert len(client.get_ca_cert()) == 4
        assert client.get_ca_caps() == Capabilities()
        assert facts["certificate"] == str(directory / "root.pem")
        assert main(["pending", "--directory", str(directory)]) == 0


class Enrolling(threading.Thread):
    """Gets one certificate after the other, until the CA is gone."""

    def __init__(self, client: ScepClient, requester: Requester, prefix: str, received: dict[str, bytes]) -> None:
        super().__init__()
        self.under_way = threading.Event()
        self._client = client
        self._requester = requester
        self._prefix = prefix
        self._received = received

    def run(self) -> None:
        with contextlib.suppress(ScepError):
            for number in range(1000):
                transaction_id = f"{self._prefix}-{number}"
                message = self._requester.message(transaction_id=transaction_id)
                self._received[transaction_id] = self._client.pki_operation(message, POST)
                if number == 10:
                    self.under_way.set()
        self.under_way.set()


def test_a_kill_at_any_moment_loses_no_certificate(
    ca_directory: Path, challenge_file: Path, client_key: SoftwarePrivateKey
) -> None:
    command = ("--directory", ca_directory, "--port", "0", "--challenge-file", challenge_file, "--json")
    received: dict[str, bytes] = {}
    for life in range(2):
        with running(*command, "--log-level", "error") as process:
            client = ScepClient(announced(process)["url"], clock=SystemClock())
            requester = Requester(client_key, client.get_ca_cert()[0])
            enrolling = Enrolling(client, requester, f"T-{life}", received)
            enrolling.start()
            enrolling.under_way.wait()
            process.kill()
            enrolling.join()

    with ScepCa.open(ca_directory, IssuancePolicy(None)) as ca:
        issued = {entry.transaction_id: entry.certificate for entry in ca.issued()}
    assert len(received) >= 20
    for transaction_id, reply in received.items():
        assert requester.certificate(reply) == issued[transaction_id]
    assert len({certificate.serial_number for certificate in issued.values()}) == len(issued)
    with pytest.raises(TransportError):
        client.get_ca_cert()


WRONG_COMMANDS = [
    pytest.param([], "one of the arguments --challenge-file", id="no challenge at all"),
    pytest.param(["--challenge", "sesame"], "one of the arguments --challenge-file", id="a challenge in the arguments"),
    pytest.param(["--no-challenge", "--challenge-environment", "X"], "not allowed with", id="two"),
    pytest.param(["--challenge-file", "/nowhere/challenge"], "No such file", id="no such file"),
    pytest.param(["--challenge-environment", "NO_SUCH_VARIABLE"], "must hold one line", id="empty variable"),
    pytest.param(["--no-challenge", "--port", "70000"], "is no port", id="wrong port"),
    pytest.param(["--no-challenge", "--subject", "nobody"], "is no name such as", id="wrong name"),
    pytest.param(["--no-challenge", "--validity", "0d"], "is no time such as", id="wrong validity"),
    pytest.param(["--no-challenge", "--key-size", "512"], "invalid choice", id="wrong key size"),
]


@pytest.mark.parametrize(("arguments", "message"), WRONG_COMMANDS)
def test_a_wrong_command_line_says_what_is_wrong(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--directory", str(tmp_path / "ca"), *arguments])

    assert ended.value.code == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "ca").exists()


@pytest.mark.parametrize("content", [b"", b"\n", b"two\nlines", b"\xff\xfe"])
def test_a_file_without_a_password_is_refused_and_not_shown(
    content: bytes, challenge_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    challenge_file.write_bytes(content)

    with pytest.raises(SystemExit) as ended:
        main(["--directory", str(tmp_path / "ca"), "--challenge-file", str(challenge_file)])

    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert str(challenge_file) in error
    assert "lines" not in error


def test_a_directory_in_use_is_named(ca: ScepCa, ca_directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--directory", str(ca_directory), "--no-challenge", "--port", "0"]) == 1

    assert ca.issued() == ()
    assert f"the CA in {ca_directory} cannot be used: another process uses it" in capsys.readouterr().err
