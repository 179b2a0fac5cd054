"""The file of a keystore in every state that a power cut or a decaying disk leaves it in: the store opens, and says so.

`GATEWRIGHT_EVERY_DAMAGE=1` tries every prefix, and every bit through the whole store, where a part is tried otherwise.
"""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from cryptography import x509

from components.keystore import (
    DamagedKeystoreError,
    Entry,
    HealthState,
    KeyAlgorithm,
    PrivateKeyEntry,
    SoftwarePrivateKey,
    TrustedCertificateEntry,
    WrongPasswordError,
    self_signed_certificate,
)
from components.keystore.filesystem import Pkcs12Keystore, encryption, pkcs12
from components.keystore.filesystem.pkcs12 import decode_pkcs12
from metatype import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

NOW = datetime(2026, 5, 1, tzinfo=UTC)
PASSWORD = Secret("correct horse")
EVERY = bool(os.environ.get("GATEWRIGHT_EVERY_DAMAGE"))
DENSE = 24
"""How many bytes at either end are cut one by one in any case."""


def pair(name: str) -> PrivateKeyEntry:
    key = SoftwarePrivateKey.generate(KeyAlgorithm.EC, 256)
    return PrivateKeyEntry(key, (self_signed_certificate(key, x509.Name.from_rfc4514_string(f"CN={name}"), NOW),))


FIRST, SECOND = TrustedCertificateEntry(pair("first").certificate), pair("second")


@pytest.fixture(autouse=True)
def _cheap_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """A password that costs one iteration; what a flip makes of that number is not to be waited for."""
    for name in ("_CONTENT", "_MAC"):
        monkeypatch.setattr(encryption, name, replace(getattr(encryption, name), iterations=1))
    monkeypatch.setattr(encryption, "MOST_ITERATIONS", 1000)
    monkeypatch.setattr(pkcs12, "MOST_ITERATIONS", 1000)


class Disk:
    """A keystore of two generations, which comes back whenever its file has been damaged."""

    def __init__(self, directory: Path, last: Mapping[str, Entry]) -> None:
        self.path = directory / "gateway.p12"
        store = opened(self.path)
        store.set("first", FIRST)
        self.before = dict(store.entries())
        for alias, entry in last.items():
            store.set(alias, entry)
        self.after = dict(store.entries())
        self.good = self.path.read_bytes()
        self._previous = self.path.with_name("gateway.p12.previous")
        self._generation_before = self._previous.read_bytes()

    def damage(self, data: bytes) -> None:
        """Put `data` in the place of the last generation."""
        for left in self.path.parent.iterdir():
            left.unlink()
        self.path.write_bytes(data)
        self._previous.write_bytes(self._generation_before)

    def check_repair(self, data: bytes) -> None:
        """Open what was damaged: the generation before is used, and can be used; a notice says where the damaged is."""
        self.damage(data)
        store = opened(self.path)
        assert dict(store.entries()) == self.before
        (aside,) = self.path.parent.glob("*.damaged-*")
        assert aside.read_bytes() == data
        health = store.health()
        assert health.state is HealthState.DEGRADED
        assert str(aside) in " ".join(health.problems)
        store.set("later", FIRST)
        assert opened(self.path).get("later") == FIRST


def opened(path: Path) -> Pkcs12Keystore:
    store = Pkcs12Keystore(path)
    store.open(PASSWORD)
    return store


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    return Disk(tmp_path, {"second": SECOND})


def some(size: int, step: int) -> list[int]:
    """All places, or those at the ends and every so manieth between them."""
    return [place for place in range(size) if EVERY or place % step == 0 or min(place, size - 1 - place) < DENSE]


def test_every_prefix_of_the_file_falls_back_to_the_generation_before(disk: Disk) -> None:
    for length in some(len(disk.good), 13):
        disk.check_repair(disk.good[:length])


def test_every_prefix_that_is_followed_by_zeros_does_so_too(disk: Disk) -> None:
    """What a file system leaves that had made the file longer before its content was written."""
    for length in some(len(disk.good) - 1, 29):
        if any(disk.good[length:]):
            disk.check_repair(disk.good[:length] + bytes(len(disk.good) - length))


def test_every_prefix_of_a_temporary_file_is_left_alone_and_tidied_away(disk: Disk) -> None:
    for length in some(len(disk.good), 97):
        disk.damage(disk.good)
        (disk.path.parent / ".gateway.p12.0123456789abcdef.new").write_bytes(disk.good[:length])
        assert dict(opened(disk.path).entries()) == disk.after
        assert list(disk.path.parent.glob(".*.new")) == []


def flips(data: bytes) -> list[bytes]:
    """The data with each of its bits flipped, one at a time, and with each of its octets turned over."""
    found = []
    for place in range(len(data)):
        for mask in (1, 2, 4, 8, 16, 32, 64, 128, 255):
            flipped = bytearray(data)
            flipped[place] ^= mask
            found.append(bytes(flipped))
    return found


def test_no_flipped_bit_is_taken_for_another_content_or_for_another_program_s_file(disk: Disk) -> None:
    accepted = 0
    for flipped in flips(disk.good):
        try:
            assert decode_pkcs12(flipped, PASSWORD, "flipped") == disk.after
            accepted += 1
        except (DamagedKeystoreError, WrongPasswordError):
            continue
    assert accepted < len(disk.good) // 20, "a few bits say nothing: they are in what readers pass over"


@pytest.mark.parametrize("last", [{"second": SECOND}, {"second": FIRST}], ids=["key", "certificates only"])
def test_no_flipped_bit_closes_the_store(tmp_path: Path, last: Mapping[str, Entry]) -> None:
    disk = Disk(tmp_path, last)
    all_flips = flips(disk.good)
    for number, flipped in enumerate(all_flips):
        # What is refused without a look at the password costs nothing to find; the store is opened for the others.
        if not EVERY and number % 97 and not is_refused_as_foreign(flipped):
            continue
        disk.damage(flipped)
        assert dict(opened(disk.path).entries()) in (disk.before, disk.after)


def is_refused_as_foreign(data: bytes) -> bool:
    """Whether the file reads like one under another password."""
    try:
        decode_pkcs12(data, PASSWORD, "flipped")
    except WrongPasswordError:
        return True
    except DamagedKeystoreError:
        return False
    return False
