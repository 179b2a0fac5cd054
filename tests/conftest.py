"""What all tests share: how a missing foreign program is treated, and the Debian SCEP server."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


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


class DebianScepServer:
    """Debian's `scepserver` with a CA of its own, on a free port of the loopback interface."""

    def __init__(self, depot: Path, challenge: str) -> None:
        subprocess.run(
            ["scepserver", "ca", "-init", "-depot", depot, "-keySize", "2048", "-organization", "Lab"],
            check=True,
            capture_output=True,
        )
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.depot = depot
        self.challenge = challenge
        self.ca_file = depot / "ca.pem"
        self.ca_certificate = x509.load_pem_x509_certificate(self.ca_file.read_bytes())
        self.fingerprint = self.ca_certificate.fingerprint(hashes.SHA256()).hex()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        """The endpoint as the mission writes it, without a path."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def issued(self) -> int:
        """How many certificates it has issued; it revokes the one before for the same name."""
        return len((self.depot / "index.txt").read_text().splitlines())

    def start(self) -> None:
        """Start it, and wait until it listens."""
        self._process = subprocess.Popen(
            [
                *("scepserver", "-depot", str(self.depot), "-port", str(self.port)),
                *("-challenge", self.challenge, "-allowrenew", "0", "-crtvalid", "30"),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while self._process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except ConnectionRefusedError:
                continue
            return
        raise RuntimeError("scepserver ended at once")

    def stop(self) -> None:
        """Stop it, if it runs."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@pytest.fixture
def make_scep_server(tmp_path: Path) -> Iterator[Callable[..., DebianScepServer]]:
    """Makes Debian SCEP servers, each with its own CA; started unless told otherwise."""
    made: list[DebianScepServer] = []

    def make(challenge: str = "lab-challenge", *, start: bool = True) -> DebianScepServer:
        server = DebianScepServer(tmp_path / f"depot-{len(made)}", challenge)
        made.append(server)
        if start:
            server.start()
        return server

    yield make
    for server in made:
        server.stop()


@pytest.fixture
def scep_server(make_scep_server: Callable[..., DebianScepServer]) -> DebianScepServer:
    """A running Debian SCEP server."""
    return make_scep_server()
