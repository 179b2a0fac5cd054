"""A development CA that does one thing wrong, and a device that was enrolled while it was right."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Protocol

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from components.keystore import KeyAlgorithm, SoftwarePrivateKey
from metatype import Secret
from tests.components.scep.device import CHALLENGE, Device
from tools.scep_ca import IssuancePolicy, ScepCa, ScepCaServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

POLICY = IssuancePolicy(Secret(CHALLENGE))


class FaultyCa(Protocol):
    """Runs the CA with these faults, at a port, until the test ends, or until it is run with others."""

    def __call__(self, *faults: str, port: int = 0) -> tuple[ScepCa, str]: ...


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")


@pytest.fixture(scope="session")
def ca_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CA on a small key, because reading a large one takes long and each of these tests does it."""
    directory = tmp_path_factory.mktemp("hostile") / "ca"
    directory.mkdir(mode=0o700)
    key = SoftwarePrivateKey.generate(KeyAlgorithm.RSA, 1024).export()
    (directory / "ca.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return directory


@pytest.fixture(scope="session")
def device(ca_directory: Path) -> Device:
    """A device that the CA enrolled; its `ca` is closed."""
    key = SoftwarePrivateKey.generate(KeyAlgorithm.RSA, 2048)
    with ScepCa.open(ca_directory, POLICY) as ca:
        return Device.of(ca, key).enrolled()


@pytest.fixture
def faulty_ca(ca_directory: Path) -> Iterator[FaultyCa]:
    running = contextlib.ExitStack()

    def run(*faults: str, port: int = 0) -> tuple[ScepCa, str]:
        running.close()
        ca = running.enter_context(ScepCa.open(ca_directory, POLICY, faults=faults))
        return ca, running.enter_context(ScepCaServer(ca, port=port)).url

    with running:
        yield run
