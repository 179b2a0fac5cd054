"""Keys for the development CA's tests, made once, and a CA on one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from components.keystore import KeyAlgorithm, SoftwarePrivateKey
from metatype import Secret
from tests.tools.scep_requester import CHALLENGE, Requester
from tools.scep_ca import IssuancePolicy, ScepCa

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def ca_key_pem() -> bytes:
    """A small key, because reading a large one takes long and most of these tests do it."""
    key = SoftwarePrivateKey.generate(KeyAlgorithm.RSA, 1024).export()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest.fixture(scope="session")
def client_key() -> SoftwarePrivateKey:
    return SoftwarePrivateKey.generate(KeyAlgorithm.RSA, 2048)


@pytest.fixture(scope="session")
def other_key() -> SoftwarePrivateKey:
    return SoftwarePrivateKey.generate(KeyAlgorithm.RSA, 2048)


@pytest.fixture
def ca_directory(tmp_path: Path, ca_key_pem: bytes) -> Path:
    """A CA's directory that has its key already, because making one takes long."""
    directory = tmp_path / "ca"
    directory.mkdir(mode=0o700)
    (directory / "ca.key").write_bytes(ca_key_pem)
    return directory


@pytest.fixture
def policy() -> IssuancePolicy:
    return IssuancePolicy(Secret(CHALLENGE))


@pytest.fixture
def ca(ca_directory: Path, policy: IssuancePolicy) -> Iterator[ScepCa]:
    with ScepCa.open(ca_directory, policy) as ca:
        yield ca


@pytest.fixture
def requester(ca: ScepCa, client_key: SoftwarePrivateKey) -> Requester:
    return Requester(client_key, ca.certificate)


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
