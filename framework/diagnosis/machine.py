"""Checks of the machine that a gateway is on: its clock, its disk, and who can read what is secret.

They need no running gateway, so they also tell why one does not start.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from framework.configuration.credentials import DIRECTORY, VARIABLE, CredentialError, Credentials
from framework.configuration.files import LARGEST as LARGEST_FILE
from framework.configuration.files import ConfigurationDirectory
from framework.plugins.health import Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from framework.clock import Clock
    from framework.configuration.files import FileConfiguration

EARLIEST: Final = datetime(2025, 1, 1, tzinfo=UTC)
"""A clock before this has never been set."""

CLOCK_TOLERANCE: Final = timedelta(days=1)
"""Files may be this much younger than now before the clock is doubted."""

LITTLE_SPACE: Final = 64 * 1024 * 1024
TOO_LITTLE_SPACE: Final = 4 * 1024 * 1024
"""Bytes that the gateway's store, its copy and its keystores need to be replaced side by side."""

OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True, slots=True)
class MachineView:
    """Where a gateway lives.

    Attributes:
        state_directory: Where its durable state is.
        conf_directory: Where its configuration files are, or None.
        environ: The environment that it looks for credentials in.
        clock: The source of time.
        passwords_of: The properties of a pid that are secrets, by its descriptor; none if nobody knows.
    """

    state_directory: Path
    conf_directory: Path | None
    environ: Mapping[str, str]
    clock: Clock
    passwords_of: Callable[[str], frozenset[str]] = lambda _pid: frozenset()


def check_clock(view: MachineView) -> Iterator[Finding]:
    """Whether the clock can be true: certificates are judged by it."""
    now = view.clock.now()
    fix = "set it, and have it kept by NTP (systemd-timesyncd, chrony); a device without a battery needs that first"
    if now < EARLIEST:
        yield Finding(Severity.ERROR, f"the clock was never set: it says {_shown(now)}", fix)
        return
    youngest = max(_changed(view.state_directory), default=None)
    if youngest is not None and youngest - now > CLOCK_TOLERANCE:
        text = f"the clock was set back: it says {_shown(now)}, and the gateway wrote to its disk at {_shown(youngest)}"
        yield Finding(Severity.ERROR, text, fix)
        return
    yield Finding(Severity.OK, f"{_shown(now)} can be true")


def check_disk(view: MachineView) -> Iterator[Finding]:
    """Whether what is durable can still be written."""
    if not view.state_directory.is_dir():
        yield Finding(
            Severity.ERROR,
            f"the state directory {view.state_directory} is not there",
            f"start a gateway on it: gatewright run --state-dir {view.state_directory}",
        )
        return
    status = os.statvfs(view.state_directory)
    free = status.f_bavail * status.f_frsize
    fix = "make room, or move the state directory to another file system"
    if status.f_flag & os.ST_RDONLY:
        yield Finding(Severity.ERROR, "the file system of the state directory is read-only", "mount it to be written")
    elif free < LITTLE_SPACE:
        severity = Severity.ERROR if free < TOO_LITTLE_SPACE else Severity.WARNING
        yield Finding(severity, f"{_mebibytes(free)} are free for the state directory", fix)
    elif status.f_files and not status.f_favail:
        yield Finding(Severity.ERROR, "the file system of the state directory has no inode left", fix)
    else:
        yield Finding(Severity.OK, f"{_mebibytes(free)} are free")


def check_privacy(view: MachineView) -> Iterator[Finding]:
    """Whether others can read what is secret."""
    exposed = [*_exposed(view.state_directory), *_exposed_credentials(view.environ)]
    for path, mode in exposed:
        what = "open to others" if stat.S_ISDIR(mode) else "readable by others"
        private = "700" if stat.S_ISDIR(mode) else "600"
        text = f"{path} is {what} (mode {stat.S_IMODE(mode):04o})"
        yield Finding(Severity.ERROR, text, f"chmod {private} {path}; what it protects may be known to others by now")
    open_files = list(_exposed_files(view))
    for path, mode, name in open_files:
        text = f"{path} is readable by others (mode {stat.S_IMODE(mode):04o}), and {name} stands in it"
        yield Finding(
            Severity.ERROR, text, f'chmod o-rwx {path}, or name a credential in it: {{"$credential": "NAME"}}'
        )
    if not exposed and not open_files:
        yield Finding(Severity.OK, "what is secret can be read by the gateway's user alone")


