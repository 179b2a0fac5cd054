"""`install`: the unit, the user and the directories of a gateway on a machine with systemd."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from framework.admin.command import Answer, Command, CommandError, Invocation, OfflineInvocation
from framework.service.layout import Installation, installation
from framework.storage import replace_file

if TYPE_CHECKING:
    import argparse


def _install(invocation: Invocation | OfflineInvocation) -> Answer:
    options = invocation.options
    root = Path(options.root).absolute()
    program = options.program or shutil.which("gatewright") or str(Path(sys.argv[0]).absolute())
    try:
        plan = installation(root, program, user=options.user, credentials=options.credential)
    except ValueError as error:
        raise CommandError(str(error), 2) from error
    done = {str(one.path): _state_of(one.path, one.content) for one in plan.files}
    if not options.dry_run:
        for one in plan.files:
            try:
                one.path.parent.mkdir(parents=True, exist_ok=True)
                replace_file(one.path, one.content.encode(), mode=one.mode)
            except OSError as error:
                raise CommandError(f"{one.path} cannot be written: {error.strerror}; run it as root") from error
    data = {
        "dry_run": options.dry_run,
        "files": [{"path": path, "change": change} for path, change in done.items()],
        "next_steps": list(plan.next_steps),
    }
    return Answer(data, _text(plan, done, dry_run=options.dry_run))


def _state_of(path: Path, content: str) -> str:
    try:
        return "unchanged" if path.read_text("utf-8") == content else "changed"
    except (OSError, UnicodeDecodeError):
        return "new"


def _text(plan: Installation, done: dict[str, str], *, dry_run: bool) -> str:
    lines = []
    for one in plan.files:
        verb = "would write" if dry_run else "wrote"
        lines.append(f"{verb} {one.path} ({done[str(one.path)]})")
        if dry_run:
            lines += [f"  {line}".rstrip() for line in one.content.splitlines()]
    lines += ["", "then, as root:", *(f"  {step}" for step in plan.next_steps)]
    lines += ["to undo it: systemctl disable --now gatewright, and remove these files"]
    return "\n".join(lines)


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="show what would be written, and write nothing")
    parser.add_argument("--root", default="/", metavar="DIR", help="the root of an image (default: this machine's)")
    parser.add_argument("--user", default="gatewright", metavar="NAME", help="whom it runs as (default: gatewright)")
    parser.add_argument("--program", metavar="FILE", help="the command gatewright on that machine (default: this one)")
    parser.add_argument(
        "--credential",
        action="append",
        default=[],
        metavar="NAME",
        help="a secret that configuration files name, read from /etc/gatewright/credentials/NAME; may be given again",
    )


COMMANDS: Final = (
    Command(
        path=("install",),
        help="write the systemd unit, the user and the directories of a gateway, on this machine or into an image",
        run=_install,
        offline=_install,
        arguments=_arguments,
        examples=(
            "gatewright install --dry-run",
            "gatewright install --root image --program /usr/bin/gatewright --credential challenge",
        ),
        exit_statuses={1: "a file cannot be written"},
    ),
)
