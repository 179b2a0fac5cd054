"""The development CA, served for foreign programs to talk to."""

from __future__ import annotations

import contextlib
import functools
import os
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from components.keystore import KeyAlgorithm, SoftwarePrivateKey
from metatype import Secret
from tools.scep_ca import CaParameters, IssuancePolicy, ScepCa, ScepCaServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


CHALLENGE = "open sesame"


@dataclass(frozen=True)
class DevelopmentCa:
    """A running CA.

    Attributes:
        directory: Its files: ca.pem, ca.key.
        strict: Whether it refuses what is weak.
    """

    ca: ScepCa
    url: str
    directory: Path
    strict: bool = False


@contextlib.contextmanager
def development_ca(
    directory: Path, *, strict: bool = False, approval: bool = False, parameters: CaParameters | None = None
) -> Iterator[DevelopmentCa]:
    """A CA that grants requests with `CHALLENGE`, until the block ends."""
    policy = IssuancePolicy(Secret(CHALLENGE), strict=strict, approval=approval)
    with (
        ScepCa.open(directory, policy, parameters=parameters) as ca,
        ScepCaServer(ca) as server,
    ):
        yield DevelopmentCa(ca, server.url, directory, strict)


@functools.cache
def rsa_key(size: int) -> SoftwarePrivateKey:
    """A key of that size, made once for all tests."""
    return SoftwarePrivateKey.generate(KeyAlgorithm.RSA, size)


def write_key(path: Path, key: SoftwarePrivateKey) -> Path:
    """The key as PEM of PKCS #1, which all of them read."""
    path.write_bytes(key.export().private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()))
    return path


def run(*arguments: str | Path, directory: Path, status: int = 0) -> subprocess.CompletedProcess[bytes]:
    """What a foreign program says and writes in a directory; it must end with that status."""
    done = subprocess.run(
        [str(argument) for argument in arguments],
        cwd=directory,
        env={**os.environ, "no_proxy": "*", "NO_PROXY": "*"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == status, (done.stdout + done.stderr).decode(errors="replace")
    return done
