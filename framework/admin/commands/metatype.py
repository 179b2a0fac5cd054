"""`metatype lint`, `metatype show`: descriptors, with or without a running gateway."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import metatype
from framework.admin.command import Answer, Command, CommandError, Invocation, OfflineInvocation
from framework.admin.commands import schemas
from framework.admin.rendering import fields, printable, table
from framework.errors import FrameworkError
from metatype import Designate, MetaData, MetatypeError, ReadingWarning

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from metatype import Attribute, ObjectClass

BROKEN: Final = 1
ODD: Final = 3

_LONGEST_DEFAULT: Final = 40


def _lint(invocation: Invocation | OfflineInvocation) -> Answer:
    options = invocation.options
    found: list[dict[str, Any]] = []
    for path in options.files:
        try:
            found.extend(map(_finding, _warnings(invocation, path)))
        except OSError as error:
            raise CommandError(f"{path}: {error.strerror or error}") from None
        except MetatypeError as error:
            found.extend(map(_finding, error.warnings))
            found.append(_finding(error))
    errors = sum(one["severity"] == "error" for one in found)
    files = f"{len(options.files)} file{'' if len(options.files) == 1 else 's'}"
    summary = f"{files}: {errors} broken, {len(found) - errors} warnings" if found else f"{files}: nothing to say"
    lines = [printable(_line(one)) for one in found]
    return Answer(found, "\n".join([*lines, summary]), BROKEN if errors else ODD if found else 0)


def _warnings(invocation: Invocation | OfflineInvocation, path: str) -> Iterator[ReadingWarning]:
    metadata = _read(invocation, path)
    yield from metadata.warnings
    base = metatype.load_translations(metadata, path) if isinstance(invocation, OfflineInvocation) else None
    if base is None:
        return  # through a gateway only the files that stand in the arguments can be read
    for owner, key in metatype.localized_keys(metadata):
        if key not in base:
            message = f"%{key} of {owner!r} has no translation in the base file and shows as {key!r}"
            yield ReadingWarning(message, path, None, owner)


def _show(invocation: Invocation) -> Answer:
    what = invocation.options.what
    return _shown(invocation, _read(invocation, what) if _is_file(what) else _known(invocation, what))


def _show_offline(invocation: OfflineInvocation) -> Answer:
    what = invocation.options.what
    return _shown(invocation, _read(invocation, what) if _is_file(what) else _installed(what))


def _shown(invocation: Invocation | OfflineInvocation, metadata: MetaData) -> Answer:
    options = invocation.options
    if isinstance(invocation, OfflineInvocation) and _is_file(options.what):
        try:
            translations = metatype.load_translations(metadata, options.what, options.locale)
        except (MetatypeError, OSError) as error:
            raise CommandError(str(error), BROKEN) from None
        metadata = metatype.localize(metadata, translations)
    elif options.locale:
        raise CommandError("--locale needs a file: only beside it are translations", BROKEN)
    if options.schema:
        schemas = {one.id: metatype.json_schema(one) for one in metadata.object_classes.values()}
        data = next(iter(schemas.values())) if len(schemas) == 1 else schemas
        return Answer(data, json.dumps(data, indent=2, ensure_ascii=False))
    text = "\n\n".join(_described(metadata, one) for one in metadata.object_classes.values())
    return Answer(json.loads(metatype.dumps(metadata, "json")), text or "the descriptor has no object class")


def _described(metadata: MetaData, one: ObjectClass) -> str:
    pids = [
        *(("pid", designate.pid) for designate in metadata.designates if designate.pid and designate.ocdref == one.id),
        *(
            ("factory pid", designate.factory_pid)
            for designate in metadata.designates
            if designate.factory_pid and designate.ocdref == one.id
        ),
    ]
    about = [("object class", one.id), ("name", one.name), ("description", one.description), *pids]
    head = fields([(label, text) for label, text in about if text])
    rows = [
        (
            attribute.id,
            _type(attribute),
            "yes" if attribute.required else "no",
            _default(attribute),
            _accepted(attribute),
            attribute.change.value,
            attribute.name or "",
        )
        for attribute in one.attributes.values()
    ]
    if not rows:
        return f"{head}\n\nno properties"
    return f"{head}\n\n{table(('PROPERTY', 'TYPE', 'REQUIRED', 'DEFAULT', 'ACCEPTS', 'A CHANGE', 'NAME'), rows)}"


def _type(attribute: Attribute) -> str:
    if not attribute.cardinality:
        return attribute.type.value
    most = "any number" if attribute.most is None else f"at most {attribute.most}"
    return f"{attribute.type.value}, {most}"


def _default(attribute: Attribute) -> str | None:
    texts = attribute.default_value
    if texts is None:
        return None
    if attribute.is_password:
        return "****" if any(texts) else '""'
    text = ", ".join(texts).replace("\n", " ") or '""'
    return text if len(text) <= _LONGEST_DEFAULT else f"{text[: _LONGEST_DEFAULT - 1]}…"


def _accepted(attribute: Attribute) -> str:
    if attribute.options:
        return " | ".join(option.value for option in attribute.options)
    measure = "length " if attribute.type.is_text else ""
    if attribute.min is not None and attribute.max is not None:
        return f"{measure}{attribute.min} to {attribute.max}"
    if attribute.min is not None:
        return f"{measure}at least {attribute.min}"
    return "" if attribute.max is None else f"{measure}at most {attribute.max}"


def _is_file(what: str) -> bool:
    return "/" in what or what == "-" or what.lower().endswith((".xml", ".json"))


def _read(invocation: Invocation | OfflineInvocation, path: str) -> MetaData:
    try:
        return metatype.loads(invocation.read_input(path), source=path, kura_style=invocation.options.kura)
    except MetatypeError as error:
        if invocation.options.lints:
            raise
        place = {"source": error.source, "line": error.line, "column": error.column}
        raise CommandError(str(error), BROKEN, place) from None


def _known(invocation: Invocation, pid: str) -> MetaData:
    """What the gateway knows of a pid, a factory pid or an instance's."""
    admin = invocation.gateway.configuration_admin
    try:
        kind = admin.kind_of(pid)
    except FrameworkError:
        try:
            kind = admin.kind_of(f"{pid}~NAME")
        except FrameworkError:
            kind = admin.kind_of(pid)  # the first error is the one that helps
    if kind.object_class is None:
        raise CommandError(f"{kind.pid} has no descriptor: its configurations may have any properties")
    return _of_pid(kind.object_class, kind.pid, factory=kind.factory)


