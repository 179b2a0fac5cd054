"""Replaced files: the old or the new, never anything between, whatever fails."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from framework.storage import make_private_directory, replace_file

if TYPE_CHECKING:
    from collections.abc import Callable


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def names_in(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


@pytest.fixture(params=[0o000, 0o022, 0o077])
def _umask(request: pytest.FixtureRequest) -> Any:
    before = os.umask(request.param)
    yield
    os.umask(before)


@pytest.mark.usefixtures("_umask")
@pytest.mark.parametrize("mode", [0o600, 0o644])
def test_a_file_gets_its_content_and_exactly_its_mode(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "file"
    replace_file(path, b"one", mode=mode)
    assert (path.read_bytes(), mode_of(path)) == (b"one", mode)
    path.chmod(0o666)
    replace_file(path, b"", mode=mode)
    assert (path.read_bytes(), mode_of(path)) == (b"", mode)
    assert names_in(tmp_path) == ["file"]


def test_a_file_is_private_unless_told_otherwise(tmp_path: Path) -> None:
    replace_file(tmp_path / "file", b"content")
    assert mode_of(tmp_path / "file") == 0o600


def test_the_content_is_durable_before_the_name_and_the_name_before_the_return(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    done: list[str] = []
    fsync, rename = os.fsync, Path.replace

    def recorded_fsync(handle: int) -> None:
        done.append("sync directory" if stat.S_ISDIR(os.fstat(handle).st_mode) else "sync content")
        fsync(handle)

    def recorded_rename(self: Path, target: Path) -> Path:
        assert self.parent == target.parent, "a rename between file systems is not atomic"
        assert self.read_bytes() == b"content"
        done.append("rename")
        return rename(self, target)

    monkeypatch.setattr(os, "fsync", recorded_fsync)
    monkeypatch.setattr(Path, "replace", recorded_rename)
    replace_file(path, b"content")
    assert done == ["sync content", "rename", "sync directory"]


def fail(error: int) -> Callable[..., Any]:
    def failing(*_: object, **__: object) -> Any:
        raise OSError(error, os.strerror(error))

    return failing


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize(("owner", "call"), [(os, "fsync"), (os, "fchmod"), (Path, "replace")])
def test_a_failure_leaves_the_old_file_and_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: Any, call: str, error: int
) -> None:
    path = tmp_path / "file"
    replace_file(path, b"old")
    with monkeypatch.context() as broken:
        broken.setattr(owner, call, fail(error))
        with pytest.raises(OSError, match=os.strerror(error)):
            replace_file(path, b"new")
    assert path.read_bytes() == b"old"
    assert names_in(tmp_path) == ["file"]


def test_an_interrupt_leaves_nothing_beside_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"

    def interrupted(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        replace_file(path, b"new")
    assert names_in(tmp_path) == []


def test_a_directory_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        replace_file(tmp_path / "nowhere" / "file", b"content")


def test_a_reader_sees_only_whole_contents_while_eight_threads_write(tmp_path: Path) -> None:
    path = tmp_path / "file"
    contents = [bytes([letter]) * 20_000 for letter in b"abcdefgh"]
    replace_file(path, contents[0])
    start = threading.Barrier(len(contents))

    def write(content: bytes) -> None:
        start.wait()
        for _ in range(5):
            replace_file(path, content)

    writers = [threading.Thread(target=write, args=(content,)) for content in contents]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        assert path.read_bytes() in contents
    for writer in writers:
        writer.join()
    assert names_in(tmp_path) == ["file"]


_ENDLESS_WRITER = """
import itertools, sys
from pathlib import Path
from framework.storage import replace_file
for number in itertools.count():
    replace_file(Path(sys.argv[1]), b"%08d" % number * 2_000)
    print(number, flush=True)
"""


@pytest.mark.parametrize("acknowledged", [1, 7, 20])
def test_a_kill_leaves_what_was_acknowledged_or_something_later_but_whole(tmp_path: Path, acknowledged: int) -> None:
    path = tmp_path / "file"
    with subprocess.Popen(
        [sys.executable, "-c", _ENDLESS_WRITER, path],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as writer:
        assert writer.stdout is not None
        for _ in range(acknowledged):
            writer.stdout.readline()
        writer.kill()
    content = path.read_bytes()
    assert content == content[:8] * 2_000
    assert int(content[:8]) >= acknowledged - 1


@pytest.mark.usefixtures("_umask")
def test_a_private_directory_is_its_owners_alone(tmp_path: Path) -> None:
    directory = tmp_path / "above" / "private"
    make_private_directory(directory)
    assert mode_of(directory) == 0o700


def test_a_directory_that_is_there_is_kept_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir(mode=0o750)
    (tmp_path / "kept" / "file").touch()
    before = mode_of(tmp_path / "kept")
    make_private_directory(tmp_path / "kept")
    assert (mode_of(tmp_path / "kept"), names_in(tmp_path / "kept")) == (before, ["file"])


def test_a_file_in_the_way_of_a_directory_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FileExistsError):
        make_private_directory(tmp_path / "file")
