"""A request from its key to its end: prepared, sent, polled, sent in another form, failed."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from components.scep.enrolment.events import (
    FormRefused,
    FormUnanswered,
    PrepareKey,
    Remember,
    ReplySealed,
    RequestUnknown,
    SendPoll,
    SendRequest,
    TakeEnrolledKey,
    WakeAt,
)
from components.scep.enrolment.facts import NOT_REACHED, RETRIED, TOO_LONG, Problem, Purpose, Request, State
from components.scep.enrolment.knowledge import (
    may_be_weaker,
    moves_to_successor,
    nothing_to_renew,
    record_of_server,
    trust_is_current,
    with_journal,
    without_weaker,
)
from components.scep.enrolment.precedence import FAILURES_TO_LEAVE, due_purpose, sooner
from components.scep.enrolment.rest import refusal_ends_at
from components.scep.enrolment.timing import LONGEST_PENDING, is_plausible, poll_pause_s, retry_pause_s
from components.scep.transaction import Capabilities, renewal_forms

if TYPE_CHECKING:
    from datetime import datetime

    from components.scep.enrolment.events import Action, Enrollment, PollUnsupported
    from components.scep.enrolment.facts import KeyFacts, Trust
    from components.scep.transaction import RenewalForm


def can_go_on(enrollment: Enrollment, request: Request) -> bool:
    """Whether what a request was begun with is still there, and is what is asked for now.

    The same transaction with another subject or key would be refused, or polled for in vain (RFC 8894 3.2.1.1).
    """
    identity = enrollment.keystore.identity
    if request.digest not in ("", enrollment.configured.digest):
        return False
    if request.purpose is Purpose.ENROLL:
        return True
    if identity is None or nothing_to_renew(enrollment):
        return False
    if identity.sha256 != request.replaces or not identity.fits_key:
        return False
    return request.purpose is Purpose.REKEY or identity.key_sha256 == request.key_sha256


def prepare_key(enrollment: Enrollment) -> tuple[Enrollment, tuple[Action, ...]]:
    """Have the key for what is aimed at: for a renewal the one that is enrolled."""
    key, request, identity = (
        enrollment.keystore.request_key,
        enrollment.journal.request,
        enrollment.keystore.identity,
    )
    enrollment = replace(enrollment, state=State.GENERATING_KEY)
    if enrollment.aim is Purpose.RENEW:
        return enrollment, (TakeEnrolledKey(enrollment.attempt),)
    if key is None:
        reuse = False
    elif request is not None:
        reuse = key.sha256 == request.key_sha256
    else:
        unused = identity is None or identity.key_sha256 != key.sha256
        reuse = unused and key.size == enrollment.configured.key_size
    return enrollment, (PrepareKey(enrollment.attempt, reuse),)


def send(enrollment: Enrollment, key: KeyFacts, transaction_id: str) -> tuple[Enrollment, tuple[Action, ...]]:
    """Send the request that was begun, or begin one."""
    request, identity = enrollment.journal.request, enrollment.keystore.identity
    if request is None or request.key_sha256 != key.sha256:
        replaces = None if identity is None else identity.sha256
        configured, record = enrollment.configured, record_of_server(enrollment)
        request = Request(
            transaction_id,
            key.sha256,
            replaces,
            configured.bootstrap_identity,
            enrollment.aim,
            digest=configured.digest,
            weaker=record is not None and record.weaker,
        )
    request = replace(request, weaker=request.weaker and may_be_weaker(enrollment))
    if enrollment.aim is not Purpose.RENEW:
        enrollment = replace(enrollment, keystore=replace(enrollment.keystore, request_key=key))
    return _dispatch(enrollment, request)


def go_on(
    enrollment: Enrollment, event: FormRefused | FormUnanswered | ReplySealed | PollUnsupported | RequestUnknown
) -> tuple[Enrollment, tuple[Action, ...]]:
    """Go on with a request that did not succeed as it was sent."""
    match event:
        case FormRefused() | FormUnanswered():
            return _leave_form(enrollment, event)
        case ReplySealed():
            return _weaken(enrollment, event)
        case _:
            return _leave_poll(enrollment, event)


def _weaken(enrollment: Enrollment, event: ReplySealed) -> tuple[Enrollment, tuple[Action, ...]]:
    """Go on with a request whose reply cannot be opened: once more in what older servers can do (RFC 8894 3.5.2).

    The server is remembered for it when that brings the certificate. If it brings another such reply, it is no help,
    and what is offered is sent again later, also to a server that it had helped with before.
    """
    request = enrollment.journal.request
    if request is not None and not request.weaker and may_be_weaker(enrollment):
        return _dispatch(enrollment, replace(request, weaker=True))
    return fail(without_weaker(enrollment), event.problem, event.jitter)


def _leave_form(enrollment: Enrollment, event: FormRefused | FormUnanswered) -> tuple[Enrollment, tuple[Action, ...]]:
    """Go on with a renewal that did not succeed in its form.

    A form that was refused is followed by the next one at once. When all were tried, the renewal is refused if the
    CA itself refused each; what came in between from its HTTP server is no decision, so all are tried again later.
    Where the server only failed, the same form is tried again later, and the next one when it goes on failing.
    """
    request = enrollment.journal.request
    if request is None:
        return fail(enrollment, event.problem, event.jitter)
    if isinstance(event, FormUnanswered):
        if enrollment.journal.attempts + 1 >= FAILURES_TO_LEAVE:
            left = _next_form(enrollment, replace(request, unanswered=event.problem), event.transaction_id)
            enrollment = with_journal(enrollment, request=left)
        return fail(enrollment, event.problem, event.jitter)
    if _wants_better(enrollment, request):
        better = without_weaker(enrollment)
        return _dispatch(better, replace(request, transaction_id=event.transaction_id, form=0, weaker=False))
    request = replace(request, refused=event.problem) if event.by_ca else replace(request, unanswered=event.problem)
    following = _next_form(enrollment, request, event.transaction_id)
    if following.form > request.form:
        return _dispatch(enrollment, following)
    if request.unanswered is None:
        return fail(enrollment, event.problem, event.jitter)
    unanswered = replace(request.unanswered, at=event.problem.at)
    return fail(with_journal(enrollment, request=following), unanswered, event.jitter)


def _wants_better(enrollment: Enrollment, request: Request) -> bool:
    """Whether a server that was remembered for weaker algorithms may take them no more.

    It need not say so (badAlg): what it cannot open may be a badMessageCheck to it, or an HTTP error. What is offered
    is then sent in all forms, but not right after the challenge password went out: the next form carries none.
    """
    record, form = record_of_server(enrollment), _form(enrollment, request)
    remembered = record is not None and record.weaker and request.weaker
    return remembered and form is not None and not form.challenge


def _next_form(enrollment: Enrollment, request: Request, transaction_id: str) -> Request:
    """The request in its next form; in the first one again, and as if nothing had been said, after the last."""
    begun_anew = replace(request, transaction_id=transaction_id, pending_since=None, polls=0)
    if request.form + 1 < len(_forms(enrollment)):
        return replace(begun_anew, form=request.form + 1)
    return replace(begun_anew, form=0, refused=None, unanswered=None)


def _leave_poll(
    enrollment: Enrollment, event: PollUnsupported | RequestUnknown
) -> tuple[Enrollment, tuple[Action, ...]]:
    """Go on with a request that the server cannot be asked about.

    One that the CA does not know is begun anew, once. Where that one is not known either, or CertPoll is not, the
    same request is sent again until the CA has decided.
    """
    request = enrollment.journal.request
    if request is None:
        return enrollment, ()
    if isinstance(event, RequestUnknown) and not request.begun_anew:
        anew = replace(request, transaction_id=event.transaction_id, pending_since=None, polls=0, begun_anew=True)
        return _dispatch(enrollment, anew)
    enrollment = with_journal(enrollment, request=replace(request, polled=False))
    pending = Problem(
        State.PENDING,
        "pending",
        "the CA has the request and has yet to decide; it does not know CertPoll",
        "have the request approved at the CA; the same request is sent again until it is",
        event.now,
    )
    return fail(enrollment, pending, 1.0)


def learn(enrollment: Enrollment, trust: Trust) -> Trust:
    """What the request that brought the certificate tells of the server: in which form it took it, and how weak."""
    request = enrollment.journal.request
    if request is None:
        return trust
    form = _form(enrollment, request)
    return replace(trust, weaker=request.weaker, renewal_form=trust.renewal_form if form is None else _name(form))


def note_challenge(enrollment: Enrollment, now: datetime) -> Enrollment:
    """Note that the challenge password has brought a certificate, if the request carried it; it may be for one use.

    After a crash another one may be configured than went out.
    """
    request, configured = enrollment.journal.request, enrollment.configured
    if request is not None and request.digest not in ("", configured.digest):
        return enrollment
    form = None if request is None else _form(enrollment, request)
    if request is None or not configured.has_challenge or (form is not None and not form.challenge):
        return enrollment
    return with_journal(enrollment, challenge_used=configured.challenge_digest, challenge_used_at=now)


def fail(enrollment: Enrollment, problem: Problem, jitter: float) -> tuple[Enrollment, tuple[Action, ...]]:
    """Wait after a problem: for a time, or for a person."""
    if problem.state is State.PENDING:
        return _wait_for_decision(enrollment, problem)
    if problem.state is not State.KEYSTORE_ERROR:
        enrollment = with_journal(enrollment, look_again=True)
    if _may_be_of_the_algorithms(enrollment, problem):
        enrollment = without_weaker(enrollment)
    enrollment = replace(
        with_journal(enrollment, problem=problem, digest=enrollment.configured.digest), state=problem.state
    )
    if problem.state not in RETRIED:
        if problem.kind != TOO_LONG:
            enrollment = _note_successor(enrollment)
        ended = with_journal(
            enrollment,
            request=None,
            staged=staged_after_refusal(enrollment),
            attempts=0,
            next_attempt_at=None,
            refused_when_due=enrollment.journal.refused_when_due or _is_refused_when_due(enrollment, problem),
        )
        if enrollment.keystore.identity is None:
            return ended, (Remember(),)
        return ended, (Remember(), WakeAt(refusal_ends_at(ended, problem.at, problem.at)))
    attempts = enrollment.journal.attempts + 1
    identity = enrollment.keystore.identity
    validity = None if identity is None else identity.validity
    pause_s = retry_pause_s(attempts, enrollment.configured, jitter, validity, problem.at)
    when = problem.at + timedelta(seconds=max(pause_s, problem.retry_after_s or 0.0))
    enrollment = with_journal(enrollment, attempts=attempts, next_attempt_at=when)
    return enrollment, (Remember(), WakeAt(sooner(enrollment, when, problem.at)))


def _may_be_of_the_algorithms(enrollment: Enrollment, problem: Problem) -> bool:
    """Whether what was sent in weaker algorithms may have failed for them: the server had it, or broke it off."""
    request = enrollment.journal.request
    was_sent = enrollment.state is State.REQUESTING and request is not None and request.weaker
    return was_sent and problem.state is not State.KEYSTORE_ERROR and problem.kind != NOT_REACHED


def _is_refused_when_due(enrollment: Enrollment, problem: Problem) -> bool:
    """Whether the CA has refused what was due by itself, not only asked for, nor only the move to its successor."""
    if moves_to_successor(enrollment) or problem.kind == TOO_LONG:
        return False
    due = due_purpose(enrollment, problem.at)
    return due is not None and due is enrollment.aim


def _note_successor(enrollment: Enrollment) -> Enrollment:
    """Note the CA's successor if it was under it that a certificate was refused; the daily look would ask each day."""
    staged = enrollment.journal.staged
    if staged is None or not staged.succeeds:
        return enrollment
    return with_journal(enrollment, declined=staged, declined_digest=enrollment.configured.digest)


