"""The enrolment as a pure state machine: `step(enrollment, event) -> (enrollment, actions)`.

No I/O, clock, thread or lock is here; events bring the time and a random number with them. The component
performs the actions in their order and feeds what came of them back. What survives a restart is in `journal`;
the action `Remember` stands before every action after which a crash must find it there.

What holds at every moment: the stored identity and trust stay until their successors are complete, then both
change in one commit; nothing that carries the challenge password is made before trust is verified; a request
that was begun goes on with the same key and transaction id until it ends.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from components.scep.enrolment import precedence, requesting, rest, successor
from components.scep.enrolment.events import (
    Began,
    CaVerified,
    CertificateIssued,
    EnrollAsked,
    Failed,
    FormRefused,
    FormUnanswered,
    IdentityStored,
    KeyReady,
    LocateServer,
    NextCaSought,
    PollAsked,
    PollUnsupported,
    PrepareKey,
    Remember,
    ReplySealed,
    RequestUnknown,
    RolloverAsked,
    SeekNextCa,
    SettingsChanged,
    StoreIdentity,
    StoreTrust,
    SupersededDropped,
    TimerDue,
    TrustStored,
    WakeAt,
)
from components.scep.enrolment.facts import RETRIED, Purpose, State
from components.scep.enrolment.knowledge import (
    aim_of,
    blocked,
    is_declined,
    may_be_weaker,
    moves_to_successor,
    nothing_to_renew,
    record_of_server,
    renewed,
    staged_is_current,
    trust_is_current,
    with_experience,
    with_journal,
    without_weaker,
)
from components.scep.enrolment.timing import CHECK_INTERVAL, LONGEST_PAUSE_S

if TYPE_CHECKING:
    from datetime import datetime

    from components.scep.enrolment.events import Action, Enrollment, Event
    from components.scep.enrolment.facts import Configured, IdentityFacts, Problem, Request, Trust

    Step = tuple[Enrollment, tuple[Action, ...]]

UNDER_WAY: Final = frozenset({State.BOOTSTRAPPING, State.GENERATING_KEY, State.REQUESTING, State.CHECKING_CA})
"""The states in which something is being done; they end with what comes of it."""

_TO_BE_TOLD: Final = frozenset({State.UNTRUSTED_CA, State.KEYSTORE_ERROR})
"""Problems with the look for the CA's successor, or with what is done then, that do not wait for the next look."""


def step(enrollment: Enrollment, event: Event) -> Step:
    """Take one event in; give the new state and what is to be done now, in order."""
    match event:
        case Began(now):
            enrollment, noted = _forget_what_is_forbidden(enrollment)
            enrollment, actions = _begin(enrollment, now)
            return enrollment, (*noted, *actions)
        case SettingsChanged(now, configured):
            before = enrollment.configured
            enrollment, noted = _forget_what_is_forbidden(replace(enrollment, configured=configured))
            enrollment, actions = _change(enrollment, before, now)
            return enrollment, (*noted, *actions)
        case TimerDue(now):
            return _wake(enrollment, now)
        case EnrollAsked(now, purpose):
            purpose = Purpose.ENROLL if nothing_to_renew(enrollment) else purpose
            if enrollment.state in UNDER_WAY - {State.CHECKING_CA} and enrollment.aim is purpose:
                # A second request while the reply to the first is on its way may need another challenge password.
                return with_journal(enrollment, attempts=0), ()
            enrollment, actions = _proceed(_fresh(_asked(enrollment, purpose, now)), now)
            return enrollment, (Remember(), *actions)
        case PollAsked(now):
            if enrollment.state is not State.PENDING:
                return enrollment, ()
            return _proceed(without_weaker(with_journal(enrollment, look_again=True)), now)
        case RolloverAsked():
            return _seek_next_ca(with_journal(enrollment, declined_digest=""))
        case _:
            stale = event.attempt != enrollment.attempt or enrollment.state not in UNDER_WAY
            return (enrollment, ()) if stale else _take(enrollment, event)


