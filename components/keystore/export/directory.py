"""The directory of an export: generations of files, and one symbolic link that says which one is current.

    DIRECTORY/gatewright-export.json     whose export it is, and what it holds; replaced after each change
    DIRECTORY/current                    a symbolic link to the present generation
    DIRECTORY/.gatewright-…/             generations

A generation is written whole and made durable under a new name, then the link is replaced by a rename. Who opens
`current` once (a directory, or the resolved path) finds keys and certificates that belong together, whenever that is.
All is done relative to descriptors that follow no symbolic link, so nobody can lead a private key elsewhere.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import stat
import threading
from collections import deque
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

from components.keystore.export.errors import ExportError
from framework.storage import sync_directory

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from pathlib import Path

    from components.keystore.export.files import PemFiles
    from components.keystore.export.settings import Rights

CURRENT: Final = "current"
MANIFEST: Final = "gatewright-export.json"
_OURS: Final = ".gatewright-"
_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_LARGEST_MANIFEST: Final = 4 * 1024 * 1024
MOST_KEPT: Final = 16
"""Generations of before: an enrolment changes a keystore several times in a moment, and readers may be slow."""
_LOCKS: Final[dict[Path, threading.Lock]] = {}


class ExportDirectory:
    """Where one keystore's entries are exported to. One thread at a time uses it, and the others wait.

    Args:
        path: The directory. It is made where it is missing, but none above it.
        keystore: The keystore's `kura.service.pid`; a directory serves one keystore.
    """

    def __init__(self, path: Path, keystore: str) -> None:
        self.path = path
        self._keystore = keystore
        self._kept: deque[str] = deque(maxlen=MOST_KEPT)

    def publish(self, wanted: PemFiles, rights: Rights, *, begin: Callable[[], bool] = lambda: True) -> bool:
        """Bring about that the directory shows these files; nothing is written if it does already.

        Generations of before stay for those that have just opened them, until `expire`, `MOST_KEPT` of them at most;
        where something is no longer exported they go at once.

        Args:
            wanted: The files.
            rights: Whom they belong to, and who may read them.
            begin: Called before anything is written, once the place is found safe and nobody else is at it: whether
                these files are still wanted.

        Returns:
            Whether a generation was replaced.

        Raises:
            ExportError: That cannot be done; the directory shows what it showed before.
        """
        with self._told("cannot be written"), self._locked(make=True) as root:
            former = self._current(root)
            owned = self._owned(root)
            if not begin():
                return False
            made = self._made if owned is None else owned
            if owned is None:
                self._write_manifest(root, {"keystore": self._keystore, "made": made})
            if former is not None and _same(root, former, wanted, rights):
                name = former
            else:
                name = self._write(root, wanted, rights)
                self._show(root, name)
                self._keep(root, former, wanted)
            told = {"keystore": self._keystore, "made": made, "generation": name, "entries": dict(wanted.contents)}
            if _read_manifest(root) != told:
                self._write_manifest(root, told)
            _tidy(root, {name, *self._kept})
            return name != former

    def expire(self) -> None:
        """Have generations of before go with the next `publish`."""
        self._kept.clear()

    def withdraw(self) -> bool:
        """Remove all that was exported: the link, all generations, and the directory if it was made for this.

        Returns:
            Whether the directory was there.

        Raises:
            ExportError: That cannot be done; private keys may be left.
        """
        with self._told("private keys that were exported cannot be removed"):
            try:
                with self._locked(make=False) as root:
                    manifest = _read_manifest(root) or {}
                    if manifest.get("keystore", self._keystore) != self._keystore:
                        return True
                    if not manifest and not any(name.startswith(_OURS) for name in _list(root)):
                        return True
                    if self._current(root) is not None:
                        os.unlink(CURRENT, dir_fd=root)
                    _tidy(root, ())
                    with suppress(FileNotFoundError):
                        os.unlink(MANIFEST, dir_fd=root)
                    os.fsync(root)
            except FileNotFoundError:
                return False
            if manifest.get("made"):
                with suppress(OSError):  # somebody else keeps files there
                    self.path.rmdir()
        return True

    @contextmanager
    def _locked(self, *, make: bool) -> Iterator[int]:
        """A descriptor of the directory, safe to be used, with every other exporter held off."""
        with _LOCKS.setdefault(self.path, threading.Lock()):
            self._made = False
            try:
                root = self._open()
            except FileNotFoundError:
                if not make:
                    raise
                self._make()
                root = self._open()
            try:
                if self._made:
                    os.fchmod(root, 0o755)
                self._check(root)
                self._lock(root)
                yield root
            finally:
                os.close(root)

    def _lock(self, root: int) -> None:
        """Hold off other gateways, without waiting: who may read the directory may lock it, too, for ever."""
        try:
            fcntl.flock(root, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            reason = f"another program has locked it; see which one: lsof +d {self.path}"
            raise ExportError(self.path, reason, error.errno) from error

    def _open(self) -> int:
        try:
            return os.open(self.path, _DIRECTORY)
        except NotADirectoryError as error:
            reason = "it is no directory, or is below something that is none; name another keystore.export.path"
            if self.path.is_symlink():
                reason = f"it is a symbolic link; name what it leads to: {os.path.realpath(self.path)}"
            raise ExportError(self.path, reason, error.errno) from error

    def _make(self) -> None:
        try:
            self.path.mkdir(mode=0o700)
        except FileNotFoundError as error:
            reason = f"{self.path.parent} is not there; make it, with rights that the reading programs can pass"
            raise ExportError(self.path, reason, error.errno) from error
        self._made = True
        sync_directory(self.path.parent)

    def _check(self, root: int) -> None:
        """Refuse a place that somebody else could exchange."""
        status = os.fstat(root)
        if status.st_uid not in {os.geteuid(), 0}:
            reason = f"it belongs to uid {status.st_uid}, who could exchange what is in it; it is to be the gateway's"
            raise ExportError(self.path, reason, errno.EPERM)
        if status.st_mode & 0o022:
            reason = f"others can write to it, and exchange what is in it; run: chmod go-w {self.path}"
            raise ExportError(self.path, reason, errno.EPERM)
        for above in self.path.parents:
            mode = above.stat().st_mode
            if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
                reason = f"everybody can write to {above}, and exchange what is below it; run: chmod o-w {above}"
                raise ExportError(self.path, reason, errno.EPERM)

    def _owned(self, root: int) -> bool | None:
        """Whether the directory was made for this keystore; None if it is not this keystore's yet."""
        manifest = _read_manifest(root) or {}
        owner = manifest.get("keystore")
        if owner not in {None, self._keystore}:
            raise ExportError(
                self.path,
                f"keystore {owner} is exported to it; give each keystore a directory of its own",
                errno.EEXIST,
            )
        return None if owner is None else bool(manifest.get("made"))

    def _current(self, root: int) -> str | None:
        """The present generation; None if there is none."""
        try:
            target = os.readlink(CURRENT, dir_fd=root)
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            target = ""
        if not target.startswith(_OURS) or "/" in target:
            reason = (
                f"{self.path / CURRENT} is not of this export and stays as it is; move it away, or take another path"
            )
            raise ExportError(self.path, reason, errno.EEXIST)
        return target

    def _write(self, root: int, wanted: PemFiles, rights: Rights) -> str:
        """Write a generation, durable and not yet shown; its name."""
        name = f"{_OURS}{os.urandom(8).hex()}"
        os.mkdir(name, 0o700, dir_fd=root)
        directory = os.open(name, _DIRECTORY, dir_fd=root)
        try:
            for file, pem in wanted.files.items():
                handle = os.open(file, _NEW, 0o600, dir_fd=directory)
                with os.fdopen(handle, "wb") as opened:
                    self._give(handle, rights)
                    os.fchmod(handle, rights.key_mode if pem.secret else rights.certificate_mode)
                    opened.write(pem.content)
                    opened.flush()
                    os.fsync(handle)
            os.fchmod(directory, 0o755)
            os.fsync(directory)
        except BaseException:
            with suppress(OSError):
                _remove(root, name)
            raise
        finally:
            os.close(directory)
        os.fsync(root)
        return name

    def _give(self, handle: int, rights: Rights) -> None:
        """Give a file, empty as yet and for its owner only, to owner and group."""
        if rights.owner is None and rights.group is None:
            return
        try:
            os.fchown(
                handle, -1 if rights.owner is None else rights.owner, -1 if rights.group is None else rights.group
            )
        except OSError as error:
            if error.errno not in {errno.EPERM, errno.EINVAL}:
                raise
            reason = (
                f"the gateway's user may not give files to uid {rights.owner}, gid {rights.group}; leave "
                "keystore.export.owner and group empty, and give the directory the group, with the set-group-ID bit: "
                f"chgrp GROUP {self.path}; chmod 2750 {self.path}"
            )
            raise ExportError(self.path, reason, error.errno) from error

    def _show(self, root: int, name: str) -> None:
        """Have `current` lead to a generation, in one step."""
        link = f"{_OURS}{os.urandom(8).hex()}.link"
        os.symlink(name, link, dir_fd=root)
        os.rename(link, CURRENT, src_dir_fd=root, dst_dir_fd=root)
        os.fsync(root)

    def _keep(self, root: int, former: str | None, wanted: PemFiles) -> None:
        """Keep the generation before too, unless something in it is no longer exported; then none of before is kept."""
        if former is not None and _names(root, former) <= wanted.files.keys():
            self._kept.append(former)
        else:
            self._kept.clear()

    def _write_manifest(self, root: int, told: Mapping[str, Any]) -> None:
        """Replace the manifest; programs that follow the export watch this file."""
        temporary = f"{_OURS}{os.urandom(8).hex()}.new"
        handle = os.open(temporary, _NEW, 0o600, dir_fd=root)
        with os.fdopen(handle, "wb") as file:
            os.fchmod(handle, 0o644)
            file.write(json.dumps(told, indent=1, sort_keys=True).encode() + b"\n")
            file.flush()
            os.fsync(handle)
        os.rename(temporary, MANIFEST, src_dir_fd=root, dst_dir_fd=root)
        os.fsync(root)

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise ExportError.of(self.path, what, error) from error


