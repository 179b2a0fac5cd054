"""`keystore export-units`: what systemd needs so that other programs follow an export."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from framework.admin import Answer, Command, Invocation, OfflineInvocation, UsageError
from framework.admin.commands import schemas

if TYPE_CHECKING:
    import argparse

_UNDO: Final = (
    "unset keystore.export.path, which removes the exported files; systemctl disable --now gatewright-export.path, and "
    "remove these files"
)


def _export_units(invocation: Invocation | OfflineInvocation) -> Answer:
    from components.keystore.export.units import export_units  # noqa: PLC0415  # only this command needs it
    from framework.admin.commands.install import write_installation  # noqa: PLC0415  # as above

    options = invocation.options
    root = Path(options.root).absolute()
    try:
        plan = export_units(root, options.directory, options.reload, group=options.group, user=options.user)
    except ValueError as error:
        raise UsageError(str(error)) from error
    return write_installation(plan, _UNDO, options)


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directory", metavar="DIRECTORY", help="the keystore.export.path, absolute")
    parser.add_argument(
        "--reload",
        action="append",
        required=True,
        metavar="UNIT",
        help="a unit to reload after each change, such as nginx.service; may be given again",
    )
    parser.add_argument("--group", default="", metavar="NAME", help="whose members may read keys (default: nobody's)")
    parser.add_argument("--user", default="gatewright", metavar="NAME", help="whom it runs as (default: gatewright)")
    parser.add_argument("--root", default="/", metavar="DIR", help="the root of an image (default: this machine's)")
    parser.add_argument("--dry-run", action="store_true", help="show what would be written, and write nothing")


COMMANDS: Final = (
    Command(
        path=("keystore", "export-units"),
        help="write the systemd units by which other programs are reloaded when exported keys or certificates change",
        run=_export_units,
        offline=_export_units,
        arguments=_arguments,
        examples=(
            "gatewright keystore export-units /var/lib/gatewright-export --reload nginx.service --dry-run",
            "gatewright keystore export-units /var/lib/gatewright-export --reload mosquitto --group mosquitto",
        ),
        exit_statuses={1: "a file cannot be written"},
        schema=schemas.installed,
    ),
)
