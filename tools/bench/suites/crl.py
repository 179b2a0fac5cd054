"""One question to a CRL of 300,000 entries, and what it costs in memory to be able to answer it."""

from __future__ import annotations

import resource
import subprocess
import sys
from typing import TYPE_CHECKING, Final

from cryptography import x509

from components.keystore.crl.store import CrlStore
from tools.bench.measure import per_call, seconds_of
from tools.bench.model import OURS, AtMost, BenchError, Case, Suite, Unit
from tools.bench.peers import CRYPTOGRAPHY, OPENSSL
from tools.bench.programs.large_crl import NOW

if TYPE_CHECKING:
    from pathlib import Path

    from tools.bench.model import Assignment, Samples

ENTRIES: Final = 300_000


def _measure(assignment: Assignment) -> Samples:
    file, ca = assignment.scratch / f"{assignment.side}.crl", assignment.scratch / "ca.pem"
    entries = "1000" if assignment.quick else str(ENTRIES)
    subprocess.run([sys.executable, "-m", "tools.bench.programs.large_crl", str(file), str(ca), entries], check=True)
    certificate = x509.load_pem_x509_certificate(ca.read_bytes())
    measure = {OURS: _ours, CRYPTOGRAPHY: _cryptography, OPENSSL: _openssl}[assignment.side]
    return measure(assignment, file, certificate)


def _ours(assignment: Assignment, file: Path, certificate: x509.Certificate) -> Samples:
    store = CrlStore(assignment.scratch / "store")
    received = file.rename(store.directory / "received.der")
    before = _peak()
    taken = seconds_of(lambda: store.install(received, "bench", (certificate,), NOW))
    answers = per_call(lambda: store.status(certificate, NOW), assignment)
    memory = float(_peak() - before)
    again = seconds_of(lambda: CrlStore(store.directory).status(certificate, NOW))
    for kept in store.directory.iterdir():
        kept.unlink()
    return {"take": [taken], "first": [again], "answer": answers, "memory": [memory]}


def _cryptography(assignment: Assignment, file: Path, certificate: x509.Certificate) -> Samples:
    def take() -> x509.CertificateRevocationList:
        crl = x509.load_der_x509_crl(file.read_bytes())
        if not crl.is_signature_valid(certificate.public_key()):  # type: ignore[arg-type]  # an EC key
            raise BenchError("the CRL is not of its CA")
        return crl

    def first() -> object:
        return x509.load_der_x509_crl(file.read_bytes()).get_revoked_certificate_by_serial_number(5)

    before = _peak()
    taken = seconds_of(take)
    crl = take()
    answers = per_call(lambda: crl.get_revoked_certificate_by_serial_number(certificate.serial_number), assignment)
    memory = float(_peak() - before)
    return {"take": [taken], "first": [seconds_of(first)], "answer": answers, "memory": [memory]}


def _openssl(assignment: Assignment, file: Path, _: x509.Certificate) -> Samples:
    pem = file.with_suffix(".pem")
    convert = ["openssl", "crl", "-inform", "DER", "-in", str(file), "-out", str(pem)]
    subprocess.run(convert, check=True, capture_output=True)
    ca = str(assignment.scratch / "ca.pem")
    verify = ["openssl", "verify", "-crl_check", "-CRLfile", str(pem), "-CAfile", ca, "-attime", "1767312000", ca]
    first = seconds_of(lambda: subprocess.run(verify, check=True, capture_output=True))
    # The most that any of these processes has had.
    return {"first": [first], "memory": [resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024.0]}


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


SUITE: Final = Suite(
    name="crl",
    title=f"A CRL of {ENTRIES:,} entries (13 MB)",
    rows=(
        Case("take", "verify it, and make ready to be asked"),
        Case("first", "the first question of a process"),
        Case("answer", "a question", AtMost(0.005)),
        Case("memory", "memory", AtMost(20 * 2**20), Unit.BYTES),
    ),
    sides=(OURS, CRYPTOGRAPHY, OPENSSL),
    measure=_measure,
    rounds=3,
    notes=(
        "Ours verifies a CRL and indexes its entries on disk once; a question is a few reads.",
        "OpenSSL is `openssl verify -crl_check`, a whole process and its memory.",
    ),
)
