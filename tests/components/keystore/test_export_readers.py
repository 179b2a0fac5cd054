"""Programs that read what a keystore exports, while it changes."""

from __future__ import annotations

import contextlib
import ssl
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from cryptography import x509

from tests.components.keystore.exporting import (
    CA,
    ISSUER,
    store,
)

if TYPE_CHECKING:
    from pathlib import Path

    from framework.testing import GatewayHarness

READER = """
import pathlib, sys
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
current, stop, rounds = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), 0
print("ready", flush=True)
while not stop.exists():
    generation = current.resolve(strict=True)
    leaf = x509.load_pem_x509_certificate((generation / "own.crt").read_bytes())
    assert leaf.public_key() == load_pem_private_key((generation / "own.key").read_bytes(), None).public_key()
    both = (current / "own.pem").read_bytes()
    assert x509.load_pem_x509_certificate(both).public_key() == load_pem_private_key(both, None).public_key()
    rounds += 1
print(rounds)
"""


def test_a_program_that_reads_while_keys_are_renewed_never_sees_two_that_do_not_fit(
    gateway: GatewayHarness, target: Path, tmp_path: Path
) -> None:
    store(gateway, own=ISSUER.issue())
    stop = tmp_path / "stop"
    with subprocess.Popen(
        [sys.executable, "-c", READER, str(target / "current"), str(stop)], stdout=subprocess.PIPE, text=True
    ) as reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "ready\n"
        try:
            for _ in range(40):
                store(gateway, own=ISSUER.issue())
        finally:
            stop.touch()
        rounds = reader.stdout.read()
    assert reader.returncode == 0
    assert int(rounds) > 0


def handshake(directory: Path) -> str:
    """What a client sees of a TLS server that loads the exported files, verified by the exported CA."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(directory / "own.crt", directory / "own.key")
    client = ssl.create_default_context(cafile=str(directory / "trusted.bundle"))
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = (
        client.wrap_bio(to_client, to_server, server_hostname="gateway.example"),
        server.wrap_bio(to_server, to_client, server_side=True),
    )
    for _ in range(5):
        for end in ends:
            with contextlib.suppress(ssl.SSLWantReadError):
                end.do_handshake()
    shown = ends[0].getpeercert(binary_form=True)
    assert shown is not None
    return f"{x509.load_der_x509_certificate(shown).serial_number:x}"


def test_a_tls_server_of_another_program_shows_the_renewed_certificate(gateway: GatewayHarness, target: Path) -> None:
    for entry in (ISSUER.issue(), ISSUER.issue()):
        store(gateway, own=entry, ca=CA)
        assert handshake(target / "current") == f"{entry.certificate.serial_number:x}"


@pytest.mark.peer("openssl")
def test_openssl_verifies_what_is_exported(gateway: GatewayHarness, target: Path) -> None:
    store(gateway, own=ISSUER.issue(), ca=CA)
    current = target / "current"
    for command in (
        ["openssl", "verify", "-CAfile", str(current / "trusted.bundle"), str(current / "own.crt")],
        ["openssl", "pkey", "-in", str(current / "own.key"), "-check", "-noout"],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
