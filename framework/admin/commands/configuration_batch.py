"""`config apply`, `config import`, `config export`, `config reload`: many configurations at once."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from framework.admin.command import Answer, Command, CommandError, Invocation, OutputFile
from framework.admin.commands import configuration_schemas as schemas
from framework.admin.commands.configuration_answers import (
    CHANGING_STATUSES,
    FAILED,
    batch_answer,
    batch_plan_answer,
    or_refused,
    result_data,
    result_text,
)
from framework.admin.rendering import json_properties
from framework.admin.values import configuration_pids
from framework.configuration import (
    Change,
    ConfigurationError,
    FileContentError,
    read_document,
)

if TYPE_CHECKING:
    import argparse

    from framework.configuration import NotTaken

REPLACE: Final = "$replace"
IF_REVISION: Final = "$if_revision"


def changes_in(invocation: Invocation, path: str) -> tuple[Change, ...]:
    """The changes that a file of the client says: an object of pid to properties, null for a pid to be deleted.

    Among the properties of a pid, `"$replace": true` means that no others are to be stored, and `"$if_revision": N`
    that the configuration must still be at that revision.
    """
    return _changes_of(invocation.read_input(path), path)


def _changes_of(data: bytes, path: str, *, replace: bool = False) -> tuple[Change, ...]:
    try:
        document = read_document(data)
        return tuple(_change(pid, properties, replace=replace) for pid, properties in document.items())
    except FileContentError as error:
        raise CommandError(f"{path}: {error}") from None


def _change(pid: str, given: Any, *, replace: bool) -> Change:
    if given is None:
        return Change(pid, None)
    if not isinstance(given, dict):
        raise FileContentError(f"the properties of {pid!r} must be an object, or null to delete what is stored")
    properties = dict(given)
    replaces, revision = properties.pop(REPLACE, replace), properties.pop(IF_REVISION, None)
    if not isinstance(replaces, bool) or not (revision is None or type(revision) is int):
        raise FileContentError(f"{pid!r}: {REPLACE} is true or false, {IF_REVISION} a whole number")
    return Change(pid, properties, replaces, revision)


def _file(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="a JSON file, pid to properties; - for standard input")


def _apply_arguments(parser: argparse.ArgumentParser) -> None:
    _file(parser)
    parser.add_argument("--dry-run", action="store_true", help="only say what would be done")
    parser.add_argument(
        "--if-revision", metavar="N", type=int, help="only if the store is still at this revision (config history)"
    )


def _apply(invocation: Invocation) -> Answer:
    options = invocation.options
    admin = invocation.gateway.configuration_admin
    changes = changes_in(invocation, options.file)
    if options.dry_run:
        return batch_plan_answer(admin.plan_batch(changes))
    return batch_answer(admin.apply(changes, if_revision=options.if_revision))


def _export_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("pids", metavar="PID", nargs="*", help="only these; all that have something stored otherwise")
    parser.add_argument("-o", "--output", metavar="FILE", help="write a file instead of printing")
    parser.add_argument(
        "--effective", action="store_true", help="all properties, with those of files and defaults, of all pids"
    )


def _export(invocation: Invocation) -> Answer:
    options = invocation.options
    admin = invocation.gateway.configuration_admin
    stored = admin.stored()
    pids = options.pids or (admin.pids() if options.effective else stored)
    document = {}
    for pid in pids:
        properties = stored.get(pid, {})
        if options.effective:
            try:
                properties = admin.get(pid).properties
            except ConfigurationError:
                if options.pids:
                    raise
                # Of all pids, one that is not valid must not take the others away: it has what is stored.
        document[pid] = json_properties(properties)
    text = json.dumps(document, indent=2, ensure_ascii=False)
    if options.output is None:
        return Answer(document, text)
    # A store of an earlier version may hold what UTF-8 cannot carry; escaped so, JSON reads it as it was.
    file = OutputFile(options.output, f"{text}\n".encode(errors="backslashreplace"), 0o600)
    return Answer({"file": options.output, "pids": list(document)}, f"{len(document)} in {options.output}", 0, (file,))


def _import_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file",
        metavar="FILE",
        help="what `config export` wrote, or a snapshot of Kura or ESF (XML); - for standard input",
    )
    parser.add_argument("--dry-run", action="store_true", help="only say what would be done")
    parser.add_argument(
        "--map",
        metavar="FILE",
        help="for a snapshot: a JSON object of Kura's pids or factory pids to ours, null to leave one out",
    )


def _import(invocation: Invocation) -> Answer:
    options = invocation.options
    admin = invocation.gateway.configuration_admin
    data = invocation.read_input(options.file)
    notes: tuple[NotTaken, ...] = ()
    extra: dict[str, Any] = {}
    if data.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        changes, notes = admin.changes_from_kura(data, options.file, _pid_table(invocation))
        extra = {"not_taken": [{"pid": one.pid, "property": one.property, "reason": one.reason} for one in notes]}
    else:
        changes = _changes_of(data, options.file, replace=True)
    if options.dry_run:
        return batch_plan_answer(admin.plan_batch(changes), extra, map(str, notes))
    return batch_answer(admin.apply(changes, cause=f"import of {options.file}"), extra, map(str, notes))


def _pid_table(invocation: Invocation) -> dict[str, str | None]:
    path = invocation.options.map
    if path is None:
        return {}
    try:
        table = read_document(invocation.read_input(path))
    except FileContentError as error:
        raise CommandError(f"{path}: {error}") from None
    if not all(ours is None or isinstance(ours, str) for ours in table.values()):
        raise CommandError(f"{path}: a pid, or null, must stand for each of Kura's pids")
    return table


def _reload(invocation: Invocation) -> Answer:
    result = invocation.gateway.configuration_admin.reload()
    data = {
        "results": [result_data(one) for one in result.results],
        "problems": [{"file": str(one.path), "pid": one.pid, "message": one.message} for one in result.problems],
    }
    lines = [result_text(one) for one in result.results] or ["nothing differs"]
    bad = bool(result.problems) or any(one.outcome == "failed" for one in result.results)
    return Answer(data, "\n".join([*lines, *map(str, result.problems)]), FAILED if bad else 0)


COMMANDS = (
    Command(
        path=("config", "apply"),
        help="change many configurations at once, all or nothing; null deletes one",
        run=or_refused(_apply),
        arguments=_apply_arguments,
        examples=(
            "gatewright config apply changes.json",
            "gatewright config apply --dry-run changes.json",
            "gatewright config apply -",
        ),
        exit_statuses=CHANGING_STATUSES,
        schema=schemas.applied,
    ),
    Command(
        path=("config", "export"),
        help="what is stored, as `config import` takes it; secrets as marks that keep them as they are",
        run=_export,
        arguments=_export_arguments,
        examples=("gatewright config export -o configuration.json",),
        values={"pids": configuration_pids},
        diagnostic=("--effective",),
        schema=schemas.exported,
    ),
    Command(
        path=("config", "import"),
        help="store for each pid of a file exactly what it says, all or nothing; or take over a snapshot of Kura",
        run=or_refused(_import),
        arguments=_import_arguments,
        examples=(
            "gatewright config import --dry-run configuration.json",
            "gatewright config import --dry-run --map pids.json snapshot_1700000000000.xml",
        ),
        exit_statuses=CHANGING_STATUSES,
        schema=schemas.applied,
    ),
    Command(
        path=("config", "reload"),
        help="read the configuration files again, as SIGHUP does",
        run=_reload,
        examples=("gatewright config reload",),
        exit_statuses={1: "a file cannot be used, or a component failed to take a change"},
        schema=schemas.reloaded,
    ),
)