def _installed(pid: str) -> MetaData:
    """What the plugins that are installed say of a pid, where no gateway runs."""
    from framework.declarative_services import description_of  # noqa: PLC0415  # only needed without a gateway
    from framework.plugins import PluginHost  # noqa: PLC0415

    host = PluginHost()
    host.load_entry_points()
    for plugin in host.plugins:
        for description in map(description_of, plugin.components):
            object_class = None
            if description.descriptor is not None:
                try:
                    object_class = metatype.load(description.descriptor).object_class_for(pid)
                except (MetatypeError, OSError) as error:
                    raise CommandError(str(error), BROKEN) from None
            if object_class is not None:
                return _of_pid(object_class, description.name, factory=description.factory)
    raise CommandError(
        f"no plugin that is installed has a descriptor for {pid}; a file is named with a / or its ending"
    )


def _of_pid(object_class: ObjectClass, pid: str, *, factory: bool) -> MetaData:
    designate = Designate(object_class.id, None if factory else pid, pid if factory else None)
    return MetaData(object_classes={object_class.id: object_class}, designates=(designate,))


def _finding(one: ReadingWarning | MetatypeError) -> dict[str, Any]:
    return {
        "severity": "error" if isinstance(one, MetatypeError) else "warning",
        "message": one.reason if isinstance(one, MetatypeError) else one.message,
        "source": one.source,
        "line": one.line,
        "column": one.column,
        "element": one.element,
        "attribute": one.attribute,
    }


def _line(finding: dict[str, Any]) -> str:
    place = ":".join(str(finding[part]) for part in ("source", "line", "column") if finding[part] is not None)
    return f"{place}: {finding['severity']}: {finding['message']}"


def _lint_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", metavar="FILE", nargs="+", help="a descriptor, XML or JSON")
    parser.add_argument("--kura", action="store_true", help="take cardinality 1 and -1 for scalars, as Kura does")
    parser.set_defaults(lints=True)


def _show_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", metavar="PID|FILE", help="a pid, or a file: what has a / or ends in .xml or .json")
    parser.add_argument("--schema", action="store_true", help="the JSON Schema of its configurations")
    parser.add_argument("--locale", default="", help="translate a file's texts, such as du_NL")
    parser.add_argument("--kura", action="store_true", help="take cardinality 1 and -1 for scalars, as Kura does")
    parser.set_defaults(lints=False)


COMMANDS = (
    Command(
        path=("metatype", "lint"),
        help="what is wrong or odd in descriptors",
        run=_lint,
        offline=_lint,
        arguments=_lint_arguments,
        examples=("gatewright metatype lint OSGI-INF/metatype/*.xml",),
        exit_statuses={BROKEN: "a file is no descriptor", ODD: "all could be read, with warnings"},
        schema=schemas.linted,
    ),
    Command(
        path=("metatype", "show"),
        help="the properties that a pid, or a descriptor file, has; with --json as a descriptor in JSON",
        run=_show,
        offline=_show_offline,
        arguments=_show_arguments,
        examples=(
            "gatewright metatype show gatewright.scep.SCEPEnrollmentService",
            "gatewright metatype show ./scep.xml --schema",
        ),
        exit_statuses={BROKEN: "the pid is not known, or the file is no descriptor"},
        schema=schemas.descriptor,
    ),
)