def staged_after_refusal(enrollment: Enrollment) -> Trust | None:
    """What stays staged: nothing beside trust that is current, since a leftover would be a reason to renew.

    What was refused under the CA's successor may be asked of the present CA, and RAs are looked at again anyway.
    """
    return None if trust_is_current(enrollment) else enrollment.journal.staged


def _wait_for_decision(enrollment: Enrollment, problem: Problem) -> tuple[Enrollment, tuple[Action, ...]]:
    request = enrollment.journal.request
    since = _pending_since(enrollment, problem.at)
    polls = 1 if request is None else request.polls + 1
    if problem.at - since > LONGEST_PENDING:
        given_up = Problem(
            State.REFUSED,
            TOO_LONG,
            f"the CA has not decided about the request since {since:%Y-%m-%d %H:%M:%S} UTC",
            "ask the CA's operator about the request; then: gatewright cert enroll",
            problem.at,
        )
        return fail(enrollment, given_up, 1.0)
    when = problem.at + timedelta(seconds=max(poll_pause_s(polls, enrollment.configured), problem.retry_after_s or 0.0))
    if request is not None:
        enrollment = with_journal(enrollment, request=replace(request, pending_since=since, polls=polls))
    enrollment = with_journal(
        enrollment, problem=problem, digest=enrollment.configured.digest, attempts=0, next_attempt_at=when
    )
    enrollment = replace(enrollment, state=State.PENDING)
    return enrollment, (Remember(), WakeAt(sooner(enrollment, when, problem.at)))


