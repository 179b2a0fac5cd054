"""The directory of an export under crashes and failures: what is shown always fits, and the next try mends the rest."""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import pytest

from components.keystore.export.directory import CURRENT, MANIFEST, ExportDirectory
from components.keystore.export.errors import ExportError
from components.keystore.export.files import PemFile, PemFiles
from components.keystore.export.settings import Rights

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RIGHTS: Final = Rights()
_CALLS: Final = ("open", "mkdir", "fchmod", "symlink", "rename", "fsync", "unlink", "rmdir", "readlink", "scandir")


class Killed(BaseException):
    """The process ends: nothing that it would have done afterwards happens."""


def pair(number: int) -> PemFiles:
    """A key and a certificate that show that they belong together."""
    return PemFiles(
        {"own.crt": PemFile(b"certificate %d" % number), "own.key": PemFile(b"key %d" % number, secret=True)}, {}
    )


def shown(path: Path) -> tuple[bytes, bytes] | None:
    """What a program finds that opens `current` once."""
    if not (path / CURRENT).exists():
        return None
    generation = (path / CURRENT).resolve()
    return (generation / "own.crt").read_bytes(), (generation / "own.key").read_bytes()


def as_shown(number: int) -> tuple[bytes, bytes]:
    return b"certificate %d" % number, b"key %d" % number


class Calls:
    """Counts what is done with files, and ends it at one call: killed before or after it, or refused."""

    def __init__(self, number: int, end: BaseException, *, after: bool = False, for_good: bool = False) -> None:
        self.count = 0
        self._number = number
        self._end = end
        self._after = after
        self._for_good = for_good
        self._over = False

    @contextmanager
    def counted(self) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            for name in _CALLS:
                patch.setattr(os, name, self._wrapped(getattr(os, name)))
            yield

    def _wrapped(self, real: Any) -> Any:
        def call(*arguments: Any, **named: Any) -> Any:
            self.count += 1
            turn = self.count == self._number
            if self._over or (turn and not self._after):
                self._over = self._for_good
                raise self._end
            result = real(*arguments, **named)
            if turn:
                self._over = self._for_good
                if isinstance(result, int):
                    os.close(result)
                elif hasattr(result, "close"):
                    result.close()
                raise self._end
            return result

        return call


def steps(path: Path) -> int:
    directory = ExportDirectory(path, "own")
    directory.publish(pair(1), RIGHTS)
    calls = Calls(0, Killed())
    with calls.counted():
        directory.publish(pair(2), RIGHTS)
    assert calls.count > 20
    return calls.count


@pytest.mark.parametrize("after", [False, True], ids=["before a step", "after a step"])
def test_a_kill_at_any_step_shows_one_pair_and_the_next_start_mends_the_rest(tmp_path: Path, after: bool) -> None:
    seen = set()
    for number in range(1, steps(tmp_path / "steps") + 1):
        path = tmp_path / str(number)
        ExportDirectory(path, "own").publish(pair(1), RIGHTS)
        calls = Calls(number, Killed(), after=after, for_good=True)
        with calls.counted(), pytest.raises(Killed):
            ExportDirectory(path, "own").publish(pair(2), RIGHTS)
        assert shown(path) in {as_shown(1), as_shown(2)}, number
        seen.add(shown(path))
        ExportDirectory(path, "own").publish(pair(3), RIGHTS)
        anew = ExportDirectory(path, "own")
        assert not anew.publish(pair(3), RIGHTS)
        assert shown(path) == as_shown(3)
        assert {one.name for one in path.iterdir()} == {CURRENT, MANIFEST, (path / CURRENT).resolve().name}
    assert seen == {as_shown(1), as_shown(2)}


