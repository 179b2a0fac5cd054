"""What `gatewright status` says of keystores: those that are unwell; and `doctor` of their files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from components.keystore.contract import HealthState, KeystoreService
from components.keystore.crl import RevocationService
from components.keystore.guard import guarded
from components.keystore.tls import SslContextService
from framework.plugins import Finding, HealthCheck, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from framework.plugins.context import PluginContext


def _check(context: PluginContext) -> Finding | None:
    problems: list[str] = []
    severity = Severity.WARNING
    for reference in context.find_all(KeystoreService):
        service = context.get(reference)
        if not isinstance(service, KeystoreService):
            continue
        name = str(reference.properties.get("kura.service.pid", reference.id))
        health = guarded(service, name, context.clock).health()
        problems += [f"{name}: {problem}" for problem in health.problems]
        if health.state is HealthState.UNAVAILABLE:
            severity = Severity.ERROR
    return Finding(severity, "; ".join(problems), "see gatewright keystore list") if problems else None


def _check_files(context: PluginContext) -> Iterator[Finding]:
    from components.keystore.filesystem.component import FilesystemKeystore  # noqa: PLC0415  # only doctor needs it
    from components.keystore.filesystem.examination import examine_file  # noqa: PLC0415  # as above

    for reference in context.find_all(KeystoreService):
        service = context.get(reference)
        if isinstance(service, FilesystemKeystore) and (path := service.path) is not None:
            yield from examine_file(str(reference.properties.get("kura.service.pid", reference.id)), path)


def _check_tls(context: PluginContext) -> Finding | None:
    return _problems_of(context, SslContextService, None)


def _check_crls(context: PluginContext) -> Finding | None:
    return _problems_of(context, RevocationService, "see gatewright keystore crl list")


def _problems_of(
    context: PluginContext, interface: type[SslContextService | RevocationService], fix: str | None
) -> Finding | None:
    problems: list[str] = []
    for reference in context.find_all(interface):
        service = context.get(reference)
        if isinstance(service, SslContextService | RevocationService):
            name = str(reference.properties.get("kura.service.pid", reference.id))
            problems += [f"{name}: {problem}" for problem in service.problems()]
    return Finding(Severity.WARNING, "; ".join(problems), fix) if problems else None


HEALTH_CHECKS: Final = (
    HealthCheck("keystores", _check),
    HealthCheck("keystore files", _check_files, thorough=True),
    HealthCheck("TLS contexts", _check_tls),
    HealthCheck("CRLs", _check_crls),
)
