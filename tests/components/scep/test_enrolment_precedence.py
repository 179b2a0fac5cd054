"""What gives way to the renewal that is due, so that no valid certificate is lost, and what becomes of it then."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from components.scep.enrolment import (
    Action,
    Began,
    CaVerified,
    CertificateIssued,
    DropSuperseded,
    EnrollAsked,
    Enrollment,
    Event,
    Failed,
    IdentityFacts,
    IdentityStored,
    Journal,
    JournalFile,
    KeyFacts,
    KeyReady,
    KeystoreFacts,
    LocateServer,
    NextCaSought,
    Problem,
    Purpose,
    RolloverAsked,
    SeekNextCa,
    SendPoll,
    SendRequest,
    SettingsChanged,
    State,
    TimerDue,
    Validity,
    WakeAt,
    step,
)
from components.scep.enrolment.timing import renewal_due
from components.scep.wording import next_step
from tests.components.scep.enrolment_states import CONFIGURED, NOW, RENEWED, TRUST

if TYPE_CHECKING:
    from pathlib import Path

    from components.scep.enrolment import Request

RENEWS = replace(CONFIGURED, renew=True, rollover=True)
DUE = renewal_due(RENEWED, RENEWS) or NOW
ENDS = NOW + timedelta(days=90)
BEFORE = DUE - timedelta(days=5)
SUCCESSOR = replace(TRUST, certificates=("NEXT",), succeeds=True)
ENROLLED = KeystoreFacts(True, RENEWED, None)
FAILURES = ["HttpStatusError", "UntrustedSignerError", "BrokenConnectionError"]


def problem(kind: str, at: datetime) -> Problem:
    states = {
        "pending": State.PENDING,
        "badRequest": State.REFUSED,
        "KeystoreError": State.KEYSTORE_ERROR,
        "TransportError": State.UNREACHABLE,
        "BrokenConnectionError": State.UNREACHABLE,
    }
    return Problem(states.get(kind, State.INVALID_RESPONSE), kind, f"it says {kind}", "", at)


@dataclass
class Life:
    """An enrolled gateway; each method is something that happens to it."""

    state: Enrollment
    actions: tuple[Action, ...] = ()
    fresh: int = 0

    def feed(self, event: Event) -> None:
        self.state, self.actions = step(self.state, event)

    def find_successor(self, at: datetime) -> None:
        self.feed(NextCaSought(self.state.attempt, at, SUCCESSOR, "found"))
        self.go_to_request()

    def go_to_request(self) -> None:
        """See to the server and to the key, until a request or a poll leaves."""
        while not any(isinstance(one, SendRequest | SendPoll) for one in self.actions):
            self.fresh += 1
            attempt, aim = self.state.attempt, self.state.aim
            if any(isinstance(one, LocateServer) for one in self.actions):
                moves = self.state.journal.staged is not None
                self.feed(CaVerified(attempt, SUCCESSOR if moves else replace(TRUST, certificates=())))
            else:
                assert self.state.state is State.GENERATING_KEY, self.state
                self.feed(KeyReady(attempt, KeyFacts("k" if aim is Purpose.RENEW else "k2", 2048), f"t{self.fresh}"))

    def bring(self, kind: str, at: datetime) -> None:
        self.feed(Failed(self.state.attempt, problem(kind, at), 1.0))

    def wake(self, at: datetime) -> None:
        self.feed(TimerDue(at))

    def issue(self, at: datetime, **identity: Any) -> None:
        self.feed(CertificateIssued(self.state.attempt, ()))
        facts = {"sha256": "renewed", "serial": "2", "validity": Validity(at, at + timedelta(days=90)), **identity}
        stored = replace(self.state.keystore, identity=replace(RENEWED, **facts))
        self.feed(IdentityStored(self.state.attempt, stored, at))

    def restart(self, at: datetime) -> None:
        self.state = replace(self.state, state=State.DISABLED, attempt=0)
        self.feed(Began(at))

    @property
    def request(self) -> Request:
        assert self.state.journal.request is not None
        return self.state.journal.request

    @property
    def sent(self) -> SendRequest | SendPoll:
        (sent,) = (one for one in self.actions if isinstance(one, SendRequest | SendPoll))
        return sent

    @property
    def polls(self) -> bool:
        return isinstance(self.sent, SendPoll)

    @property
    def wakes_at(self) -> datetime:
        (wake,) = (one for one in self.actions if isinstance(one, WakeAt))
        return wake.when

    @property
    def asks_present_ca(self) -> bool:
        staged = self.state.journal.staged
        return staged is None and self.state.state is State.BOOTSTRAPPING and self.state.aim is Purpose.RENEW


def under_successor(at: datetime = BEFORE, keystore: KeystoreFacts = ENROLLED) -> Life:
    """A request has just gone out under the CA's successor."""
    one = Life(Enrollment(State.CHECKING_CA, RENEWS, keystore, Journal(trust=replace(TRUST, certificates=()))))
    one.find_successor(at)
    return one


