"""`config get`, `config set`, `config plan`, `config list`, `config delete`, `config lock`, `config unlock`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from framework.admin.command import Answer, Command, CommandError, Invocation, UsageError
from framework.admin.commands import configuration_schemas as schemas
from framework.admin.commands.configuration_answers import (
    CHANGING_STATUSES,
    FAILED,
    REFUSED,
    STATUSES,
    batch_plan_answer,
    difference_lines,
    or_refused,
    plan_answer,
    problems_data,
    result_data,
    result_text,
)
from framework.admin.commands.configuration_batch import changes_in
from framework.admin.rendering import as_text, json_properties, table
from framework.admin.values import configuration_pids, property_keys, settings
from framework.configuration import ConfigurationError, Origin
from metatype import AttributeType

if TYPE_CHECKING:
    import argparse

    from framework.configuration import Configuration


def _pid(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("pid", metavar="PID", help="a component's pid, or factoryPid~name")


def _get_arguments(parser: argparse.ArgumentParser) -> None:
    _pid(parser)
    parser.add_argument(
        "--show-origin", action="store_true", help="name the file, or the revision, that each value comes from"
    )


def _settings(parser: argparse.ArgumentParser) -> None:
    _pid(parser)
    parser.add_argument(
        "settings",
        metavar="KEY=VALUE",
        nargs="*",
        help="a property; KEY=@FILE takes the value from a file, KEY=- from standard input, or from a prompt for a "
        "password on a terminal (passwords only so); a repeated KEY makes a list",
    )
    parser.add_argument(
        "--unset",
        metavar="KEY",
        action="append",
        default=[],
        help="remove KEY: the file's or default value holds again",
    )


def _set_arguments(parser: argparse.ArgumentParser) -> None:
    _settings(parser)
    _if_revision(parser)


def _delete_arguments(parser: argparse.ArgumentParser) -> None:
    _pid(parser)
    _if_revision(parser)


def _if_revision(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--if-revision", metavar="N", type=int, help="only if the configuration is still at this revision"
    )


def _get(invocation: Invocation) -> Answer:
    configuration = invocation.gateway.configuration_admin.get(invocation.options.pid)
    data: dict[str, Any] = {
        "pid": configuration.pid,
        "factory_pid": configuration.factory_pid,
        "revision": configuration.revision,
        "read_only": configuration.read_only,
        "properties": json_properties(configuration.properties),
        "origins": {name: origin.value for name, origin in sorted(configuration.origins.items())},
    }
    places = {name: origin.value for name, origin in configuration.origins.items()}
    if invocation.options.show_origin:
        places = {name: _place(invocation, configuration, name) for name in places}
        data["places"] = dict(sorted(places.items()))
    rows = [(name, as_text(value), places[name]) for name, value in sorted(configuration.properties.items())]
    return Answer(data, table(("PROPERTY", "VALUE", "FROM"), rows))


def _place(invocation: Invocation, configuration: Configuration, name: str) -> str:
    origin = configuration.origins[name]
    if origin is Origin.FILE:
        return f"file {invocation.gateway.configuration_admin.file_of(configuration.pid, name)}"
    return f"stored, revision {configuration.revision}" if origin is Origin.STORED else origin.value


def _list(invocation: Invocation) -> Answer:
    admin = invocation.gateway.configuration_admin
    known, stored = admin.pids(), admin.stored()
    pids = sorted({*known, *stored})
    lines = [pid if pid in known else f"{pid} (stored; no component has this pid now)" for pid in pids]
    return Answer(pids, "\n".join(lines) or "no configurations")


def _plan(invocation: Invocation) -> Answer:
    options = invocation.options
    admin = invocation.gateway.configuration_admin
    if not options.settings and not options.unset and _is_file(options.pid):
        return batch_plan_answer(admin.plan_batch(changes_in(invocation, options.pid)))
    return plan_answer(admin.plan(options.pid, _changes(invocation)))


def _is_file(word: str) -> bool:
    return word == "-" or "/" in word or word.endswith(".json")


def _set(invocation: Invocation) -> Answer:
    options = invocation.options
    admin = invocation.gateway.configuration_admin
    changes = _changes(invocation)
    plan = admin.plan(options.pid, changes)
    try:
        result = admin.update(options.pid, changes, if_revision=options.if_revision)
    except ConfigurationError as error:
        raise CommandError(str(error), REFUSED, {"pid": error.pid, "problems": problems_data(error.problems)}) from None
    text = f"{result_text(result)}{difference_lines(plan.differences)}"
    return Answer(result_data(result, plan), text, FAILED if result.outcome == "failed" else 0)


def _delete(invocation: Invocation) -> Answer:
    options = invocation.options
    result = invocation.gateway.configuration_admin.delete(options.pid, if_revision=options.if_revision)
    return Answer(result_data(result), result_text(result))


def _lock(invocation: Invocation) -> Answer:
    pid = invocation.options.pid
    invocation.gateway.configuration_admin.set_read_only(pid, True)
    return Answer({"pid": pid, "read_only": True}, f"{pid} can be neither changed nor deleted until it is unlocked")


def _unlock(invocation: Invocation) -> Answer:
    pid = invocation.options.pid
    invocation.gateway.configuration_admin.set_read_only(pid, False)
    return Answer({"pid": pid, "read_only": False}, f"{pid} can be changed")


def _changes(invocation: Invocation) -> dict[str, Any]:
    """The properties of the command line; where a value is text, the metatype makes it what it should be."""
    options = invocation.options
    changes: dict[str, Any] = dict.fromkeys(options.unset)
    passwords = _passwords(invocation)
    for setting in options.settings:
        key, separator, text = setting.partition("=")
        if not separator or not key:
            raise UsageError(f"{setting!r} is not of the form KEY=VALUE")
        secret = key.lower() in passwords
        if text == "-" or text.startswith("@"):
            value = _input(invocation, key, text.removeprefix("@"), secret=secret)
        elif secret and text:
            raise UsageError(
                f"{key} is a password, and what stands in a command line can be seen by others: "
                f"use {key}=@FILE, or {key}=- for standard input"
            )
        else:
            value = text
        earlier = changes.get(key)
        changes[key] = value if earlier is None else [*(earlier if isinstance(earlier, list) else [earlier]), value]
    return changes


def _passwords(invocation: Invocation) -> frozenset[str]:
    """The names of passwords, in lower case: keys compare without it."""
    kind = invocation.gateway.configuration_admin.kind_of(invocation.options.pid)
    if kind.object_class is None:
        return frozenset()
    attributes = kind.object_class.attributes.values()
    return frozenset(one.id.lower() for one in attributes if one.type is AttributeType.PASSWORD)


def _input(invocation: Invocation, key: str, path: str, *, secret: bool) -> str:
    content = invocation.read_input(path, secret=secret)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise CommandError(f"{path} is not encoded in UTF-8") from None
    text = text.removesuffix("\n").removesuffix("\r") if secret else text
    if not text:  # as what writes to a pipe leaves it when it fails
        place = "what was given" if path == "-" else path
        raise CommandError(f"{place} is empty; if {key} is to be so, give: {key}=")
    return text


COMMANDS = (
    Command(
        path=("config", "get"),
        help="the properties of a configuration, and where each comes from",
        run=_get,
        arguments=_get_arguments,
        examples=("gatewright config get gatewright.scep.SCEPEnrollmentService --show-origin",),
        exit_statuses={1: "there is no such configuration"},
        values={"pid": configuration_pids},
        schema=schemas.got,
    ),
    Command(
        path=("config", "set"),
        help="change properties; what is not named stays as it is",
        run=or_refused(_set),
        arguments=_set_arguments,
        examples=(
            "gatewright config set gatewright.scep.SCEPEnrollmentService enabled=true server.url=http://ca:8080",
            "gatewright config set gatewright.scep.SCEPEnrollmentService client.challenge.password=@challenge.txt",
            "gatewright config set gatewright.keystore.FilesystemKeystore~Backup keystore.path=backup.p12",
        ),
        exit_statuses=CHANGING_STATUSES,
        values={"pid": configuration_pids, "settings": settings, "unset": property_keys},
        schema=schemas.changed,
    ),
    Command(
        path=("config", "plan"),
        help="what `config set` with the same arguments, or `config apply FILE`, would do, without doing it",
        run=or_refused(_plan),
        arguments=_settings,
        examples=(
            "gatewright config plan gatewright.scep.SCEPEnrollmentService server.url=http://other-ca:8080",
            "gatewright config plan changes.json",
        ),
        exit_statuses=STATUSES,
        values={"pid": configuration_pids, "settings": settings, "unset": property_keys},
        schema=schemas.planned,
    ),
    Command(
        path=("config", "list"),
        help="the pids of all configurations",
        run=_list,
        examples=("gatewright config list",),
        schema=schemas.listed,
    ),
    Command(
        path=("config", "delete"),
        help="remove what is stored for a pid; a factory's instance goes with it",
        run=_delete,
        arguments=_delete_arguments,
        examples=("gatewright config delete gatewright.keystore.FilesystemKeystore~Backup",),
        values={"pid": configuration_pids},
        schema=schemas.deleted,
    ),
    Command(
        path=("config", "lock"),
        help="keep a configuration from being changed and deleted",
        run=_lock,
        arguments=_pid,
        examples=("gatewright config lock gatewright.keystore.FilesystemKeystore~Backup",),
        values={"pid": configuration_pids},
        schema=schemas.locked,
    ),
    Command(
        path=("config", "unlock"),
        help="let a configuration be changed again",
        run=_unlock,
        arguments=_pid,
        examples=("gatewright config unlock gatewright.keystore.FilesystemKeystore~Backup",),
        values={"pid": configuration_pids},
        schema=schemas.locked,
    ),
)