def _take(enrollment: Enrollment, event: Event) -> Step:
    """Take in what came of an action of the try that is under way."""
    match event:
        case CaVerified(_, trust):
            return _take_trust(enrollment, trust)
        case TrustStored():
            return _note_trust(enrollment)
        case NextCaSought(_, now, trust, outcome, is_to_come):
            if trust is not None and is_to_come:
                enrollment, trust = successor.noted(enrollment, trust), None
            return _take_next_ca(enrollment, trust, outcome, now)
        case KeyReady(_, key, transaction_id):
            return requesting.send(enrollment, key, transaction_id)
        case FormRefused() | FormUnanswered() | ReplySealed() | PollUnsupported() | RequestUnknown():
            return _settle(enrollment, requesting.go_on(enrollment, event))
        case CertificateIssued(attempt, warnings):
            return with_journal(enrollment, warnings=warnings), (StoreIdentity(attempt),)
        case IdentityStored(_, keystore, now):
            return _finish(replace(enrollment, keystore=keystore), now)
        case SupersededDropped(_, now):
            return _proceed(renewed(enrollment, superseded_until=None), now)
        case Failed(_, problem, jitter):
            return _take_failure(enrollment, problem, jitter)
        case _:
            return enrollment, ()


def _take_failure(enrollment: Enrollment, problem: Problem, jitter: float) -> Step:
    if enrollment.state is State.CHECKING_CA:
        if problem.state not in _TO_BE_TOLD:
            return _take_next_ca(enrollment, None, problem.message, problem.at)
        if aim_of(enrollment, problem.at) is not None:  # what is due has its turn next, not another look
            enrollment = with_journal(enrollment, ca_checked_at=problem.at, ca_check=problem.message)
    return _settle(enrollment, requesting.fail(enrollment, problem, jitter))


def _forget_what_is_forbidden(enrollment: Enrollment) -> Step:
    """Forget that the server was sent weaker algorithms as soon as the profile permits none, even if it does again."""
    record, request = record_of_server(enrollment), enrollment.journal.request
    is_weaker = (record is not None and record.weaker) or (request is not None and request.weaker)
    if not is_weaker or may_be_weaker(enrollment):
        return enrollment, ()
    return without_weaker(enrollment), (Remember(),)


def _begin(enrollment: Enrollment, now: datetime) -> Step:
    """Go on where the journal says; trust that was derived from other properties is none, even if they come back."""
    if enrollment.journal.trust is not None and not trust_is_current(enrollment):
        former = enrollment.journal.trust
        enrollment, actions = _resume(with_journal(enrollment, trust=None, former=former), now)
        return enrollment, (Remember(), *actions)
    return _resume(enrollment, now)


def _resume(enrollment: Enrollment, now: datetime) -> Step:
    journal, identity = enrollment.journal, enrollment.keystore.identity
    request = journal.request
    current = request is not None and request.bootstrap_identity == enrollment.configured.bootstrap_identity
    if request is not None and not current:
        enrollment = with_journal(enrollment, request=None)
        journal = enrollment.journal
    elif request is not None and identity is not None and _completes(request, identity):
        return _finish(replace(enrollment, state=State.REQUESTING, aim=request.purpose), now)
    problem = journal.problem if journal.digest == enrollment.configured.digest else None
    may_go_on = blocked(enrollment) is None and aim_of(enrollment, now) is not None
    if problem is not None and may_go_on and problem.state is not State.KEYSTORE_ERROR:  # it may be well by now
        if problem.state is State.REFUSED:
            return _go_on_refused(replace(enrollment, state=State.REFUSED), problem, now)
        if journal.next_attempt_at is not None and journal.next_attempt_at > now:
            latest = now + timedelta(seconds=max(LONGEST_PAUSE_S, problem.retry_after_s or 0))
            when = min(journal.next_attempt_at, latest)
            waiting = with_journal(replace(enrollment, state=problem.state), next_attempt_at=when)
            return _wait(waiting, when, now)
    if journal.digest != enrollment.configured.digest:
        enrollment = with_journal(enrollment, refused_when_due=False)
    return _proceed(enrollment, now)


def _wait(enrollment: Enrollment, when: datetime, now: datetime) -> Step:
    """Wait for the next try, or set aside at last what is waited for."""
    if precedence.gives_way(enrollment, now):
        return _give_way(enrollment, now)
    return enrollment, (WakeAt(precedence.sooner(enrollment, when, now)),)


