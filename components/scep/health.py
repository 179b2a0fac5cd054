"""What `gatewright status` says of the enrolment: only what needs somebody."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from components.scep.enrolment import State
from components.scep.service import EnrollmentService
from framework.plugins import Finding, HealthCheck, Severity

if TYPE_CHECKING:
    from framework.plugins.context import PluginContext

_NEEDS_SOMEBODY: Final = frozenset(
    {State.MISCONFIGURED, State.REFUSED, State.UNTRUSTED_CA, State.KEYSTORE_ERROR, State.PENDING}
)
"""The states that a person has to do something about; the others end by themselves."""


def _check(context: PluginContext) -> Finding | None:
    for reference in context.find_all(EnrollmentService):
        service = context.get(reference)
        status = service.status() if isinstance(service, EnrollmentService) else None
        if status is None or status.state is State.DISABLED:
            continue
        certificate, problem = status.certificate, status.problem
        if certificate is not None and certificate.not_valid_after_utc < context.clock.now():
            text = f"the certificate has expired on {certificate.not_valid_after_utc:%Y-%m-%d %H:%M:%S} UTC"
            return Finding(Severity.ERROR, text, "see gatewright cert status")
        if problem is not None and status.state in _NEEDS_SOMEBODY:
            return Finding(Severity.ERROR, f"the enrolment is {status.state}: {problem.message}", problem.what_to_do)
    return None


HEALTH_CHECKS: Final = (HealthCheck("enrolment", _check),)
