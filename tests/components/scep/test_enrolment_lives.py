"""Random lives of the enrolment machine, with crashes after any action."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from components.scep.enrolment import (
    Action,
    Began,
    CaVerified,
    CertificateIssued,
    Configured,
    EnrollAsked,
    Enrollment,
    Event,
    Failed,
    IdentityFacts,
    IdentityStored,
    Journal,
    KeyFacts,
    KeyReady,
    KeystoreFacts,
    LocateServer,
    PollAsked,
    PrepareKey,
    Purpose,
    Remember,
    RolloverAsked,
    SendRequest,
    State,
    StoreIdentity,
    StoreTrust,
    TimerDue,
    TrustStored,
    WakeAt,
    step,
)
from tests.components.scep.enrolment_states import CONFIGURED, EMPTY, NOW, TRUST, problem
from tests.components.scep.rollover_world import ROLLS, RolloverWorld


@dataclass
class World:
    """A keystore, a journal on disk and a CA, round one machine that can crash at any moment."""

    keystore: KeystoreFacts = EMPTY
    disk: Journal = field(default_factory=Journal)
    now: datetime = NOW
    made: int = 0
    issued: dict[tuple[str, str], str] = field(default_factory=dict)
    trusted: str = ""
    staged: str = ""

    def life(self, configured: Configured, outcomes: list[str]) -> None:
        """Live until a crash is drawn, or until nothing is left to do."""
        state = Enrollment(State.DISABLED, configured, self.keystore, self.disk)
        state, queue = step(state, Began(self.now))
        while queue:
            outcome = outcomes.pop() if outcomes else "good"
            if outcome == "crash":
                return
            action, rest = queue[0], queue[1:]
            before = self.keystore.identity
            event = self.perform(state, action, outcome)
            if event is not None:
                state, more = step(state, event)
                rest = (*rest, *more)
            assert before is None or self.keystore.identity is not None, "an identity was lost"
            queue = rest

    def perform(self, state: Enrollment, action: Action, outcome: str) -> Event | None:
        fails = outcome == "fail"
        match action:
            case LocateServer(attempt):
                if fails:
                    return Failed(attempt, problem(State.UNREACHABLE, self.now), 0.5)
                return CaVerified(attempt, replace(TRUST, bootstrap_identity=state.configured.bootstrap_identity))
            case StoreTrust(attempt):
                assert self.keystore.identity is None, "trust was replaced under an identity"
                self.keystore = replace(self.keystore, has_trust=True)
                return TrustStored(attempt)
            case PrepareKey(attempt, reuse):
                key = self.keystore.request_key
                if not reuse or key is None:
                    self.made += 1
                    key = KeyFacts(f"key-{self.made}", 2048)
                    self.keystore = replace(self.keystore, request_key=key)
                return KeyReady(attempt, key, f"transaction-{len(self.issued)}-{self.made}-{attempt}")
            case SendRequest(attempt, transaction_id):
                assert self.disk.request is not None, "a request left before the journal had it"
                assert self.disk.request.transaction_id == transaction_id
                if fails:
                    return Failed(attempt, problem(State.UNREACHABLE, self.now), 0.5)
                key = self.keystore.request_key
                assert key is not None
                self.issued.setdefault((transaction_id, key.sha256), f"certificate-{len(self.issued)}")
                return CertificateIssued(attempt, ())
            case StoreIdentity(attempt):
                request = self.disk.request
                assert request is not None
                certificate = self.issued[request.transaction_id, request.key_sha256]
                identity = IdentityFacts(certificate, request.key_sha256)
                self.keystore = replace(self.keystore, identity=identity, has_trust=True)
                return IdentityStored(attempt, self.keystore, self.now)
            case Remember():
                self.disk = state.journal
                return None
            case WakeAt(when):
                if state.state is State.ENROLLED:
                    return None
                self.now = max(self.now, when)
                return TimerDue(self.now)
            case _:
                raise AssertionError(f"{action} belongs to renewals")


@settings(max_examples=500, deadline=None)
@given(
    lives=st.lists(
        st.tuples(st.sampled_from("AB"), st.lists(st.sampled_from(["good", "fail", "crash", "crash"]), max_size=12)),
        max_size=8,
    )
)
def test_crashed_anywhere_it_ends_with_one_identity_of_the_current_trust(lives: list[tuple[str, list[str]]]) -> None:
    world = World()
    for bootstrap, outcomes in lives:
        world.life(replace(CONFIGURED, bootstrap_identity=bootstrap), list(outcomes))
    world.life(CONFIGURED, [])
    assert world.keystore.identity is not None
    assert world.disk.trust is not None
    assert world.disk.trust.bootstrap_identity == "A"
    assert world.disk.request is None
    assert world.keystore.request_key is not None
    assert world.keystore.identity.key_sha256 == world.keystore.request_key.sha256
    issued = dict(world.issued)
    world.life(CONFIGURED, [])
    assert world.issued == issued, "it enrolled again though nothing had changed"


@settings(max_examples=200, deadline=None)
@given(outcomes=st.lists(st.sampled_from(["good", "crash"]), max_size=30))
def test_crashed_anywhere_under_one_trust_it_asks_for_one_key_and_one_certificate(outcomes: list[str]) -> None:
    world = World()
    for _ in range(len(outcomes)):
        world.life(CONFIGURED, outcomes)
    world.life(CONFIGURED, [])
    assert world.made == 1
    assert len(set(world.issued.values())) == 1


ADVERSE = ["pending", "fail", "refuse", "unknown", "sealed", "unstored", "wrong"]
PERSON = [EnrollAsked(NOW, purpose) for purpose in Purpose] + [RolloverAsked(NOW), PollAsked(NOW)]


def after_days(first: float, last: float) -> st.SearchStrategy[datetime]:
    return st.floats(first, last, allow_nan=False).map(lambda number: NOW + timedelta(days=number))


def replies(*kinds: str) -> st.SearchStrategy[list[str]]:
    """Some replies, of which the last is for ever; nobody is out of reach for ever."""
    return st.lists(st.sampled_from([*kinds, "down"]), max_size=6).flatmap(
        lambda some: st.sampled_from(kinds).map(lambda last: [*some, last])
    )


CRASHES = st.lists(st.integers(0, 60), max_size=6)


@settings(max_examples=150, deadline=None)
@given(
    under_successor=replies(*ADVERSE, "pending", "pending", "issue"),
    others=replies(*ADVERSE),
    hindered=st.lists(st.sampled_from(["fail", "down", "wrong", "unstored"]), max_size=4),
    appears_at=after_days(0, 60),
    ca_ends_at=after_days(32, 120),
    rolls_over_at=st.none() | after_days(0, 100),
    lead_hours=st.sampled_from([240, 360, 480]),
    asked=st.lists(st.tuples(after_days(0, 60), st.sampled_from(PERSON)), max_size=4),
    crashes=CRASHES,
)
def test_whatever_becomes_of_the_successor_and_of_wishes_a_ca_that_renews_loses_no_certificate(  # what may happen
    *,
    under_successor: list[str],
    others: list[str],
    hindered: list[str],
    appears_at: datetime,
    ca_ends_at: datetime,
    rolls_over_at: datetime | None,
    lead_hours: int,
    asked: list[tuple[datetime, Event]],
    crashes: list[int],
) -> None:
    world = RolloverWorld(
        under_successor,
        [*hindered, "issue"],
        others,
        appears_at=appears_at,
        asked=asked,
        crashes=crashes,
        ca_ends_at=ca_ends_at,
        rolls_over_at=rolls_over_at,
        successor_renews=True,
        configured=replace(ROLLS, lead_hours=lead_hours),
    )
    world.live(ca_ends_at - timedelta(days=1.5))


@settings(max_examples=100, deadline=None)
@given(
    renewals=replies(*ADVERSE),
    before=st.lists(st.sampled_from(["pending", "down"]), max_size=3),
    appears_at=after_days(0, 23),
    approved_at=after_days(0, 28),
    rolls_over_at=st.none() | after_days(25.2, 29),
    crashes=CRASHES,
)
def test_a_successor_that_approves_by_hand_is_reached_whatever_the_present_ca_says(
    *,
    renewals: list[str],
    before: list[str],
    appears_at: datetime,
    approved_at: datetime,
    rolls_over_at: datetime | None,
    crashes: list[int],
) -> None:
    world = RolloverWorld(
        [*before, "pending"],
        renewals,
        appears_at=appears_at,
        approved_at=approved_at,
        rolls_over_at=rolls_over_at,
        crashes=crashes,
        ca_ends_at=NOW + timedelta(days=33),
    )
    world.live(NOW + timedelta(days=100))
    assert world.moved