def _read_manifest(root: int) -> dict[str, Any] | None:
    """What the manifest says; None if there is none that can be understood, which is as good as none."""
    try:
        handle = os.open(MANIFEST, _READ, dir_fd=root)
    except FileNotFoundError:
        return None
    with os.fdopen(handle, "rb") as file:
        data = file.read(_LARGEST_MANIFEST)
    try:
        told = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return told if isinstance(told, dict) else None


def _list(directory: int) -> set[str]:
    with os.scandir(directory) as found:
        return {one.name for one in found}


def _names(root: int, name: str) -> set[str]:
    try:
        directory = os.open(name, _DIRECTORY, dir_fd=root)
    except OSError:
        return set()
    try:
        return _list(directory)
    finally:
        os.close(directory)


def _same(root: int, name: str, wanted: PemFiles, rights: Rights) -> bool:
    """Whether a generation holds these files with these rights, and nothing else."""
    try:
        directory = os.open(name, _DIRECTORY, dir_fd=root)
    except OSError:
        return False
    try:
        if _list(directory) != wanted.files.keys():
            return False
        for file, pem in wanted.files.items():
            with os.fdopen(os.open(file, _READ, dir_fd=directory), "rb") as opened:
                status = os.fstat(opened.fileno())
                mode = rights.key_mode if pem.secret else rights.certificate_mode
                owner = os.geteuid() if rights.owner is None else rights.owner
                group = status.st_gid if rights.group is None else rights.group
                if (status.st_mode, status.st_uid, status.st_gid) != (stat.S_IFREG | mode, owner, group):
                    return False
                if opened.read(len(pem.content) + 1) != pem.content:
                    return False
    except OSError:
        return False
    finally:
        os.close(directory)
    return True


def _tidy(root: int, keep: Collection[str]) -> None:
    """Remove what is of this export and not to be kept: generations of before, and what a crash left behind."""
    left = [name for name in _list(root) if name.startswith(_OURS) and name not in keep]
    for name in left:
        _remove(root, name)
    if left:
        os.fsync(root)


def _remove(root: int, name: str) -> None:
    try:
        directory = os.open(name, _DIRECTORY, dir_fd=root)
    except NotADirectoryError:
        os.unlink(name, dir_fd=root)
        return
    try:
        for file in _list(directory):
            os.unlink(file, dir_fd=directory)
    finally:
        os.close(directory)
    os.rmdir(name, dir_fd=root)
