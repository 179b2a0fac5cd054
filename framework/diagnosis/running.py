"""Checks of a gateway that runs: its configuration, plugins, components, and handlers of events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from framework.declarative_services.lifecycle import UNDECIDED
from framework.plugins.health import Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from framework.admin.command import GatewayView
    from framework.declarative_services import ComponentSnapshot


def check_configuration_files(gateway: GatewayView) -> Iterator[Finding]:
    """Whether what files say is used."""
    problems = gateway.configuration_admin.file_problems
    for problem in problems:
        yield Finding(Severity.ERROR, f"configuration file {problem}", "correct it; it is read again within seconds")
    directory = gateway.conf_directory
    if problems:
        return
    if directory is not None and not directory.is_dir():
        text = f"the directory {directory} is not there"
        yield Finding(Severity.WARNING, text, "make it, or correct --conf-dir")
    else:
        yield Finding(Severity.OK, "there are none" if directory is None else f"those in {directory} are used")


def check_configuration_store(gateway: GatewayView) -> Iterator[Finding]:
    """Whether what is stored is what was stored."""
    admin = gateway.configuration_admin
    for notice in admin.notices:
        fix = "compare gatewright config export with what should be there, then: gatewright config acknowledge"
        yield Finding(Severity.WARNING, notice, fix)
    if not admin.notices:
        yield Finding(Severity.OK, f"revision {admin.revision}; {len(admin.pids())} configured")


def check_plugins(gateway: GatewayView) -> Iterator[Finding]:
    """Whether all that is installed is used."""
    for one in gateway.plugins.quarantined:
        fix = f"see gatewright plugin check {one.name}"
        yield Finding(Severity.ERROR, f"plugin {one.name} is not used: {one.reason}", fix)
    if not gateway.plugins.quarantined:
        yield Finding(Severity.OK, ", ".join(one.name for one in gateway.plugins.plugins) or "none are installed")


def check_components(gateway: GatewayView) -> Iterator[Finding]:
    """Whether all components are active, or why not; what is under way needs nobody."""
    components = gateway.components()
    unwell = [one for one in components if one.reason is not None and not _waits_for_services(one)]
    waiting = [one for one in unwell if one.hangs or one.state not in UNDECIDED]
    for one in waiting:
        severity = Severity.ERROR if one.hangs or one.state == "failed" else Severity.WARNING
        yield Finding(severity, f"{one.pid}: {one.reason}", f"gatewright explain {one.pid}")
    if not waiting:
        active = sum(one.state == "active" for one in components)
        yield Finding(Severity.OK, f"{active} of {len(components)} active" if components else "there are none")


def check_references(gateway: GatewayView) -> Iterator[Finding]:
    """Whether all components have the services that they refer to."""
    waiting = [one for one in gateway.components() if _waits_for_services(one)]
    for one in waiting:
        yield Finding(Severity.WARNING, f"{one.pid}: {one.reason}", f"gatewright explain {one.pid}")
    if not waiting:
        yield Finding(Severity.OK, "all that are needed are satisfied")


def _waits_for_services(component: ComponentSnapshot) -> bool:
    return component.state == "unsatisfied" and any(not one.satisfied for one in component.references)


def check_event_handlers(gateway: GatewayView) -> Iterator[Finding]:
    """Whether all who want events get them."""
    denied = gateway.event_admin.denied
    for one in denied:
        text = f"a handler of events{f' of {one.owner}' if one.owner else ''} gets none: {one.reason}"
        yield Finding(Severity.ERROR, text, "restart the component or the plugin that it is of, and tell its authors")
    if not denied:
        yield Finding(Severity.OK, "all get what they want")


def ask_metric_sources(gateway: GatewayView) -> Iterator[Finding]:
    """Whether all who have figures tell them now."""
    found, _ = gateway.contributed_metrics.collect()
    findings = tuple(check_metric_sources(gateway))
    yield from findings or (Finding(Severity.OK, f"{len(found)} figures are to be had"),)


def check_metric_sources(gateway: GatewayView) -> Iterator[Finding]:
    """Whether all who have figures told them when they were last asked, by whoever observes the gateway."""
    for one in gateway.contributed_metrics.failed:
        text = f"there are no figures of {one.name}: {one.reason}"
        yield Finding(Severity.WARNING, text, "tell its authors; the log says where it was")


def check_background_work(gateway: GatewayView) -> Iterator[Finding]:
    """Whether what runs in the background ends."""
    hanging = gateway.background.hanging
    for one in hanging:
        text = f"work of {one.owner} in the background did not end within {one.seconds:.0f} s"
        if one.waiting:
            text += f", and {one.waiting} more of it may wait for that"
        fix = "restart the gateway, and tell the authors of what it is of; the log says where it was"
        yield Finding(Severity.ERROR, text, fix)
    if not hanging:
        yield Finding(Severity.OK, "all of it ends")
