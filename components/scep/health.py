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

    from cryptography import x509

    from components.scep.enrolment import Problem
    from components.scep.service import EnrollmentStatus
    from framework.plugins.context import PluginContext

_NEEDS_SOMEBODY: Final = frozenset({State.MISCONFIGURED, State.REFUSED, State.UNTRUSTED_CA, State.KEYSTORE_ERROR})
"""The states that a person has to do something about; the others end by themselves, PENDING as a rule among them."""

_LITTLE_OF_LIFE: Final = 0.1
_LITTLE_TIME: Final = timedelta(days=3)
"""When little is left of a certificate: this part of its life, and no more than this, which outlasts a weekend."""

ENABLED: Final = "gatewright config set gatewright.scep.SCEPEnrollmentService enabled=true"

_RENEW: Final = (
    "gatewright cert renew; or, from now on: gatewright config set gatewright.scep.SCEPEnrollmentService "
    "client.renew=true"
)
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


def severity_of_end(status: EnrollmentStatus, now: datetime) -> Severity:
    """How much the certificate's end matters: OK while it is renewed in time, ERROR if little is left, or nothing."""
    certificate = status.certificate
    if certificate is None:
        return Severity.OK
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if now > ends:
        return Severity.ERROR
    due = next((one for one in status.verdicts if one.check == "in-its-window" and one.applies), None)
    if due is None or (due.purpose is not None and status.problem is None):
        return Severity.OK
    return Severity.ERROR if ends - now < min((ends - begins) * _LITTLE_OF_LIFE, _LITTLE_TIME) else Severity.WARNING


def _findings(status: EnrollmentStatus, now: datetime) -> Iterator[Finding]:
    certificate, problem, end = status.certificate, status.problem, severity_of_end(status, now)
    if certificate is not None and certificate.not_valid_after_utc < now:
        text = f"the certificate has expired on {certificate.not_valid_after_utc:%Y-%m-%d %H:%M:%S} UTC"
        yield Finding(Severity.ERROR, text, _SEE)
    elif problem is not None:
        yield _finding_of(problem, certificate, end, now)
    elif certificate is not None and end is not Severity.OK:
        text = f"the certificate ends in {_left(certificate, now)} and is not renewed, as client.renew is false"
        yield Finding(end, text, _RENEW)
    for warning in status.warnings:
        yield Finding(Severity.WARNING, warning, _SEE)


def _finding_of(problem: Problem, certificate: x509.Certificate | None, end: Severity, now: datetime) -> Finding:
    """What is in the way, also while it is tried again: that a try is under way mends nothing."""
    needs_somebody = problem.state in _NEEDS_SOMEBODY
    severity = Severity.ERROR if needs_somebody or end is Severity.ERROR else Severity.WARNING
    fix = problem.what_to_do if needs_somebody else f"{problem.what_to_do}; it is tried again by itself"
    if certificate is not None:
        text = f"the enrolment is {problem.state}, and the certificate ends in {_left(certificate, now)}"
    else:
        text = f"the enrolment is {problem.state}, and there is no certificate yet"
    return Finding(severity, f"{text}: {problem.message}", fix)


def _left(certificate: x509.Certificate, now: datetime) -> str:
    return _duration(certificate.not_valid_after_utc - now)


def _duration(left: timedelta) -> str:
    minutes = int(left.total_seconds() // 60)
    if left.days:
        return f"{left.days} day{'' if left.days == 1 else 's'}"
    return f"{minutes // 60} hours" if minutes // 60 > 1 else f"{minutes} minutes"


def _examine(context: PluginContext) -> Iterable[Finding]:
    from components.scep.diagnosis import examine  # noqa: PLC0415  # only doctor needs it

    return examine(context)


HEALTH_CHECKS: Final = (HealthCheck("enrolment", _check), HealthCheck("SCEP server", _examine, thorough=True))