def check_credentials(view: MachineView) -> Iterator[Finding]:
    """Whether the credentials that the environment names, and those that configuration files name, can be read."""
    directory = view.environ.get(DIRECTORY)
    named = {name: value for name, value in view.environ.items() if name.startswith(VARIABLE) and value}
    bad = 0
    for name, path in sorted(named.items()):
        problem = _unreadable(path)
        if problem is not None:
            bad += 1
            yield Finding(Severity.ERROR, f"${name}: {path}: {problem}", "correct the variable, or the file")
    if directory and (problem := _unreadable(directory, directory=True)) is not None:
        bad += 1
        yield Finding(Severity.ERROR, f"${DIRECTORY}: {directory}: {problem}", "see LoadCredential= of the unit")
    for name, problem in _missing_credentials(view).items():
        bad += 1
        # A shell does not see what systemd hands over to the service; a gateway does.
        severity = Severity.ERROR if directory else Severity.WARNING
        fix = f"gatewright install --credential {name} has systemd hand it over; a shell does not see that"
        yield Finding(severity, problem, fix)
    if not bad:
        count = len(named) + (len(list(Path(directory).iterdir())) if directory else 0)
        yield Finding(Severity.OK, f"{count} can be read" if count else "none are named")


def check_files(view: MachineView) -> Iterator[Finding]:
    """Whether the configuration files can be read, as far as that can be told without a gateway."""
    if view.conf_directory is None:
        yield Finding(Severity.OK, "there are none")
        return
    try:
        found, problems = ConfigurationDirectory(view.conf_directory).read()
    except FileNotFoundError:
        text = f"the directory {view.conf_directory} is not there"
        yield Finding(Severity.WARNING, text, "make it, or correct --conf-dir")
        return
    except OSError as error:
        text = f"the directory {view.conf_directory} cannot be read: {error.strerror}"
        yield Finding(Severity.ERROR, text, "have the gateway's user read it and enter it, or correct --conf-dir")
        return
    for problem in problems:
        fix = f"see to it; a file is an object of pid to properties, of at most {LARGEST_FILE} bytes"
        yield Finding(Severity.ERROR, str(problem), fix)
    if not problems:
        files = len({one.path for one in found})
        yield Finding(Severity.OK, f"{files} in {view.conf_directory}, for {len({one.pid for one in found})} pids")


def _changed(directory: Path) -> Iterator[datetime]:
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                yield datetime.fromtimestamp(entry.stat(follow_symlinks=False).st_mtime, UTC)
    except OSError:
        return


def _exposed(directory: Path) -> Iterator[tuple[Path, int]]:
    """The state directory if others can enter it, and then the files in it that they can read."""
    try:
        mode = directory.stat().st_mode
    except OSError:
        return
    if not mode & OTHERS:
        return
    yield directory, mode
    for path in sorted(directory.rglob("*")):
        found = path.lstat().st_mode
        if stat.S_ISREG(found) and found & (stat.S_IRGRP | stat.S_IROTH):
            yield path, found


def _configurations(view: MachineView) -> list[FileConfiguration]:
    if view.conf_directory is None:
        return []
    try:
        return ConfigurationDirectory(view.conf_directory).read()[0]
    except OSError:  # which is a finding of `check_files`
        return []


def _exposed_files(view: MachineView) -> Iterator[tuple[Path, int, str]]:
    """Configuration files that anybody can read, each with a secret that stands in it as it is."""
    if view.conf_directory is None or not _mode(view.conf_directory) & stat.S_IXOTH:
        return
    for one in _configurations(view):
        mode = _mode(one.path)
        plain = sorted(name for name in view.passwords_of(one.pid) if _is_plain(one.properties.get(name)))
        if plain and mode & stat.S_IROTH:
            yield one.path, mode, f"{plain[0]} of {one.pid}"


def _is_plain(value: object) -> bool:
    return any(isinstance(one, str) and one != "" for one in (value if isinstance(value, list) else [value]))


def _missing_credentials(view: MachineView) -> dict[str, str]:
    """The credentials that files name and that cannot be had, each with what is wrong."""
    credentials = Credentials(view.environ)
    missing: dict[str, str] = {}
    for one in _configurations(view):
        for name, value in one.properties.items():
            try:
                credentials.resolved(value)
            except CredentialError as error:
                missing.setdefault(error.name, f"{error} ({name} of {one.pid} in {one.path})")
    return missing


def _mode(path: Path) -> int:
    try:
        return path.stat().st_mode
    except OSError:
        return 0


def _exposed_credentials(environ: Mapping[str, str]) -> Iterator[tuple[Path, int]]:
    for name, value in sorted(environ.items()):
        if name.startswith(VARIABLE) and value:
            try:
                mode = Path(value).stat().st_mode
            except OSError:
                continue
            if stat.S_ISREG(mode) and mode & stat.S_IROTH:
                yield Path(value), mode


def _unreadable(path: str, *, directory: bool = False) -> str | None:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | (os.O_DIRECTORY if directory else 0))
    except OSError as error:
        return error.strerror or str(error)
    os.close(handle)
    return None


def _shown(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def _mebibytes(size: int) -> str:
    return f"{size / 1024 / 1024:,.0f} MiB"
