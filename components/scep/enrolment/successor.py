"""The move to the CA's successor (RFC 8894 4.7): when it is left for the present CA, and what of it goes on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from components.scep.enrolment.facts import NOT_REACHED, TOO_LONG, State
from components.scep.enrolment.knowledge import (
    aim_of,
    is_declined,
    moves_to_successor,
    trust_is_current,
    with_journal,
)
from components.scep.enrolment.precedence import FAILURES_TO_LEAVE, is_pending, is_the_renewal, under_way
from components.scep.enrolment.timing import CHECK_INTERVAL

if TYPE_CHECKING:
    from components.scep.enrolment.events import Enrollment
    from components.scep.enrolment.facts import Problem, SetAside, Trust

DECLINED: Final = (
    "the CA refused a certificate under its successor: that is asked for again when a setting changes, when the server "
    "has rolled over, or by: gatewright cert ca --look-for-next"
)
WAITS: Final = (
    "the certificate is renewed under the present CA first, since that is due; its successor is asked again after that"
)


@dataclass(frozen=True, slots=True)
class Left:
    """What follows a try under the CA's successor that has not succeeded; whether the present CA is asked at once."""

    enrollment: Enrollment
    present_ca_is_asked: bool


def left(before: Enrollment, enrollment: Enrollment, problem: Problem) -> Left | None:
    """Leave the CA's successor for the present CA, if a request under it was refused, or went on failing.

    Most servers open nothing that is sealed for the next CA before they roll over, and each says so in its own way. A
    server that has rolled over can be asked for nothing else, and a CA that has refused what is due has been asked.

    Args:
        before: Where the machine was when it tried.
        enrollment: Where it is now.
        problem: What the try brought.
    """
    staged = before.journal.staged
    if staged is None or not moves_to_successor(before) or before.state is not State.REQUESTING:
        return None
    is_refused = enrollment.state is State.REFUSED and problem.kind != TOO_LONG
    if is_refused:
        enrollment = with_journal(enrollment, ca_check=DECLINED)
        is_left = aim_of(enrollment, problem.at) is not None  # else the refusal is there to read for a day
    elif problem.kind == TOO_LONG:
        is_left = True
    elif _may_be_of_the_successor(enrollment, problem):
        failures = enrollment.journal.successor_failures + 1
        enrollment = with_journal(enrollment, successor_failures=failures)
        is_left = failures >= FAILURES_TO_LEAVE
    else:
        return None
    if not is_left or before.journal.refused_when_due or not trust_is_current(enrollment):
        return Left(enrollment, present_ca_is_asked=False)
    if not is_refused:
        outcome = f"no certificate was to be had under the CA's successor: {problem.message}; it is looked for again"
        enrollment = with_journal(
            noted(enrollment, staged),
            staged=None,
            request=None,
            successor_failures=0,
            ca_check=outcome,
            ca_checked_at=problem.at,
        )
    return Left(with_journal(enrollment, problem=None, next_attempt_at=None), present_ca_is_asked=True)


def noted(enrollment: Enrollment, trust: Trust) -> Enrollment:
    """Know a successor that is not moved to now, in case the server rolls over to it.

    It is taken over when it is found again, unless it was refused.
    """
    if is_declined(enrollment, trust):
        return enrollment
    return with_journal(enrollment, declined=replace(trust, succeeds=True), declined_digest="")


def moved_to(enrollment: Enrollment, staged: Trust) -> Enrollment:
    """Move to a successor that was found, and go on with a request under it that was set aside before.

    A request that the present CA has yet to decide about waits meanwhile: the renewal, if there are two.
    """
    aside, now_asked = enrollment.journal.set_aside, under_way(enrollment)
    others = [one for one in (now_asked, aside) if one is not None and is_pending(one) and not _is_under(one, staged)]
    waiting = min(others, key=lambda one: not is_the_renewal(one), default=None)
    asked = None if waiting is now_asked else enrollment.journal.asked
    changes = {"problem": None, "successor_failures": 0, "set_aside": waiting}
    return with_journal(_with_request_of_before(enrollment, staged), staged=staged, asked=asked, **changes)


def rolled_over_to(enrollment: Enrollment, staged: Trust) -> Enrollment:
    """The same where the server has rolled over: what waits there for the CA before it is over."""
    aside, asked = enrollment.journal.set_aside, enrollment.journal.asked
    asked = asked or (None if aside is None else aside.asked)
    return with_journal(_with_request_of_before(enrollment, staged), staged=staged, asked=asked, set_aside=None)


def _with_request_of_before(enrollment: Enrollment, staged: Trust) -> Enrollment:
    aside = enrollment.journal.set_aside
    return with_journal(enrollment, request=aside.request if aside is not None and _is_under(aside, staged) else None)


def _is_under(aside: SetAside, staged: Trust) -> bool:
    return aside.staged is not None and aside.staged.certificates[:1] == staged.certificates[:1]


def _may_be_of_the_successor(enrollment: Enrollment, problem: Problem) -> bool:
    """Whether a request under the CA's successor failed for what was sent, not for the network or the keystore.

    On the present CA's last day its successor is what is needed, and another look at it may come too late.
    """
    if enrollment.state not in {State.INVALID_RESPONSE, State.UNREACHABLE} or problem.kind == NOT_REACHED:
        return False
    ca = enrollment.keystore.ca
    return ca is None or ca.not_after - problem.at > CHECK_INTERVAL
