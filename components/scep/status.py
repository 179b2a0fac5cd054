"""How the enrolment is, put together from the machine's state and from what the keystore holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from components.keystore import KeystoreError
from components.scep import enrolment, wording
from components.scep.enrolment import Enrollment, State
from components.scep.enrolment.timing import CLOCK_SKEW, renewal_due
from components.scep.service import EnrollmentStatus

if TYPE_CHECKING:
    from datetime import datetime

    from components.scep.identity import IdentityStore

WEAK_KEY_BITS: Final = 2048
"""RSA keys below this are allowed, with a warning."""


def status_of(
    enrollment: Enrollment, store: IdentityStore, keystore_pid: str, now: datetime, troubles: tuple[str, ...]
) -> EnrollmentStatus:
    """The status; `troubles` is what to know of a journal that could not be read or cannot be written."""
    warnings = [*enrollment.journal.warnings, *troubles]
    try:
        stored = store.look()
        entry, ca_certificates = stored.enrolled, stored.ca_certificates
    except KeystoreError as error:
        entry, ca_certificates = None, ()
        warnings.append(f"the keystore cannot be read: {error}")
    certificate = None if entry is None else entry.chain[0]
    if enrollment.configured.enabled and enrollment.configured.key_size < WEAK_KEY_BITS:
        warnings.append(f"client.keypair.size is {enrollment.configured.key_size}: weak, use 2048 or more")
    found = verdicts(enrollment, now)
    warnings += [one.message for one in found if one.check == "not-for-this-subject" and one.applies]
    trust, request = enrollment.journal.staged or enrollment.journal.trust, enrollment.journal.request
    if enrollment.journal.set_aside is not None:
        warnings.append(wording.waits_for_renewal(enrollment.journal.set_aside))
    if trust is not None and trust.warning:
        warnings.append(trust.warning)
    if trust is not None and trust.weaker:
        warnings.append(
            "the server answers what it offers (GetCACaps) with what nobody can open, so requests are sent in 3DES and "
            "SHA-1, which are weak (security.profile=legacy): ask its operator to mend that, or to offer no more"
        )
    if certificate is not None and certificate.not_valid_before_utc > now + CLOCK_SKEW:
        warnings.append(
            f"the certificate is valid from {certificate.not_valid_before_utc}, and it is {now} by this "
            "gateway's clock: set the clock"
        )
    return EnrollmentStatus(
        state=enrollment.state,
        keystore=keystore_pid,
        certificate=certificate,
        problem=problem_of(enrollment, now),
        next_step=wording.next_step(enrollment, found),
        next_at=wording.next_at(enrollment, now),
        warnings=tuple(warnings),
        ca_certificates=ca_certificates,
        server_url=None if trust is None else trust.url,
        verdicts=found,
        transaction_id=None if request is None else request.transaction_id,
        ca_check=enrollment.journal.ca_check,
        renewal_at=_renewal_at(enrollment),
    )


def _renewal_at(enrollment: Enrollment) -> datetime | None:
    """When the certificate is renewed; not when it is looked at next, which is once a day."""
    identity, configured = enrollment.keystore.identity, enrollment.configured
    if identity is None or not configured.enabled or not configured.renew:
        return None
    return renewal_due(identity, configured)


def next_step(enrollment: Enrollment, now: datetime) -> str:
    """What comes next; only where the enrolment rests do the verdicts say it."""
    return wording.next_step(enrollment, verdicts(enrollment, now) if enrollment.state is State.ENROLLED else ())


def verdicts(enrollment: Enrollment, now: datetime) -> tuple[enrolment.Verdict, ...]:
    """What each check says about another certificate."""
    return enrolment.verdicts(enrollment.configured, enrollment.keystore, enrollment.journal.trust, now)


def problem_of(enrollment: Enrollment, now: datetime) -> enrolment.Problem | None:
    """What is in the way, if anything is."""
    if enrollment.state is State.ENROLLED:
        return None
    if enrollment.state is not State.MISCONFIGURED:
        return enrollment.journal.problem
    return enrolment.Problem(
        State.MISCONFIGURED,
        "misconfigured",
        "; ".join(enrollment.configured.problems),
        "correct these properties with: gatewright config set",
        now,
    )
