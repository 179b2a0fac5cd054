"""`status`: one screen that says how the gateway is, what its identity is, and what needs somebody."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

from framework._version import __version__
from framework.admin.command import Answer, Command, Invocation
from framework.admin.commands import schemas
from framework.admin.commands.doctor import TONES
from framework.admin.rendering import Tone, Toned, fields, first_line, mark, table
from framework.diagnosis import OWN, quick_reports
from framework.plugins.health import Severity
from framework.readiness import named

if TYPE_CHECKING:
    import argparse

    from framework.admin.command import GatewayView
    from framework.declarative_services import ComponentSnapshot
    from framework.diagnosis import Examination
    from framework.plugins.health import HealthReport

SCREEN_LINES: Final = 24
"""Lines that one screen has."""

LEAST_ROOM: Final = 20
"""Characters that each of them has, however narrow the screen is: it is better broken by the terminal than not told."""

MOST_FIELDS: Final = 14
"""Lines of it that what is well may take."""


def _status(invocation: Invocation) -> Answer:
    gateway = invocation.gateway
    components = gateway.components()
    examination = quick_reports(gateway)
    return Answer(
        _data(gateway, components, examination),
        _text(gateway, components, examination, invocation.columns, everything=invocation.options.all),
    )


def _data(gateway: GatewayView, components: tuple[ComponentSnapshot, ...], examination: Examination) -> dict[str, Any]:
    return {
        "healthy": examination.severity is not Severity.ERROR,
        "undecided": list(gateway.undecided()),
        "version": __version__,
        "process_id": os.getpid(),
        "state_directory": str(gateway.state_directory),
        "conf_directory": None if gateway.conf_directory is None else str(gateway.conf_directory),
        "started_at": gateway.started_at.isoformat().replace("+00:00", "Z"),
        "configuration_revision": gateway.configuration_admin.revision,
        "components": [
            {"pid": one.pid, "state": one.state, "reason": one.reason, "plugin": one.plugin} for one in components
        ],
        "plugins": {
            "loaded": [one.name for one in gateway.plugins.plugins],
            "quarantined": [{"name": one.name, "reason": one.reason} for one in gateway.plugins.quarantined],
        },
        "health": [
            {
                "plugin": one.plugin,
                "check": one.check,
                "finding": None if one.finding is None else one.finding.as_data(),
            }
            for one in examination.reports
        ],
        "problems": [_problem(one) for one in examination.problems],
    }


def _problem(report: HealthReport) -> str:
    """A report with its fix; of a plugin with the plugin's name, since nobody else knows what it means."""
    finding = report.finding
    if finding is None:
        return report.check
    if report.plugin != OWN:
        return f"plugin {report.plugin}: {finding}"
    return f"{finding.text}{f' ({finding.fix})' if finding.fix else ''}"


def _problem_line(report: HealthReport, columns: int | None) -> str:
    """The same on one line, of which the fix is what is cut last."""
    finding = report.finding
    fix = "" if finding is None or not finding.fix else f" ({finding.fix})"
    left = None if columns is None else columns - len("  • ")
    if finding is None or report.plugin != OWN or (left is not None and len(fix) > left * 2 // 3):
        return first_line(_problem(report), left)
    return f"{first_line(finding.text, None if left is None else left - len(fix))}{fix}"


def _text(
    gateway: GatewayView,
    components: tuple[ComponentSnapshot, ...],
    examination: Examination,
    columns: int | None,
    *,
    everything: bool,
) -> str:
    count = len(examination.problems)
    verdict = {
        Severity.OK: "healthy",
        Severity.WARNING: "healthy, with warnings",
        Severity.ERROR: "needs attention",
    }[examination.severity]
    process = f"{__version__}, process id {os.getpid()}, up {_duration(int(gateway.uptime_s))}"
    undecided = gateway.undecided()
    rows: list[tuple[str, str]] = [
        ("gatewright", Toned(verdict, TONES[examination.severity])),
        *([("waits for", f"{named(undecided)}, to be decided")] if undecided else []),
        ("process", process),
        ("state", str(gateway.state_directory)),
        ("files", str(gateway.conf_directory or "(none)")),
        *((one.check, one.finding.text) for one in examination.reports if one.finding and one.problem is None),
    ]
    told = [] if everything else [one for one in components if one.state != "active"]
    shown = rows if everything else rows[:MOST_FIELDS]
    left = SCREEN_LINES - len(shown) - len(["", "needs you:", "and more"])
    wanted = len(["", "header", *told]) if told else 0
    problems = examination.problems[: count if everything else max(left - wanted, left // 2)]
    lines = [_fields(shown, columns)]
    lines += _components(list(components), None) if everything else _components(told, left - len(problems))
    lines += ["", "needs you:" if count else "nothing needs you"]
    lines += [f"  {mark(Toned('•', TONES[one.severity]))} {mark(_problem_line(one, columns))}" for one in problems]
    if len(problems) < count:
        lines.append(f"  and {count - len(problems)} more: gatewright doctor --problems")
    return "\n".join(lines)


def _fields(rows: list[tuple[str, str]], columns: int | None) -> str:
    """One labelled value a line, as much of it as fits."""
    label = max(len(name) for name, _ in rows) + len("  ")
    room = None if columns is None else max(LEAST_ROOM, columns - label)
    return fields([(name, value if isinstance(value, Toned) else first_line(value, room)) for name, value in rows])


def _components(shown: list[ComponentSnapshot], lines: int | None) -> list[str]:
    """Components with their states in at most that many lines, the blank one before them included."""
    room = len(shown) if lines is None else lines - len(["", "header", "and more"])
    if not shown:
        return []
    if room < 1:
        return ["", f"{len(shown)} components are not active: gatewright component list"]
    kept = shown[:room]
    found = ["", table(("COMPONENT", "STATE"), [(one.pid, Toned(one.state, _tone(one))) for one in kept])]
    if len(kept) < len(shown):
        found.append(f"and {len(shown) - len(kept)} more: gatewright component list")
    return found


def _tone(component: ComponentSnapshot) -> Tone:
    if component.state == "active":
        return Tone.GOOD
    return Tone.BAD if component.hangs or component.state == "failed" else Tone.WARNING


def _duration(seconds: int) -> str:
    days, rest = divmod(max(0, seconds), 86_400)
    hours, rest = divmod(rest, 3_600)
    minutes, rest = divmod(rest, 60)
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (rest, "s")]
    return " ".join([f"{number} {unit}" for number, unit in parts if number][:2]) or "0 s"


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--all", action="store_true", help="show every component and every problem")


COMMANDS: Final = (
    Command(
        path=("status",),
        help="how the gateway is, what its identity is and until when, and what needs you",
        run=_status,
        arguments=_arguments,
        examples=("gatewright status --state-dir /var/lib/gatewright", "gatewright status --all"),
        diagnostic=(),
        schema=schemas.status,
    ),
)
