"""A keystore of ten thousand entries, and one that many threads of two processes edit at once.

`GATEWRIGHT_TEN_THOUSAND=1` has Java's keytool list all ten thousand, which takes it ten seconds, and not a thousand.
"""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from components.keystore import (
    Entry,
    KeyAlgorithm,
    PrivateKeyEntry,
    SoftwarePrivateKey,
    TrustedCertificateEntry,
    self_signed_certificate,
)
from components.keystore.filesystem import Pkcs12Keystore
from metatype import Secret

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOW = datetime(2026, 5, 1, tzinfo=UTC)
PASSWORD = Secret("correct horse")
KEYTOOL_LISTS_ALL = bool(os.environ.get("GATEWRIGHT_TEN_THOUSAND"))
CERTIFICATES, KEYS = 9_900, 100
PROCESSES, THREADS, ROUNDS = 2, 4, 6


def key_pair(name: str) -> PrivateKeyEntry:
    key = SoftwarePrivateKey.generate(KeyAlgorithm.EC, 256)
    return PrivateKeyEntry(key, (self_signed_certificate(key, x509.Name.from_rfc4514_string(f"CN={name}"), NOW),))


def certificates(number: int) -> Iterator[TrustedCertificateEntry]:
    """Certificates that differ in their serial numbers; nobody looks at their signatures."""
    template = key_pair("many").certificate
    encoded = template.public_bytes(Encoding.DER)
    size = (template.serial_number.bit_length() + 7) // 8
    before, after = encoded.split(template.serial_number.to_bytes(size), 1)
    for one in range(number):
        serial = (template.serial_number - 1 - one).to_bytes(size)
        yield TrustedCertificateEntry(x509.load_der_x509_certificate(before + serial + after))


def opened(path: Path) -> Pkcs12Keystore:
    store = Pkcs12Keystore(path)
    store.open(PASSWORD)
    return store


@pytest.fixture(scope="module")
def many() -> dict[str, Entry]:
    keys = {f"key-{number:03}": key_pair(str(number)) for number in range(KEYS)}
    return {**{f"ca-{number:05}": each for number, each in enumerate(certificates(CERTIFICATES))}, **keys}


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory, many: dict[str, Entry]) -> Path:
    path = tmp_path_factory.mktemp("many") / "gateway.p12"
    opened(path).commit(many)
    return path


def test_ten_thousand_entries_are_opened_edited_and_listed(path: Path, many: dict[str, Entry]) -> None:
    store = opened(path)
    assert dict(store.entries()) == many
    with store.edit() as edit:
        edit.delete("ca-00007")
        edit.set("ca-00008", many["ca-00007"])
        edit.set("ca-new", many["ca-00008"])
    again = opened(path)
    assert len(again.aliases()) == CERTIFICATES + KEYS
    assert (again.get("ca-00007"), again.get("ca-00008")) == (None, many["ca-00007"])
    key = again.get("key-042")
    assert isinstance(key, PrivateKeyEntry)
    assert key == many["key-042"]
    again.commit({"ca-00007": many["ca-00007"], "ca-00008": many["ca-00008"], "ca-new": None})
    assert dict(opened(path).entries()) == many


@pytest.mark.peer("openssl")
def test_openssl_reads_all_of_them(path: Path) -> None:
    command = ["openssl", "pkcs12", "-in", str(path), "-passin", f"pass:{PASSWORD.reveal()}", "-nodes"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert shown.count("BEGIN CERTIFICATE") == CERTIFICATES + KEYS
    assert shown.count("BEGIN PRIVATE KEY") == KEYS


@pytest.mark.peer("keytool")
def test_keytool_lists_all_of_them(path: Path, many: dict[str, Entry], tmp_path: Path) -> None:
    listed = path if KEYTOOL_LISTS_ALL else tmp_path / "fewer.p12"
    wanted = many if KEYTOOL_LISTS_ALL else dict(list(many.items())[-1000:])
    if not KEYTOOL_LISTS_ALL:
        opened(listed).commit(wanted)
    command = ["keytool", "-list", "-keystore", str(listed), "-storepass", PASSWORD.reveal()]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert shown.count("trustedCertEntry") == len(wanted) - KEYS
    assert shown.count("PrivateKeyEntry") == KEYS


EDIT = """
import sys
import threading
from pathlib import Path
from components.keystore import TrustedCertificateEntry
from components.keystore.filesystem import Pkcs12Keystore
from cryptography import x509
from metatype import Secret

process, threads, rounds = map(int, sys.argv[2:])
entries = [TrustedCertificateEntry(one) for one in x509.load_pem_x509_certificates(sys.stdin.buffer.read())]
store = Pkcs12Keystore(Path(sys.argv[1]))
store.open(Secret("correct horse"))


def work(thread):
    name = f"{process}-{thread}"
    mine = entries[process * threads + thread]
    for number in range(rounds):
        with store.edit() as edit:
            edit.set(f"{name}-{number}", mine)
            edit.delete(f"{name}-{number - 1}")
            edit.set("left", mine)
            edit.set("right", mine)
        found = store.entries()
        assert found[f"{name}-{number}"] == mine, "committed, and not there"
        assert f"{name}-{number - 1}" not in found, "deleted, and there"
        assert found["left"] == found["right"], "half of a commit"


failed = []
threading.excepthook = lambda arguments: failed.append(str(arguments.exc_value))
workers = [threading.Thread(target=work, args=(thread,)) for thread in range(threads)]
for one in workers:
    one.start()
for one in workers:
    one.join()
sys.exit("; ".join(failed) or 0)
"""


def test_eight_threads_of_two_processes_lose_nothing_and_see_whole_commits(tmp_path: Path) -> None:
    path = tmp_path / "gateway.p12"
    opened(path).set("kept", key_pair("kept"))
    each = list(certificates(PROCESSES * THREADS))
    given = b"".join(one.certificate.public_bytes(Encoding.PEM) for one in each)
    running = [
        subprocess.Popen(
            [sys.executable, "-c", EDIT, str(path), *map(str, (process, THREADS, ROUNDS))],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for process in range(PROCESSES)
    ]
    for one in running:
        assert one.stdin is not None
        one.stdin.write(given)
        one.stdin.close()
        one.stdin = None
    for one in running:
        _, told = one.communicate(timeout=120)
        assert (one.returncode, told) == (0, b"")
    found = opened(path).entries()
    last = {f"{process}-{thread}-{ROUNDS - 1}" for process in range(PROCESSES) for thread in range(THREADS)}
    assert set(found) == {"kept", "left", "right"} | last
    assert found["left"] == found["right"]
