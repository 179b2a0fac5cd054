"""The file of a keystore: read when it changed, replaced as a whole, one writer at a time."""

from __future__ import annotations

import errno
import fcntl
import glob
import os
import stat
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from components.keystore.errors import (
    KeystoreInUseError,
    KeystoreStorageError,
    KeystoreTooLargeError,
    storage_error,
)
from framework.storage import make_private_directory, replace_file, sync_directory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MOST_BYTES: Final = 64 * 1024 * 1024
"""The largest file that is read or written; ten thousand RSA keys with their chains fit more than twice."""

_DIGITS: Final = "[0-9a-f]" * 16
_TEMPORARY: Final = (
    f".{_DIGITS}.new",
    f".missing-[0-9]*.{_DIGITS}.new",
    ".previous.[0-9]*.[0-9]*.new",
    ".again.new",
)
"""What ends the names that a replacement gives to files for a while, here and in `framework.storage`."""

_MISSING: Final = b"The keystore's file was gone when it was opened; the generation before was put in its place.\n"


@dataclass(frozen=True, slots=True)
class FileVersion:
    """What tells one content of a file from the next without reading it: every replacement is a new inode."""

    inode: int
    size: int
    modified_ns: int
    changed_ns: int

    @classmethod
    def of(cls, status: os.stat_result) -> FileVersion:
        """The version that a stat shows."""
        return cls(status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


class KeystoreFile:
    """A file that is replaced atomically, for its owner only (0600), with a lock file beside it.

    Args:
        path: Where it is; symbolic links are followed once, here.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(os.path.realpath(path))
        self._lock_path = self.path.with_name(f"{self.path.name}.lock")
        self._use_path = self.path.with_name(f"{self.path.name}.in-use")

    def version(self) -> FileVersion | None:
        """The file's present version, or None if there is no file.

        Raises:
            KeystoreStorageError: Whether there is one cannot be told.
        """
        try:
            return FileVersion.of(self.path.stat())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._failed("cannot be looked at", error, writing=False) from error

    def was_here(self) -> bool:
        """Whether the file was in this directory: the lock file outlives it, and goes with the disk that it is on."""
        return self._lock_path.exists()

    @property
    def previous(self) -> Path:
        """The generation before, which is used if the file is damaged."""
        return self.path.with_name(f"{self.path.name}.previous")

    def set_aside(self) -> tuple[Path, ...]:
        """Damaged files that were set aside and that nobody has removed yet."""
        return self._numbered("damaged")

    def found_missing(self) -> tuple[Path, ...]:
        """Notes that the file was gone, which nobody has removed yet."""
        return self._numbered("missing")

    def _numbered(self, kind: str) -> tuple[Path, ...]:
        try:
            found = self.path.parent.glob(f"{glob.escape(self.path.name)}.{kind}-*")
            return tuple(sorted(found, key=lambda one: (_number_of(one), one)))
        except OSError:
            return ()

    def restore_previous(self, data: bytes) -> Path:
        """Set the damaged file aside, and put the previous generation in its place.

        Returns:
            Where the damaged file is, or, if there was none, the note of that, which takes its place.

        Raises:
            KeystoreStorageError: That cannot be done; the damaged file is where it was, or set aside.
        """
        damaged = self.version() is not None
        before = self.set_aside() if damaged else self.found_missing()
        number = 1 + max(map(_number_of, before), default=0)
        aside = self.path.with_name(f"{self.path.name}.{'damaged' if damaged else 'missing'}-{number}")
        try:
            if damaged:
                aside.hardlink_to(self.path)
            else:
                replace_file(aside, _MISSING)
            replace_file(self.path, data)
        except OSError as error:
            what = "is damaged" if damaged else "is gone"
            raise self._failed(f"{what}, and its previous generation cannot be restored", error) from error
        return aside

    def tidy(self) -> None:
        """Remove what interrupted replacements left behind; called with the lock held, so none is under way."""
        name = glob.escape(self.path.name)
        with suppress(OSError):
            for ending in _TEMPORARY:  # and no others: a keystore whose name begins alike may be at work
                for left in self.path.parent.glob(f".{name}{ending}"):
                    left.unlink(missing_ok=True)

    def read_previous(self) -> bytes | None:
        """The generation before; None if there is none that can be read."""
        try:
            with self.previous.open("rb") as file:
                return file.read(MOST_BYTES + 1)
        except OSError:
            return None

    def read(self) -> tuple[FileVersion, bytes]:
        """The content, and the version that it is of.

        Raises:
            KeystoreStorageError: It cannot be read.
            KeystoreTooLargeError: It is larger than `MOST_BYTES`, so not of this keystore's making.
        """
        try:
            with open(self.path, "rb", opener=_open_unless_pipe) as file:
                version = FileVersion.of(os.fstat(file.fileno()))
                data = file.read(MOST_BYTES + 1)
        except OSError as error:
            raise self._failed("cannot be read", error, writing=False) from error
        if len(data) > MOST_BYTES:
            raise KeystoreTooLargeError(str(self.path), len(data), MOST_BYTES)
        return version, data

    def replace(self, data: bytes, verify: Callable[[bytes], None], *, keep: bool = True) -> FileVersion | None:
        """Put new content in place of the old one; durable on return, and untouched if this raises.

        Args:
            data: The content.
            verify: Called with it as it reads back, before the old one goes; it may raise.
            keep: Whether the old one becomes the previous generation.

        Returns:
            The version that it now is, or None if that cannot be told.

        Raises:
            KeystoreStorageError: It cannot be written.
            KeystoreTooLargeError: Nobody could read it again.
        """
        if len(data) > MOST_BYTES:
            raise KeystoreTooLargeError(str(self.path), len(data), MOST_BYTES)
        before = self.version()
        try:
            replace_file(self.path, data, previous=self.previous if keep else None, verify=verify)
        except OSError as error:
            what = "cannot be written, and stays as it was"
            if not self._is_as_before(before):
                what = "was written, but it is not certain that this outlives a power cut: see what it holds"
            raise self._failed(what, error) from error
        try:
            return FileVersion.of(self.path.stat())
        except OSError:
            return None

    def _is_as_before(self, before: FileVersion | None) -> bool:
        """Whether the file that was there is there, after a replacement failed; put it back if it is not.

        Only the directory's fsync fails after the rename. Nobody may have been told of the new content, so the old one,
        which has a second name as the previous generation, takes its place again.
        """
        try:
            if before is None:
                self.path.unlink(missing_ok=True)
                return True
            if self.path.stat().st_ino == before.inode:
                return True
            if self.previous.stat().st_ino != before.inode:
                return False
            again = self.path.with_name(f".{self.path.name}.again.new")
            again.unlink(missing_ok=True)
            again.hardlink_to(self.previous)
            again.replace(self.path)
        except OSError:
            return False
        return True

    def remove(self) -> None:
        """Remove the file, and the generation before, which goes first lest it is taken for what was lost.

        Raises:
            KeystoreStorageError: That cannot be done.
        """
        try:
            self.previous.unlink(missing_ok=True)
            self.path.unlink(missing_ok=True)
            sync_directory(self.path.parent)
        except OSError as error:
            raise self._failed("cannot be removed", error) from error

    def make_directory(self) -> None:
        """Make the directory of the file, private, where it is missing.

        Raises:
            KeystoreStorageError: It cannot be made.
        """
        try:
            make_private_directory(self.path.parent)
        except OSError as error:
            raise self._failed("the directory cannot be made", error) from error

    def restrict(self) -> bool:
        """Take the file from the eyes of others; whether that was necessary.

        Raises:
            KeystoreStorageError: It was, and cannot be done.
        """
        try:
            if not self.path.stat().st_mode & 0o077:
                return False
            self.path.chmod(0o600)
        except OSError as error:
            raise self._failed("is open to other users and cannot be closed to them", error) from error
        return True

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold off every other writer, in this process and in others, for the time of the `with` block.

        The lock is the kernel's (flock), so it ends with its holder; the lock file stays and means nothing.

        Raises:
            KeystoreStorageError: The lock file cannot be opened.
        """
        with self._flock(self._lock_path, fcntl.LOCK_EX, "cannot be locked for writing"):
            yield

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Have nobody take the file away for the time of the `with` block; any number may use it at once.

        Raises:
            KeystoreStorageError: The file of that lock, which stays and means nothing, cannot be opened.
        """
        with self._flock(self._use_path, fcntl.LOCK_SH, "cannot be locked for use"):
            yield

    @contextmanager
    def for_oneself(self) -> Iterator[None]:
        """Have nobody use the file for the time of the `with` block, so that it can be taken away.

        Raises:
            KeystoreInUseError: Somebody uses it.
            KeystoreStorageError: The file of that lock cannot be opened.
        """
        with self._flock(self._use_path, fcntl.LOCK_EX | fcntl.LOCK_NB, "cannot be locked for oneself"):
            yield

    @contextmanager
    def _flock(self, path: Path, operation: int, failure: str) -> Iterator[None]:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise self._failed(failure, error) from error
        try:
            try:
                fcntl.flock(descriptor, operation)
            except BlockingIOError as error:
                raise KeystoreInUseError(str(self.path)) from error
            except OSError as error:
                raise self._failed(failure, error) from error
            yield
        finally:
            with suppress(OSError):  # the lock ends whatever it says, and what was stored is stored
                os.close(descriptor)

    def _failed(self, what: str, error: OSError, *, writing: bool = True) -> KeystoreStorageError:
        return storage_error(self.path, what, error, writing=writing)


def _number_of(aside: Path) -> int:
    """What tells such files from each other; 0 for one that somebody has renamed."""
    number = aside.name.rpartition("-")[2]
    return int(number) if number.isdecimal() else 0


def _open_unless_pipe(path: str, flags: int) -> int:
    """Open a file, and wait for nobody: whoever opens a pipe waits for its writer."""
    descriptor = os.open(path, flags | os.O_NONBLOCK)
    if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is a pipe and no regular file; configure another keystore.path")
    return descriptor
