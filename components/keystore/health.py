"""What `gatewright status` says of keystores: those that are unwell; and `doctor` of their files."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Final

from components.keystore.contract import HealthState, KeystoreService
from components.keystore.crl import RevocationService
from components.keystore.guard import guarded
from components.keystore.tls import SslContextService
from framework.plugins import Finding, HealthCheck, Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from framework.clock import Clock
    from framework.plugins.context import PluginContext


def _check(context: PluginContext) -> Iterator[HealthCheck]:
    fix = "see gatewright keystore list, and whether its disk or its token answers"

    def look(service: KeystoreService, name: str, clock: Clock) -> Finding | None:
        health = guarded(service, name, clock).health()
        severity = Severity.ERROR if health.state is HealthState.UNAVAILABLE else Severity.WARNING
        return _finding(severity, name, health.problems, "see gatewright keystore list")

    for name, service in _services(context, KeystoreService):
        if isinstance(service, KeystoreService):
            yield _own(name, fix, functools.partial(look, service, name, context.clock))


def _check_files(context: PluginContext) -> Iterator[HealthCheck]:
    from components.keystore.filesystem.component import FilesystemKeystore  # noqa: PLC0415  # only doctor needs it
    from components.keystore.filesystem.examination import examine_file  # noqa: PLC0415  # as above

    for name, service in _services(context, KeystoreService):
        if isinstance(service, FilesystemKeystore) and (path := service.path) is not None:
            yield _own(name, f"see whether the disk of {path} answers", functools.partial(examine_file, name, path))


def _check_tls(context: PluginContext) -> Iterator[HealthCheck]:
    return _problems_of(context, SslContextService, None)


def _check_crls(context: PluginContext) -> Iterator[HealthCheck]:
    return _problems_of(context, RevocationService, "see gatewright keystore crl list")


def _problems_of(
    context: PluginContext, interface: type[SslContextService | RevocationService], fix: str | None
) -> Iterator[HealthCheck]:
    def look(service: SslContextService | RevocationService, name: str) -> Finding | None:
        return _finding(Severity.WARNING, name, service.problems(), fix)

    for name, service in _services(context, interface):
        if isinstance(service, SslContextService | RevocationService):
            yield _own(name, fix, functools.partial(look, service, name))


def _own(name: str, fix: str | None, look: Callable[[], Finding | Iterable[Finding] | None]) -> HealthCheck:
    """A check of one service alone, so that one that hangs hides nothing of the others."""
    return HealthCheck(name, lambda _context: look(), fix=fix)


def _services(context: PluginContext, interface: type[object]) -> Iterator[tuple[str, object]]:
    for reference in context.find_all(interface):
        yield str(reference.properties.get("kura.service.pid", reference.id)), context.get(reference)


def _finding(severity: Severity, name: str, problems: Sequence[str], fix: str | None) -> Finding | None:
    return Finding(severity, "; ".join(f"{name}: {problem}" for problem in problems), fix) if problems else None


HEALTH_CHECKS: Final = (
    HealthCheck("keystores", _check),
    HealthCheck("keystore files", _check_files, thorough=True),
    HealthCheck("TLS contexts", _check_tls),
    HealthCheck("CRLs", _check_crls),
)
