"""What gives way to the renewal that is due, so that no valid certificate is lost, and goes on after it.

A request that the CA has yet to decide about, or that goes on failing, may be of little hurry: the move to the CA's
successor, or what somebody asked for. When the renewal is due by itself, it is set aside, with its key and transaction.
It goes on when the renewal is through, or when that has brought nothing. Where the CA has yet to decide about both, it
is asked about them in turn.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from components.scep.enrolment.facts import NOT_REACHED, RETRIED, TOO_LONG, Purpose, SetAside, State
from components.scep.enrolment.knowledge import aim_of, moves_to_successor, trust_is_current, with_journal
from components.scep.enrolment.reasons import purpose_now
from components.scep.enrolment.timing import CHECK_INTERVAL, renewal_due

if TYPE_CHECKING:
    from datetime import datetime

    from components.scep.enrolment.events import Enrollment
    from components.scep.enrolment.facts import Problem, Trust, Validity

FAILURES_TO_LEAVE: Final = 3
"""After so many failures that tell nothing of what was sent, its form is left, or the CA's successor, or a renewal."""


def gives_way(enrollment: Enrollment, now: datetime) -> bool:
    """Whether what is waited for, and has not succeeded, is set aside now for what is due."""
    moment = gives_way_at(enrollment, now)
    if enrollment.state not in RETRIED or moment is None or moment > now:
        return False
    due = due_purpose(enrollment, now)
    return due is not None and (moves_to_successor(enrollment) or due is not aim_of(enrollment, now))


def gives_way_at(enrollment: Enrollment, now: datetime) -> datetime | None:
    """When that is; None if it goes on: nothing is due, or nothing else, or that was refused, or nothing has failed.

    The move to the CA's successor gives way at once. What somebody asked for has half of the time that the certificate
    had left then, if that is later: who asks knows that a renewal is due.
    """
    journal, identity = enrollment.journal, enrollment.keystore.identity
    if identity is None or not trust_is_current(enrollment) or is_the_renewal(journal.set_aside):
        return None
    if journal.refused_when_due or not _has_failed(enrollment):
        return None
    validity, due = identity.validity, renewal_due(identity, enrollment.configured)
    if validity is None or due is None or not enrollment.configured.renew:
        return None
    moments = []
    if moves_to_successor(enrollment) and _present_ca_lasts_longer(enrollment, validity):
        moments.append(due)
    if journal.asked in {Purpose.REKEY, Purpose.ENROLL}:
        asked_at = due if journal.asked_at is None else min(journal.asked_at, now)
        moments.append(max(due, asked_at + (validity.not_after - asked_at) / 2))
    request = journal.request
    if request is not None and request.pending_since is None and journal.attempts >= FAILURES_TO_LEAVE:
        moments.append(validity.not_after)  # a renewal may be refused then, in whatever way
    if not moments:
        return None
    rested_at = _rested_at(enrollment, validity, now)
    return min(moments) if rested_at is None else max(min(moments), rested_at)


def sooner(enrollment: Enrollment, when: datetime, now: datetime) -> datetime:
    """The moment that is waited for, or that at which what is waited for gives way."""
    moment = gives_way_at(enrollment, now)
    return when if moment is None or moment <= now else min(when, moment)


def due_purpose(enrollment: Enrollment, now: datetime) -> Purpose | None:
    """What is due by itself, or None."""
    return purpose_now(enrollment.configured, enrollment.keystore, enrollment.journal.trust, now)


def set_aside(enrollment: Enrollment, now: datetime) -> Enrollment:
    """Set aside what is under way, but not a successor that the server has rolled over to: that one renews then.

    Else the successor stays known, in case the server rolls over meanwhile.
    """
    left = under_way(enrollment)
    if moves_to_successor(enrollment):
        enrollment = with_journal(enrollment, declined=left.staged, declined_digest="")
    stays = left.staged if left.staged is not None and left.staged.rolled_over else None
    return with_journal(
        enrollment,
        set_aside=left,
        gave_way_at=now,
        request=None,
        staged=stays,
        asked=None,
        problem=None,
        attempts=0,
        next_attempt_at=None,
        successor_failures=0,
    )


def under_way(enrollment: Enrollment) -> SetAside:
    """What is under way now, as it would be set aside."""
    journal = enrollment.journal
    return SetAside(journal.request, journal.staged, journal.asked)


def is_pending(aside: SetAside | None) -> bool:
    """Whether what was set aside is a request that the CA has yet to decide about."""
    return aside is not None and aside.request is not None and aside.request.pending_since is not None


def is_the_renewal(aside: SetAside | None) -> bool:
    """Whether what was set aside is a renewal under the present CA itself."""
    if aside is None or aside.request is None or aside.request.purpose is not Purpose.RENEW:
        return False
    return aside.staged is None or not aside.staged.succeeds