def pending_under_successor(at: datetime = BEFORE, keystore: KeystoreFacts = ENROLLED) -> Life:
    one = under_successor(at, keystore)
    one.bring("pending", at)
    return one


def asked(purpose: Purpose, at: datetime, kind: str = "pending") -> Life:
    """Somebody has asked for this, and it came to this."""
    one = Life(Enrollment(State.ENROLLED, RENEWS, ENROLLED, Journal(trust=replace(TRUST, certificates=()))))
    one.feed(EnrollAsked(at, purpose))
    one.go_to_request()
    one.bring(kind, at)
    return one


@pytest.mark.requirement("design 6: the old stays")
@pytest.mark.parametrize("restarted", [False, True], ids=["at once", "over a restart"])
def test_a_request_that_is_pending_under_the_successor_waits_for_the_renewal_that_is_due(*, restarted: bool) -> None:
    one = pending_under_successor()
    transaction = one.request.transaction_id
    one.wake(DUE - timedelta(seconds=1))
    one.go_to_request()
    assert one.sent == SendPoll(one.state.attempt, transaction, Purpose.RENEW)
    one.bring("pending", DUE - timedelta(seconds=1))
    assert one.wakes_at == DUE, "no poll is waited for any longer"
    if restarted:
        one.restart(DUE)
    else:
        one.wake(DUE)
    assert one.asks_present_ca
    assert "present CA first" in one.state.journal.ca_check
    one.go_to_request()
    assert not one.polls
    assert one.request.transaction_id != transaction
    one.issue(DUE)
    assert one.state.journal.staged == SUCCESSOR
    one.go_to_request()
    assert one.sent == SendPoll(one.state.attempt, transaction, Purpose.RENEW)
    one.bring("pending", DUE)
    assert (one.state.state, one.state.journal.set_aside) == (State.PENDING, None)
    one.wake(DUE + timedelta(hours=1))
    one.go_to_request()
    one.issue(DUE + timedelta(hours=1), sha256="moved")
    assert one.state.state is State.ENROLLED
    moved_to = replace(SUCCESSOR, certificates=(), succeeds=False, renewal_form="pkcs_req")
    assert one.state.journal.trust == moved_to
    assert one.state.journal.set_aside is None


def test_a_request_that_becomes_pending_when_the_renewal_is_due_waits_at_once() -> None:
    assert pending_under_successor(DUE).asks_present_ca


def test_a_pending_request_is_not_left_for_a_ca_that_ends_with_the_certificate() -> None:
    one = pending_under_successor(DUE, replace(ENROLLED, ca=Validity(NOW - timedelta(days=900), ENDS)))
    assert one.state.state is State.PENDING
    assert one.state.journal.staged == SUCCESSOR


def test_a_pending_request_is_not_left_for_a_ca_that_has_refused_the_renewal() -> None:
    one = pending_under_successor(DUE)
    transaction = one.state.journal.set_aside
    assert transaction is not None
    one.go_to_request()
    one.bring("badRequest", DUE)
    assert one.state.journal.staged == SUCCESSOR
    assert "did not renew" in one.state.journal.ca_check
    one.go_to_request()
    assert transaction.request is not None
    assert one.sent.transaction_id == transaction.request.transaction_id
    for hours in range(0, 48, 6):
        one.bring("pending", DUE + timedelta(hours=hours))
        assert (one.state.state, one.state.journal.staged) == (State.PENDING, SUCCESSOR)
        one.wake(DUE + timedelta(hours=hours + 6))
        one.go_to_request()
    one.bring("badRequest", DUE + timedelta(days=3))
    assert one.state.state is State.REFUSED, "both have refused"


