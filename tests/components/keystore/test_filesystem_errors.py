"""Every file operation of a commit fails, once or for good: what was acknowledged stays, nothing shows by halves."""

from __future__ import annotations

import contextlib
import errno
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from cryptography import x509

from components.keystore import (
    Changes,
    KeyAlgorithm,
    KeystoreDeviceError,
    KeystoreFullError,
    KeystoreNotWritableError,
    KeystoreStorageError,
    SoftwarePrivateKey,
    TrustedCertificateEntry,
    self_signed_certificate,
)
from components.keystore.filesystem import Pkcs12Keystore
from metatype import Secret
from tests.components.keystore.failing_disk import FailingDisk

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 5, 1, tzinfo=UTC)
PASSWORD = Secret("correct horse")
KINDS = {
    errno.ENOSPC: KeystoreFullError,
    errno.EDQUOT: KeystoreFullError,
    errno.EIO: KeystoreDeviceError,
    errno.EROFS: KeystoreNotWritableError,
    errno.EACCES: KeystoreNotWritableError,
}
ADVICE = {
    KeystoreFullError: "make room",
    KeystoreDeviceError: "the disk fails",
    KeystoreNotWritableError: "(mount it for writing|let the gateway's user)",
}


def trusted(name: str) -> TrustedCertificateEntry:
    key = SoftwarePrivateKey.generate(KeyAlgorithm.EC, 256)
    return TrustedCertificateEntry(self_signed_certificate(key, x509.Name.from_rfc4514_string(f"CN={name}"), NOW))


KEPT, GOING, COMING, AFTER = (trusted(name) for name in ("kept", "going", "coming", "after"))
BEFORE = {"going": GOING, "kept": KEPT}
CHANGED = {"coming": COMING, "kept": KEPT}


def begun(path: Path, told: list[Changes]) -> Pkcs12Keystore:
    store = Pkcs12Keystore(path, told.append)
    store.open(PASSWORD)
    with store.edit() as edit:
        edit.set("kept", KEPT)
        edit.set("going", GOING)
    told.clear()
    return store


def change(store: Pkcs12Keystore) -> None:
    with store.edit() as edit:
        edit.set("coming", COMING)
        edit.delete("going")


def failure_of(store: Pkcs12Keystore) -> KeystoreStorageError | None:
    try:
        change(store)
    except KeystoreStorageError as error:
        return error
    return None


def read_anew(path: Path) -> dict[str, object]:
    store = Pkcs12Keystore(path)
    store.open(PASSWORD)
    return dict(store.entries())


def operations(path: Path) -> list[str]:
    disk = FailingDisk(errno.EIO)
    store = begun(path, [])
    with disk.mounted():
        change(store)
    return disk.calls


def test_the_sweep_sees_every_kind_of_operation_of_a_commit(tmp_path: Path) -> None:
    seen = set(operations(tmp_path / "gateway.p12"))
    assert {"open", "close", "flock", "stat", "write", "flush", "fsync", "fchmod", "read", "link", "replace"} <= seen


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO, errno.EROFS], ids=errno.errorcode.__getitem__)
def test_a_commit_of_which_any_one_operation_fails_is_made_or_not_and_the_next_one_works(
    tmp_path: Path, error: int
) -> None:
    told: list[Changes] = []
    for number in range(1, len(operations(tmp_path / "first.p12")) + 1):
        path = tmp_path / str(number) / "gateway.p12"
        store = begun(path, told)
        with FailingDisk(error, number).mounted():
            raised = failure_of(store)
        failed = raised is not None
        if raised is not None:
            assert (raised.errno, raised.path) == (error, path)
            assert type(raised) in {KINDS[error], KeystoreStorageError}
        assert dict(store.entries()) == (BEFORE if failed else CHANGED), number
        assert len(told) == (0 if failed else 1), number
        assert read_anew(path) == dict(store.entries()), number
        store.set("after", AFTER)
        assert read_anew(path) == {**(BEFORE if failed else CHANGED), "after": AFTER}, number
        assert store.health().problems == ()
        assert {one.name for one in path.parent.iterdir()} == {
            f"gateway.p12{end}" for end in ("", ".lock", ".previous")
        }


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO, errno.EROFS], ids=errno.errorcode.__getitem__)
def test_a_disk_that_fails_for_good_in_the_middle_of_a_commit_leaves_one_state_whole(
    tmp_path: Path, error: int
) -> None:
    for number in range(1, len(operations(tmp_path / "first.p12")) + 1):
        path = tmp_path / str(number) / "gateway.p12"
        told: list[Changes] = []
        store = begun(path, told)
        with FailingDisk(error, number, for_good=True).mounted():
            raised = failure_of(store)
        found = dict(store.entries())
        if raised is None:
            assert (found, len(told)) == (CHANGED, 1), number
        elif "it is not certain" in str(raised):
            assert found in (BEFORE, CHANGED), number
        else:
            assert (found, told) == (BEFORE, []), number
        assert read_anew(path) == found, number
        store.set("after", AFTER)
        assert read_anew(path) == {**found, "after": AFTER}, number


@pytest.mark.parametrize("error", KINDS, ids=errno.errorcode.__getitem__)
def test_each_failure_of_writing_has_a_name_and_says_what_to_do(tmp_path: Path, error: int) -> None:
    path = tmp_path / "gateway.p12"
    store = begun(path, [])
    number = operations(tmp_path / "first.p12").index("write") + 1
    with FailingDisk(error, number).mounted(), pytest.raises(KINDS[error], match=ADVICE[KINDS[error]]) as caught:
        change(store)
    assert (caught.value.path, caught.value.errno) == (path, error)
    assert os.strerror(error) in str(caught.value)
    assert str(path) in str(caught.value)
    assert "stays as it was" in str(caught.value)
    change(store)
    assert dict(store.entries()) == CHANGED


def test_a_first_file_that_cannot_be_made_is_not_there_by_halves(tmp_path: Path) -> None:
    disk = FailingDisk(errno.ENOSPC)
    with disk.mounted():
        Pkcs12Keystore(tmp_path / "first.p12").open(PASSWORD)
    for number in range(1, len(disk.calls) + 1):
        path = tmp_path / str(number) / "gateway.p12"
        path.parent.mkdir()
        with FailingDisk(errno.ENOSPC, number).mounted(), contextlib.suppress(KeystoreFullError):
            Pkcs12Keystore(path).open(PASSWORD)
        assert read_anew(path) == {}, number


def test_a_pipe_in_place_of_the_file_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "keystore.p12")
    with pytest.raises(KeystoreStorageError, match="no regular file"):
        Pkcs12Keystore(tmp_path / "keystore.p12").open(PASSWORD)
    assert (tmp_path / "keystore.p12").is_fifo()
