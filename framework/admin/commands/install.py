"""`install` and `uninstall`: the unit, the user and the directories of a gateway on a machine with systemd."""

from __future__ import annotations

import contextlib
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from framework.admin.command import Answer, Command, CommandError, Invocation, OfflineInvocation, UsageError
from framework.admin.commands import schemas
from framework.admin.manual import manual_page
from framework.admin.rendering import Tone, Toned, mark
from framework.instance_lock import gateway_runs_on
from framework.service.layout import STATE_DIRECTORY, Installation, Removal, installation, removal
from framework.storage import replace_file

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable


def _install(invocation: Invocation | OfflineInvocation) -> Answer:
    options = invocation.options
    root = Path(options.root).absolute()
    try:
        plan = installation(
            root,
            options.program or _own_program(),
            user=options.user,
            credentials=options.credential,
            encrypted=options.encrypted_credential,
            manual=_manual(),
        )
    except ValueError as error:
        raise UsageError(str(error)) from error
    refuse_ways_out(root, [*(one.path for one in plan.files), *(path for path, _ in plan.links)])
    undo = "systemctl disable --now gatewright, then gatewright uninstall"
    return write_installation(plan, undo if root == Path("/") else f"gatewright uninstall --root {root}", options)


def _own_program() -> str:
    """The command `gatewright` that this is: the one that was called, or the one of this Python."""
    called = Path(sys.argv[0])
    beside = Path(sys.executable).with_name("gatewright")
    if called.name == "gatewright" and called.is_file():
        return str(called.absolute())
    return str(beside) if beside.is_file() else shutil.which("gatewright") or str(called.absolute())


def _manual() -> str:
    from framework.admin.offline import installed_commands  # noqa: PLC0415  # which uses the list of commands
    from framework.run import run_parser  # noqa: PLC0415  # what starts a gateway, for its arguments only

    return manual_page(installed_commands(), run_parser())


def refuse_ways_out(root: Path, paths: Iterable[Path]) -> None:
    """Refuse what a symbolic link in an image leads out of it: it would be changed on this machine.

    Raises:
        CommandError: A path's directory is not below the root.
    """
    for path in paths:
        real = path.parent.resolve()
        if not real.is_relative_to(root.resolve()):
            raise CommandError(f"{path.parent} is a link out of {root}, to {real}: nothing was changed")


def write_installation(plan: Installation, undo: str, options: argparse.Namespace) -> Answer:
    """Write what a plan says, unless `options.dry_run`, and tell what was written and what comes next.

    Args:
        plan: What is to be written.
        undo: How that is undone, in a few words.
        options: Those of a command with `--dry-run`.

    Raises:
        CommandError: A file cannot be written.
    """
    done = {str(one.path): _state_of(one.path, one.content) for one in plan.files}
    if not options.dry_run:
        for one in plan.files:
            try:
                one.path.parent.mkdir(parents=True, exist_ok=True)
                replace_file(one.path, one.content.encode(), mode=one.mode)
            except OSError as error:
                raise CommandError(f"{one.path} cannot be written: {error.strerror}; run it as root") from error
        for path, target in plan.links:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.unlink(missing_ok=True)
                path.symlink_to(target)
            except OSError as error:
                raise CommandError(f"{path} cannot be written: {error.strerror}; run it as root") from error
    data = {
        "dry_run": options.dry_run,
        "files": [{"path": path, "change": change} for path, change in done.items()],
        "next_steps": list(plan.next_steps),
        "warnings": list(plan.warnings),
    }
    return Answer(data, _text(plan, done, undo, dry_run=options.dry_run))


def _state_of(path: Path, content: str) -> str:
    try:
        return "unchanged" if path.read_text("utf-8") == content else "changed"
    except (OSError, UnicodeDecodeError):
        return "new"


def _text(plan: Installation, done: dict[str, str], undo: str, *, dry_run: bool) -> str:
    lines = []
    for one in plan.files:
        verb = "would write" if dry_run else "wrote"
        lines.append(f"{verb} {one.path} ({done[str(one.path)]})")
        if dry_run and one.shown:
            lines += [f"  {line}".rstrip() for line in one.content.splitlines()]
    lines += [mark(Toned(f"warning: {one}", Tone.WARNING)) for one in plan.warnings]
    lines += [f"{'would link' if dry_run else 'linked'} {path} to {target}" for path, target in plan.links]
    if plan.next_steps:
        lines += ["", "then, as root:", *(f"  {step}" for step in plan.next_steps)]
    lines += [f"to undo it: {undo}"]
    return "\n".join(lines)


def _uninstall(invocation: Invocation | OfflineInvocation) -> Answer:
    options = invocation.options
    root = Path(options.root).absolute()
    plan = removal(root, user=options.user, purge=options.purge)
    refuse_ways_out(root, (*plan.paths, *plan.emptied))
    if not options.dry_run:
        state = root / STATE_DIRECTORY.lstrip("/")
        if gateway_runs_on(state):
            raise CommandError(f"a gateway runs on {state}; stop it first: systemctl disable --now gatewright")
        for path in plan.paths:
            try:
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    path.unlink()
            except OSError as error:
                raise CommandError(f"{path} cannot be removed: {error.strerror}; run it as root") from error
        for path in plan.emptied:
            with contextlib.suppress(OSError):  # somebody has put something there
                path.rmdir()
    data = {
        "dry_run": options.dry_run,
        "removed": [str(path) for path in (*plan.paths, *plan.emptied)],
        "kept": list(map(str, plan.kept)),
        "next_steps": list(plan.next_steps),
    }
    return Answer(data, _removal_text(plan, dry_run=options.dry_run))


def _removal_text(plan: Removal, *, dry_run: bool) -> str:
    verb = "would remove" if dry_run else "removed"
    lines = [f"{verb} {path}" for path in (*plan.paths, *plan.emptied)] or ["nothing of an installation is there"]
    lines += [f"kept {path} (--purge removes it, with keys and secrets)" for path in plan.kept]
    if plan.paths:
        lines += ["", "then, as root:", *(f"  {step}" for step in plan.next_steps)]
    return "\n".join(lines)


def _uninstall_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="show what would be removed, and remove nothing")
    parser.add_argument("--root", default="/", metavar="DIR", help="the root of an image (default: this machine's)")
    parser.add_argument("--user", default="gatewright", metavar="NAME", help="whom it ran as (default: gatewright)")
    parser.add_argument(
        "--purge", action="store_true", help="remove state, keys, configuration and credentials, too; for good"
    )


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
    parser.add_argument(
        "--encrypted-credential",
        action="append",
        default=[],
        metavar="NAME",
        help="the same from NAME.cred there, which systemd-creds has encrypted for this machine; may be given again",
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
        schema=schemas.installed,
    ),
    Command(
        path=("uninstall",),
        help="remove what `install` has written; keys, state and configuration stay unless --purge is given",
        run=_uninstall,
        offline=_uninstall,
        arguments=_uninstall_arguments,
        examples=("gatewright uninstall --dry-run", "gatewright uninstall --purge"),
        exit_statuses={1: "a gateway still runs, or a file cannot be removed"},
        schema=schemas.uninstalled,
    ),
)