def test_a_renewal_that_goes_on_failing_has_the_pending_request_asked_about_and_its_turn_again_a_day_later() -> None:
    one = pending_under_successor(DUE)
    for minute in range(3):
        at = DUE + timedelta(minutes=5 * minute)
        one.go_to_request()
        assert not one.polls
        one.bring("UntrustedSignerError", at)
        if minute < 2:
            one.wake(one.wakes_at)
    one.go_to_request()
    assert one.polls
    one.bring("pending", at)
    assert (one.state.state, one.state.journal.staged) == (State.PENDING, SUCCESSOR)
    one.wake(DUE + timedelta(hours=20))
    one.go_to_request()
    assert one.polls
    one.bring("pending", DUE + timedelta(hours=20))
    one.wake(DUE + timedelta(hours=24))
    one.wake(DUE + timedelta(hours=24, minutes=15))
    assert one.asks_present_ca


def test_where_the_ca_has_yet_to_decide_about_both_it_is_asked_in_turn() -> None:
    one = pending_under_successor(DUE)
    assert one.state.journal.set_aside is not None
    one.go_to_request()
    polled = []
    for hour in range(4):
        one.bring("pending", DUE + timedelta(hours=hour))
        one.wake(one.wakes_at)
        one.go_to_request()
        assert one.polls
        polled.append((one.sent.transaction_id, one.state.journal.staged))
    assert polled[0] == polled[2]
    assert polled[1] == polled[3]
    assert [staged for _, staged in polled[:2]] == [SUCCESSOR, None]
    assert polled[0][0] != polled[1][0]


@pytest.mark.parametrize("tries", [1, 2])
@pytest.mark.parametrize("kind", FAILURES)
def test_a_successor_that_has_failed_leaves_a_renewal_that_becomes_due_to_the_present_ca(kind: str, tries: int) -> None:
    just_before = DUE - timedelta(seconds=200)
    one = under_successor(just_before)
    for number in range(tries):
        one.bring(kind, just_before)
        assert one.state.journal.staged == SUCCESSOR
        retried_at = one.state.journal.next_attempt_at
        assert retried_at is not None
        if number + 1 < tries:
            one.wake(retried_at)
            one.go_to_request()
    assert one.wakes_at <= DUE
    one.wake(DUE)
    assert one.asks_present_ca
    one.go_to_request()
    one.issue(DUE)
    assert one.state.journal.set_aside is None, "the successor is looked for again"


@pytest.mark.parametrize("kind", [*FAILURES, "KeystoreError"])
def test_a_successor_that_fails_when_the_renewal_is_due_is_left_at_once(kind: str) -> None:
    one = under_successor(DUE)
    one.bring(kind, DUE)
    assert one.asks_present_ca


def test_a_network_that_is_down_says_nothing_of_the_successor() -> None:
    one = under_successor(DUE)
    one.bring("TransportError", DUE)
    assert (one.state.state, one.state.journal.staged) == (State.UNREACHABLE, SUCCESSOR)


def test_a_renewal_that_is_due_by_a_change_of_the_settings_is_not_kept_away_either() -> None:
    one = pending_under_successor()
    one.feed(SettingsChanged(BEFORE, replace(RENEWS, lead_hours=800)))
    one.wake(BEFORE + timedelta(minutes=15))
    assert one.asks_present_ca


@pytest.mark.parametrize("purpose", [Purpose.REKEY, Purpose.ENROLL])
@pytest.mark.parametrize("kind", ["pending", "HttpStatusError"])
def test_what_was_asked_for_long_before_waits_for_the_renewal_that_is_due(purpose: Purpose, kind: str) -> None:
    one = asked(purpose, NOW + timedelta(days=30), kind)
    wished = one.request
    one.wake(DUE)
    assert one.asks_present_ca
    one.go_to_request()
    one.issue(DUE)
    if kind == "pending":
        assert one.request == replace(wished, replaces="renewed"), "the wish is kept"
    else:
        assert one.state.state is State.ENROLLED
        assert f"gatewright cert {purpose}" in " ".join(one.state.journal.warnings)


