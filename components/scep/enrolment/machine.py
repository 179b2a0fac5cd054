"""The enrolment as a pure state machine: `step(enrollment, event) -> (enrollment, actions)`.

No I/O, clock, thread or lock is here; events bring the time and a random number with them. The component
performs the actions in their order and feeds what came of them back. What survives a restart is in `journal`;
the action `Remember` stands before every action after which a crash must find it there.

What holds at every moment: the stored identity and trust stay until their successors are complete, then both
change in one commit; nothing that carries the challenge password is made before trust is verified; a request
that was begun goes on with the same key and transaction id until it ends.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from components.scep.enrolment.facts import (
    Configured,
    IdentityFacts,
    Journal,
    KeyFacts,
    KeystoreFacts,
    Problem,
    Request,
    State,
    Trust,
)

if TYPE_CHECKING:
    from datetime import datetime

LONGEST_PAUSE_S: Final = 6 * 3600
"""Retries are never further apart, in seconds."""

SHORTEST_PAUSE_S: Final = 1.0

_UNDER_WAY: Final = frozenset({State.BOOTSTRAPPING, State.GENERATING_KEY, State.REQUESTING})
RETRIED: Final = frozenset(
    {State.UNREACHABLE, State.INVALID_RESPONSE, State.UNTRUSTED_CA, State.KEYSTORE_ERROR, State.PENDING}
)
"""The states that end by themselves, at `journal.next_attempt_at`."""


@dataclass(frozen=True, slots=True)
class Enrollment:
    """All that the machine knows.

    Attributes:
        attempt: The number of the try that is under way; what earlier ones bring is ignored.
        asked: Whether somebody asked for a new certificate though there is one.
    """

    state: State
    configured: Configured
    keystore: KeystoreFacts
    journal: Journal
    attempt: int = 0
    asked: bool = False


@dataclass(frozen=True, slots=True)
class Began:
    """The component was activated."""

    now: datetime


@dataclass(frozen=True, slots=True)
class SettingsChanged:
    """Properties changed that do not make it bootstrap."""

    now: datetime
    configured: Configured


@dataclass(frozen=True, slots=True)
class CaVerified:
    """The server was found, and its CA certificates fit what is pinned."""

    attempt: int
    trust: Trust


@dataclass(frozen=True, slots=True)
class TrustStored:
    """The staged CA certificates are in the keystore."""

    attempt: int


@dataclass(frozen=True, slots=True)
class KeyReady:
    """The key is in the keystore; `transaction_id` is a fresh one, for a request that is not begun yet."""

    attempt: int
    key: KeyFacts
    transaction_id: str


@dataclass(frozen=True, slots=True)
class CertificateIssued:
    """The certificate came and was checked."""

    attempt: int
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class IdentityStored:
    """The certificate, its key and the CA certificates are in the keystore."""

    attempt: int
    identity: IdentityFacts


@dataclass(frozen=True, slots=True)
class Failed:
    """A try ended with a problem; `jitter` is a random number from 0 to 1."""

    attempt: int
    problem: Problem
    jitter: float


@dataclass(frozen=True, slots=True)
class TimerDue:
    """The time that was waited for has come."""

    now: datetime


@dataclass(frozen=True, slots=True)
class EnrollAsked:
    """A person or program asks for a certificate now."""

    now: datetime


Event = (
    Began
    | SettingsChanged
    | CaVerified
    | TrustStored
    | KeyReady
    | CertificateIssued
    | IdentityStored
    | Failed
    | TimerDue
    | EnrollAsked
)


@dataclass(frozen=True, slots=True)
class LocateServer:
    """Find the server, fetch its CA certificates, verify them against the pin."""

    attempt: int


@dataclass(frozen=True, slots=True)
class StoreTrust:
    """Put the staged CA certificates into the keystore."""

    attempt: int


@dataclass(frozen=True, slots=True)
class PrepareKey:
    """Have a key in the keystore: the one that is there, or a new one."""

    attempt: int
    reuse: bool


@dataclass(frozen=True, slots=True)
class SendRequest:
    """Build the request from the settings, the trust and the key, send it, check the reply."""

    attempt: int
    transaction_id: str


@dataclass(frozen=True, slots=True)
class StoreIdentity:
    """Put certificate, key and staged CA certificates into the keystore, in one commit."""

    attempt: int


@dataclass(frozen=True, slots=True)
class Remember:
    """Make the journal durable."""


@dataclass(frozen=True, slots=True)
class WakeAt:
    """Send `TimerDue` at this time."""

    when: datetime


Action = LocateServer | StoreTrust | PrepareKey | SendRequest | StoreIdentity | Remember | WakeAt


def step(enrollment: Enrollment, event: Event) -> tuple[Enrollment, tuple[Action, ...]]:
    """Take one event in; give the new state and what is to be done now, in order."""
    match event:
        case Began(now):
            return _begin(enrollment, now)
        case SettingsChanged(now, configured):
            return _change(enrollment, configured, now)
        case TimerDue(now):
            return _wake(enrollment, now)
        case EnrollAsked():
            return _proceed(_fresh(replace(enrollment, asked=True)))
        case _ if event.attempt != enrollment.attempt or enrollment.state not in _UNDER_WAY:
            return enrollment, ()
        case CaVerified(_, trust):
            return _take_trust(enrollment, trust)
        case TrustStored():
            return _note_trust(enrollment)
        case KeyReady(_, key, transaction_id):
            return _send(enrollment, key, transaction_id)
        case CertificateIssued(attempt, warnings):
            return _with_journal(enrollment, warnings=warnings), (StoreIdentity(attempt),)
        case IdentityStored(_, identity):
            return _finish(enrollment, identity)
        case Failed(_, problem, jitter):
            return _fail(enrollment, problem, jitter)


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


def _begin(enrollment: Enrollment, now: datetime) -> tuple[Enrollment, tuple[Action, ...]]:
    """Go on where the journal says; trust that was derived from other properties is none, even if they come back."""
    if enrollment.journal.trust is not None and not trust_is_current(enrollment):
        enrollment, actions = _resume(_with_journal(enrollment, trust=None), now)
        return enrollment, (Remember(), *actions)
    return _resume(enrollment, now)


def _resume(enrollment: Enrollment, now: datetime) -> tuple[Enrollment, tuple[Action, ...]]:
    journal, identity = enrollment.journal, enrollment.keystore.identity
    request = journal.request
    current = request is not None and request.bootstrap_identity == enrollment.configured.bootstrap_identity
    if request is not None and not current:
        enrollment = _with_journal(enrollment, request=None)
        journal = enrollment.journal
    elif request is not None and identity is not None and _completes(request, identity):
        return _finish(replace(enrollment, state=State.REQUESTING), identity)
    waits = journal.problem is not None and journal.digest == enrollment.configured.digest
    if waits and journal.problem is not None and _wants_identity(enrollment) and not _blocked(enrollment):
        if journal.problem.state is State.REFUSED:
            return replace(enrollment, state=State.REFUSED), ()
        if journal.next_attempt_at is not None and journal.next_attempt_at > now:
            latest = now + timedelta(seconds=LONGEST_PAUSE_S)
            when = min(journal.next_attempt_at, latest)
            waiting = _with_journal(replace(enrollment, state=journal.problem.state), next_attempt_at=when)
            return waiting, (WakeAt(when),)
    return _proceed(enrollment)


def _completes(request: Request, identity: IdentityFacts) -> bool:
    """Whether the stored identity is what the request asked for: a crash came between storing and noting it."""
    return identity.key_sha256 == request.key_sha256 and identity.sha256 != request.replaces


def _change(enrollment: Enrollment, configured: Configured, now: datetime) -> tuple[Enrollment, tuple[Action, ...]]:
    before = enrollment.configured
    enrollment = replace(enrollment, configured=configured)
    same = (configured.digest, configured.enabled, configured.problems) == (
        before.digest,
        before.enabled,
        before.problems,
    )
    if not same:
        return _proceed(_fresh(enrollment))
    waits_for = enrollment.journal.next_attempt_at
    if configured.retry_interval_s < before.retry_interval_s and enrollment.state in RETRIED and waits_for:
        when = min(waits_for, now + timedelta(seconds=configured.retry_interval_s))
        return _with_journal(enrollment, next_attempt_at=when), (Remember(), WakeAt(when))
    return enrollment, ()


def _wake(enrollment: Enrollment, now: datetime) -> tuple[Enrollment, tuple[Action, ...]]:
    due = enrollment.journal.next_attempt_at
    if enrollment.state not in RETRIED or due is None or due > now:
        return enrollment, ()
    return _proceed(_with_journal(enrollment, next_attempt_at=None))


def _fresh(enrollment: Enrollment) -> Enrollment:
    """Forget earlier failures; a request that was refused is over."""
    refused = enrollment.state is State.REFUSED
    request = None if refused else enrollment.journal.request
    return _with_journal(enrollment, attempts=0, next_attempt_at=None, problem=None, request=request)


def _blocked(enrollment: Enrollment) -> State | None:
    if not enrollment.configured.enabled:
        return State.DISABLED
    return State.MISCONFIGURED if enrollment.configured.problems else None


def _wants_identity(enrollment: Enrollment) -> bool:
    return (
        enrollment.keystore.identity is None
        or enrollment.asked
        or enrollment.journal.request is not None
        or not trust_is_current(enrollment)
    )


def _proceed(enrollment: Enrollment) -> tuple[Enrollment, tuple[Action, ...]]:
    """Do what comes next, as a new try."""
    attempt = enrollment.attempt + 1
    enrollment = replace(enrollment, attempt=attempt)
    blocked = _blocked(enrollment)
    if blocked is not None:
        return replace(enrollment, state=blocked), ()
    if not _wants_identity(enrollment):
        return replace(enrollment, state=State.ENROLLED), ()
    if not trust_is_current(enrollment) and not staged_is_current(enrollment):
        return replace(enrollment, state=State.BOOTSTRAPPING), (LocateServer(attempt),)
    return _prepare_key(enrollment)


def _take_trust(enrollment: Enrollment, trust: Trust) -> tuple[Enrollment, tuple[Action, ...]]:
    enrollment = _with_journal(enrollment, staged=trust, request=None)
    if enrollment.keystore.identity is not None:
        enrollment, actions = _prepare_key(enrollment)
        return enrollment, (Remember(), *actions)
    return enrollment, (StoreTrust(enrollment.attempt),)


def _note_trust(enrollment: Enrollment) -> tuple[Enrollment, tuple[Action, ...]]:
    staged = enrollment.journal.staged
    trust = None if staged is None else replace(staged, certificates=())
    enrollment = replace(enrollment, keystore=replace(enrollment.keystore, has_trust=True))
    enrollment, actions = _prepare_key(_with_journal(enrollment, staged=None, trust=trust))
    return enrollment, (Remember(), *actions)


def _prepare_key(enrollment: Enrollment) -> tuple[Enrollment, tuple[Action, ...]]:
    key, request, identity = (
        enrollment.keystore.request_key,
        enrollment.journal.request,
        enrollment.keystore.identity,
    )
    if key is None:
        reuse = False
    elif request is not None:
        reuse = key.sha256 == request.key_sha256
    else:
        unused = identity is None or identity.key_sha256 != key.sha256
        reuse = unused and key.size == enrollment.configured.key_size
    return replace(enrollment, state=State.GENERATING_KEY), (PrepareKey(enrollment.attempt, reuse),)


def _send(enrollment: Enrollment, key: KeyFacts, transaction_id: str) -> tuple[Enrollment, tuple[Action, ...]]:
    request, identity = enrollment.journal.request, enrollment.keystore.identity
    if request is None or request.key_sha256 != key.sha256:
        replaces = None if identity is None else identity.sha256
        request = Request(transaction_id, key.sha256, replaces, enrollment.configured.bootstrap_identity)
    enrollment = replace(
        _with_journal(enrollment, request=request, digest=enrollment.configured.digest),
        state=State.REQUESTING,
        keystore=replace(enrollment.keystore, request_key=key),
    )
    return enrollment, (Remember(), SendRequest(enrollment.attempt, request.transaction_id))


def _finish(enrollment: Enrollment, identity: IdentityFacts) -> tuple[Enrollment, tuple[Action, ...]]:
    journal = enrollment.journal
    trust = replace(journal.staged, certificates=()) if journal.staged is not None else journal.trust
    enrollment = replace(
        enrollment,
        state=State.ENROLLED,
        asked=False,
        keystore=replace(enrollment.keystore, identity=identity, has_trust=True),
        journal=Journal(trust=trust, digest=enrollment.configured.digest, warnings=journal.warnings),
    )
    blocked = _blocked(enrollment)
    return (enrollment if blocked is None else replace(enrollment, state=blocked)), (Remember(),)


def _fail(enrollment: Enrollment, problem: Problem, jitter: float) -> tuple[Enrollment, tuple[Action, ...]]:
    enrollment = replace(
        _with_journal(enrollment, problem=problem, digest=enrollment.configured.digest), state=problem.state
    )
    if problem.state not in RETRIED:
        refused = _with_journal(enrollment, request=None, attempts=0, next_attempt_at=None)
        return refused, (Remember(),)
    if problem.state is State.PENDING:
        pause_s, attempts = float(enrollment.configured.retry_interval_s), 0
    else:
        attempts = enrollment.journal.attempts + 1
        grown = enrollment.configured.retry_interval_s * 2.0 ** min(attempts - 1, 20)
        pause_s = max(SHORTEST_PAUSE_S, jitter * min(grown, LONGEST_PAUSE_S))
    when = problem.at + timedelta(seconds=pause_s)
    return _with_journal(enrollment, attempts=attempts, next_attempt_at=when), (Remember(), WakeAt(when))


def _with_journal(enrollment: Enrollment, **changes: object) -> Enrollment:
    return replace(enrollment, journal=replace(enrollment.journal, **changes))  # type: ignore[arg-type]  # names are ours