def _pending_since(enrollment: Enrollment, now: datetime) -> datetime:
    """Since when the CA has yet to decide; a clock that cannot be right is no news: a machine may have no battery."""
    request, ca = enrollment.journal.request, enrollment.keystore.ca
    known = None if request is None else request.pending_since
    if known is None or not is_plausible(ca, known):
        return now
    return min(known, now) if is_plausible(ca, now) else known


def _dispatch(enrollment: Enrollment, request: Request) -> tuple[Enrollment, tuple[Action, ...]]:
    enrollment = replace(
        with_journal(enrollment, request=request, digest=enrollment.configured.digest), state=State.REQUESTING
    )
    if request.pending_since is not None and request.polled:
        poll = SendPoll(enrollment.attempt, request.transaction_id, request.purpose, request.weaker)
        return enrollment, (Remember(), poll)
    form = _form(enrollment, request)
    return enrollment, (
        Remember(),
        SendRequest(enrollment.attempt, request.transaction_id, request.purpose, form, request.weaker),
    )


def _form(enrollment: Enrollment, request: Request) -> RenewalForm | None:
    if request.purpose is Purpose.ENROLL:
        return None
    forms = _forms(enrollment)
    return forms[min(request.form, len(forms) - 1)]


def _forms(enrollment: Enrollment) -> tuple[RenewalForm, ...]:
    """The forms of a renewal: first the one that this server has taken before."""
    trust = record_of_server(enrollment)
    capabilities = Capabilities(frozenset(() if trust is None else trust.capabilities))
    forms = renewal_forms(capabilities, has_challenge=enrollment.configured.has_challenge)
    known = [form for form in forms if trust is not None and _name(form) == trust.renewal_form]
    return (*known, *(form for form in forms if form not in known))


def _name(form: RenewalForm) -> str:
    return f"{form.message_type.name.lower()}{'+challenge' if form.challenge else ''}"