def test_what_was_asked_of_a_ca_that_has_rolled_over_waits_for_a_renewal_under_its_successor() -> None:
    one = under_successor(NOW)
    one.bring("HttpStatusError", NOW)
    one.feed(EnrollAsked(NOW, Purpose.REKEY))
    rolled_over = replace(SUCCESSOR, rolled_over=True)
    one.feed(CaVerified(one.state.attempt, rolled_over))
    one.go_to_request()
    one.bring("pending", NOW)
    wished = one.request
    one.wake(DUE)
    assert (one.state.aim, one.state.journal.staged) == (Purpose.RENEW, rolled_over)
    one.go_to_request()
    one.issue(DUE)
    assert one.request == replace(wished, replaces="renewed")
    assert one.state.journal.staged is None


def test_what_was_asked_for_when_the_renewal_was_due_has_half_of_what_is_left() -> None:
    one = asked(Purpose.REKEY, DUE)
    half = DUE + (ENDS - DUE) / 2
    one.wake(half - timedelta(hours=1))
    assert one.request.purpose is Purpose.REKEY
    one.go_to_request()
    one.bring("pending", half - timedelta(hours=1))
    one.wake(half)
    one.wake(half + timedelta(minutes=15))
    assert one.asks_present_ca


def test_a_new_key_that_cannot_be_made_does_not_keep_the_renewal_away() -> None:
    one = Life(Enrollment(State.ENROLLED, RENEWS, ENROLLED, Journal(trust=replace(TRUST, certificates=()))))
    one.feed(EnrollAsked(NOW, Purpose.REKEY))
    one.feed(CaVerified(one.state.attempt, replace(TRUST, certificates=())))
    one.bring("KeystoreError", DUE - timedelta(minutes=1))
    one.wake(DUE)
    assert one.asks_present_ca


def test_an_enrolment_that_is_asked_for_since_the_renewal_was_refused_is_waited_for() -> None:
    one = asked(Purpose.RENEW, DUE, "badRequest")
    assert one.state.state is State.REFUSED
    one.feed(EnrollAsked(DUE, Purpose.ENROLL))
    one.go_to_request()
    one.bring("pending", DUE)
    one.wake(ENDS - timedelta(hours=1))
    assert one.request.purpose is Purpose.ENROLL


def test_a_renewal_that_fails_for_a_certificate_that_has_expired_gives_way_to_an_enrolment() -> None:
    one = asked(Purpose.RENEW, DUE, "HttpStatusError")
    at = one.wakes_at
    for _ in range(3):
        one.wake(at)
        one.go_to_request()
        at = max(at, ENDS + timedelta(minutes=1))
        one.bring("HttpStatusError", at)
        at += timedelta(hours=6)
    assert one.state.aim is Purpose.ENROLL


@pytest.mark.parametrize("state", ["refused", "failing", "pending"])
def test_the_successor_is_looked_for_while_the_present_ca_does_not_renew(state: str) -> None:
    ca = Validity(NOW - timedelta(days=900), ENDS + timedelta(days=3))
    one = asked(
        Purpose.RENEW, DUE, {"refused": "badRequest", "failing": "HttpStatusError", "pending": "pending"}[state]
    )
    one.state = replace(one.state, keystore=replace(ENROLLED, ca=ca))
    one.wake(DUE + timedelta(days=6))
    for _ in range(3):
        if any(isinstance(action, SeekNextCa) for action in one.actions):
            break
        one.go_to_request()
        one.bring("HttpStatusError", DUE + timedelta(days=6))
        one.wake(one.wakes_at)
    assert any(isinstance(action, SeekNextCa) for action in one.actions), one.state
    before = one.state.journal.request
    one.find_successor(DUE + timedelta(days=6))
    assert not one.polls
    aside = one.state.journal.set_aside
    assert (aside is not None and aside.request == before) == (state == "pending")


def test_a_look_at_what_is_next_does_not_send_again_what_was_refused() -> None:
    one = asked(Purpose.RENEW, DUE, "badRequest")
    one.feed(RolloverAsked(DUE))
    one.feed(NextCaSought(one.state.attempt, DUE, None, "none yet"))
    assert (one.state.state, one.state.journal.ca_check) == (State.REFUSED, "none yet")
    assert one.wakes_at == DUE + timedelta(days=1)


