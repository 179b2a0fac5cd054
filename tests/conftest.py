"""What all tests share: how a missing foreign program is treated, the end of the run, and the Debian SCEP server."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import threading
from functools import cache
from typing import TYPE_CHECKING, Final, Protocol

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from tests.interop.answer_table import show_answers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from _pytest.terminal import TerminalReporter

_ATTEMPTS: Final = 2000
_PAUSE_S: Final = 0.01
_PORTS_TRIED: Final = 5


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose foreign programs are missing, loudly; in CI that is a failure."""
    for marker in item.iter_markers("peer"):
        missing = [program for program in marker.args if shutil.which(program) is None]
        if not missing:
            continue
        message = f"{', '.join(missing)} not found on PATH: run tools/test, or install it by hand"
        if os.environ.get("CI"):
            pytest.fail(message, pytrace=False)
        pytest.skip(message)


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    """Show what foreign programs answered with. It is asked here, since it is where xdist tells of the whole run."""
    show_answers(terminalreporter)


class DebianScepServer:
    """Debian's SCEP server (micromdm's `scepserver`) with a CA of its own, on the loopback interface.

    Attributes:
        depot: Its directory: ca.pem, index.txt, and `<CN>.<serial>.pem` for each certificate that it issued; the key
            and the certificate of its CA are in it already.
        challenge: The challenge password that it asks for.
        port: Where it answers, from the first start on; it may be changed before a start.
    """

    def __init__(self, depot: Path, challenge: str) -> None:
        self.depot = depot
        self.challenge = challenge
        self.port = _free_port()
        self.ca_file = depot / "ca.pem"
        self.ca_certificate = x509.load_pem_x509_certificate(self.ca_file.read_bytes())
        self.fingerprint = self.ca_certificate.fingerprint(hashes.SHA256()).hex()
        self._process: subprocess.Popen[bytes] | None = None
        self._ended = threading.Event()

    @property
    def endpoint(self) -> str:
        """The endpoint as the mission writes it, without a path."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """Where SCEP is served."""
        return f"{self.endpoint}/scep"

    def issued(self) -> list[str]:
        """The lines of the server's index: one for each certificate that it issued."""
        index = self.depot / "index.txt"
        return index.read_text().splitlines() if index.exists() else []

    def start(self) -> None:
        """Start it, and wait until it answers. If another program took the port meanwhile, the next one is tried."""
        for _ in range(_PORTS_TRIED):
            self._launch()
            if self._answers():
                return
            self.stop()
            self.port = _free_port()
        pytest.fail("scepserver did not start")

    def stop(self) -> None:
        """Stop it, if it runs."""
        if self._process is not None:
            self._process.kill()
            self._ended.wait()
            self._process.wait()
            self._process = None

    def _launch(self) -> None:
        process = subprocess.Popen(
            [
                *("scepserver", "-depot", str(self.depot), "-port", str(self.port)),
                *("-challenge", self.challenge, "-allowrenew", "0", "-crtvalid", "30"),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "HTTP_PROXY": "", "HTTPS_PROXY": ""},
        )
        ended = threading.Event()
        threading.Thread(target=_drain, args=(process, ended), daemon=True).start()
        self._process, self._ended = process, ended

    def _answers(self) -> bool:
        """Wait until the server accepts connections; False if it ends. It says "listening" before it does."""
        for _ in range(_ATTEMPTS):
            with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", self.port)):
                return not self._ended.is_set()
            if self._ended.wait(_PAUSE_S):
                return False
        return False


def _drain(process: subprocess.Popen[bytes], ended: threading.Event) -> None:
    """Read what the server prints to its end, so that it never waits for a full pipe."""
    assert process.stdout is not None
    with process.stdout:
        for _ in process.stdout:
            pass
    ended.set()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


class MakeScepServer(Protocol):
    """Makes a server whose CA is no other one's in the test, started unless told otherwise, until the test ends."""

    def __call__(
        self, challenge: str = "lab-challenge", *, key_size: int = 2048, start: bool = True
    ) -> DebianScepServer: ...


@pytest.fixture(scope="session")
def new_depot(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int, int], Path]:
    """The depot of a server that has issued nothing: the same for the same number and key size, as keys are costly."""

    @cache
    def make(number: int, key_size: int) -> Path:
        depot = tmp_path_factory.mktemp("scepserver") / f"{number}-{key_size}"
        initialise = ["scepserver", "ca", "-init", "-depot", str(depot), "-keySize", str(key_size), "-country", "XX"]
        subprocess.run(initialise, check=True, capture_output=True)
        return depot

    return make


@pytest.fixture
def make_scep_server(tmp_path: Path, new_depot: Callable[[int, int], Path]) -> Iterator[MakeScepServer]:
    """Makes Debian SCEP servers. Tests that use it are marked `@pytest.mark.peer("scepserver")`."""
    made: list[DebianScepServer] = []

    def make(challenge: str = "lab-challenge", *, key_size: int = 2048, start: bool = True) -> DebianScepServer:
        depot = shutil.copytree(new_depot(len(made), key_size), tmp_path / f"depot-{len(made)}")
        server = DebianScepServer(depot, challenge)
        made.append(server)
        if start:
            server.start()
        return server

    yield make
    for server in made:
        server.stop()


@pytest.fixture
def scep_server(make_scep_server: MakeScepServer) -> DebianScepServer:
    """A running Debian SCEP server."""
    return make_scep_server()
