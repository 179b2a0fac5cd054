"""`plugin list`, `plugin check`, `plugin add`, `plugin remove`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from framework.admin.command import Answer, Command, CommandError, Invocation, OfflineInvocation
from framework.admin.commands import schemas
from framework.admin.rendering import printable, table
from framework.admin.values import plugin_names
from framework.plugins import Plugin, PluginHost, QuarantinedPlugin, Severity

if TYPE_CHECKING:
    import argparse

BROKEN: Final = 1
ODD: Final = 3


def _list(invocation: Invocation) -> Answer:
    return _listed(invocation.gateway.plugins)


def _list_offline(_: OfflineInvocation) -> Answer:
    return _listed(_installed())


def _listed(host: PluginHost) -> Answer:
    data = [*map(_loaded, host.plugins), *map(_quarantined, host.quarantined)]
    rows = [
        (one["name"], one["distribution"], one["version"], one["state"], ", ".join(one["components"]), one["reason"])
        for one in data
    ]
    head = ("PLUGIN", "DISTRIBUTION", "VERSION", "STATE", "COMPONENTS", "REASON")
    return Answer(data, table(head, [tuple(map(_one_line, row)) for row in rows]))


def _one_line(value: Any) -> Any:
    return printable(value.partition("\n")[0]) if isinstance(value, str) else value


def _loaded(plugin: Plugin) -> dict[str, Any]:
    from framework.declarative_services import description_of  # noqa: PLC0415  # help does not need it

    return {
        "name": plugin.name,
        "distribution": plugin.distribution,
        "version": plugin.version,
        "state": "loaded",
        "components": [description_of(cls).name for cls in plugin.components],
        "reason": None,
    }


def _quarantined(plugin: QuarantinedPlugin) -> dict[str, Any]:
    return {
        "name": plugin.name,
        "distribution": plugin.distribution,
        "version": plugin.version,
        "state": "quarantined",
        "components": [],
        "reason": plugin.reason,
    }


def _check(invocation: Invocation) -> Answer:
    return _checked(invocation.gateway.plugins, invocation.options)


def _check_offline(invocation: OfflineInvocation) -> Answer:
    return _checked(_installed(), invocation.options)


def _checked(host: PluginHost, options: argparse.Namespace) -> Answer:
    from framework.plugins.checking import check  # noqa: PLC0415  # help does not need it

    def is_meant(plugin: Plugin | QuarantinedPlugin) -> bool:
        return options.name is None or options.name in (
            plugin.name,
            plugin.name.rpartition(":")[2],
            plugin.distribution,
        )

    data: list[dict[str, Any]] = []
    for refused in filter(is_meant, host.quarantined):
        finding = {"severity": "error", "text": f"it is in quarantine: {refused.reason}", "fix": None}
        data.append({"name": refused.name, "distribution": refused.distribution, "findings": [finding]})
    for plugin in filter(is_meant, host.plugins):
        found = [one.as_data() for one in check(plugin, conformance=not options.no_tests)]
        data.append({"name": plugin.name, "distribution": plugin.distribution, "findings": found})
    if not data and options.name is not None:
        known = [*(one.name for one in host.plugins), *(one.name for one in host.quarantined)]
        raise CommandError(f"there is no plugin {options.name}; there are {', '.join(known) or 'none'}")
    severities = [one["severity"] for plugin in data for one in plugin["findings"]]
    status = BROKEN if Severity.ERROR.value in severities else ODD if severities else 0
    return Answer(data, "\n".join(map(_as_text, data)) or "no plugins", status)


def _as_text(checked: dict[str, Any]) -> str:
    if not checked["findings"]:
        return f"{checked['name']}: nothing to say"
    lines = [f"{checked['name']}:"]
    for one in checked["findings"]:
        text = "\n    ".join(printable(line) for line in one["text"].splitlines())
        fix = f" ({one['fix']})" if one["fix"] else ""
        lines.append(f"  {one['severity']}: {text}{fix}")
    return "\n".join(lines)


def _add(invocation: Invocation) -> Answer:
    plugin = invocation.gateway.plugins.add(invocation.options.name)
    return Answer(_loaded(plugin), f"{plugin.name} was added: {len(plugin.components)} components")


def _remove(invocation: Invocation) -> Answer:
    removal = invocation.gateway.plugins.remove(invocation.options.name)
    data = {"name": removal.plugin, "left_behind": list(removal.left_behind)}
    if not removal.left_behind:
        return Answer(data, f"{removal.plugin} was removed")
    lines = [f"{removal.plugin} was removed, but left something behind:", *removal.left_behind]
    return Answer(data, "\n  ".join(lines), ODD)


def _installed() -> PluginHost:
    host = PluginHost()
    host.load_entry_points()
    return host


def _name(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="a plugin, or its distribution")


def _what_to_check(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", nargs="?", help="a plugin, or its distribution (default: all)")
    parser.add_argument("--no-tests", action="store_true", help="do not run its conformance tests")


COMMANDS = (
    Command(
        path=("plugin", "list"),
        help="all plugins, also those in quarantine, with the reason",
        run=_list,
        examples=("gatewright plugin list", "gatewright plugin list --json"),
        offline=_list_offline,
        diagnostic=(),
        schema=schemas.plugins,
    ),
    Command(
        path=("plugin", "check"),
        help="whether plugins load, and whether declarations, descriptors and contracts hold",
        run=_check,
        arguments=_what_to_check,
        examples=("gatewright plugin check", "gatewright plugin check acme-keystore"),
        exit_statuses={BROKEN: "something is broken, or there is no such plugin", ODD: "there are warnings"},
        offline=_check_offline,
        schema=schemas.checked,
    ),
    Command(
        path=("plugin", "add"),
        help="load an installed plugin into the running gateway, also one that was removed or in quarantine",
        run=_add,
        arguments=_name,
        examples=("gatewright plugin add acme-keystore",),
        exit_statuses={1: "it is not installed, is there already, or was put into quarantine"},
        schema=schemas.added,
    ),
    Command(
        path=("plugin", "remove"),
        help="take a plugin out of the running gateway; if it stays installed, the next start loads it again",
        run=_remove,
        arguments=_name,
        examples=("gatewright plugin remove acme-keystore",),
        exit_statuses={1: "there is no such plugin", ODD: "it left something behind, such as a thread"},
        values={"name": plugin_names},
        schema=schemas.removed,
    ),
)
