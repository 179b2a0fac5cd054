"""The file of a keystore survives: damage, cuts at every step of a commit, kills, and a second process."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from components.keystore import (
    HealthState,
    KeyAlgorithm,
    KeystoreTooLargeError,
    KeystoreUnavailableError,
    PrivateKeyEntry,
    SecretKeyEntry,
    SoftwarePrivateKey,
    TrustedCertificateEntry,
    WrongPasswordError,
    self_signed_certificate,
)
from components.keystore.filesystem import Pkcs12Keystore, file, keystore
from framework import storage
from metatype import Secret

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = datetime(2026, 5, 1, tzinfo=UTC)
PASSWORD = Secret("correct horse")
ROUNDS = int(os.environ.get("GATEWRIGHT_KILL_ROUNDS", "10"))


def trusted(name: str) -> TrustedCertificateEntry:
    key = SoftwarePrivateKey.generate(KeyAlgorithm.EC, 256)
    return TrustedCertificateEntry(self_signed_certificate(key, x509.Name.from_rfc4514_string(f"CN={name}"), NOW))


FIRST, SECOND = trusted("first"), trusted("second")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A keystore of two generations: `first` alone, then both."""
    made = tmp_path / "gateway.p12"
    store = opened(made)
    store.set("first", FIRST)
    store.set("second", SECOND)
    return made


def opened(path: Path, password: Secret = PASSWORD) -> Pkcs12Keystore:
    store = Pkcs12Keystore(path)
    store.open(password)
    return store