def _give_way(enrollment: Enrollment, now: datetime) -> Step:
    if moves_to_successor(enrollment):
        enrollment = with_journal(enrollment, ca_check=successor.WAITS)
    enrollment, actions = _proceed(precedence.set_aside(enrollment, now), now)
    return enrollment, (Remember(), *actions)


def _go_on_refused(enrollment: Enrollment, problem: Problem, now: datetime) -> Step:
    """Wait on after a restart; restarts do not put off the end of a refusal of what was not due."""
    if enrollment.keystore.identity is None:
        return enrollment, ()
    if enrollment.journal.refused_when_due:
        return enrollment, (WakeAt(rest.next_look(enrollment, now)),)
    ends_at = rest.refusal_ends_at(enrollment, problem.at, now)
    return (enrollment, (WakeAt(ends_at),)) if ends_at > now else _wake(enrollment, now)


def _completes(request: Request, identity: IdentityFacts) -> bool:
    """Whether the stored identity is what the request asked for: a crash came between storing and noting it."""
    return identity.key_sha256 == request.key_sha256 and identity.sha256 != request.replaces


def _change(enrollment: Enrollment, before: Configured, now: datetime) -> Step:
    configured = enrollment.configured
    same = (configured.digest, configured.enabled, configured.problems) == (
        before.digest,
        before.enabled,
        before.problems,
    )
    if not same:
        return _proceed(with_journal(_fresh(enrollment), refused_when_due=False), now)
    if enrollment.state is State.ENROLLED:
        return _proceed(enrollment, now)
    when = enrollment.journal.next_attempt_at
    if enrollment.state not in RETRIED or when is None:
        return enrollment, ()
    if configured.retry_interval_s >= before.retry_interval_s:
        return _wait(enrollment, when, now)
    when = min(when, now + timedelta(seconds=configured.retry_interval_s))
    enrollment, actions = _wait(with_journal(enrollment, next_attempt_at=when), when, now)
    return enrollment, (Remember(), *(action for action in actions if action != Remember()))


def _wake(enrollment: Enrollment, now: datetime) -> Step:
    if enrollment.state is State.ENROLLED:
        return _proceed(enrollment, now)
    if enrollment.state is State.REFUSED and enrollment.keystore.identity is not None:
        # What was only asked for must not keep a renewal away that is due now, or becomes so one day.
        enrollment = with_journal(enrollment, asked=None, staged=requesting.staged_after_refusal(enrollment))
        if enrollment.journal.refused_when_due and aim_of(enrollment, now) is not None:
            if rest.wants_ca_check(enrollment, now):
                enrollment, actions = _seek_next_ca(enrollment)  # the CA may refuse what its successor does not
                return enrollment, (Remember(), *actions)
            return enrollment, (Remember(), WakeAt(rest.next_look(enrollment, now)))
        # That, or the clock that made it due was put right.
        enrollment, actions = _proceed(with_journal(enrollment, problem=None, refused_when_due=False), now)
        return enrollment, (Remember(), *actions)
    due = enrollment.journal.next_attempt_at
    if enrollment.state not in RETRIED or due is None:
        return enrollment, ()
    if now < due <= now + CHECK_INTERVAL or precedence.gives_way(enrollment, now):
        return _wait(enrollment, due, now)  # later than that, the clock was far ahead when it was written
    enrollment = with_journal(enrollment, next_attempt_at=None)
    takes_long = enrollment.state is State.PENDING or enrollment.journal.attempts >= precedence.FAILURES_TO_LEAVE
    if takes_long and enrollment.keystore.identity is not None and rest.wants_ca_check(enrollment, now):
        return _seek_next_ca(enrollment)
    return _proceed(enrollment, now)


def _asked(enrollment: Enrollment, purpose: Purpose, now: datetime) -> Enrollment:
    """Take in what somebody asks for, who may know of a change at the server: one that failed is met as if anew."""
    if enrollment.journal.problem is not None:
        enrollment = without_weaker(enrollment)
    return with_journal(enrollment, asked=purpose, asked_at=now, look_again=True, declined_digest="")


