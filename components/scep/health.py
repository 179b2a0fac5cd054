"""What `gatewright status` and `gatewright doctor` say of the enrolment: the identity, and what needs somebody."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from components.http.text import printable
from components.scep.enrolment import State
from components.scep.service import EnrollmentService
from framework.plugins import Finding, HealthCheck, Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from cryptography import x509

    from components.scep.service import EnrollmentStatus
    from framework.plugins.context import PluginContext

_NEEDS_SOMEBODY: Final = frozenset(
    {State.MISCONFIGURED, State.REFUSED, State.UNTRUSTED_CA, State.KEYSTORE_ERROR, State.PENDING}
)
"""The states that a person has to do something about; the others end by themselves."""

ENABLED: Final = "gatewright config set gatewright.scep.SCEPEnrollmentService enabled=true"

_SEE: Final = "see gatewright cert status"


def _check(context: PluginContext) -> Iterator[Finding]:
    for status in _every_status(context):
        if status.state is State.DISABLED:
            yield _disabled(status, context.clock.now())
        else:
            yield from _findings(status, context.clock.now())


def statuses(context: PluginContext) -> Iterator[EnrollmentStatus]:
    """How each enrolment is that is enabled."""
    return (one for one in _every_status(context) if one.state is not State.DISABLED)


def _every_status(context: PluginContext) -> Iterator[EnrollmentStatus]:
    for reference in context.find_all(EnrollmentService):
        service = context.get(reference)
        if isinstance(service, EnrollmentService):
            yield service.status()


def _disabled(status: EnrollmentStatus, now: datetime) -> Finding:
    """What there is of an identity where nobody sees to it."""
    found = "none" if status.certificate is None else _identity(status.certificate, status, now)
    return Finding(Severity.OK, f"{found}; the enrolment is disabled ({ENABLED})", check="identity")


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
    if certificate is not None and not expired:
        yield Finding(Severity.OK, _identity(certificate, status, now), check="identity")
    elif certificate is None and problem is None:
        yield Finding(Severity.OK, f"none yet ({status.state}): {status.next_step}", check="identity")
    for warning in status.warnings:
        yield Finding(Severity.WARNING, warning, _SEE)


def _identity(certificate: x509.Certificate, status: EnrollmentStatus, now: datetime) -> str:
    ends = certificate.not_valid_after_utc
    subject = printable(certificate.subject.rfc4514_string(), 120) or "(no subject)"
    when = "" if status.next_at is None else f"; next look {status.next_at:%Y-%m-%d %H:%M} UTC"
    return f"{subject}, valid until {ends:%Y-%m-%d} ({_left(certificate, now)}){when}"


def _left(certificate: x509.Certificate, now: datetime) -> str:
    left = certificate.not_valid_after_utc - now
    return f"{left.days} days left" if left.days else f"{int(left.total_seconds() // 60)} minutes left"


def _examine(context: PluginContext) -> Iterable[Finding]:
    from components.scep.diagnosis import examine  # noqa: PLC0415  # only doctor needs it

    return examine(context)


HEALTH_CHECKS: Final = (HealthCheck("enrolment", _check), HealthCheck("SCEP server", _examine, thorough=True))
