"""What an installation on a machine with systemd consists of: the unit, its user, its directories."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from framework.admin.exit_statuses import USAGE
from framework.service.notify import START_TIMEOUT_S

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

STATE_DIRECTORY: Final = "/var/lib/gatewright"
CONFIGURATION_DIRECTORY: Final = "/etc/gatewright/conf.d"
CREDENTIALS_DIRECTORY: Final = "/etc/gatewright/credentials"

UNIT: Final = "etc/systemd/system/gatewright.service"
DROP_INS: Final = "etc/systemd/system/gatewright.service.d"
WANTED_BY: Final = "etc/systemd/system/multi-user.target.wants/gatewright.service"
USERS: Final = "etc/sysusers.d/gatewright.conf"
DIRECTORIES: Final = "etc/tmpfiles.d/gatewright.conf"
MANUAL: Final = "usr/local/share/man/man1/gatewright.1"

_INSTALLED: Final = (WANTED_BY, UNIT, USERS, DIRECTORIES, MANUAL)
_MADE: Final = "# Directories that installing made, and uninstalling removes if nothing is in them: "

_HIDDEN: Final = ("/home", "/root", "/run/user", "/tmp", "/var/tmp")  # noqa: S108  # names that are looked for
"""What ProtectHome= and PrivateTmp= of the unit hide."""

_UNIT_TEXT: Final = """\
[Unit]
Description=Gatewright edge gateway
Documentation=man:gatewright(1)
Wants=network-online.target
After=network-online.target time-sync.target

[Service]
Type=notify
NotifyAccess=main
ExecStart={command} run --state-dir {state} --conf-dir {configuration}
ExecReload=/bin/kill -HUP $MAINPID
Environment=GATEWRIGHT_STATE_DIR={state}
User={user}
Group={user}
Restart=on-failure
RestartSec=5s
RestartPreventExitStatus={usage}
TimeoutStartSec={start_timeout}s
TimeoutStopSec=20s
WatchdogSec=60s
StateDirectory=gatewright
StateDirectoryMode=0700
ConfigurationDirectory=gatewright
RuntimeDirectory=gatewright
RuntimeDirectoryMode=0750
{credentials}
# It needs a network and its state directory, and nothing else of the machine. A token behind USB or PKCS #11 needs
# PrivateDevices=no and DevicePolicy=auto, in a drop-in: systemctl edit gatewright
UMask=0077
NoNewPrivileges=yes
CapabilityBoundingSet=
AmbientCapabilities=
PrivateTmp=yes
PrivateDevices=yes
PrivateUsers=yes
DevicePolicy=closed
ProtectSystem=strict
ProtectHome=yes
ProtectProc=invisible
ProcSubset=pid
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
KeyringMode=private
RemoveIPC=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target
"""

_USERS_TEXT: Final = """\
u {user} - "Gatewright edge gateway" {state}
"""

_DIRECTORIES_TEXT: Final = """\
d {state} 0700 {user} {user} -
d /etc/gatewright 0755 root root -
d {configuration} 0750 root {user} -
d {credentials} 0700 root root -
"""


@dataclass(frozen=True, slots=True)
class InstalledFile:
    """A file that an installation writes; its path is below the root of the machine, or of an image of it."""

    path: Path
    content: str
    mode: int = 0o644
    shown: bool = True
    """Whether its content is worth reading before it is written."""


@dataclass(frozen=True, slots=True)
class Installation:
    """What an installation writes, and what is to be done afterwards.

    Attributes:
        files: Files, all of them owned by root.
        next_steps: Commands for a machine that runs; an image does them at its first boot.
        warnings: What would keep the service from starting.
        links: Symbolic links, each with what it holds.
    """

    files: tuple[InstalledFile, ...]
    next_steps: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    links: tuple[tuple[Path, str], ...] = ()


def installation(
    root: Path,
    program: str,
    *,
    user: str = "gatewright",
    credentials: Sequence[str] = (),
    encrypted: Sequence[str] = (),
    manual: str | None = None,
) -> Installation:
    """What to write below `root`. In an image the service is enabled by its link; a machine that runs does it last.

    Args:
        root: `/`, or the root of an image.
        program: The path of the command `gatewright` on that machine.
        user: Whom the gateway runs as.
        credentials: Names of secrets that are read from files of these names in `/etc/gatewright/credentials`.
        encrypted: Names of those that are read from files there that end in `.cred`, as systemd-creds(1) makes them:
            only this machine can decrypt them.
        manual: The manual page, if it is to be written, too.

    Raises:
        ValueError: A name is none, or the program cannot stand in a unit.
    """
    if not program.startswith("/") or not program.isprintable() or any(one in program for one in "\"'\\$"):
        raise ValueError(f"the program {program!r} must be an absolute path, without quotes, '$' and backslashes")
    for name in (user, *credentials, *encrypted):
        if not name or not all(one.isalnum() or one in "._-" for one in name) or not name.isascii():
            raise ValueError(f"{name!r} is no name of letters, digits, '.', '_' and '-'")
    names = {
        "state": STATE_DIRECTORY,
        "configuration": CONFIGURATION_DIRECTORY,
        "user": user,
        "command": _word(program),
        "start_timeout": START_TIMEOUT_S,
        "usage": USAGE,
    }
    loaded = "".join(f"LoadCredential={name}:{CREDENTIALS_DIRECTORY}/{name}\n" for name in credentials)
    loaded += "".join(f"LoadCredentialEncrypted={name}:{CREDENTIALS_DIRECTORY}/{name}.cred\n" for name in encrypted)
    # Without what stands in for it, a secret that is not there, or no longer, would keep the gateway from starting.
    loaded += "".join(f"SetCredential={name}:\\n\n" for name in (*credentials, *encrypted))
    unit = _UNIT_TEXT.format(**names, credentials=loaded)
    users = _USERS_TEXT.format(**names)
    directories = _DIRECTORIES_TEXT.format(**names, credentials=CREDENTIALS_DIRECTORY)
    wanted = [one for one in _INSTALLED if one != MANUAL or manual is not None]
    recorded = _recorded(root)
    made = [one for one in _parents(wanted) if one in recorded or not (root / one).is_dir()]
    if made:
        directories += f"{_MADE}{' '.join(made)}\n"
    files = (
        InstalledFile(root / UNIT, unit),
        InstalledFile(root / USERS, users),
        InstalledFile(root / DIRECTORIES, directories),
        *(() if manual is None else (InstalledFile(root / MANUAL, manual, shown=False),)),
    )
    in_image = root != Path("/")
    return Installation(
        files,
        tuple(_image_steps(root, credentials, encrypted) if in_image else _steps(credentials, encrypted)),
        tuple(_program_warnings(program, in_image=in_image)),
        ((root / WANTED_BY, "../gatewright.service"),) if in_image else (),
    )


def _steps(credentials: Sequence[str], encrypted: Sequence[str]) -> Iterator[str]:
    yield "systemd-sysusers"
    yield "systemd-tmpfiles --create"
    for name in credentials:
        yield f"install -m 0600 SECRET {CREDENTIALS_DIRECTORY}/{name}"
    for name in encrypted:
        yield f"systemd-creds encrypt --name={name} SECRET {CREDENTIALS_DIRECTORY}/{name}.cred"
    yield "systemctl daemon-reload"
    yield "systemctl enable --now gatewright"


def _image_steps(root: Path, credentials: Sequence[str], encrypted: Sequence[str]) -> Iterator[str]:
    """What is left to do for an image; user, directories and start are its own first boot's."""
    for name in credentials:
        yield f"install -D -m 0600 SECRET {root}{CREDENTIALS_DIRECTORY}/{name}"
    for name in encrypted:
        where = f"{CREDENTIALS_DIRECTORY}/{name}.cred"
        yield f"on the device, which alone can decrypt it: systemd-creds encrypt --name={name} SECRET {where}"