def _fresh(enrollment: Enrollment) -> Enrollment:
    """Forget earlier failures; a request that was refused, or is for something else than is asked for, is over."""
    request, asked = enrollment.journal.request, enrollment.journal.asked
    if enrollment.state is State.REFUSED:
        request = None
    if request is not None and asked is not None and request.purpose is not asked:
        request = None
    return with_journal(enrollment, attempts=0, next_attempt_at=None, problem=None, request=request)


def _proceed(enrollment: Enrollment, now: datetime) -> Step:
    """Do what comes next, as a new try."""
    attempt = enrollment.attempt + 1
    enrollment = replace(enrollment, attempt=attempt)
    hindrance = blocked(enrollment)
    if hindrance is not None:
        return replace(enrollment, state=hindrance), ()
    aim = aim_of(enrollment, now)
    if aim is None and enrollment.journal.set_aside is not None:
        enrollment = precedence.gone_on_with(enrollment)  # the renewal that it waited for is not due any more
        aim = aim_of(enrollment, now)
    if aim is None:
        return _rest(enrollment, now)
    if rest.begins_later(enrollment, aim, now):
        return rest.wait_to_catch_up(enrollment, now)
    enrollment = replace(enrollment, aim=aim)
    request = enrollment.journal.request
    if request is not None and not requesting.can_go_on(enrollment, request):
        enrollment = with_journal(enrollment, request=None)
        request = None
    if not trust_is_current(enrollment) and not staged_is_current(enrollment):
        return replace(enrollment, state=State.BOOTSTRAPPING, aim=Purpose.ENROLL), (LocateServer(attempt),)
    begins = aim is not Purpose.ENROLL and request is None and not staged_is_current(enrollment)
    if begins or enrollment.journal.look_again:
        refresh = trust_is_current(enrollment)
        return replace(enrollment, state=State.BOOTSTRAPPING), (LocateServer(attempt, refresh=refresh),)
    return requesting.prepare_key(enrollment)


def _rest(enrollment: Enrollment, now: datetime) -> Step:
    if rest.wants_ca_check(enrollment, now):
        return _seek_next_ca(enrollment)
    return rest.rest(enrollment, now)


def _take_trust(enrollment: Enrollment, trust: Trust) -> Step:
    enrollment = with_journal(enrollment, look_again=False)
    journal = enrollment.journal
    trust = with_experience(trust, record_of_server(enrollment))
    if not trust.certificates and journal.trust is not None:
        return _go_on_to_key(with_journal(enrollment, trust=trust, staged=None))
    request = journal.request if _knows_the_request(enrollment, trust) else None
    if trust.succeeds and journal.staged is None:
        enrollment = successor.rolled_over_to(enrollment, trust)
    else:
        enrollment = with_journal(enrollment, staged=trust, request=request)
    if enrollment.keystore.identity is not None:
        return _go_on_to_key(enrollment)
    return enrollment, (StoreTrust(enrollment.attempt),)


def _knows_the_request(enrollment: Enrollment, found: Trust) -> bool:
    """Whether a request that is under way goes on with what was found: its CA is the same, with other RAs perhaps."""
    request, staged = enrollment.journal.request, enrollment.journal.staged
    if request is None or request.bootstrap_identity != found.bootstrap_identity:
        return False
    was_staged = staged is not None and staged.succeeds and staged.certificates[:1] == found.certificates[:1]
    return not found.succeeds or was_staged


def _note_trust(enrollment: Enrollment) -> Step:
    staged = enrollment.journal.staged
    trust = None if staged is None else replace(staged, certificates=())
    enrollment = replace(enrollment, keystore=replace(enrollment.keystore, has_trust=True))
    return _go_on_to_key(with_journal(enrollment, staged=None, trust=trust))


def _go_on_to_key(enrollment: Enrollment) -> Step:
    """Trust is there; a key that is to be made may take minutes, so that is remembered, else with the request."""
    enrollment, actions = requesting.prepare_key(enrollment)
    made_anew = PrepareKey(enrollment.attempt, reuse=False)
    return enrollment, (Remember(), *actions) if made_anew in actions else actions


