"""`config get`, `config set`, `config plan`, `config list`, `config delete`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from framework.admin.command import Answer, Command, CommandError, Invocation
from framework.admin.rendering import as_json, as_text, json_properties, table
from framework.configuration import ConfigurationError
from metatype import AttributeType

if TYPE_CHECKING:
    import argparse

    from framework.configuration import Plan, UpdateResult

REFUSED: Final = 4
"""The exit status of a configuration that is not accepted."""

FAILED: Final = 1


def _pid(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("pid", metavar="PID", help="a component's pid, or factoryPid~name")


def _settings(parser: argparse.ArgumentParser) -> None:
    _pid(parser)
    parser.add_argument(
        "settings",
        metavar="KEY=VALUE",
        nargs="*",
        help="a property; KEY=@FILE takes the value from a file, KEY=- from standard input (passwords only so); "
        "a repeated KEY makes a list",
    )
    parser.add_argument(
        "--unset",
        metavar="KEY",
        action="append",
        default=[],
        help="remove KEY: the file's or default value holds again",
    )


def _get(invocation: Invocation) -> Answer:
    configuration = invocation.gateway.configuration_admin.get(invocation.options.pid)
    data = {
        "pid": configuration.pid,
        "factory_pid": configuration.factory_pid,
        "revision": configuration.revision,
        "properties": json_properties(configuration.properties),
        "origins": {name: origin.value for name, origin in sorted(configuration.origins.items())},
    }
    rows = [
        (name, as_text(value), configuration.origins[name].value)
        for name, value in sorted(configuration.properties.items())
    ]
    return Answer(data, table(("PROPERTY", "VALUE", "FROM"), rows))


def _list(invocation: Invocation) -> Answer:
    pids = invocation.gateway.configuration_admin.pids()
    return Answer(list(pids), "\n".join(pids) or "no configurations")


def _plan(invocation: Invocation) -> Answer:
    options = invocation.options
    plan = invocation.gateway.configuration_admin.plan(options.pid, _changes(invocation))
    data = {
        "pid": plan.pid,
        "effect": plan.effect.value,
        "changes": _differences(plan),
        "problems": _problems(plan.problems),
    }
    if plan.problems:
        return Answer(data, "would not be accepted:\n" + "\n".join(f"  {one}" for one in plan.problems), REFUSED)
    return Answer(data, f"{plan.pid} would be {_EFFECTS[plan.effect.value]}{_difference_lines(plan)}")


def _set(invocation: Invocation) -> Answer:
    options = invocation.options
    admin = invocation.gateway.configuration_admin
    changes = _changes(invocation)
    plan = admin.plan(options.pid, changes)
    try:
        result = admin.update(options.pid, changes)
    except ConfigurationError as error:
        raise CommandError(str(error), REFUSED, {"pid": error.pid, "problems": _problems(error.problems)}) from None
    data = {**_result(result), "changes": _differences(plan)}
    return Answer(
        data, f"{_outcome_text(result)}{_difference_lines(plan)}", FAILED if result.outcome == "failed" else 0
    )


def _delete(invocation: Invocation) -> Answer:
    result = invocation.gateway.configuration_admin.delete(invocation.options.pid)
    return Answer(_result(result), _outcome_text(result))


def _changes(invocation: Invocation) -> dict[str, Any]:
    """The properties of the command line; where a value is text, the metatype makes it what it should be."""
    options = invocation.options
    changes: dict[str, Any] = dict.fromkeys(options.unset)
    passwords = _passwords(invocation)
    for setting in options.settings:
        key, separator, text = setting.partition("=")
        if not separator or not key:
            raise CommandError(f"{setting!r} is not of the form KEY=VALUE", 2)
        if text == "-" or text.startswith("@"):
            value = _input(invocation, text.removeprefix("@"), secret=key in passwords)
        elif key in passwords and text:
            raise CommandError(
                f"{key} is a password, and what stands in a command line can be seen by others: "
                f"use {key}=@FILE, or {key}=- for standard input",
                2,
            )
        else:
            value = text
        earlier = changes.get(key)
        changes[key] = value if earlier is None else [*(earlier if isinstance(earlier, list) else [earlier]), value]
    return changes


def _passwords(invocation: Invocation) -> frozenset[str]:
    kind = invocation.gateway.configuration_admin.kind_of(invocation.options.pid)
    if kind.object_class is None:
        return frozenset()
    attributes = kind.object_class.attributes.values()
    return frozenset(one.id for one in attributes if one.type is AttributeType.PASSWORD)


def _input(invocation: Invocation, path: str, *, secret: bool) -> str:
    content = invocation.read_input(path)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise CommandError(f"{path} is not encoded in UTF-8") from None
    return text.removesuffix("\n").removesuffix("\r") if secret else text


def _differences(plan: Plan) -> list[dict[str, Any]]:
    return [{"property": one.property, "old": as_json(one.old), "new": as_json(one.new)} for one in plan.differences]


def _difference_lines(plan: Plan) -> str:
    return "".join(
        f"\n  {one.property}: {'(absent)' if one.old is None else as_text(one.old)} -> "
        f"{'(absent)' if one.new is None else as_text(one.new)}"
        for one in plan.differences
    )


def _problems(problems: Any) -> list[dict[str, Any]]:
    return [
        {"property": one.property, "rule": one.rule, "message": one.message, "accepted": one.accepted}
        for one in problems
    ]


def _result(result: UpdateResult) -> dict[str, Any]:
    return {"pid": result.pid, "revision": result.revision, "outcome": result.outcome, "error": result.error}


def _outcome_text(result: UpdateResult) -> str:
    return f"{result.pid}: {result.outcome}" + (f" ({result.error})" if result.error else "")


_EFFECTS: Final = {
    "unchanged": "left as it is: nothing differs",
    "modify": "modified in place",
    "reactivate": "reactivated",
    "bootstrap": "bootstrapped anew",
    "create": "created",
    "delete": "deleted",
}

_STATUSES: Final = {REFUSED: "the configuration is not accepted; every problem is shown, nothing was changed"}

COMMANDS = (
    Command(
        path=("config", "get"),
        help="the properties of a configuration, and where each comes from",
        run=_get,
        arguments=_pid,
        examples=("gatewright config get gatewright.scep.SCEPEnrollmentService",),
        exit_statuses={1: "there is no such configuration"},
    ),
    Command(
        path=("config", "set"),
        help="change properties; what is not named stays as it is",
        run=_set,
        arguments=_settings,
        examples=(
            "gatewright config set gatewright.scep.SCEPEnrollmentService enabled=true server.url=http://ca:8080",
            "gatewright config set gatewright.scep.SCEPEnrollmentService client.challenge.password=@challenge.txt",
            "gatewright config set gatewright.keystore.FilesystemKeystore~Backup keystore.path=backup.p12",
        ),
        exit_statuses={1: "it is stored, but the component failed to take it", **_STATUSES},
    ),
    Command(
        path=("config", "plan"),
        help="what `config set` with the same arguments would do, without doing it",
        run=_plan,
        arguments=_settings,
        examples=("gatewright config plan gatewright.scep.SCEPEnrollmentService server.url=http://other-ca:8080",),
        exit_statuses=_STATUSES,
    ),
    Command(path=("config", "list"), help="the pids of all configurations", run=_list),
    Command(
        path=("config", "delete"),
        help="remove what is stored for a pid; a factory's instance goes with it",
        run=_delete,
        arguments=_pid,
        examples=("gatewright config delete gatewright.keystore.FilesystemKeystore~Backup",),
    ),
)
