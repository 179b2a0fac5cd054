"""A keystore in a file: passwords, other processes, damage, and what a crash leaves."""

from __future__ import annotations

import fcntl
import os
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from cryptography import x509

from components.keystore import (
    Changes,
    DamagedKeystoreError,
    KeyAlgorithm,
    KeystoreTooLargeError,
    KeystoreUnavailableError,
    SoftwarePrivateKey,
    TrustedCertificateEntry,
    WrongPasswordError,
    self_signed_certificate,
)
from components.keystore.filesystem import Pkcs12Keystore
from metatype import Secret

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 5, 1, tzinfo=UTC)
PASSWORD, OTHER = Secret("correct horse"), Secret("battery staple")


def trusted(name: str) -> TrustedCertificateEntry:
    key = SoftwarePrivateKey.generate(KeyAlgorithm.EC, 256)
    return TrustedCertificateEntry(self_signed_certificate(key, x509.Name.from_rfc4514_string(f"CN={name}"), NOW))


ENTRY, ANOTHER = trusted("one"), trusted("two")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "gateway.p12"


def opened(path: Path, password: Secret = PASSWORD) -> Pkcs12Keystore:
    store = Pkcs12Keystore(path)
    store.open(password)
    return store


def test_the_file_and_its_directory_are_for_the_owner_only(tmp_path: Path) -> None:
    store = Pkcs12Keystore(tmp_path / "a" / "b" / "gateway.p12")
    assert store.open(PASSWORD)
    store.set("ca", ENTRY)
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(store.path.parent.stat().st_mode) == 0o700
    store.path.chmod(0o644)
    assert store.restrict()
    assert not store.restrict()
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o600


def test_a_wrong_password_opens_nothing_and_changes_nothing(path: Path) -> None:
    opened(path).set("ca", ENTRY)
    before = path.read_bytes()
    with pytest.raises(WrongPasswordError, match="password is wrong"):
        Pkcs12Keystore(path).open(OTHER)
    assert path.read_bytes() == before


def test_a_file_that_opens_by_an_earlier_password_gets_the_new_one(path: Path) -> None:
    opened(path).set("ca", ENTRY)
    assert not Pkcs12Keystore(path).open(OTHER, earlier=(Secret("unrelated"), PASSWORD))
    assert opened(path, OTHER).get("ca") == ENTRY
    with pytest.raises(WrongPasswordError):
        Pkcs12Keystore(path).open(PASSWORD)


def test_the_password_changes_under_a_live_keystore(path: Path) -> None:
    store = opened(path)
    store.set("ca", ENTRY)
    store.change_password(OTHER)
    assert store.get("ca") == ENTRY
    store.set("second", ANOTHER)
    assert opened(path, OTHER).aliases() == ("ca", "second")


