"""Ten years of a gateway's life in the pure machine: outages, crashes, refusals, rollovers, clock jumps."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest

from components.scep.enrolment import (
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
    PrepareKey,
    Problem,
    Remember,
    ReplySealed,
    SeekNextCa,
    SendPoll,
    SendRequest,
    State,
    StoreIdentity,
    StoreTrust,
    SupersededDropped,
    TakeEnrolledKey,
    TimerDue,
    Trust,
    TrustStored,
    Validity,
    WakeAt,
    step,
)
from components.scep.transaction import SecurityProfile

BIRTH = datetime(2026, 1, 1, tzinfo=UTC)
LIFE = timedelta(days=90)
CA_LIFE = timedelta(days=3 * 365)
CONFIGURED = Configured(
    enabled=True,
    problems=(),
    bootstrap_identity="A",
    digest="d",
    retry_interval_s=60,
    key_size=2048,
    renew=True,
    rollover=True,
    device="device",
)

OFFERED = ("aes", "des3", "getnextcacert", "renewal", "sha-1", "sha-256")
EMPTY = KeystoreFacts(has_trust=False, identity=None, request_key=None)
FIRST_CA = Validity(BIRTH, BIRTH + CA_LIFE)


@dataclass
class World:
    """A gateway with its keystore, its journal, a clock that may be wrong, and a CA that rolls over.

    Attributes:
        seals: Whether the server answers what is not in 3DES with what nobody can open; else it fails over 3DES.
        changes: Whether it is mended now and then, and broken again.
    """

    randomness: random.Random
    configured: Configured = CONFIGURED
    changes: bool = False
    seals: bool = False
    now: datetime = BIRTH
    clock_error: timedelta = timedelta(0)
    wrong_since: datetime = BIRTH
    keystore: KeystoreFacts = EMPTY
    disk: Journal = field(default_factory=Journal)
    ca: Validity = FIRST_CA
    requests: Counter[int] = field(default_factory=Counter)
    keys: dict[str, str] = field(default_factory=dict)
    serial: int = 0
    crashed: bool = False
    wake_at: datetime | None = None
    ra: int = 0
    stored_ra: int = 0

    @property
    def shown(self) -> datetime:
        """What the gateway's clock shows."""
        return self.now + self.clock_error

    def start(self) -> Enrollment:
        self.wake_at = None
        return self.run(Enrollment(State.DISABLED, self.configured, self.keystore, self.disk), Began(self.shown))

    def run(self, state: Enrollment, event: Event) -> Enrollment:
        """Take an event in, and perform what follows, until nothing does or a crash comes in between."""
        state, queue = step(state, event)
        for _ in range(200):
            if not queue:
                return state
            if self.randomness.random() < 0.01:
                return self.start()
            had = self.keystore.identity
            answer = self.perform(state, queue[0])
            queue = queue[1:]
            assert had is None or self.keystore.identity is not None, "an identity was lost"
            if answer is not None:
                state, more = step(state, answer)
                queue = (*queue, *more)
        raise AssertionError(f"it never comes to rest: {state}")

    def perform(self, state: Enrollment, action: Action) -> Event | None:  # noqa: C901, PLR0912  # one case an action
        match action:
            case LocateServer(attempt, refresh):
                moves = state.journal.staged is not None and state.journal.staged.succeeds
                shown: tuple[str, ...] = ("NEXT" if moves else "PEM", f"RA {self.ra}")
                if refresh and not moves and self.ra == self.stored_ra:
                    shown = ()
                trust = Trust("A", "http://ca", OFFERED, shown, succeeds=moves)
                return self.failure(attempt) or CaVerified(attempt, trust)
            case SeekNextCa(attempt):
                following = Validity(self.ca.not_after - timedelta(days=30), self.ca.not_after + CA_LIFE)
                trust = Trust("A", "http://ca", OFFERED, ("NEXT", f"RA {self.ra}"), succeeds=True)
                if following.not_before > self.shown:
                    return NextCaSought(attempt, self.shown, None, "none yet")
                return self.failure(attempt) or NextCaSought(attempt, self.shown, trust, "found")
            case StoreTrust(attempt):
                assert self.keystore.identity is None, "trust was replaced under an identity"
                self.keystore = replace(self.keystore, has_trust=True, ca=self.ca)
                self.stored_ra = self.asked_ra(state.journal)
                return TrustStored(attempt)
            case PrepareKey(attempt, reuse):
                key = self.keystore.request_key
                if not reuse or key is None:
                    key = KeyFacts(f"key-{self.randomness.getrandbits(64):x}", 2048)
                    self.keystore = replace(self.keystore, request_key=key)
                return KeyReady(attempt, key, self.fresh())
            case TakeEnrolledKey(attempt):
                assert self.keystore.identity is not None
                return KeyReady(attempt, KeyFacts(self.keystore.identity.key_sha256, 2048), self.fresh())
            case SendRequest(attempt, transaction_id, _, form, weaker):
                return self.answer(attempt, transaction_id, is_renewal=form is not None, weaker=weaker)
            case SendPoll(attempt, transaction_id, _, weaker):
                return self.answer(attempt, transaction_id, is_renewal=False, weaker=weaker)
            case StoreIdentity(attempt):
                self.store()
                return IdentityStored(attempt, self.keystore, self.shown)
            case DropSuperseded(attempt):
                self.keystore = replace(self.keystore, superseded_until=None)
                return SupersededDropped(attempt, self.shown)
            case Remember():
                self.disk = state.journal
            case WakeAt(when):
                self.wake_at = when
        return None

    def answer(self, attempt: int, transaction_id: str, *, is_renewal: bool, weaker: bool) -> Event:
        request = self.disk.request
        assert request is not None, "a request left before the journal had it"
        assert request.transaction_id == transaction_id
        known = self.keys.setdefault(transaction_id, request.key_sha256)
        assert known == request.key_sha256, "two keys for one request"
        self.requests[(self.now - BIRTH) // timedelta(days=1)] += 1
        failed = self.failure(attempt)
        if failed is not None:
            return failed
        if self.asked_ra(self.disk) != self.ra:
            return Failed(attempt, Problem(State.INVALID_RESPONSE, "UntrustedSignerError", "", "", self.shown), 0.5)
        if self.changes and self.seals != weaker:
            return self.answer_to_algorithms(attempt, is_renewal=is_renewal)
        chance = self.randomness.random()
        if chance < 0.05:
            pending = Problem(State.PENDING, "pending", "", "", self.shown)
            return Failed(attempt, pending, 0.5)
        if chance < 0.15 and is_renewal:
            refused = Problem(State.REFUSED, "badRequest", "", "", self.shown)
            is_last = self.disk.request is not None and self.disk.request.form > 0
            if not is_last:
                return FormRefused(attempt, refused, self.fresh(), 0.5)
        if chance < 0.25 and is_renewal:
            broken = Problem(State.INVALID_RESPONSE, "HttpStatusError", "", "", self.shown)
            return FormUnanswered(attempt, broken, self.fresh(), 0.5)
        return CertificateIssued(attempt, ())

    def answer_to_algorithms(self, attempt: int, *, is_renewal: bool) -> Event:
        """What comes of algorithms that the server cannot do, or does no more."""
        if self.seals:
            sealed = Problem(State.INVALID_RESPONSE, "EnvelopeError", "", "", self.shown)
            return ReplySealed(attempt, sealed, self.randomness.random())
        refused = Problem(State.REFUSED, "badMessageCheck", "", "", self.shown)
        broken = Problem(State.UNREACHABLE, "BrokenConnectionError", "", "", self.shown)
        if is_renewal and self.randomness.random() < 0.5:
            return FormRefused(attempt, refused, self.fresh(), 0.5)
        return Failed(attempt, broken, 0.5)

    def asked_ra(self, journal: Journal) -> int:
        """The RA that requests are encrypted for."""
        return self.stored_ra if journal.staged is None else int(journal.staged.certificates[-1].removeprefix("RA "))

    def failure(self, attempt: int) -> Failed | None:
        """An outage of three days in every forty, and one answer of twenty lost."""
        day = (self.now - BIRTH) // timedelta(days=1)
        if abs(self.clock_error) > timedelta(days=30) or day % 40 >= 37 or self.randomness.random() < 0.05:
            problem = Problem(State.UNREACHABLE, "outage", "", "", self.shown)
            return Failed(attempt, problem, self.randomness.random())
        return None

    def store(self) -> None:
        """Put the certificate of the request, and a staged CA, into the keystore at once."""
        request = self.disk.request
        assert request is not None
        superseded = self.keystore.superseded_until
        staged, self.stored_ra = self.disk.staged, self.asked_ra(self.disk)
        if staged is not None and staged.succeeds:
            superseded = self.ca.not_after
            self.ca = Validity(self.ca.not_after - timedelta(days=30), self.ca.not_after + CA_LIFE)
        self.serial += 1
        identity = IdentityFacts(
            f"certificate-{self.serial}",
            request.key_sha256,
            serial=f"{self.serial:x}",
            validity=Validity(self.now, min(self.now + LIFE, self.ca.not_after)),
        )
        self.keystore = replace(
            self.keystore, identity=identity, has_trust=True, ca=self.ca, superseded_until=superseded
        )

    def fresh(self) -> str:
        return f"{self.randomness.getrandbits(128):x}"

    def live(self, until: datetime) -> Enrollment:
        """Let time pass from one wake-up to the next, at most a day."""
        state = self.start()
        while self.now < until:
            wake_at = self.wake_at
            pause = timedelta(days=1) if wake_at is None else wake_at - self.shown
            self.now += max(timedelta(seconds=1), min(pause, timedelta(days=1)))
            chance = self.randomness.random()
            if self.randomness.random() < 0.02:
                self.ra += 1
            if self.changes and self.randomness.random() < 0.02:
                self.seals = not self.seals
            if chance < 0.01:
                state = self.start()
            elif chance < 0.013:
                self.clock_error = timedelta(days=self.randomness.choice([-3650, -20454, 3650, 1]))
                self.wrong_since = self.now
            elif self.now - self.wrong_since > timedelta(days=2):
                self.clock_error = timedelta(0)
            state = self.run(state, TimerDue(self.shown))
            identity = self.keystore.identity
            if identity is not None and identity.validity is not None:
                assert identity.validity.not_after > self.now, f"a valid certificate was lost on {self.now}: {state}"
        return state


@pytest.mark.parametrize("seed", range(25))
@pytest.mark.parametrize("changes", [False, True], ids=["one server", "a server mended and broken again"])
def test_ten_years_lose_no_certificate_share_no_key_and_make_no_storm(seed: int, *, changes: bool) -> None:
    configured = replace(CONFIGURED, profile=SecurityProfile.LEGACY) if changes else CONFIGURED
    # each life can be lived again by its seed
    world = World(random.Random(seed), configured=configured, changes=changes)
    state = world.live(BIRTH + timedelta(days=3650))
    assert world.serial > 40, "it renewed all the time"
    assert world.ca.not_after > BIRTH + timedelta(days=3650), "it followed its CA"
    assert max(world.requests.values()) <= 60, "no day has a storm of requests"
    assert len(set(world.keys.values())) <= 3, "renewals keep the key"
    assert state.keystore.identity is not None