def _word(program: str) -> str:
    """A path as one word of ExecStart= (systemd.service(5)): no specifiers, and in quotes where it has blanks."""
    escaped = program.replace("%", "%%")
    return f'"{escaped}"' if " " in program else escaped


def _program_warnings(program: str, *, in_image: bool) -> Iterator[str]:
    paths = [program] if in_image else list(dict.fromkeys((program, os.path.realpath(program))))
    for path in paths:
        hidden = next((one for one in _HIDDEN if path.startswith(f"{one}/")), None)
        if hidden is not None:
            yield (
                f"the unit does not see {hidden}, where {path} is: "
                "install Gatewright elsewhere, such as into a virtual environment in /opt/gatewright"
            )
    if not in_image and not os.access(program, os.X_OK):
        yield f"{program} is no program on this machine: give the one that is with --program"


@dataclass(frozen=True, slots=True)
class Removal:
    """What is taken away to undo an installation.

    Attributes:
        paths: Files and directories that go, with all that is in them.
        emptied: Directories that installing has made and that are empty then, innermost first.
        kept: Those that stay, since they may hold keys, or what somebody wrote.
        next_steps: Commands for a machine that runs.
    """

    paths: tuple[Path, ...]
    emptied: tuple[Path, ...]
    kept: tuple[Path, ...]
    next_steps: tuple[str, ...]


def removal(root: Path, *, user: str = "gatewright", purge: bool = False) -> Removal:
    """What is there below `root` of an installation.

    Args:
        root: `/`, or the root of an image.
        user: Whom the gateway ran as.
        purge: Whether state, keys, configuration and credentials go, too.
    """
    written = [root / one for one in _INSTALLED]
    precious = [root / one.lstrip("/") for one in (DROP_INS, "/etc/gatewright", STATE_DIRECTORY)]
    found, spared = ([one for one in paths if os.path.lexists(one)] for paths in (written, precious))
    paths = (*found, *(spared if purge else ()))
    return Removal(
        paths=paths,
        emptied=tuple(_emptied(root, paths)),
        kept=() if purge else tuple(spared),
        next_steps=("systemctl daemon-reload", *((f"userdel {user}",) if purge else ())),
    )


def _parents(files: Iterable[str]) -> list[str]:
    """The directories of files, innermost first, but for those at the top, such as `etc`."""
    found = {str(parent) for one in files for parent in Path(one).parents if len(parent.parts) > 1}
    return sorted(found, key=lambda one: (-one.count("/"), one))


def _recorded(root: Path) -> frozenset[str]:
    """The directories that an earlier installation says it has made."""
    try:
        lines = (root / DIRECTORIES).read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return frozenset()
    return frozenset(name for line in lines if line.startswith(_MADE) for name in line.removeprefix(_MADE).split())


def _emptied(root: Path, paths: Iterable[Path]) -> Iterator[Path]:
    """What is left empty, once these are gone, of the directories that installing has made."""
    gone, recorded = set(paths), _recorded(root)
    for name in _parents(_INSTALLED):
        directory = root / name
        if (
            name in recorded
            and directory.is_dir()
            and not directory.is_symlink()
            and gone.issuperset(directory.iterdir())
        ):
            gone.add(directory)
            yield directory
