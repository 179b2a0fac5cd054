"""Files that are whole or not there: the one way in which a file is replaced."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def replace_file(
    path: Path,
    data: bytes,
    *,
    mode: int = 0o600,
    previous: Path | None = None,
    verify: Callable[[bytes], None] | None = None,
) -> None:
    """Put `data` into `path`, durable when this returns; whatever happens meanwhile, `path` is the old or the new.

    Args:
        path: The file.
        data: What it is to hold.
        mode: Its mode.
        previous: Where what it held is kept, in the same directory; in place of what was kept there before.
        verify: Called with what was written, as it reads back, before it takes the place of the old; it may raise.

    Raises:
        OSError: The file cannot be written; `path` is as it was.
    """
    directory = path.parent
    temporary = directory / f".{path.name}.{os.urandom(8).hex()}.new"
    # Opened as tempfile.mkstemp does, which takes longer than all the rest here.
    handle = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            os.fchmod(handle, mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if verify is not None:
            verify(temporary.read_bytes())
        if previous is not None:
            _keep(path, previous)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_directory(directory)


def _keep(path: Path, previous: Path) -> None:
    """Give a file a second name, in place of what had it, so that it outlives its replacement."""
    linked = previous.with_name(f".{previous.name}.{os.getpid()}.{threading.get_ident()}.new")
    linked.unlink(missing_ok=True)  # what a crash left behind
    try:
        linked.hardlink_to(path)
    except FileNotFoundError:
        return
    try:
        linked.replace(previous)
    except BaseException:
        linked.unlink(missing_ok=True)
        raise
    linked.unlink(missing_ok=True)  # where both names are the same file already, the rename does nothing


def sync_directory(directory: Path) -> None:
    """Make what was created, renamed or removed in a directory durable."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_private_directory(directory: Path) -> None:
    """Make a directory that only its owner can use (0700), and those above it as usual; keep one that is there.

    Raises:
        OSError: It cannot be made.
    """
    if directory.is_dir():
        return
    directory.parent.mkdir(parents=True, exist_ok=True)
    directory.mkdir(mode=0o700, exist_ok=True)
    sync_directory(directory.parent)
