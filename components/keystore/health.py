"""What `gatewright status` says of keystores: those that are unwell; and `doctor` of their files."""

from __future__ import annotations

import functools
from collections import defaultdict
from contextlib import suppress
from operator import sub
from typing import TYPE_CHECKING, Final

from components.keystore.contract import HealthState, KeystoreService
from components.keystore.crl import RevocationService
from components.keystore.errors import KeystoreError
from components.keystore.guard import guarded
from components.keystore.tls import SslContextService
from framework import ConfigurationAdmin, ConfigurationError
from framework.plugins import Finding, HealthCheck, Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from framework.clock import Clock
    from framework.plugins.context import PluginContext

_SLOW_S: Final = 1.0
"""How long a keystore may take to answer until `doctor` tells; health checks of others have 5 s for several calls."""
_FACTORIES: Final = ("gatewright.keystore.FilesystemKeystore", "gatewright.keystore.PKCS11Keystore")


def _check(context: PluginContext) -> Iterator[HealthCheck]:
    fix = "see gatewright keystore list, and whether its disk or its token answers"

    def look(service: KeystoreService, name: str, clock: Clock) -> Finding | None:
        health = guarded(service, name, clock).health()
        severity = Severity.ERROR if health.state is HealthState.UNAVAILABLE else Severity.WARNING
        return _finding(severity, name, health.problems, "see gatewright keystore list")

    for name, service in _services(context, KeystoreService):
        if isinstance(service, KeystoreService):
            yield _own(name, fix, functools.partial(look, service, name, context.clock))


def _check_names(context: PluginContext) -> Iterator[Finding]:
    """Keystores, active or configured, that share a `kura.service.pid` with another component."""
    sharing: defaultdict[str, list[str]] = defaultdict(list)
    for reference in context.find_all(KeystoreService):
        pid = str(reference.properties.get("service.pid", f"service {reference.id}"))
        sharing[str(reference.properties.get("kura.service.pid", pid))].append(pid)
    active = {name: tuple(pids) for name, pids in sharing.items() if len(pids) > 1}
    for name, pids in active.items():
        text = f"{len(pids)} keystores have the kura.service.pid {name}: {', '.join(pids)}; {pids[0]} is used just now"
        yield Finding(Severity.WARNING, f"{text}, another one maybe after the next start", _name_one(pids))
    for name, pids in _configured_names(context).items():
        if len(pids) > 1 and name not in active:
            text = f"{' and '.join(pids)} have the same kura.service.pid, {name}, and one of them is a keystore"
            yield Finding(Severity.WARNING, f"{text}: whoever asks for it may find either", _name_one(pids))


def _configured_names(context: PluginContext) -> Mapping[str, tuple[str, ...]]:
    """By `kura.service.pid`, the keystores that are configured, each with the single components that have that, too.

    What other factories make is left out: TLS contexts may well be called as the keystore that they are of.
    """
    found: defaultdict[str, list[str]] = defaultdict(list)
    for admin in map(context.get, context.find_all(ConfigurationAdmin)):
        if not isinstance(admin, ConfigurationAdmin):
            continue
        pids = admin.pids()
        for pid in pids:
            if pid.partition("~")[0] in _FACTORIES:
                found[_name_of(admin, pid)].append(pid)
        for pid in found.keys() & set(pids):
            if _name_of(admin, pid) == pid:
                found[pid].insert(0, pid)
    return {name: tuple(pids) for name, pids in found.items()}


def _name_of(admin: ConfigurationAdmin, pid: str) -> str:
    properties: Mapping[str, object] = {}
    with suppress(ConfigurationError):
        properties = admin.get(pid).properties
    return str(properties.get("kura.service.pid", pid.partition("~")[2] or pid))


def _name_one(pids: Sequence[str]) -> str:
    """How one of several gets a name of its own; an instance of a factory, since that can be deleted, too."""
    instance = next((pid for pid in reversed(pids) if "~" in pid), pids[-1])
    rename = f"gatewright config set {instance} kura.service.pid=NAME"
    return f"{rename}, or, if it is not wanted, gatewright config delete {instance}" if "~" in instance else rename


def _check_files(context: PluginContext) -> Iterator[HealthCheck]:
    from components.keystore.filesystem.component import FilesystemKeystore  # noqa: PLC0415  # only doctor needs it
    from components.keystore.filesystem.examination import examine_file  # noqa: PLC0415  # as above

    for name, service in _services(context, KeystoreService):
        if isinstance(service, FilesystemKeystore) and (path := service.path) is not None:
            yield _own(name, f"see whether the disk of {path} answers", functools.partial(examine_file, name, path))


def _check_speed(context: PluginContext) -> Iterator[HealthCheck]:
    fix = "see what it waits for: a token, a network, a lock of its own; whoever asks it, as the enrolment, does, too"

    def look(service: KeystoreService, name: str) -> Finding | None:
        keystore, now = guarded(service, name, context.clock), context.clock.monotonic
        times = [now()]
        try:
            aliases = keystore.aliases()
            times.append(now())
            for alias in aliases[:1]:
                keystore.get(alias)
            times.append(now())
        except KeystoreError:
            return None  # the check of keystores tells
        took = zip(("aliases()", "get()"), map(sub, times[1:], times), strict=True)
        slow = [f"{operation} took {seconds:.1f} s" for operation, seconds in took if seconds >= _SLOW_S]
        return _finding(Severity.WARNING, name, slow, fix)

    for name, service in _services(context, KeystoreService):
        if isinstance(service, KeystoreService):
            yield _own(name, fix, functools.partial(look, service, name))


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
    HealthCheck("keystore names", _check_names),
    HealthCheck("keystore files", _check_files, thorough=True),
    HealthCheck("keystore speed", _check_speed, thorough=True),
    HealthCheck("TLS contexts", _check_tls),
    HealthCheck("CRLs", _check_crls),
)