def _seek_next_ca(enrollment: Enrollment) -> Step:
    identity = enrollment.keystore.identity
    if blocked(enrollment) is not None or identity is None or not trust_is_current(enrollment):
        return enrollment, ()
    attempt = enrollment.attempt + 1
    return replace(enrollment, state=State.CHECKING_CA, attempt=attempt), (SeekNextCa(attempt),)


def _take_next_ca(enrollment: Enrollment, trust: Trust | None, outcome: str, now: datetime) -> Step:
    """Stage the CA's successor, and have the identity renewed under it; both CAs are trusted until the old expires."""
    if trust is not None and is_declined(enrollment, trust):
        trust, outcome = None, successor.DECLINED
    enrollment = with_journal(enrollment, ca_checked_at=now, ca_check=outcome)
    problem = enrollment.journal.problem
    if trust is not None:
        staged = replace(with_experience(trust, enrollment.journal.trust), succeeds=True)
        if problem is not None and problem.state is State.REFUSED:
            enrollment = with_journal(enrollment, asked=None)  # the move is a renewal, and that was refused
        enrollment = successor.moved_to(enrollment, staged)
    elif problem is not None and problem.state is State.REFUSED:
        enrollment, actions = _go_on_refused(replace(enrollment, state=State.REFUSED), problem, now)
        return enrollment, (Remember(), *actions)
    enrollment, actions = _proceed(enrollment, now)
    return enrollment, (Remember(), *actions)


def _settle(before: Enrollment, failed: Step) -> Step:
    """What follows a try that has not succeeded, if it is not only to wait: something else takes its place."""
    enrollment, _ = failed
    problem = enrollment.journal.problem
    if problem is None or enrollment.state in UNDER_WAY:
        return failed
    if precedence.gives_way(enrollment, problem.at):
        return _give_way(enrollment, problem.at)
    if precedence.comes_back(enrollment, problem):
        outcome = f"the present CA did not renew the certificate, and its successor is asked again: {problem.message}"
        enrollment = precedence.gone_on_with(enrollment)
        if moves_to_successor(enrollment):
            enrollment = with_journal(enrollment, ca_check=outcome)
        enrollment, actions = _proceed(enrollment, problem.at)
        return enrollment, (Remember(), *actions)
    left = successor.left(before, enrollment, problem)
    if left is None:
        return precedence.in_turn(enrollment), failed[1]
    if not left.present_ca_is_asked:
        return left.enrollment, failed[1]
    enrollment = left.enrollment
    if enrollment.journal.set_aside is not None:
        enrollment = precedence.gone_on_with(enrollment)  # the present CA has been asked
    enrollment, actions = _proceed(enrollment, problem.at)
    return enrollment, (Remember(), *actions)


def _finish(enrollment: Enrollment, now: datetime) -> Step:
    enrollment = requesting.note_challenge(enrollment, now)
    journal = enrollment.journal
    trust = journal.trust
    if journal.staged is not None:
        trust = replace(journal.staged, certificates=(), succeeds=False, rolled_over=False)
    if trust is not None:
        trust = requesting.learn(enrollment, trust)
    enrollment = renewed(
        replace(
            enrollment,
            state=State.ENROLLED,
            journal=replace(
                journal,
                asked=None,
                trust=trust,
                staged=None,
                former=None,
                declined=journal.declined if journal.staged is None else None,
                request=None,
                attempts=0,
                next_attempt_at=None,
                problem=None,
                digest=enrollment.configured.digest,
                refused_when_due=False,
            ),
        ),
        has_trust=True,
    )
    moved_to = journal.staged if journal.staged is not None and journal.staged.succeeds else None
    enrollment = precedence.gone_on_after_renewal(enrollment, moved_to)
    hindrance = blocked(enrollment)
    if hindrance is not None:
        return replace(enrollment, state=hindrance), (Remember(),)
    # Certificates may be renewed more often than the CA is looked at.
    goes_on = enrollment.journal.request is not None or enrollment.journal.asked is not None
    enrollment, actions = _proceed(enrollment, now) if goes_on else _rest(enrollment, now)
    return enrollment, (Remember(), *(action for action in actions if action != Remember()))