def test_a_refusal_that_waits_for_nobody_says_so() -> None:
    assert "within a day" in next_step(asked(Purpose.REKEY, BEFORE, "badRequest").state)
    assert "within a day" not in next_step(asked(Purpose.RENEW, DUE, "badRequest").state)


def test_a_successor_that_is_not_valid_yet_is_known_in_case_the_server_rolls_over() -> None:
    one = Life(Enrollment(State.CHECKING_CA, RENEWS, ENROLLED, Journal(trust=replace(TRUST, certificates=()))))
    one.feed(NextCaSought(one.state.attempt, NOW, SUCCESSOR, "from tomorrow on", is_to_come=True))
    assert (one.state.state, one.state.journal.staged) == (State.ENROLLED, None)
    assert one.state.journal.declined == SUCCESSOR
    assert one.state.journal.ca_check == "from tomorrow on"


def test_a_ca_that_does_not_decide_about_the_successors_request_is_asked_anew_after_thirty_days() -> None:
    far = replace(ENROLLED, identity=replace(RENEWED, validity=Validity(NOW, NOW + timedelta(days=900))))
    one = pending_under_successor(NOW, far)
    one.wake(NOW + timedelta(days=31))
    one.go_to_request()
    one.bring("pending", NOW + timedelta(days=31))
    assert (one.state.state, one.state.journal.staged) == (State.ENROLLED, None)
    assert "has not decided" in one.state.journal.ca_check
    one.state = replace(one.state, state=State.CHECKING_CA)
    one.find_successor(NOW + timedelta(days=32))
    assert not one.polls


def test_a_clock_that_cannot_be_right_does_not_end_a_pending_request() -> None:
    ca = Validity(NOW - timedelta(days=900), NOW + timedelta(days=900))
    one = asked(Purpose.RENEW, DUE)
    one.state = replace(one.state, keystore=replace(ENROLLED, ca=ca))
    for at in (datetime(1970, 1, 1, tzinfo=NOW.tzinfo), DUE + timedelta(hours=1)):
        one.wake(at)
        if any(isinstance(action, WakeAt) for action in one.actions):
            one.wake(one.wakes_at)
        one.go_to_request()
        one.bring("pending", at)
        assert one.state.state is State.PENDING
    assert one.request.pending_since == DUE


def test_an_earlier_ca_that_cannot_be_removed_is_tried_again_after_a_pause() -> None:
    keystore = replace(ENROLLED, superseded_until=NOW - timedelta(days=1))
    one = Life(Enrollment(State.ENROLLED, RENEWS, keystore, Journal(trust=replace(TRUST, certificates=()))))
    one.wake(NOW + timedelta(days=1))
    assert one.actions == (DropSuperseded(one.state.attempt),)
    one.bring("KeystoreError", NOW + timedelta(days=1))
    assert one.state.state is State.KEYSTORE_ERROR
    assert one.wakes_at > NOW + timedelta(days=1)


def test_what_was_set_aside_goes_on_where_the_renewal_is_not_due_any_more() -> None:
    one = pending_under_successor(DUE)
    one.feed(SettingsChanged(DUE, replace(RENEWS, renew=False, digest="other")))
    one.go_to_request()
    assert one.state.journal.staged == SUCCESSOR


def test_what_was_set_aside_outlives_a_restart(tmp_path: Path) -> None:
    one = pending_under_successor(DUE)
    file = JournalFile(tmp_path, "K")
    file.save(one.state.journal)
    assert file.load() == (one.state.journal, None)


def test_what_was_set_aside_under_other_bootstrap_properties_is_over() -> None:
    one = pending_under_successor(DUE)
    other = replace(RENEWS, bootstrap_identity="B")
    one.state = replace(one.state, configured=other)
    one.restart(DUE)
    one.feed(CaVerified(one.state.attempt, replace(TRUST, bootstrap_identity="B")))
    one.go_to_request()
    one.feed(CertificateIssued(one.state.attempt, ()))
    stored = KeystoreFacts(True, IdentityFacts("new", "k2", validity=RENEWED.validity), KeyFacts("k2", 2048))
    one.feed(IdentityStored(one.state.attempt, stored, DUE))
    assert one.state.journal.request is None
    assert one.state.journal.staged is None
    assert one.state.journal.set_aside is None