@pytest.mark.parametrize(
    "damage",
    [lambda data: b"", lambda data: data[: len(data) // 2], lambda data: data[:-1], lambda _: b"\x00" * 4096],
    ids=["empty", "torn", "cut", "zeros"],
)
def test_a_damaged_file_falls_back_to_the_generation_before_and_says_so(
    path: Path, damage: Callable[[bytes], bytes]
) -> None:
    broken = damage(path.read_bytes())
    path.write_bytes(broken)
    store = opened(path)
    assert store.aliases() == ("first",)
    (aside,) = path.parent.glob("*.damaged-*")
    assert aside.read_bytes() == broken
    health = opened(path).health()
    assert health.state is HealthState.DEGRADED
    assert str(aside) in health.problems[0]
    store.set("third", SECOND)
    aside.unlink()
    assert opened(path).health().state is HealthState.OK


def test_damage_after_damage_is_set_aside_also_where_some_was_seen_to(path: Path) -> None:
    for number in range(1, 12):
        path.write_bytes(b"damage %d" % number)
        opened(path)
        if number == 2:
            path.with_name("gateway.p12.damaged-1").unlink()
    aside = {one.read_bytes() for one in path.parent.glob("*.damaged-*")}
    assert aside == {b"damage %d" % number for number in range(2, 12)}


def test_a_file_that_is_gone_comes_back_from_the_generation_before_and_says_so(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = opened(path)
    path.unlink()
    with pytest.raises(KeystoreUnavailableError, match=r"restart .* to go on with .*gateway\.p12\.previous"):
        store.aliases()
    assert opened(path).aliases() == ("first",)
    (note,) = path.parent.glob("*.missing-*")
    assert str(note) in caplog.text
    assert "damaged-" not in caplog.text
    assert note.stat().st_mode & 0o777 == 0o600
    for _ in range(2):  # and after the next start, too
        health = opened(path).health()
        assert health.state is HealthState.DEGRADED
        assert "was gone" in health.problems[0]
        assert str(note) in health.problems[0]
    note.unlink()
    assert opened(path).health().state is HealthState.OK


def test_a_file_that_is_gone_and_has_no_generation_before_is_said_to_begin_anew(tmp_path: Path) -> None:
    store = opened(tmp_path / "a.p12")
    (tmp_path / "a.p12").unlink()
    with pytest.raises(KeystoreUnavailableError, match=r"restart .* to begin with an empty one"):
        store.aliases()


def test_a_wrong_password_is_no_damage(path: Path) -> None:
    with pytest.raises(WrongPasswordError):
        opened(path, Secret("another"))
    assert list(path.parent.glob("*.damaged-*")) == []


def test_damage_while_it_is_open_takes_nothing_away_and_the_next_change_mends_it(path: Path) -> None:
    store = opened(path)
    path.write_bytes(b"\x30\x03\x02\x01")
    assert store.aliases() == ("first", "second")
    assert store.health().state is HealthState.DEGRADED
    store.set("third", FIRST)
    assert store.health().state is HealthState.OK
    assert opened(path).aliases() == ("first", "second", "third")


def test_the_generation_before_is_not_left_under_a_password_that_was_changed(path: Path) -> None:
    opened(path).change_password(Secret("new"))
    previous = path.with_name("gateway.p12.previous")
    path.write_bytes(previous.read_bytes())
    assert opened(path, Secret("new")).aliases() == ("first", "second")


def test_what_could_not_be_read_again_is_refused_and_all_else_stays(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = opened(path)
    monkeypatch.setattr(file, "MOST_BYTES", path.stat().st_size + 1000)
    with pytest.raises(KeystoreTooLargeError, match="another keystore") as refused:
        store.set("large", SecretKeyEntry("AES", bytes(2000)))
    assert (refused.value.size > refused.value.limit, refused.value.limit) == (True, file.MOST_BYTES)
    assert store.aliases() == ("first", "second")
    assert opened(path).aliases() == ("first", "second")


def test_a_file_that_is_larger_than_any_of_ours_is_told_of_and_stays(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = path.read_bytes()
    monkeypatch.setattr(file, "MOST_BYTES", len(before) - 1)
    with pytest.raises(KeystoreTooLargeError):
        opened(path)
    assert path.read_bytes() == before


def test_ten_thousand_rsa_keys_with_their_chains_fit(path: Path) -> None:
    store = opened(path)
    key = SoftwarePrivateKey.generate(KeyAlgorithm.RSA, 2048)
    name = x509.Name.from_rfc4514_string("CN=gateway-0001.plant.example,OU=Gateways,O=Example")
    certificate = self_signed_certificate(key, name, NOW)
    entry = PrivateKeyEntry(key, (certificate,))
    store.set("key-0000", entry)
    before = path.stat().st_size
    store.commit({f"key-{number:04}": entry for number in range(1, 11)})
    chain = 2 * len(certificate.public_bytes(Encoding.DER))
    assert 10_000 * ((path.stat().st_size - before) // 10 + chain) < file.MOST_BYTES


def test_what_does_not_read_back_as_it_was_never_takes_the_place_of_the_old(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = opened(path)
    before = path.read_bytes()
    monkeypatch.setattr(keystore, "decode_pkcs12", lambda *_: {})
    with pytest.raises(KeystoreUnavailableError, match="does not read back"):
        store.set("third", FIRST)
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert sorted(one.name for one in path.parent.iterdir()) == [
        "gateway.p12",
        "gateway.p12.lock",
        "gateway.p12.previous",
    ]


@pytest.mark.parametrize("step", range(6))
def test_a_cut_at_any_step_of_a_commit_leaves_the_old_or_the_new(
    path: Path, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The steps that matter: write, fsync, link, rename, rename, fsync of the directory; the power goes before one."""
    store = opened(path)
    made: list[str] = []

    def cut(name: str, real: Callable[..., object]) -> Callable[..., object]:
        def perform(*arguments: object, **named: object) -> object:
            if len(made) == step:
                raise KeyboardInterrupt  # nothing that follows is done, no clearing up either
            made.append(name)
            return real(*arguments, **named)

        return perform

    monkeypatch.setattr(os, "fsync", cut("fsync", os.fsync))
    monkeypatch.setattr(Path, "hardlink_to", cut("link", Path.hardlink_to))
    monkeypatch.setattr(Path, "replace", cut("rename", Path.replace))
    monkeypatch.setattr(storage, "sync_directory", cut("sync", storage.sync_directory))
    monkeypatch.setattr(Path, "unlink", lambda *_, **__: None)
    with contextlib.suppress(KeyboardInterrupt):
        store.set("third", FIRST)
    monkeypatch.undo()
    found = opened(path)
    assert found.aliases() in (("first", "second"), ("first", "second", "third"))
    assert list(path.parent.glob("*.damaged-*")) == []
    found.set("fourth", SECOND)
    assert "fourth" in opened(path).aliases()
    assert list(path.parent.glob(".*")) == [], "what the cut left behind is gone"


def test_what_another_keystore_is_about_to_store_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its name begins as this one's; it is opened at each step of the other's commit."""
    other = opened(tmp_path / "ek.p12")
    other.set("first", FIRST)
    seen: set[str] = set()

    def beside(real: Callable[..., object]) -> Callable[..., object]:
        def perform(*arguments: object, **named: object) -> object:
            seen.update(one.name for one in tmp_path.glob(".ek.p12.*"))
            with monkeypatch.context() as patch:
                patch.setattr(Path, "replace", replace)
                opened(tmp_path / "ek")
            return real(*arguments, **named)

        return perform

    replace = Path.replace
    monkeypatch.setattr(Path, "replace", beside(replace))
    other.set("second", SECOND)
    monkeypatch.undo()
    assert len(seen) == 2, "the new file, and the second name of the old"
    assert opened(tmp_path / "ek.p12").aliases() == ("first", "second")


MUTATE = """
import sys
from pathlib import Path
from components.keystore import TrustedCertificateEntry
from components.keystore.filesystem import Pkcs12Keystore
from cryptography import x509
from metatype import Secret

store = Pkcs12Keystore(Path(sys.argv[1]))
store.open(Secret("correct horse"))
entry = TrustedCertificateEntry(x509.load_pem_x509_certificate(sys.stdin.buffer.read()))
print("ready", flush=True)
for number in range(int(sys.argv[2]), 1_000_000):
    store.set(f"n{number}", entry)
    print(number, flush=True)
    if number > 40:
        store.delete(f"n{number - 40}")
"""


def test_what_was_acknowledged_survives_kills(path: Path) -> None:
    number = 0
    for _ in range(ROUNDS):
        with subprocess.Popen(
            [sys.executable, "-c", MUTATE, str(path), str(number)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(FIRST.certificate.public_bytes(Encoding.PEM))
            process.stdin.close()
            assert process.stdout.readline() == b"ready\n"
            for _ in range(7):
                number = int(process.stdout.readline())
            process.send_signal(signal.SIGKILL)
            number = max([number, *map(int, process.stdout.read().split())])
        store = opened(path)
        assert f"n{number}" in store.aliases()
        assert store.health().state is HealthState.OK
        number += 2


def test_two_processes_lose_nothing_of_each_other(path: Path) -> None:
    source = MUTATE.replace("range(int(sys.argv[2]), 1_000_000)", "range(int(sys.argv[2]), int(sys.argv[2]) + 15)")
    source = source.replace("number > 40", "False")
    processes = [
        subprocess.Popen([sys.executable, "-c", source, str(path), str(start)], stdin=subprocess.PIPE)
        for start in (100, 200)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(FIRST.certificate.public_bytes(Encoding.PEM))
        process.stdin.close()
    assert [process.wait(60) for process in processes] == [0, 0]
    assert len(opened(path).aliases()) == 2 + 30
