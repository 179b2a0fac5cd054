"""What `gatewright status` and `gatewright doctor` say of the enrolment: the identity, and what needs somebody."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from components.http.text import printable
from components.scep.enrolment import State
from components.scep.service import EnrollmentService
from framework.plugins import Finding, HealthCheck, Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from components.scep.service import EnrollmentStatus
    from framework.plugins.context import PluginContext

_NEEDS_SOMEBODY: Final = frozenset(
    {State.MISCONFIGURED, State.REFUSED, State.UNTRUSTED_CA, State.KEYSTORE_ERROR, State.PENDING}
)
"""The states that a person has to do something about; the others end by themselves."""

ENABLED: Final = "gatewright config set gatewright.scep.SCEPEnrollmentService enabled=true"

_SEE: Final = "see gatewright cert status"
_EXPLAIN: Final = "gatewright explain gatewright.scep.SCEPEnrollmentService"


def _check(context: PluginContext) -> Iterator[Finding]:
    now, found = context.clock.now(), list(_every_status(context))
    for status in found:
        yield from _identity(status, now)
        if status.state is not State.DISABLED:
            yield from _findings(status, now)
    if not found:
        yield Finding(Severity.OK, f"none; no enrolment is active ({_EXPLAIN})", check="identity")


def statuses(context: PluginContext) -> Iterator[EnrollmentStatus]:
    """How each enrolment is that is enabled."""
    return (one for one in _every_status(context) if one.state is not State.DISABLED)


def _every_status(context: PluginContext) -> Iterator[EnrollmentStatus]:
    for reference in context.find_all(EnrollmentService):
        service = context.get(reference)
        if isinstance(service, EnrollmentService):
            yield service.status()


def _identity(status: EnrollmentStatus, now: datetime) -> Iterator[Finding]:
    """Who the gateway is, and until when, which has a line of its own: a long name must not push it off a screen."""
    certificate = status.certificate
    disabled = f"the enrolment is disabled ({ENABLED})" if status.state is State.DISABLED else None
    if certificate is None:
        found = f"none; {disabled}" if disabled else f"none yet ({status.state}): {status.next_step}"
    else:
        found = printable(certificate.subject.rfc4514_string(), 120) or "(no subject)"
    yield Finding(Severity.OK, found, check="identity")
    if certificate is not None:
        ends, left = certificate.not_valid_after_utc, certificate.not_valid_after_utc - now
        time = f"{_duration(left)} left" if left > timedelta() else "expired"
        looks = None if status.next_at is None else f"next look {status.next_at:%Y-%m-%d %H:%M} UTC"
        told = "; ".join(one for one in (f"{ends:%Y-%m-%d}, {time}", disabled or looks) if one)
        yield Finding(Severity.OK, told, check="valid until")


def _findings(status: EnrollmentStatus, now: datetime) -> Iterator[Finding]:
    certificate, problem = status.certificate, status.problem
    expired = certificate is not None and certificate.not_valid_after_utc < now
    if certificate is not None and expired:
        text = f"the certificate has expired on {certificate.not_valid_after_utc:%Y-%m-%d %H:%M:%S} UTC"
        yield Finding(Severity.ERROR, text, _SEE)
    elif problem is not None and status.state in _NEEDS_SOMEBODY:
        yield Finding(Severity.ERROR, f"the enrolment is {status.state}: {problem.message}", problem.what_to_do)
    elif problem is not None and certificate is None:
        text = f"there is no certificate yet: {problem.message}"
        yield Finding(Severity.WARNING, text, f"{problem.what_to_do}; it is tried again by itself")
    for warning in status.warnings:
        yield Finding(Severity.WARNING, warning, _SEE)


def _duration(left: timedelta) -> str:
    return f"{left.days} days" if left.days else f"{int(left.total_seconds() // 60)} minutes"


def _examine(context: PluginContext) -> Iterable[Finding]:
    from components.scep.diagnosis import examine  # noqa: PLC0415  # only doctor needs it

    return examine(context)


HEALTH_CHECKS: Final = (HealthCheck("enrolment", _check), HealthCheck("SCEP server", _examine, thorough=True))
