"""The filesystem keystore: opened, read, changed, with few entries and with many."""

from __future__ import annotations

import subprocess
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from components.keystore import (
    KeyAlgorithm,
    PrivateKeyEntry,
    SoftwarePrivateKey,
    TrustedCertificateEntry,
    self_signed_certificate,
)
from components.keystore.filesystem import Pkcs12Keystore
from framework import Secret
from tools.bench.measure import per_call, seconds_of
from tools.bench.model import OURS, Case, Quotient, Suite
from tools.bench.peers import KEYTOOL, OPENSSL

if TYPE_CHECKING:
    from tools.bench.model import Assignment, Samples

ENTRIES: Final = (1, 100, 10_000)
_PASSWORD: Final = Secret("benchmark")
_MANY: Final = 1000


def _measure(assignment: Assignment) -> Samples:
    key = SoftwarePrivateKey.generate(KeyAlgorithm.EC, 256)
    name = x509.Name.from_rfc4514_string("CN=bench,O=Example")
    certificate = self_signed_certificate(key, name, datetime(2026, 1, 1, tzinfo=UTC))
    found: dict[str, list[float]] = {}
    for number in assignment.sizes(*ENTRIES):
        with tempfile.TemporaryDirectory(dir=assignment.scratch) as directory:
            path = Path(directory) / "keystore.p12"
            keystore = Pkcs12Keystore(path)
            keystore.open(_PASSWORD)
            with keystore.edit() as edit:
                for one in range(number - 1):
                    edit.set(f"entry-{one}", TrustedCertificateEntry(certificate))
            keystore.set("key", PrivateKeyEntry(key, (certificate,)))
            if assignment.side == OURS:
                found |= _ours(assignment, keystore, path, number, certificate)
            else:
                found |= _theirs(assignment, path, number, certificate)
    return found


def _ours(
    assignment: Assignment, keystore: Pkcs12Keystore, path: Path, number: int, certificate: x509.Certificate
) -> dict[str, list[float]]:
    turns = range(2 if number > _MANY else assignment.values)
    entry = TrustedCertificateEntry(certificate)
    return {
        f"open-{number}": [seconds_of(lambda: Pkcs12Keystore(path).open(_PASSWORD)) for _ in turns],
        f"get-{number}": per_call(lambda: keystore.get("key"), assignment),
        f"commit-{number}": [
            seconds_of(lambda: keystore.set(f"new-{turn}", entry))  # noqa: B023  # called at once
            for turn in turns
        ],
    }


def _theirs(assignment: Assignment, path: Path, number: int, certificate: x509.Certificate) -> dict[str, list[float]]:
    """A program that opens the file and lists it; keytool also adds one entry, OpenSSL's cannot."""
    turns = range(1 if number > _MANY else 2)
    if assignment.side == OPENSSL:
        password = f"pass:{_PASSWORD.reveal()}"
        listing = ["openssl", "pkcs12", "-in", str(path), "-passin", password, "-nokeys"]
        return {f"open-{number}": [seconds_of(lambda: _run(listing)) for _ in turns]}
    file = path.with_suffix(".der")
    file.write_bytes(certificate.public_bytes(Encoding.DER))
    store = ["-keystore", str(path), "-storetype", "PKCS12", "-storepass", _PASSWORD.reveal()]
    return {
        f"open-{number}": [seconds_of(lambda: _run(["keytool", "-list", *store])) for _ in turns],
        f"commit-{number}": [
            seconds_of(
                lambda: _run(
                    ["keytool", "-importcert", "-noprompt", "-alias", f"new-{turn}", "-file", str(file), *store]  # noqa: B023  # called at once
                )
            )
            for turn in turns
        ],
    }


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, capture_output=True)


SUITE: Final = Suite(
    name="keystore",
    title="Filesystem keystore (PKCS #12)",
    rows=(
        *(Case(f"open-{number}", f"open with {number:,} entries") for number in ENTRIES),
        *(Case(f"get-{number}", f"get one of {number:,} entries") for number in ENTRIES),
        Quotient("get-growth", "get, growth from 1 to 10,000", "get-10000", "get-1"),
        *(Case(f"commit-{number}", f"commit one more to {number:,} entries") for number in ENTRIES),
    ),
    sides=(OURS, OPENSSL, KEYTOOL),
    measure=_measure,
    rounds=3,
    notes=(
        "A commit encrypts the whole file anew, and syncs file and directory.",
        "The peers are whole processes: keytool starts a JVM. They list what they have opened.",
    ),
)
