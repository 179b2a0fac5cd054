"""An examination: all checks in one order, and what came of them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from framework.diagnosis import machine, running
from framework.diagnosis.installed import passwords_in
from framework.diagnosis.machine import MachineView
from framework.errors import FrameworkError
from framework.plugins.health import Finding, HealthReport, Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from framework.admin.command import GatewayView

Seen = TypeVar("Seen")

OWN: Final = "gatewright"
"""Whose checks the gateway's own are, in reports."""


@dataclass(frozen=True, slots=True)
class Check(Generic[Seen]):
    """One of the gateway's own checks.

    Attributes:
        name: What is looked at.
        run: Looks at it; no finding if all is well and there is nothing to say.
    """

    name: str
    run: Callable[[Seen], Iterable[Finding]]

    def reports(self, seen: Seen) -> list[HealthReport]:
        """What it finds."""
        found = [HealthReport(OWN, finding.check or self.name, finding) for finding in self.run(seen)]
        return found or [HealthReport(OWN, self.name, None)]


METRIC_SOURCES: Final = "metric sources"

MACHINE_CHECKS: Final = (
    Check("clock", machine.check_clock),
    Check("disk", machine.check_disk),
    Check("world-readable secrets", machine.check_privacy),
    Check("credentials", machine.check_credentials),
)
QUICK_CHECKS: Final = (
    Check("configuration files", running.check_configuration_files),
    Check("configuration store", running.check_configuration_store),
    Check("plugins", running.check_plugins),
    Check("components", running.check_components),
    Check("unsatisfied references", running.check_references),
    Check("event handlers", running.check_event_handlers),
    Check("background work", running.check_background_work),
    Check(METRIC_SOURCES, running.check_metric_sources),
)


@dataclass(frozen=True, slots=True)
class Examination:
    """What came of an examination.

    Attributes:
        reports: One or more of each check, in the order in which they were made.
    """

    reports: tuple[HealthReport, ...]

    @property
    def severity(self) -> Severity:
        """The worst of all."""
        found = {report.severity for report in self.reports}
        return next((one for one in (Severity.ERROR, Severity.WARNING) if one in found), Severity.OK)

    @property
    def problems(self) -> tuple[HealthReport, ...]:
        """Those that are not well, errors first."""
        unwell = [one for one in self.reports if one.problem is not None]
        return tuple(sorted(unwell, key=lambda one: one.severity is not Severity.ERROR))


def quick_reports(gateway: GatewayView) -> Examination:
    """What can be told at once, as `status` does: nothing is asked for over a network."""
    own = [report for check in QUICK_CHECKS for report in check.reports(gateway)]
    return Examination((*own, *gateway.plugins.check_health()))


def examine(gateway: GatewayView) -> Examination:
    """All checks of a gateway that runs, the thorough ones of its plugins included; it may take 30 s."""
    where = gateway.state_directory, gateway.conf_directory
    view = MachineView(*where, os.environ, gateway.clock, lambda pid: _passwords(gateway, pid))
    of_machine = [report for check in MACHINE_CHECKS for report in check.reports(view)]
    thorough = Check(METRIC_SOURCES, running.ask_metric_sources)
    checks = [thorough if check.name == METRIC_SOURCES else check for check in QUICK_CHECKS]
    own = [report for check in checks for report in check.reports(gateway)]
    return Examination((*of_machine, *own, *gateway.plugins.check_health(thorough=True)))


def _passwords(gateway: GatewayView, pid: str) -> frozenset[str]:
    try:
        return passwords_in(gateway.configuration_admin.kind_of(pid).object_class)
    except FrameworkError:
        return frozenset()


def examine_without_gateway(view: MachineView) -> Examination:
    """What can be told of a gateway that does not run."""
    directory = view.state_directory
    fix = (
        f"start it: gatewright run --state-dir {directory}, or systemctl start gatewright; its log says why it stopped"
    )
    first = HealthReport(OWN, "gateway", Finding(Severity.ERROR, f"no gateway runs on {directory}", fix))
    checks = (*MACHINE_CHECKS, Check("configuration files", machine.check_files))
    return Examination((first, *(report for check in checks for report in check.reports(view))))
