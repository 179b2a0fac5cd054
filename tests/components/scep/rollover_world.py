"""A world round one enrolment machine in which its CA has a successor: what each asks for, and what it is answered."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from components.scep.enrolment import (
    UNDER_WAY,
    Action,
    Began,
    CaVerified,
    CertificateIssued,
    Configured,
    DropSuperseded,
    Enrollment,
    Event,
    Failed,
    FormRefused,
    FormUnanswered,
    IdentityFacts,
    IdentityStored,
    Journal,
    KeyFacts,
    KeyReady,
    KeystoreFacts,
    LocateServer,
    NextCaSought,
    PollUnsupported,
    PrepareKey,
    Problem,
    Purpose,
    Remember,
    ReplySealed,
    RequestUnknown,
    SeekNextCa,
    SendPoll,
    SendRequest,
    State,
    StoreIdentity,
    SupersededDropped,
    TakeEnrolledKey,
    TimerDue,
    Trust,
    Validity,
    WakeAt,
    step,
)
from tests.components.scep.enrolment_states import CONFIGURED, NOW

LIFE = timedelta(days=30)
ROLLS = replace(CONFIGURED, renew=True, rollover=True, lead_hours=240)
OFFERED = ("aes", "getnextcacert", "renewal", "sha-256")
PRESENT = Trust("A", "http://ca/scep", OFFERED)
SUCCESSOR = replace(PRESENT, certificates=("NEXT",), succeeds=True)

Replies = list[str]


@dataclass
class RolloverWorld:
    """Time goes on from one wake-up to the next; each list of replies is used up, and its last one is for ever.

    Attributes:
        under_successor: What the server answers to requests under the CA's successor.
        renewals: What it answers to renewals under the present CA.
        others: What it answers to whatever else is asked of the present CA.
        approved_at: When pending requests under the successor are approved, or None.
        appears_at: When the server first tells of the successor.
        rolls_over_at: When it shows the successor only, which somebody must have looked for before.
        successor_renews: Whether that renews from then on, whatever becomes of other requests under it.
        asked: What a person asks for, and when.
        ca_ends_at: When the present CA's certificate expires.
        crashes: After how many more actions the gateway crashes, each time.
    """

    under_successor: Replies = field(default_factory=list)
    renewals: Replies = field(default_factory=list)
    others: Replies = field(default_factory=list)
    approved_at: datetime | None = None
    appears_at: datetime = NOW
    rolls_over_at: datetime | None = None
    successor_renews: bool = False
    asked: list[tuple[datetime, Event]] = field(default_factory=list)
    crashes: list[int] = field(default_factory=list)
    configured: Configured = ROLLS
    now: datetime = NOW
    ca_ends_at: datetime = NOW + timedelta(days=200)
    ca: Validity = field(init=False)
    keystore: KeystoreFacts = field(init=False)
    disk: Journal = field(default_factory=lambda: Journal(trust=PRESENT, digest=ROLLS.digest))
    wake_at: datetime | None = None
    was_found: bool = False
    moved: bool = False
    issued: int = 0
    made: int = 0
    fresh_ids: int = 0
    sent: Counter[int] = field(default_factory=Counter)
    keys: dict[str, str] = field(default_factory=dict)
    transactions: dict[str, tuple[bool, Purpose]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.ca = Validity(NOW - timedelta(days=300), self.ca_ends_at)
        identity = IdentityFacts("c0", "key-0", serial="1", validity=Validity(NOW, NOW + LIFE))
        self.keystore = KeystoreFacts(True, identity, None, ca=self.ca)

    def live(self, until: datetime) -> Enrollment:
        """Live on; fails where the certificate runs out, the machine stands still, or there is a storm."""
        self.asked.sort(key=lambda one: one[0])
        state = self.run(self.born(), Began(self.now))
        while self.now < until:
            assert self.wake_at is not None, f"nothing is waited for: {state}"
            assert state.state not in UNDER_WAY, f"nothing comes of what is under way: {state}"
            due = min(max(self.wake_at, self.now), self.now + timedelta(days=1))
            if self.asked and self.asked[0][0] <= due:
                when, event = self.asked.pop(0)
                self.now = max(self.now, when)
                state = self.run(state, replace(event, now=self.now))  # type: ignore[arg-type]  # what is asked has it
            else:
                self.now = due
                state = self.run(state, TimerDue(self.now))
            self.check(state)
        return state

    def check(self, state: Enrollment) -> None:
        identity = self.keystore.identity
        assert identity is not None, "the identity was lost"
        assert identity.validity is not None
        assert identity.validity.not_after > self.now, f"a valid certificate was lost: {state}"
        assert not self.sent or max(self.sent.values()) <= 60, "a storm of requests"

    def born(self) -> Enrollment:
        self.wake_at = None
        return Enrollment(State.DISABLED, self.configured, self.keystore, self.disk)

    def run(self, state: Enrollment, event: Event) -> Enrollment:
        state, queue = step(state, event)
        for _ in range(100):
            if not queue:
                return state
            if self.crashes and self.crashes[0] == 0:
                self.crashes.pop(0)
                state, queue = step(self.born(), Began(self.now))
                continue
            if self.crashes:
                self.crashes[0] -= 1
            answer, queue = self.perform(state, queue[0]), queue[1:]
            if answer is not None:
                state, more = step(state, answer)
                queue = (*queue, *more)
        raise AssertionError(f"it never comes to rest: {state}")

    def perform(self, state: Enrollment, action: Action) -> Event | None:  # noqa: C901, PLR0912  # one case an action
        match action:
            case LocateServer(attempt):
                return self.shown(state, attempt)
            case SeekNextCa(attempt):
                if self.moved or self.now < self.appears_at or self.is_rolled_over:
                    return NextCaSought(attempt, self.now, None, "none yet")
                return NextCaSought(attempt, self.now, SUCCESSOR, "found")
            case PrepareKey(attempt, reuse):
                key = self.keystore.request_key
                if not reuse or key is None:
                    self.made += 1
                    key = KeyFacts(f"key-{self.made}", 2048)
                    self.keystore = replace(self.keystore, request_key=key)
                return KeyReady(attempt, key, self.fresh())
            case TakeEnrolledKey(attempt):
                assert self.keystore.identity is not None
                return KeyReady(attempt, KeyFacts(self.keystore.identity.key_sha256, 2048), self.fresh())
            case SendRequest(attempt, transaction_id, purpose, form):
                return self.answer(attempt, transaction_id, purpose, is_renewal=form is not None)
            case SendPoll(attempt, transaction_id, purpose):
                return self.answer(attempt, transaction_id, purpose, is_poll=True)
            case StoreIdentity(attempt):
                self.store()
                return IdentityStored(attempt, self.keystore, self.now)
            case DropSuperseded(attempt):
                self.keystore = replace(self.keystore, superseded_until=None)
                return SupersededDropped(attempt, self.now)
            case Remember():
                self.disk = state.journal
                self.was_found |= self.disk.declined is not None or self.disk.staged == SUCCESSOR
                return None
            case WakeAt(when):
                self.wake_at = when
                return None
            case _:
                raise AssertionError(f"{action} belongs to first enrolments")

    @property
    def is_rolled_over(self) -> bool:
        return self.was_found and self.rolls_over_at is not None and self.now >= self.rolls_over_at

    def shown(self, state: Enrollment, attempt: int) -> Event:
        """What a look at the server brings: the present CA as it is known, or the successor."""
        staged = state.journal.staged
        moves = staged is not None and staged.succeeds
        if self.moved or not (moves or self.is_rolled_over):
            return CaVerified(attempt, PRESENT)
        if not moves and state.journal.declined is None:
            return Failed(attempt, self.problem(State.UNTRUSTED_CA, "UntrustedCaError"), 1.0)
        return CaVerified(attempt, replace(SUCCESSOR, rolled_over=self.is_rolled_over))

    def answer(
        self, attempt: int, transaction_id: str, purpose: Purpose, *, is_renewal: bool = False, is_poll: bool = False
    ) -> Event:
        request = self.disk.request
        assert request is not None, "a request left before the journal had it"
        assert request.transaction_id == transaction_id
        assert self.keys.setdefault(transaction_id, request.key_sha256) == request.key_sha256, "two keys, one request"
        moves = self.disk.staged is not None and self.disk.staged.succeeds
        what = (moves or self.moved, purpose)
        assert self.transactions.setdefault(transaction_id, what) == what, "one transaction, two requests"
        self.sent[(self.now - NOW) // timedelta(days=1)] += 1
        assert request.replaces == (self.keystore.identity and self.keystore.identity.sha256)
        if moves:
            approved = self.approved_at is not None and self.now >= self.approved_at
            approved |= self.successor_renews and self.is_rolled_over and purpose is Purpose.RENEW
            reply = "issue" if approved else next_of(self.under_successor, "pending")
        elif purpose is Purpose.RENEW:
            reply = "issue" if self.moved else "fail" if self.is_rolled_over else next_of(self.renewals, "issue")
        else:
            reply = next_of(self.others, "pending")
        return self.reply(attempt, reply, is_renewal=is_renewal, is_poll=is_poll)

    def reply(self, attempt: int, reply: str, *, is_renewal: bool, is_poll: bool) -> Event:
        refused = self.problem(State.REFUSED, "badRequest")
        broken = self.problem(State.INVALID_RESPONSE, "HttpStatusError")
        match reply:
            case "issue":
                return CertificateIssued(attempt, ())
            case "pending":
                return Failed(attempt, self.problem(State.PENDING, "pending"), 0.5)
            case "refuse":
                return FormRefused(attempt, refused, self.fresh(), 0.5) if is_renewal else Failed(attempt, refused, 0.5)
            case "fail" if is_renewal:
                return FormUnanswered(attempt, broken, self.fresh(), 0.5)
            case "fail" if is_poll:
                return PollUnsupported(attempt, self.now)
            case "unknown" if is_poll:
                return RequestUnknown(attempt, self.now, self.fresh())
            case "sealed":
                return ReplySealed(attempt, self.problem(State.INVALID_RESPONSE, "EnvelopeError"), 0.5)
            case "unstored":
                return Failed(attempt, self.problem(State.KEYSTORE_ERROR, "KeystoreError"), 0.5)
            case "down":
                return Failed(attempt, self.problem(State.UNREACHABLE, "TransportError"), 0.5)
            case _:
                return Failed(attempt, self.problem(State.INVALID_RESPONSE, "UntrustedSignerError"), 0.5)

    def store(self) -> None:
        request, staged = self.disk.request, self.disk.staged
        assert request is not None
        if staged is not None and staged.succeeds:
            self.keystore = replace(self.keystore, superseded_until=self.ca.not_after)
            self.ca, self.moved = Validity(self.now, self.now + timedelta(days=3650)), True
        self.issued += 1
        validity = Validity(self.now, min(self.now + LIFE, self.ca.not_after))
        identity = IdentityFacts(f"c{self.issued}", request.key_sha256, serial=f"{self.issued:x}", validity=validity)
        self.keystore = replace(self.keystore, identity=identity, ca=self.ca)

    def problem(self, state: State, kind: str) -> Problem:
        return Problem(state, kind, kind, "", self.now)

    def fresh(self) -> str:
        self.fresh_ids += 1
        return f"t{self.fresh_ids}"


def next_of(replies: Replies, otherwise: str) -> str:
    """The next reply; the last one for ever."""
    if not replies:
        return otherwise
    return replies.pop(0) if len(replies) > 1 else replies[0]
