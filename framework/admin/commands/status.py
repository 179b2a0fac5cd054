"""`status`: one screen that says how the gateway is."""

from __future__ import annotations

import os

from framework._version import __version__
from framework.admin.command import Answer, Command, Invocation
from framework.admin.rendering import fields, table


def _status(invocation: Invocation) -> Answer:
    gateway = invocation.gateway
    components = gateway.components()
    quarantined = gateway.plugins.quarantined
    denied = gateway.event_admin.denied
    health = gateway.plugins.check_health()
    problems = [
        *(f"{one.pid}: {one.reason}" for one in components if one.reason is not None),
        *(f"plugin {one.name} is not used: {one.reason}" for one in quarantined),
        *gateway.configuration_admin.notices,
        *(f"plugin {one.plugin}: {one.finding}" for one in health if one.problem is not None),
        *(f"a handler of events{f' of {one.owner}' if one.owner else ''} gets none: {one.reason}" for one in denied),
        *(f"configuration file {one}" for one in gateway.configuration_admin.file_problems),
    ]
    data = {
        "version": __version__,
        "process_id": os.getpid(),
        "state_directory": str(gateway.state_directory),
        "conf_directory": None if gateway.conf_directory is None else str(gateway.conf_directory),
        "started_at": gateway.started_at.isoformat().replace("+00:00", "Z"),
        "components": [
            {"pid": one.pid, "state": one.state, "reason": one.reason, "plugin": one.plugin} for one in components
        ],
        "plugins": {
            "loaded": [one.name for one in gateway.plugins.plugins],
            "quarantined": [{"name": one.name, "reason": one.reason} for one in quarantined],
        },
        "health": [
            {
                "plugin": one.plugin,
                "check": one.check,
                "finding": None if one.finding is None else one.finding.as_data(),
            }
            for one in health
        ],
        "problems": problems,
    }
    seconds = int((gateway.clock.now() - gateway.started_at).total_seconds())
    lines = [
        fields(
            [
                ("gatewright", f"{__version__}, process id {os.getpid()}, up {_duration(seconds)}"),
                ("state", gateway.state_directory),
                ("configuration", gateway.conf_directory or "(no files)"),
                ("plugins", ", ".join(one.name for one in gateway.plugins.plugins) or "none"),
            ]
        ),
        "",
        table(("COMPONENT", "STATE"), [(one.pid, one.state) for one in components]) if components else "no components",
        "",
        "needs attention:" if problems else "nothing needs attention",
        *(f"  {problem}" for problem in problems),
    ]
    return Answer(data, "\n".join(lines))


def _duration(seconds: int) -> str:
    days, rest = divmod(max(0, seconds), 86_400)
    hours, rest = divmod(rest, 3_600)
    minutes, rest = divmod(rest, 60)
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (rest, "s")]
    return " ".join(f"{number} {unit}" for number, unit in parts if number)[:40] or "0 s"


COMMANDS = (
    Command(
        path=("status",),
        help="how the gateway is: components, plugins, and what needs attention",
        run=_status,
        examples=("gatewright status --state-dir /var/lib/gatewright",),
    ),
)