def in_turn(enrollment: Enrollment) -> Enrollment:
    """Have the CA asked next about the other of two requests that it has yet to decide about."""
    aside, now_asked = enrollment.journal.set_aside, under_way(enrollment)
    if enrollment.state is not State.PENDING or aside is None or not is_pending(aside) or not is_pending(now_asked):
        return enrollment
    return with_journal(
        enrollment,
        set_aside=now_asked,
        request=aside.request,
        staged=aside.staged,
        asked=aside.asked,
        successor_failures=0,
    )


def comes_back(enrollment: Enrollment, problem: Problem) -> bool:
    """Whether the renewal that is due brought nothing, so that what was set aside for it goes on."""
    aside = enrollment.journal.set_aside
    if aside is None or moves_to_successor(enrollment) or due_purpose(enrollment, problem.at) is not enrollment.aim:
        return False
    if enrollment.state is State.REFUSED:
        return enrollment.journal.refused_when_due or problem.kind == TOO_LONG
    fails = enrollment.state in RETRIED - {State.PENDING} and problem.kind != NOT_REACHED
    return fails and enrollment.journal.attempts >= FAILURES_TO_LEAVE


def gone_on_with(enrollment: Enrollment) -> Enrollment:
    """Go on with what was set aside, unless it is of other bootstrap properties."""
    aside, bootstrap_identity = enrollment.journal.set_aside, enrollment.configured.bootstrap_identity
    enrollment = with_journal(enrollment, set_aside=None)
    if aside is None or any(
        one is not None and one.bootstrap_identity != bootstrap_identity for one in (aside.request, aside.staged)
    ):
        return enrollment
    return with_journal(
        enrollment,
        staged=aside.staged,
        request=aside.request,
        asked=enrollment.journal.asked or aside.asked,
        problem=None,
        attempts=0,
        next_attempt_at=None,
    )


def gone_on_after_renewal(enrollment: Enrollment, moved_to: Trust | None) -> Enrollment:
    """Go on with a request that the CA has yet to decide about, which replaces the renewed certificate now.

    What only failed is over: the CA's successor is looked for again, and somebody who asked is told.

    Args:
        enrollment: Where the machine is.
        moved_to: The CA's successor, if the certificate was renewed under it: what was asked of the CA before is asked
            of that one then, as a new request.
    """
    aside, identity = enrollment.journal.set_aside, enrollment.keystore.identity
    if aside is None or identity is None:
        return enrollment
    wish = aside.asked if aside.asked in {Purpose.REKEY, Purpose.ENROLL} else None
    if moved_to is not None:
        is_of_it = aside.staged is not None and aside.staged.certificates[:1] == moved_to.certificates[:1]
        goes_on = is_of_it and wish is not None and is_pending(aside)
        aside = SetAside(aside.request if goes_on else None, None, wish)
        enrollment = with_journal(enrollment, set_aside=aside)
    if aside.request is not None and is_pending(aside) and not is_the_renewal(aside):
        request = replace(aside.request, replaces=identity.sha256)
        return gone_on_with(with_journal(enrollment, set_aside=replace(aside, request=request)))
    if wish is not None and moved_to is not None:
        return gone_on_with(enrollment)
    if wish is not None:
        given_up = (
            f"what was asked for had failed when the renewal was due, and was given up for it; ask again by: "
            f"gatewright cert {wish}"
        )
        enrollment = with_journal(enrollment, warnings=(*enrollment.journal.warnings, given_up))
    return with_journal(enrollment, set_aside=None)


def _has_failed(enrollment: Enrollment) -> bool:
    """Whether what is under way was tried, the server being reached, and has brought nothing yet."""
    problem, request = enrollment.journal.problem, enrollment.journal.request
    if problem is None:
        return False
    if request is not None and request.pending_since is not None:
        return True
    return problem.kind != NOT_REACHED or enrollment.journal.successor_failures > 0


def _present_ca_lasts_longer(enrollment: Enrollment, validity: Validity) -> bool:
    """Whether a certificate of the present CA could be valid for longer than the one that is there."""
    ca = enrollment.keystore.ca
    return ca is None or validity.not_after + CHECK_INTERVAL < ca.not_after


def _rested_at(enrollment: Enrollment, validity: Validity, now: datetime) -> datetime | None:
    """When something may give way again, or None if nothing has: once a day, or sooner if the certificate ends soon."""
    gave_way_at = enrollment.journal.gave_way_at
    if gave_way_at is None or gave_way_at > now:  # the clock was ahead
        return None
    pause = CHECK_INTERVAL
    if gave_way_at < validity.not_after:
        least = timedelta(seconds=enrollment.configured.retry_interval_s)
        pause = min(pause, max(least, (validity.not_after - gave_way_at) / 4))
    return gave_way_at + pause
