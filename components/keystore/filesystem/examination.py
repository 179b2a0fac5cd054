"""What `gatewright doctor` looks at on a keystore's file: who can read and replace it, and who holds its lock."""

from __future__ import annotations

import fcntl
import os
import stat
from typing import TYPE_CHECKING, Final

from framework.plugins import Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MODE: Final = "keystore mode"
LOCK: Final = "keystore lock"

_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH


def examine_file(name: str, path: Path) -> Iterator[Finding]:
    """Look at the file of the keystore that is called `name`, and at what lies beside it.

    Args:
        name: The keystore's `kura.service.pid`.
        path: Its file.
    """
    problems = [*_readable(path), *_replaceable(path.parent)]
    yield from (Finding(Severity.ERROR, f"{name}: {text}", fix, MODE) for text, fix in problems)
    if not problems:
        yield Finding(Severity.OK, f"{name}: {path} is the gateway's user's alone", check=MODE)
    yield _lock(name, path.with_name(f"{path.name}.lock"))


def _readable(path: Path) -> Iterator[tuple[str, str]]:
    """What others can read, or what is not the gateway's: the file, and the generation before, which has keys, too."""
    for one in (path, path.with_name(f"{path.name}.previous")):
        try:
            status = one.stat()
        except FileNotFoundError:
            continue
        except OSError as error:
            yield f"{one} cannot be looked at: {error.strerror}", f"let the gateway's user enter {one.parent}"
            continue
        if status.st_mode & _OTHERS:
            text = f"{one} is open to others (mode {stat.S_IMODE(status.st_mode):04o})"
            yield text, f"chmod 600 {one}; its keys may be known to others by now: gatewright cert rekey"
        if status.st_uid != os.geteuid():
            text = f"{one} belongs to user {status.st_uid}, not to the gateway's ({os.geteuid()})"
            yield text, f"chown {os.geteuid()} {one}"


def _replaceable(directory: Path) -> Iterator[tuple[str, str]]:
    try:
        mode = directory.stat().st_mode
    except OSError:
        return
    if mode & _OTHERS_WRITE and not mode & stat.S_ISVTX:
        text = f"others can replace what is in {directory} (mode {stat.S_IMODE(mode):04o})"
        yield text, f"chmod go-w {directory}"


def _lock(name: str, path: Path) -> Finding:
    try:
        handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return Finding(Severity.OK, f"{name}: nobody has needed it yet", check=LOCK)
    except OSError as error:
        fix = f"chown {os.geteuid()} {path}, and see to its file system"
        return Finding(Severity.ERROR, f"{name}: {path} cannot be opened: {error.strerror}", fix, LOCK)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        fix = f"if it stays so, see who: fuser -v {path}; whoever writes the keystore waits until that program ends"
        return Finding(Severity.WARNING, f"{name}: somebody holds {path} just now", fix, LOCK)
    except OSError as error:
        fix = "keep the keystore on a file system of this machine that has locks"
        return Finding(Severity.ERROR, f"{name}: {path} cannot be locked: {error.strerror}", fix, LOCK)
    finally:
        os.close(handle)
    return Finding(Severity.OK, f"{name}: nobody holds it", check=LOCK)