def test_a_password_change_that_cannot_be_written_leaves_the_old_one(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = opened(path)
    store.set("ca", ENTRY)
    with monkeypatch.context() as patch:
        patch.setattr("components.keystore.filesystem.file.replace_file", no_space)
        with pytest.raises(KeystoreUnavailableError, match="cannot be written"):
            store.change_password(OTHER)
    store.set("second", ANOTHER)
    assert opened(path).aliases() == ("ca", "second")


def no_space(*_: object, **__: object) -> None:
    raise OSError(28, os.strerror(28))


def test_a_full_disk_is_told_and_nothing_is_lost(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = opened(path)
    store.set("ca", ENTRY)
    monkeypatch.setattr("components.keystore.filesystem.file.replace_file", no_space)
    with pytest.raises(KeystoreUnavailableError, match="No space left"):
        store.delete("ca")
    assert store.get("ca") == ENTRY


def test_a_damaged_file_is_told_from_a_wrong_password(path: Path) -> None:
    store = opened(path)
    store.set("ca", ENTRY)
    path.write_bytes(path.read_bytes()[:-10])
    path.with_name("gateway.p12.previous").unlink()
    with pytest.raises(DamagedKeystoreError, match="restore it"):
        Pkcs12Keystore(path).open(PASSWORD)


def test_what_is_no_file_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(KeystoreUnavailableError, match="cannot be read"):
        Pkcs12Keystore(tmp_path).open(PASSWORD)
    (tmp_path / "file").touch()
    with pytest.raises(KeystoreUnavailableError, match=r"cannot be looked at|directory cannot be made"):
        Pkcs12Keystore(tmp_path / "file" / "gateway.p12").open(PASSWORD)


def test_an_oversized_file_is_refused_unread(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 30)
    with pytest.raises(KeystoreTooLargeError, match="64 MiB at most"):
        Pkcs12Keystore(path).open(PASSWORD)


def test_a_file_that_vanishes_is_told_and_not_made_anew(path: Path) -> None:
    store = opened(path)
    path.unlink()
    for use in (store.aliases, lambda: store.set("ca", ENTRY), lambda: store.change_password(OTHER)):
        with pytest.raises(KeystoreUnavailableError, match="gone"):
            use()
    assert not path.exists()


def test_before_it_is_opened_it_says_so(path: Path) -> None:
    with pytest.raises(KeystoreUnavailableError, match="open"):
        Pkcs12Keystore(path).aliases()


def test_changes_of_another_process_are_seen_and_kept(path: Path) -> None:
    ours, theirs = opened(path), opened(path)
    theirs.set("theirs", ENTRY)
    assert ours.get("theirs") == ENTRY
    ours.set("ours", ANOTHER)
    theirs.set("third", ANOTHER)
    assert ours.aliases() == theirs.aliases() == ("ours", "theirs", "third")


def test_an_unchanged_file_is_decoded_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = opened(path)
    store.set("ca", ENTRY)
    monkeypatch.setattr(Pkcs12Keystore, "_load", no_space)
    assert store.get("ca") == ENTRY
    store.set("second", ANOTHER)
    assert store.aliases() == ("ca", "second")


def test_a_reader_does_not_wait_for_a_writer(path: Path) -> None:
    store = opened(path)
    store.set("ca", ENTRY)
    descriptor = os.open(f"{path}.lock", os.O_RDWR)
    with ThreadPoolExecutor(1) as pool:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        writing = pool.submit(store.set, "second", ANOTHER)
        assert store.aliases() == ("ca",)
        assert not writing.done()
        os.close(descriptor)
        writing.result(60)
    assert store.aliases() == ("ca", "second")


def test_what_changed_is_announced_once_in_order_and_under_no_lock(path: Path) -> None:
    announced: list[Changes] = []
    seen: list[tuple[str, ...]] = []

    def receive(changes: Changes) -> None:
        announced.append(changes)
        seen.append(store.aliases())
        if "first" in changes:
            store.set("from the receiver", ENTRY)

    store = Pkcs12Keystore(path, receive)
    store.open(PASSWORD)
    store.set("first", ENTRY)
    store.set("first", ENTRY)
    store.delete("never there")
    with store.edit() as edit:
        edit.set("second", ANOTHER)
        edit.delete("first")
    assert announced == [{"first": ENTRY}, {"from the receiver": ENTRY}, {"second": ANOTHER, "first": None}]
    assert seen[0] == ("first",)


def test_a_receiver_that_fails_does_not_undo_the_commit(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def receive(_: Changes) -> None:
        raise LookupError("the receiver's fault")

    store = Pkcs12Keystore(path, receive)
    store.open(PASSWORD)
    store.set("ca", ENTRY)
    assert store.aliases() == ("ca",)
    assert "announcement failed" in caplog.text


def test_announcements_of_many_threads_keep_the_order_of_commits(path: Path) -> None:
    announced: list[str] = []
    store = Pkcs12Keystore(path, announced.extend)
    store.open(PASSWORD)
    order: list[str] = []
    write = store._write

    def noting(entries: dict[str, TrustedCertificateEntry], password: Secret) -> None:
        order.extend(set(entries) - set(order))
        write(entries, password)

    store._write = noting  # type: ignore[method-assign, assignment]  # notes the order of commits
    barrier = threading.Barrier(4, timeout=60)

    def work(worker: int) -> None:
        barrier.wait()
        for number in range(3):
            store.set(f"{worker}-{number}", ENTRY)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert announced == order


def test_a_symbolic_link_stays_one(tmp_path: Path, path: Path) -> None:
    link = tmp_path / "link.p12"
    link.symlink_to(path)
    opened(link).set("ca", ENTRY)
    assert link.is_symlink()
    assert opened(path).get("ca") == ENTRY


def test_the_representation_shows_no_password(path: Path) -> None:
    assert "correct horse" not in repr(opened(path)) + str(vars(opened(path)))
