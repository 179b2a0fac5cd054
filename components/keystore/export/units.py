"""What systemd is given so that other programs follow an export: who may write where, and what is reloaded when."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from components.keystore.export.directory import MANIFEST
from framework.service import Installation, InstalledFile

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_WATCH: Final = "etc/systemd/system/gatewright-export.path"
_RELOAD: Final = "etc/systemd/system/gatewright-export.service"
_DROP_IN: Final = "etc/systemd/system/gatewright.service.d/export.conf"
_DIRECTORY: Final = "etc/tmpfiles.d/gatewright-export.conf"

_WATCH_TEXT: Final = """\
[Unit]
Description=Keys and certificates that Gatewright exports

[Path]
PathChanged={directory}/{manifest}

[Install]
WantedBy=multi-user.target
"""

# Not limited in how often it starts: systemd would stop watching after five renewals in ten seconds.
_RELOAD_TEXT: Final = """\
[Unit]
Description=Reload what uses the keys and certificates that Gatewright exports
StartLimitIntervalSec=0

[Service]
Type=oneshot
ExecStart=systemctl --no-block try-reload-or-restart {units}
"""

_DROP_IN_TEXT: Final = """\
[Service]
ReadWritePaths={directory}
"""


def export_units(
    root: Path, directory: str, reload: Sequence[str], *, group: str = "", user: str = "gatewright"
) -> Installation:
    """What to write below `root` for an export.

    A path unit watches the export's manifest, which is replaced after each change, and has other units reloaded, or
    restarted where they cannot reload. The gateway itself runs no command and needs no right to do so.

    Args:
        root: `/`, or the root of an image.
        directory: The directory of the export on that machine, absolute.
        reload: The units to reload, such as `nginx.service`.
        group: Whose members may read keys of mode 0640; empty: none.
        user: Whom the gateway runs as.

    Raises:
        ValueError: One of them is no name, or no path, that a unit can hold.
    """
    if re.fullmatch(r"(/[\w.+@=-]+)+", directory, re.ASCII) is None or ".." in directory.split("/"):
        raise ValueError(f"{directory!r} is no absolute path of letters, digits and . _ + @ = -")
    for name in (user, *([group] if group else ())):
        if re.fullmatch(r"[\w.][\w.-]*", name, re.ASCII) is None:
            raise ValueError(f"{name!r} is no name of a user or a group")
    for unit in reload:
        if re.fullmatch(r"[\w:.@\\][\w:.@\\-]*", unit, re.ASCII) is None:
            raise ValueError(f"{unit!r} is no name of a unit such as nginx.service")
    mode, owning = ("2750", group) if group else ("0755", user)
    readable = " keystore.export.key.mode=0640" if group else ""
    return Installation(
        (
            InstalledFile(root / _DIRECTORY, f"d {directory} {mode} {user} {owning} -\n"),
            InstalledFile(root / _DROP_IN, _DROP_IN_TEXT.format(directory=directory)),
            InstalledFile(root / _WATCH, _WATCH_TEXT.format(directory=directory, manifest=MANIFEST)),
            InstalledFile(root / _RELOAD, _RELOAD_TEXT.format(units=" ".join(reload))),
        ),
        (
            "systemd-tmpfiles --create",
            "systemctl daemon-reload",
            "systemctl restart gatewright",
            "systemctl enable --now gatewright-export.path",
            f"gatewright config set KEYSTORE-PID keystore.export.path={directory}{readable}",
        ),
    )
