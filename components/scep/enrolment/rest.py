"""What an enrolled gateway waits for: its renewal, the CA's successor, the end of an earlier CA."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from components.scep.enrolment.events import DropSuperseded, Remember, WakeAt
from components.scep.enrolment.facts import Purpose, State
from components.scep.enrolment.knowledge import trust_is_current, with_journal
from components.scep.enrolment.timing import (
    CHECK_INTERVAL,
    ca_check_due,
    catch_up_at,
    is_plausible,
    renewal_due,
)

if TYPE_CHECKING:
    from datetime import datetime

    from components.scep.enrolment.events import Action, Enrollment

_LONGEST_CATCH_UP = timedelta(minutes=15)


def rest(enrollment: Enrollment, now: datetime) -> tuple[Enrollment, tuple[Action, ...]]:
    """Be enrolled, and wake at the next check or at the moment that something is due."""
    enrollment = replace(enrollment, state=State.ENROLLED)
    if _superseded_may_go(enrollment, now):
        # the same try: what comes of it is taken in by the state that it is done in
        return replace(enrollment, state=State.CHECKING_CA), (DropSuperseded(enrollment.attempt),)
    when = now + CHECK_INTERVAL
    moments = [_renewal(enrollment), _ca_check(enrollment, now)]
    due = min([when, *(moment for moment in moments if moment is not None and moment > now)])
    return enrollment, (WakeAt(due),)


def begins_later(enrollment: Enrollment, aim: Purpose, now: datetime) -> bool:
    """Whether something that is due by itself must wait: its moment has passed while nobody could see to it.

    Gateways that were off, or whose clocks jumped together, would else all ask at once.
    """
    journal, identity = enrollment.journal, enrollment.keystore.identity
    by_itself = journal.asked is None and journal.request is None and journal.problem is None
    if not by_itself or identity is None or not identity.fits_key or not trust_is_current(enrollment):
        return False
    due = renewal_due(identity, enrollment.configured)
    if journal.staged is not None or due is None or due > now or aim is Purpose.REKEY:
        return False
    waits_for = journal.next_attempt_at
    if waits_for is None or waits_for - now > _LONGEST_CATCH_UP:
        return catch_up_at(identity, enrollment.configured, now) > now
    return waits_for > now


def wait_to_catch_up(enrollment: Enrollment, now: datetime) -> tuple[Enrollment, tuple[Action, ...]]:
    """Wait for a moment of the next quarter of an hour; it is remembered, so that a restart does not put it off."""
    journal, identity = enrollment.journal, enrollment.keystore.identity
    enrollment = replace(enrollment, state=State.ENROLLED)
    waits_for = journal.next_attempt_at
    if waits_for is not None and waits_for - now <= _LONGEST_CATCH_UP:
        return enrollment, (WakeAt(waits_for),)
    when = now if identity is None else catch_up_at(identity, enrollment.configured, now)
    return with_journal(enrollment, next_attempt_at=when), (Remember(), WakeAt(when))


def wants_ca_check(enrollment: Enrollment, now: datetime) -> bool:
    """Whether the CA's successor is to be looked for now."""
    due = _ca_check(enrollment, now)
    return due is not None and due <= now


def next_look(enrollment: Enrollment, now: datetime) -> datetime:
    """When a gateway that waits for a person looks for the CA's successor, or else how things are."""
    due = _ca_check(enrollment, now)
    tomorrow = now + CHECK_INTERVAL
    return tomorrow if due is None else min(max(due, now), tomorrow)


def next_check(enrollment: Enrollment, now: datetime) -> datetime:
    """When an enrolled gateway does something next."""
    waits_for = enrollment.journal.next_attempt_at
    moments = [_renewal(enrollment), _ca_check(enrollment, now), waits_for]
    return min([now + CHECK_INTERVAL, *(moment for moment in moments if moment is not None and moment > now)])


def refusal_ends_at(enrollment: Enrollment, refused_at: datetime, now: datetime) -> datetime:
    """When a refusal is over that was not of what was due: who asked has a day to read it, a renewal does not wait."""
    due = _renewal(enrollment)
    ends_at = min(refused_at, now) + CHECK_INTERVAL
    return ends_at if due is None or due <= refused_at else min(ends_at, due)


def _renewal(enrollment: Enrollment) -> datetime | None:
    identity = enrollment.keystore.identity
    if identity is None or not enrollment.configured.renew:
        return None
    return renewal_due(identity, enrollment.configured)


def _ca_check(enrollment: Enrollment, now: datetime) -> datetime | None:
    """When the CA's successor is looked for; not while the clock cannot be right."""
    ca, journal = enrollment.keystore.ca, enrollment.journal
    if ca is None or not enrollment.configured.rollover or not trust_is_current(enrollment):
        return None
    if not is_plausible(ca, now) or journal.staged is not None:
        return None
    return ca_check_due(ca, enrollment.configured, journal.ca_checked_at, now)


def _superseded_may_go(enrollment: Enrollment, now: datetime) -> bool:
    """Whether nothing needs an earlier CA any more; by a clock at which our certificate is valid, not by a wild one."""
    until, identity = enrollment.keystore.superseded_until, enrollment.keystore.identity
    if until is None or now <= until or identity is None or identity.validity is None:
        return False
    return identity.fits_ca and identity.validity.not_before <= now <= identity.validity.not_after
