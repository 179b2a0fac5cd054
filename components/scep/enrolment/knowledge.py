"""What follows from what the enrolment knows."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from components.scep.enrolment.facts import Purpose, State
from components.scep.enrolment.reasons import purpose_now
from components.scep.transaction import Capabilities, has_weaker

if TYPE_CHECKING:
    from datetime import datetime

    from components.scep.enrolment.events import Enrollment
    from components.scep.enrolment.facts import Trust


def trust_is_current(enrollment: Enrollment) -> bool:
    """Whether the CA certificates in the keystore were derived from the bootstrap properties as they are."""
    trust = enrollment.journal.trust
    return (
        enrollment.keystore.has_trust
        and trust is not None
        and trust.bootstrap_identity == enrollment.configured.bootstrap_identity
    )


def staged_is_current(enrollment: Enrollment) -> bool:
    """Whether the staged CA certificates were."""
    staged = enrollment.journal.staged
    return staged is not None and staged.bootstrap_identity == enrollment.configured.bootstrap_identity


def moves_to_successor(enrollment: Enrollment) -> bool:
    """Whether what is under way is the move to the CA's successor, while the present CA can still be asked."""
    staged = enrollment.journal.staged
    return staged is not None and staged.succeeds and not staged.rolled_over and staged_is_current(enrollment)


def record_of_server(enrollment: Enrollment) -> Trust | None:
    """What is remembered of the server that requests go to: with the staged trust, else with the one that is stored."""
    return enrollment.journal.staged if staged_is_current(enrollment) else enrollment.journal.trust


def with_experience(trust: Trust, known: Trust | None) -> Trust:
    """New trust with what is known of the same server.

    How it takes renewals; and how little it can do of what it offers, as long as it offers the same.
    """
    if known is None or (known.url, known.bootstrap_identity) != (trust.url, trust.bootstrap_identity):
        return trust
    same_offer = known.capabilities == trust.capabilities
    return replace(trust, renewal_form=known.renewal_form, weaker=known.weaker and same_offer)


def may_be_weaker(enrollment: Enrollment) -> bool:
    """Whether there is something weaker to send than what the server offers, and the profile permits it."""
    record = record_of_server(enrollment)
    if record is None:
        return False
    return has_weaker(Capabilities(frozenset(record.capabilities)), enrollment.configured.profile)


def without_weaker(enrollment: Enrollment) -> Enrollment:
    """The same as if the server had never failed over what it offers."""
    journal = enrollment.journal
    return with_journal(
        enrollment,
        trust=None if journal.trust is None else replace(journal.trust, weaker=False),
        staged=None if journal.staged is None else replace(journal.staged, weaker=False),
        request=None if journal.request is None else replace(journal.request, weaker=False),
    )


def blocked(enrollment: Enrollment) -> State | None:
    """The state in which nothing may be done, or None."""
    if not enrollment.configured.enabled:
        return State.DISABLED
    return State.MISCONFIGURED if enrollment.configured.problems else None


def aim_of(enrollment: Enrollment, now: datetime) -> Purpose | None:
    """What is to be obtained: what was begun, what was asked for, what the checks say; None if nothing is."""
    journal = enrollment.journal
    if nothing_to_renew(enrollment):
        return Purpose.ENROLL
    if journal.request is not None:
        return journal.request.purpose
    due = journal.asked or purpose_now(enrollment.configured, enrollment.keystore, journal.trust, now)
    if due is None and staged_is_current(enrollment):
        return Purpose.RENEW
    return due


def nothing_to_renew(enrollment: Enrollment) -> bool:
    """Whether there is no certificate that the CA which is configured now could renew."""
    return enrollment.keystore.identity is None or not trust_is_current(enrollment)


def declined_successor(enrollment: Enrollment) -> Trust | None:
    """The CA's successor under which no certificate was to be had, as long as the bootstrap properties are the same."""
    declined = enrollment.journal.declined
    current = declined is not None and declined.bootstrap_identity == enrollment.configured.bootstrap_identity
    return declined if current else None


def is_declined(enrollment: Enrollment, successor: Trust) -> bool:
    """Whether no certificate was to be had under this successor, and nothing has changed, and nobody asks again."""
    declined = declined_successor(enrollment)
    if declined is None or enrollment.journal.declined_digest != enrollment.configured.digest:
        return False
    return declined.certificates[:1] == successor.certificates[:1]


def challenge_used_at(enrollment: Enrollment) -> datetime | None:
    """When the challenge password that is configured brought a certificate; None if it never has."""
    used, configured = enrollment.journal.challenge_used, enrollment.configured.challenge_digest
    return enrollment.journal.challenge_used_at if configured and used == configured else None


def with_journal(enrollment: Enrollment, **changes: object) -> Enrollment:
    """The same with changes of its journal."""
    return replace(enrollment, journal=replace(enrollment.journal, **changes))  # type: ignore[arg-type]  # names are ours


def renewed(enrollment: Enrollment, **changes: object) -> Enrollment:
    """The same with changes of what the keystore holds."""
    return replace(enrollment, keystore=replace(enrollment.keystore, **changes))  # type: ignore[arg-type]  # names are ours
