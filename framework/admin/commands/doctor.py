"""`doctor`: everything that can be checked, with what to do about it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from framework.admin.command import Answer, Command, Invocation, OfflineInvocation, UsageError
from framework.admin.commands import schemas
from framework.admin.rendering import Tone, Toned, first_line, mark
from framework.clock import SystemClock
from framework.diagnosis import Examination, MachineView, examine, examine_without_gateway
from framework.diagnosis.installed import InstalledDescriptors
from framework.plugins.health import Severity

if TYPE_CHECKING:
    import argparse

    from framework.plugins.health import HealthReport

WARNINGS: Final = 1
ERRORS: Final = 2

TONES: Final = {Severity.OK: Tone.GOOD, Severity.WARNING: Tone.WARNING, Severity.ERROR: Tone.BAD}
_STATUSES: Final = {Severity.OK: 0, Severity.WARNING: WARNINGS, Severity.ERROR: ERRORS}


def _doctor(invocation: Invocation) -> Answer:
    return _answer(examine(invocation.gateway), problems_only=invocation.options.problems)


def _doctor_offline(invocation: OfflineInvocation) -> Answer:
    if invocation.state_directory is None:
        raise UsageError("which gateway? Give --state-dir DIR, or set GATEWRIGHT_STATE_DIR")
    conf_dir = invocation.options.conf_dir
    conf_directory = None if conf_dir is None else Path(conf_dir).absolute()
    where = invocation.state_directory, conf_directory
    view = MachineView(*where, os.environ, SystemClock(), InstalledDescriptors().passwords_of)
    return _answer(examine_without_gateway(view), problems_only=invocation.options.problems)


def _answer(examination: Examination, *, problems_only: bool) -> Answer:
    reports = examination.problems if problems_only else examination.reports
    data = examination_data(examination.severity, reports)
    problems = len(examination.problems)
    summary = "all is well" if not problems else f"{problems} to see to"
    text = "\n".join([*report_lines(reports), *([""] if reports else []), summary])
    return Answer(data, text, _STATUSES[examination.severity])


def examination_data(severity: Severity, reports: tuple[HealthReport, ...]) -> dict[str, Any]:
    """What `doctor` answers as JSON data."""
    return {"severity": severity.value, "checks": [report_data(report) for report in reports]}


def report_data(report: HealthReport) -> dict[str, Any]:
    """A report as JSON data."""
    finding = report.finding
    return {
        "check": report.check,
        "of": report.plugin,
        "severity": report.severity.value,
        "finding": None if finding is None else finding.text,
        "fix": None if finding is None else finding.fix,
    }


def report_lines(reports: tuple[HealthReport, ...]) -> list[str]:
    """Reports for people: severity, check, finding (its first line: no stack), and below it what to do."""
    width = max((len(report.check) for report in reports), default=0)
    lines = []
    for report in reports:
        finding = report.finding
        severity = mark(Toned(f"{report.severity.value:<7}", TONES[report.severity]))
        text = "fine" if finding is None else first_line(finding.text)
        lines.append(f"{severity}  {report.check:<{width}}  {mark(text)}")
        if finding is not None and finding.fix and report.problem is not None:
            lines.append(f"{'':<7}  {'':<{width}}  → {mark(finding.fix)}")
    return lines


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--problems", action="store_true", help="tell only what is not well")
    parser.add_argument(
        "--conf-dir", metavar="DIR", help="where configuration files are, if no gateway runs that knows it"
    )


COMMANDS: Final = (
    Command(
        path=("doctor",),
        help="check everything that can be checked: the machine, the gateway, its keystores and its enrolment",
        run=_doctor,
        offline=_doctor_offline,
        arguments=_arguments,
        examples=("gatewright doctor", "gatewright doctor --problems --json"),
        exit_statuses={WARNINGS: "there are warnings", ERRORS: "there are errors"},
        diagnostic=(),
        schema=schemas.doctor,
    ),
)
