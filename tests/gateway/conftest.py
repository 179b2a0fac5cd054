"""A gateway as a process of its own, driven through its command line."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.answers import check_answer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SCEP = "gatewright.scep.SCEPEnrollmentService"
KEYSTORE = "gatewright.keystore.FilesystemKeystore~EnrollmentKeystore"


class GatewayProcess:
    """`gatewright run` on one state directory."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.state_dir, self.conf_dir = home / "state", home / "conf.d"
        self.conf_dir.mkdir(parents=True)
        self.process: subprocess.Popen[str] | None = None
        self.environ: dict[str, str] = {}

    def start(self) -> None:
        """Start it and wait until it says that it is ready."""
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "framework", "run", "--log-level", "debug"),
                *("--state-dir", str(self.state_dir), "--conf-dir", str(self.conf_dir)),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **self.environ},
        )
        assert self.process.stderr is not None
        lines = []
        for line in self.process.stderr:
            lines.append(line)
            if " ready: " in line:
                break
        else:
            raise AssertionError("the gateway did not start:\n" + "".join(lines))

    def stop(self, signal_number: int = signal.SIGTERM) -> tuple[int, str]:
        """Stop it; its exit status and the rest of its log."""
        assert self.process is not None
        self.process.send_signal(signal_number)
        _, log = self.process.communicate(timeout=20)
        status, self.process = self.process.returncode, None
        return status, log

    def run(self, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """One command, as a person would type it."""
        return subprocess.run(
            [sys.executable, "-m", "framework", *arguments, "--state-dir", str(self.state_dir)],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            cwd=self.home,
            env={**os.environ, "COLUMNS": "100"},
        )

    def json(self, *arguments: str) -> Any:
        """The JSON answer of one command."""
        done = self.run(*arguments, "--json")
        assert done.stdout, done.stderr
        check_answer(arguments, done.stdout)
        return json.loads(done.stdout)

    def configure_enrolment(self, server: Any, **changes: str) -> None:
        """Write configuration files for a keystore and for the enrolment with a server."""
        properties = {
            "enabled": True,
            "server.url": server.endpoint,
            "server.ca.fingerprint": server.fingerprint,
            "client.subject.dn": "CN=gateway-17,O=Example",
            "client.challenge.password": server.challenge,
            "connect.retry-interval": 1,
            **changes,
        }
        document = {KEYSTORE: {"keystore.path": "enrollment.p12"}, SCEP: properties}
        (self.conf_dir / "enrolment.json").write_text(json.dumps(document))

    @contextlib.contextmanager
    def following(self, topic: str) -> Iterator[Iterator[str]]:
        """The events of a topic from now on, each a line of JSON."""
        follower = subprocess.Popen(
            [
                *(sys.executable, "-m", "framework", "events", "--follow", "--json"),
                *("--topic", topic, "--state-dir", str(self.state_dir)),
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert follower.stdout is not None
        try:
            assert "following" in follower.stdout.readline()
            yield iter(follower.stdout)
        finally:
            follower.terminate()
            follower.wait()
            follower.stdout.close()

    def wait_for(self, *states: str) -> dict[str, Any]:
        """`cert status` as soon as the enrolment is in one of these states, by the events that it sends."""
        with self.following("gatewright/enrollment/*") as events:
            for _ in itertools.chain([""], events):
                status: dict[str, Any] = self.json("cert", "status")
                if status["state"] in states:
                    return status
        raise AssertionError(f"the gateway ended before it was in one of {states}")


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[GatewayProcess]:
    """A gateway that is not started yet; whatever runs at the end is killed."""
    made = GatewayProcess(tmp_path / "gateway")
    yield made
    if made.process is not None:
        made.stop(signal.SIGKILL)
