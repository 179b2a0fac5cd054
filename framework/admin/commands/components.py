"""`component list|enable|disable`, `explain`, `service list`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from framework.admin.command import Answer, Command, CommandError, Invocation
from framework.admin.commands import schemas
from framework.admin.rendering import json_properties, table
from framework.admin.values import component_names, component_pids

if TYPE_CHECKING:
    import argparse


def _pid(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("pid", metavar="PID", help="a component's pid, such as factoryPid~name")


def _explain(invocation: Invocation) -> Answer:
    explanation = invocation.gateway.explain(invocation.options.pid)
    if explanation.state == "unknown":
        raise CommandError("\n".join(explanation.sentences), data=dict(explanation.data))
    first, *rest = explanation.sentences
    return Answer({**explanation.data, "sentences": list(explanation.sentences)}, "\n  ".join([first, *rest]))


def _component_list(invocation: Invocation) -> Answer:
    components = invocation.gateway.components()
    data = [
        {
            "pid": one.pid,
            "name": one.name,
            "state": one.state,
            "reason": one.reason,
            "service_pid": one.service_pid,
            "plugin": one.plugin,
            "hangs": one.hangs,
            "failures": one.failures,
            "provides": list(one.provides),
            "references": [reference.as_data() for reference in one.references],
        }
        for one in components
    ]
    rows = [(one.pid, one.state, one.plugin, one.reason) for one in components]
    return Answer(data, table(("PID", "STATE", "PLUGIN", "REASON"), rows))


def _name(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="a component's name; of a factory, all its instances are meant")


def _enable(invocation: Invocation) -> Answer:
    return _set_enabled(invocation, enabled=True)


def _disable(invocation: Invocation) -> Answer:
    return _set_enabled(invocation, enabled=False)


def _set_enabled(invocation: Invocation, *, enabled: bool) -> Answer:
    name = invocation.options.name
    invocation.gateway.set_enabled(name, enabled=enabled)
    text = f"{name} is enabled" if enabled else f"{name} is disabled until it is enabled or the gateway starts again"
    return Answer({"name": name, "enabled": enabled}, text)


def _service_list(invocation: Invocation) -> Answer:
    services = invocation.gateway.registry.find_all()
    data = [
        {
            "id": one.id,
            "ranking": one.ranking,
            "interfaces": list(one.interfaces),
            "properties": json_properties(one.properties),
        }
        for one in services
    ]
    rows = [(one.id, one.properties.get("kura.service.pid"), ", ".join(one.interfaces)) for one in services]
    return Answer(data, table(("ID", "PID", "INTERFACES"), rows))


COMMANDS = (
    Command(
        path=("explain",),
        help="why a component is as it is: what it waits for, and why each candidate was refused",
        run=_explain,
        arguments=_pid,
        examples=("gatewright explain gatewright.scep.SCEPEnrollmentService",),
        exit_statuses={1: "there is no such component"},
        values={"pid": component_pids},
        schema=schemas.explained,
    ),
    Command(
        path=("component", "list"),
        help="all components and their states",
        run=_component_list,
        examples=("gatewright component list", "gatewright component list --json"),
        diagnostic=(),
        schema=schemas.components,
    ),
    Command(
        path=("component", "enable"),
        help="let a component be active that was disabled",
        run=_enable,
        arguments=_name,
        examples=("gatewright component enable gatewright.scep.SCEPEnrollmentService",),
        exit_statuses={1: "there is no such component"},
        values={"name": component_names},
        schema=schemas.enabled,
    ),
    Command(
        path=("component", "disable"),
        help="deactivate a component until it is enabled, or the gateway starts again",
        run=_disable,
        arguments=_name,
        examples=("gatewright component disable gatewright.scep.SCEPEnrollmentService",),
        exit_statuses={1: "there is no such component"},
        values={"name": component_names},
        schema=schemas.enabled,
    ),
    Command(
        path=("service", "list"),
        help="all services and their properties",
        run=_service_list,
        examples=("gatewright service list", "gatewright service list --json"),
        diagnostic=(),
        schema=schemas.services,
    ),
)
