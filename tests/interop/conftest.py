"""Debian's SCEP server (micromdm's `scepserver`), started for a test and stopped after it."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import pytest
from cryptography import x509

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_ATTEMPTS = 2000
_PAUSE_S = 0.01
_PORTS_TRIED = 5


@dataclass(frozen=True)
class ScepServer:
    """A running server.

    Attributes:
        endpoint: `http://127.0.0.1:PORT`, without its path `/scep`.
        depot: Its directory: ca.pem, index.txt, and `<CN>.<serial>.pem` for each certificate issued.
        challenge: The challenge password that it asks for.
    """

    endpoint: str
    depot: Path
    challenge: str

    @property
    def url(self) -> str:
        """Where SCEP is served."""
        return f"{self.endpoint}/scep"

    @property
    def ca_certificate(self) -> x509.Certificate:
        """The CA's certificate, read from the depot and not from the network."""
        return x509.load_pem_x509_certificate((self.depot / "ca.pem").read_bytes())

    def issued(self) -> list[str]:
        """The lines of the server's index: one for each certificate that it issued."""
        index = self.depot / "index.txt"
        return index.read_text().splitlines() if index.exists() else []


class StartScepServer(Protocol):
    """Start a server of its own CA; it is stopped when the test ends."""

    def __call__(self, *, challenge: str = "sesame", key_size: int = 2048) -> ScepServer: ...


@pytest.fixture
def start_scepserver(tmp_path: Path) -> Iterator[StartScepServer]:
    """Starts servers. Tests that use it are marked `@pytest.mark.peer("scepserver")`."""
    with contextlib.ExitStack() as stack:

        def start(*, challenge: str = "sesame", key_size: int = 2048) -> ScepServer:
            depot = tmp_path / f"depot-{len(list(tmp_path.glob('depot-*')))}"
            initialise = f"scepserver ca -init -depot {depot} -keySize {key_size} -years 10 -country XX"
            subprocess.run(initialise.split(), check=True, capture_output=True)
            return stack.enter_context(_running(depot, challenge))

        yield start


@pytest.fixture
def scepserver(start_scepserver: StartScepServer) -> ScepServer:
    """A server with the challenge password `sesame`."""
    return start_scepserver()


@contextlib.contextmanager
def _running(depot: Path, challenge: str) -> Iterator[ScepServer]:
    """A running server. It cannot choose a port itself; if another program is faster, the next is tried."""
    for _ in range(_PORTS_TRIED):
        port = _free_port()
        arguments = ["scepserver", "-depot", str(depot), "-port", str(port), "-challenge", challenge]
        process = subprocess.Popen(
            [*arguments, "-allowrenew", "0", "-crtvalid", "30"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "HTTP_PROXY": "", "HTTPS_PROXY": ""},
        )
        with process:
            log = _Log(process)
            try:
                if _accepts_connections(port, log):
                    yield ScepServer(f"http://127.0.0.1:{port}", depot, challenge)
                    return
            finally:
                process.kill()
                log.ended.wait()
    pytest.fail(f"scepserver did not start: {log.text}")


class _Log:
    """Reads the server's output to its end, so that it never waits for a full pipe."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.text = ""
        self.ended = threading.Event()
        self._process = process
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.text += line.decode(errors="replace")
        self.ended.set()


def _accepts_connections(port: int, log: _Log) -> bool:
    """Wait until the server accepts connections; False if it ends. It says "listening" before it does."""
    for _ in range(_ATTEMPTS):
        with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
            return not log.ended.is_set()
        if log.ended.wait(_PAUSE_S):
            return False
    return False


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port
