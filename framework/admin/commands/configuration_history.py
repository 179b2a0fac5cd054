"""`config history|diff|rollback|snapshot|acknowledge|rotate-key`: what was stored, and the way back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from framework.admin.command import Answer, Command, Invocation, UsageError
from framework.admin.commands import configuration_schemas as schemas
from framework.admin.commands.configuration_answers import (
    CHANGING_STATUSES,
    batch_answer,
    batch_plan_answer,
    difference_lines,
    differences_data,
    or_refused,
)
from framework.admin.rendering import table
from framework.configuration import difference

if TYPE_CHECKING:
    import argparse


def _history_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-n", "--number", metavar="N", type=int, default=20, help="the newest N; default: 20")


def _history(invocation: Invocation) -> Answer:
    revisions = invocation.gateway.configuration_admin.history()
    chosen = revisions[: max(0, invocation.options.number)]
    data = [
        {
            "revision": one.number,
            "at": one.at.isoformat().replace("+00:00", "Z"),
            "cause": one.cause,
            "pids": list(one.pids),
            "snapshots": list(one.snapshots),
        }
        for one in chosen
    ]
    rows = [
        (one.number, f"{one.at:%Y-%m-%d %H:%M:%S}Z", one.cause, _few(one.pids), ", ".join(one.snapshots) or None)
        for one in chosen
    ]
    text = table(("REVISION", "AT", "CAUSE", "CHANGED", "SNAPSHOTS"), rows)
    return Answer(data, text if len(chosen) == len(revisions) else f"{text}\n… of {len(revisions)}")


def _few(pids: tuple[str, ...]) -> str:
    return ", ".join(pids[:3]) + (f" and {len(pids) - 3} more" if len(pids) > 3 else "") or "-"


def _diff_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "old", metavar="REV", nargs="?", help="a revision or snapshot; default: the one before the last"
    )
    parser.add_argument("new", metavar="REV", nargs="?", help="another; default: what is stored now")


def _diff(invocation: Invocation) -> Answer:
    admin = invocation.gateway.configuration_admin
    old, new = invocation.options.old, invocation.options.new
    if old is None:
        older = [one.number for one in admin.history()][1:2]
        old = older[0] if older else admin.revision
    before, after = admin.stored(old), admin.stored(new)
    data: list[dict[str, Any]] = []
    lines: list[str] = []
    for pid in sorted(before.keys() | after.keys()):
        found = difference(before.get(pid, {}), after.get(pid, {}))
        if found or (pid in before) != (pid in after):
            what = "deleted" if pid not in after else "created" if pid not in before else "changed"
            data.append({"pid": pid, "what": what, "changes": differences_data(found)})
            lines.append(f"{pid}: {what}{difference_lines(found)}")
    return Answer({"old": old, "new": new, "pids": data}, "\n".join(lines) or "nothing differs")


def _revision(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("revision", metavar="REV", help="a revision's number, or a snapshot's name")


def _rollback_arguments(parser: argparse.ArgumentParser) -> None:
    _revision(parser)
    parser.add_argument("--dry-run", action="store_true", help="only say what would be done")


def _rollback(invocation: Invocation) -> Answer:
    options = invocation.options
    admin = invocation.gateway.configuration_admin
    if options.dry_run:
        return batch_plan_answer(admin.plan_rollback(options.revision))
    return batch_answer(admin.rollback(options.revision))


def _snapshot_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", nargs="?", help="the name to give; without it, snapshots are listed")
    parser.add_argument("--revision", metavar="REV", help="the revision to name; default: the last")
    parser.add_argument("--delete", action="store_true", help="take the name away instead")


def _snapshot(invocation: Invocation) -> Answer:
    options = invocation.options
    admin = invocation.gateway.configuration_admin
    if options.name is None:
        if options.delete or options.revision is not None:
            raise UsageError("which snapshot? Give its NAME")
        named = {name: one for one in admin.history() for name in one.snapshots}
        rows = [(name, one.number, f"{one.at:%Y-%m-%d %H:%M:%S}Z") for name, one in sorted(named.items())]
        data = [{"name": name, "revision": one.number} for name, one in sorted(named.items())]
        return Answer(data, table(("SNAPSHOT", "REVISION", "OF"), rows) if rows else "no snapshots")
    if options.delete:
        admin.remove_snapshot(options.name)
        return Answer({"name": options.name, "revision": None}, f"the snapshot {options.name} is removed")
    number = admin.add_snapshot(options.name, options.revision)
    return Answer({"name": options.name, "revision": number}, f"revision {number} is the snapshot {options.name}")


def _acknowledge(invocation: Invocation) -> Answer:
    admin = invocation.gateway.configuration_admin
    notices = list(admin.notices)
    admin.acknowledge()
    return Answer({"acknowledged": notices}, "\n".join(notices) or "there was nothing to acknowledge")


def _rotate_key(invocation: Invocation) -> Answer:
    invocation.gateway.rotate_master_key()
    return Answer({"rotated": True}, "all secrets are sealed under a new master key")


COMMANDS = (
    Command(
        path=("config", "history"),
        help="the revisions that one can go back to, newest first",
        run=_history,
        arguments=_history_arguments,
        examples=("gatewright config history -n 5",),
        diagnostic=(),
        schema=schemas.history,
    ),
    Command(
        path=("config", "diff"),
        help="what differs in what is stored between two revisions",
        run=_diff,
        arguments=_diff_arguments,
        examples=("gatewright config diff", "gatewright config diff 12", "gatewright config diff good 15"),
        exit_statuses={1: "there is no such revision or snapshot"},
        schema=schemas.differing,
    ),
    Command(
        path=("config", "rollback"),
        help="store again what was stored at a revision; only what differs is touched",
        run=or_refused(_rollback),
        arguments=_rollback_arguments,
        examples=("gatewright config rollback 12 --dry-run", "gatewright config rollback good"),
        exit_statuses=CHANGING_STATUSES,
        schema=schemas.applied,
    ),
    Command(
        path=("config", "snapshot"),
        help="give a revision a name that keeps it, or list the names",
        run=_snapshot,
        arguments=_snapshot_arguments,
        examples=("gatewright config snapshot good", "gatewright config snapshot good --delete"),
        schema=schemas.snapshot,
    ),
    Command(
        path=("config", "acknowledge"),
        help="stop `status` from telling that the store was repaired",
        run=_acknowledge,
        examples=("gatewright config acknowledge",),
        schema=schemas.acknowledged,
    ),
    Command(
        path=("config", "rotate-key"),
        help="make a new master key and seal all secrets under it",
        run=_rotate_key,
        examples=("gatewright config rotate-key",),
        exit_statuses={1: "the key is a credential, or the store cannot be written; the old key holds"},
        schema=schemas.rotated,
    ),
)
