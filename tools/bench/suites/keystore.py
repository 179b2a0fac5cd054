"""The filesystem keystore: opened, read, changed, with few entries and with many."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cryptography import x509

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

if TYPE_CHECKING:
    from tools.bench.model import Assignment, Samples

ENTRIES: Final = (1, 100, 10_000)
_PASSWORD: Final = Secret("bench")


def _measure(assignment: Assignment) -> Samples:
    key = SoftwarePrivateKey.generate(KeyAlgorithm.EC, 256)
    name = x509.Name.from_rfc4514_string("CN=bench,O=Example")
    certificate = self_signed_certificate(key, name, datetime(2026, 1, 1, tzinfo=UTC))
    entry = TrustedCertificateEntry(certificate)
    found: dict[str, list[float]] = {}
    for number in assignment.sizes(*ENTRIES):
        with tempfile.TemporaryDirectory(dir=assignment.scratch) as directory:
            path = Path(directory) / "keystore.p12"
            keystore = Pkcs12Keystore(path)
            keystore.open(_PASSWORD)
            with keystore.edit() as edit:
                for one in range(number - 1):
                    edit.set(f"entry-{one}", entry)
            keystore.set("key", PrivateKeyEntry(key, (certificate,)))
            turns = range(2 if number > 1000 else assignment.values)
            found[f"open-{number}"] = [seconds_of(lambda: Pkcs12Keystore(path).open(_PASSWORD)) for _ in turns]  # noqa: B023  # called at once
            found[f"get-{number}"] = per_call(lambda: keystore.get("key"), assignment)  # noqa: B023  # called at once
            found[f"commit-{number}"] = [
                seconds_of(lambda: keystore.set(f"new-{turn}", entry))  # noqa: B023  # called at once
                for turn in turns
            ]
    return found


SUITE: Final = Suite(
    name="keystore",
    title="Filesystem keystore (PKCS #12)",
    rows=(
        *(Case(f"open-{number}", f"open with {number:,} entries") for number in ENTRIES),
        *(Case(f"get-{number}", f"get one of {number:,} entries") for number in ENTRIES),
        Quotient("get-growth", "get, growth from 1 to 10,000", "get-10000", "get-1"),
        *(Case(f"commit-{number}", f"commit one more to {number:,} entries") for number in ENTRIES),
    ),
    sides=(OURS,),
    measure=_measure,
    rounds=3,
    notes=("A commit encrypts the whole file anew, under a fresh salt, and syncs file and directory.",),
)