def test_a_kill_at_any_step_of_the_first_export_or_of_its_withdrawal_leaves_nothing_that_is_not_found_again(
    tmp_path: Path,
) -> None:
    def come_and_go(path: Path) -> None:
        ExportDirectory(path, "own").publish(pair(1), RIGHTS)
        ExportDirectory(path, "own").withdraw()

    calls = Calls(0, Killed())
    with calls.counted():
        come_and_go(tmp_path / "steps")
    for number in range(1, calls.count + 1):
        path = tmp_path / str(number)
        with Calls(number, Killed(), for_good=True).counted(), pytest.raises(Killed):
            come_and_go(path)
        assert shown(path) in {None, as_shown(1)}
        ExportDirectory(path, "own").withdraw()
        assert not path.exists() or list(path.iterdir()) == [], number


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO, errno.EROFS], ids=errno.errorcode.__getitem__)
def test_any_call_that_fails_leaves_one_pair_and_the_next_try_works(tmp_path: Path, error: int) -> None:
    for number in range(1, steps(tmp_path / "steps") + 1):
        path = tmp_path / str(number)
        directory = ExportDirectory(path, "own")
        directory.publish(pair(1), RIGHTS)
        with Calls(number, OSError(error, os.strerror(error))).counted():
            try:
                directory.publish(pair(2), RIGHTS)
            except ExportError as raised:
                told: ExportError | None = raised
            else:
                told = None
        assert told is None or (told.path, told.errno) == (path, error), number
        assert shown(path) in ({as_shown(2)} if told is None else {as_shown(1), as_shown(2)}), number
        directory.publish(pair(2), RIGHTS)
        assert shown(path) == as_shown(2)


def test_a_full_disk_is_told_and_leaves_no_half_of_a_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "export"
    directory = ExportDirectory(path, "own")
    directory.publish(pair(1), RIGHTS)
    before = sorted(path.rglob("*"))

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(ExportError, match="make room on its file system"):
            directory.publish(pair(2), RIGHTS)
    assert sorted(path.rglob("*")) == before


def test_who_may_not_give_files_away_is_told_of_the_set_group_id_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: Any) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "fchown", refused)
    with pytest.raises(ExportError, match="chmod 2750"):
        ExportDirectory(tmp_path / "export", "own").publish(pair(1), Rights(group=12345))
    assert not any(b"key" in one.read_bytes() for one in tmp_path.rglob("*.key"))


def test_a_directory_of_somebody_else_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "export"
    path.mkdir()
    if os.geteuid() == 0:
        os.chown(path, 12345, -1)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(ExportError, match="who could exchange what is in it"):
        ExportDirectory(path, "own").publish(pair(1), RIGHTS)
    assert list(path.iterdir()) == []


def test_a_manifest_that_was_torn_is_written_anew(tmp_path: Path) -> None:
    path = tmp_path / "export"
    ExportDirectory(path, "own").publish(pair(1), RIGHTS)
    whole = (path / MANIFEST).read_bytes()
    (path / MANIFEST).write_bytes(whole[:7])
    assert not ExportDirectory(path, "own").publish(pair(1), RIGHTS)
    assert b'"own"' in (path / MANIFEST).read_bytes()
    (path / MANIFEST).write_bytes(b"")
    ExportDirectory(path, "own").withdraw()
    assert list(path.iterdir()) == []


def test_a_directory_that_somebody_else_has_locked_is_told_of_and_nobody_waits(tmp_path: Path) -> None:
    path = tmp_path / "export"
    directory = ExportDirectory(path, "own")
    directory.publish(pair(1), RIGHTS)
    theirs = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(theirs, fcntl.LOCK_EX)
        with pytest.raises(ExportError, match="another program has locked it"):
            directory.publish(pair(2), RIGHTS)
        with pytest.raises(ExportError, match="another program has locked it"):
            directory.withdraw()
    finally:
        os.close(theirs)
    directory.publish(pair(2), RIGHTS)
    assert shown(path) == as_shown(2)


def test_who_has_opened_a_generation_reads_on_while_others_follow_in_a_moment(tmp_path: Path) -> None:
    directory = ExportDirectory(tmp_path / "export", "Identity")
    directory.publish(pair(0), RIGHTS)
    opened = (directory.path / CURRENT).resolve()
    for number in range(1, 6):
        directory.publish(pair(number), RIGHTS)
    assert ((opened / "own.crt").read_bytes(), (opened / "own.key").read_bytes()) == as_shown(0)
    directory.expire()
    directory.publish(pair(5), RIGHTS)
    assert not opened.exists()
    assert shown(directory.path) == as_shown(5)
