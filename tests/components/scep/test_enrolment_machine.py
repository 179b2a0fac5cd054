"""The enrolment machine: its rules by name; `test_enrolment_lives` has it live at random."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from components.scep.enrolment import (
    Action,
    Began,
    CaVerified,
    CertificateIssued,
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
    NextCaSought,
    PollUnsupported,
    PrepareKey,
    Problem,
    Purpose,
    Remember,
    Request,
    RequestUnknown,
    SeekNextCa,
    SendPoll,
    SendRequest,
    SettingsChanged,
    State,
    StoreIdentity,
    StoreTrust,
    TimerDue,
    TrustStored,
    Validity,
    WakeAt,
    step,
)
from components.scep.enrolment.knowledge import renewed
from components.scep.enrolment.timing import renewal_due
from tests.components.scep.enrolment_states import CONFIGURED, EMPTY, NOW, RENEWED, TOMORROW, TRUST, problem


def enrollment(keystore: KeystoreFacts = EMPTY, journal: Journal | None = None, **changes: Any) -> Enrollment:
    return Enrollment(State.DISABLED, replace(CONFIGURED, **changes), keystore, journal or Journal())


def feed(state: Enrollment, *events: Event) -> tuple[Enrollment, tuple[Action, ...]]:
    actions: tuple[Action, ...] = ()
    for event in events:
        state, actions = step(state, event)
    return state, actions


@pytest.mark.requirement("RFC 8894 2.2: CA certificates first")
def test_trust_is_stored_before_the_key_is_made_and_the_journal_is_written_before_the_request_leaves() -> None:
    state, actions = feed(enrollment(), Began(NOW))
    assert actions == (LocateServer(1),)
    state, actions = feed(state, CaVerified(1, TRUST))
    assert actions == (StoreTrust(1),)
    state, actions = feed(state, TrustStored(1))
    assert actions == (Remember(), PrepareKey(1, reuse=False))
    state, actions = feed(state, KeyReady(1, KeyFacts("k", 2048), "t1"))
    assert actions == (Remember(), SendRequest(1, "t1"))
    assert state.journal.request == Request("t1", "k", None, "A", digest="d")


@pytest.mark.requirement("design 6: the old stays")
def test_with_an_identity_new_trust_is_only_staged_until_the_new_identity_is_complete() -> None:
    keystore = KeystoreFacts(True, IdentityFacts("old", "k0"), KeyFacts("k0", 2048))
    journal = Journal(trust=replace(TRUST, bootstrap_identity="B", certificates=()))
    state, actions = feed(enrollment(keystore, journal), Began(NOW))
    assert actions == (Remember(), LocateServer(1))
    state, actions = feed(state, CaVerified(1, TRUST))
    assert StoreTrust(1) not in actions
    assert state.journal.staged == TRUST
    assert PrepareKey(1, reuse=False) in actions
    state, actions = feed(state, KeyReady(1, KeyFacts("k1", 2048), "t"), CertificateIssued(1, ()))
    assert actions == (StoreIdentity(1),)
    stored = KeystoreFacts(True, IdentityFacts("new", "k1"), KeyFacts("k1", 2048))
    state, actions = feed(state, IdentityStored(1, stored, NOW))
    assert (state.state, actions) == (State.ENROLLED, (Remember(), TOMORROW))
    assert state.journal.trust == replace(TRUST, certificates=())
    assert state.journal.staged is None


@pytest.mark.requirement("mission: daily check")
def test_a_restart_with_current_trust_and_identity_looks_at_it_tomorrow() -> None:
    keystore = KeystoreFacts(True, IdentityFacts("c", "k"), KeyFacts("k", 2048))
    state, actions = feed(enrollment(keystore, Journal(trust=replace(TRUST, certificates=()))), Began(NOW))
    assert (state.state, actions) == (State.ENROLLED, (TOMORROW,))


def test_an_identity_that_a_crash_left_unnoted_is_taken_for_what_it_is() -> None:
    keystore = KeystoreFacts(True, IdentityFacts("new", "k"), KeyFacts("k", 2048))
    journal = Journal(trust=replace(TRUST, certificates=()), request=Request("t", "k", "old", "A"))
    state, actions = feed(enrollment(keystore, journal), Began(NOW))
    assert (state.state, actions, state.journal.request) == (State.ENROLLED, (Remember(), TOMORROW), None)


@pytest.mark.requirement("RFC 8894 5.2: recovery")
def test_a_request_goes_on_with_its_key_and_transaction_after_a_restart() -> None:
    keystore = KeystoreFacts(True, None, KeyFacts("k", 2048))
    journal = Journal(trust=replace(TRUST, certificates=()), request=Request("t1", "k", None, "A"))
    state, actions = feed(enrollment(keystore, journal), Began(NOW))
    assert actions == (PrepareKey(1, reuse=True),)
    state, actions = feed(state, KeyReady(1, KeyFacts("k", 2048), "fresh"))
    assert actions[-1] == SendRequest(1, "t1")


@pytest.mark.parametrize(
    ("key", "identity", "size", "reuse"),
    [
        (KeyFacts("k", 2048), None, 2048, True),
        (KeyFacts("k", 2048), None, 4096, False),
        (KeyFacts("k", 2048), IdentityFacts("c", "k"), 2048, False),
        (KeyFacts("k", 2048), IdentityFacts("c", "other"), 2048, True),
        (None, None, 2048, False),
    ],
)
def test_a_key_is_taken_up_if_it_fits_and_is_not_enrolled_yet(
    key: KeyFacts | None, identity: IdentityFacts | None, size: int, reuse: bool
) -> None:
    keystore = KeystoreFacts(True, identity, key)
    journal = Journal(trust=replace(TRUST, certificates=()))
    state, actions = feed(enrollment(keystore, journal, key_size=size), EnrollAsked(NOW))
    assert actions == (Remember(), LocateServer(1, refresh=True)), "who asks may know of a change at the server"
    _, actions = feed(state, CaVerified(1, replace(TRUST, certificates=())))
    assert PrepareKey(1, reuse) in actions


def requesting() -> Enrollment:
    return feed(enrollment(), Began(NOW), CaVerified(1, TRUST), TrustStored(1), KeyReady(1, KeyFacts("k", 2048), "t1"))[
        0
    ]


@pytest.mark.requirement("design 6: refusals", "RFC 8894 3.2.1.1: transactionID")
def test_a_refused_request_waits_for_a_change_and_then_uses_another_transaction() -> None:
    state, actions = feed(requesting(), Failed(1, problem(State.REFUSED), 0.5))
    assert actions == (Remember(),)
    state, actions = feed(state, TimerDue(NOW + timedelta(days=1)))
    assert (state.state, actions) == (State.REFUSED, ())
    same, actions = feed(state, SettingsChanged(NOW, replace(CONFIGURED, retry_interval_s=5)))
    assert (same.state, actions) == (State.REFUSED, ())
    state, _ = feed(state, SettingsChanged(NOW, replace(CONFIGURED, digest="other")))
    state, actions = feed(state, KeyReady(state.attempt, KeyFacts("k", 2048), "t2"))
    assert actions[-1] == SendRequest(state.attempt, "t2")


def test_a_refusal_survives_a_restart_until_the_configuration_differs() -> None:
    refused, _ = feed(requesting(), Failed(1, problem(State.REFUSED), 0.5))
    again = replace(refused, state=State.DISABLED, attempt=0)
    state, actions = feed(again, Began(NOW))
    assert (state.state, actions) == (State.REFUSED, ())
    state, actions = feed(replace(again, configured=replace(CONFIGURED, digest="other")), Began(NOW))
    assert actions == (LocateServer(1, refresh=True),)


def renewing() -> Enrollment:
    """Somebody has asked for a renewal long before it is due."""
    state, actions = feed(enrolled(), EnrollAsked(NOW, Purpose.RENEW))
    assert actions == (Remember(), LocateServer(1, refresh=True))
    return state


def test_a_keystore_that_may_be_well_again_is_tried_at_once_when_the_enrolment_begins_anew() -> None:
    state, _ = feed(requesting(), Failed(1, problem(State.KEYSTORE_ERROR), 1.0))
    state, actions = feed(replace(state, state=State.DISABLED, attempt=0), Began(NOW))
    assert (state.state, actions) == (State.GENERATING_KEY, (PrepareKey(1, reuse=True),))


@pytest.mark.parametrize("failed", [State.UNREACHABLE, State.INVALID_RESPONSE, State.REFUSED])
def test_what_was_asked_for_and_failed_is_not_forgotten_at_a_restart(failed: State) -> None:
    state, _ = feed(renewing(), Failed(1, problem(failed), 1.0))
    state, actions = feed(replace(state, state=State.DISABLED, attempt=0), Began(NOW))
    assert state.state is failed
    if failed is State.REFUSED:
        assert actions == (TOMORROW,)
        return
    (wake,) = actions
    assert isinstance(wake, WakeAt)
    state, actions = feed(state, TimerDue(wake.when))
    assert (state.aim, actions) == (Purpose.RENEW, (LocateServer(1, refresh=True),))


def test_a_refusal_of_what_was_asked_for_keeps_no_renewal_away_that_becomes_due() -> None:
    state, actions = feed(renewing(), Failed(1, problem(State.REFUSED), 1.0))
    assert actions == (Remember(), TOMORROW)
    state, actions = feed(state, TimerDue(TOMORROW.when))
    assert state.state is State.ENROLLED
    assert state.journal.problem is None
    assert actions[0] == Remember()
    due = NOW + timedelta(days=87)
    state, actions = feed(state, TimerDue(due))
    (wake,) = (action for action in actions if isinstance(action, WakeAt))
    state, actions = feed(state, TimerDue(wake.when))
    assert (state.aim, actions) == (Purpose.RENEW, (LocateServer(state.attempt, refresh=True),))


DUE = renewal_due(RENEWED, replace(CONFIGURED, renew=True)) or NOW
JUST_BEFORE = DUE - timedelta(hours=2)
SUCCESSOR = replace(TRUST, certificates=("NEXT",), succeeds=True)
ROLLED_OVER = replace(SUCCESSOR, rolled_over=True)


def enrolled() -> Enrollment:
    journal = Journal(trust=replace(TRUST, certificates=()))
    return replace(enrollment(KeystoreFacts(True, RENEWED, None), journal, renew=True), state=State.ENROLLED)


def under_successor(state: Enrollment, at: datetime) -> Enrollment:
    """A request that goes out under the CA's successor."""
    state, _ = feed(replace(state, state=State.CHECKING_CA), NextCaSought(state.attempt, at, SUCCESSOR, "found"))
    state, actions = feed(state, KeyReady(state.attempt, KeyFacts("k", 2048), f"t{state.attempt}"))
    assert isinstance(actions[-1], SendRequest)
    return state


def asked_for(purpose: Purpose, at: datetime) -> Enrollment:
    state, _ = feed(enrolled(), EnrollAsked(at, purpose), CaVerified(1, replace(TRUST, certificates=())))
    return feed(state, KeyReady(1, KeyFacts("k", 2048), "t"))[0]


@pytest.mark.parametrize("restarted", [False, True], ids=["at once", "over a restart"])
@pytest.mark.parametrize(
    "begun",
    [asked_for(Purpose.RENEW, JUST_BEFORE), under_successor(enrolled(), JUST_BEFORE)],
    ids=["asked for", "under the successor"],
)
def test_a_refusal_just_before_a_renewal_is_due_does_not_keep_it_away(begun: Enrollment, restarted: bool) -> None:
    state, actions = feed(begun, Failed(begun.attempt, problem(State.REFUSED, JUST_BEFORE), 1.0))
    assert (state.state, actions) == (State.REFUSED, (Remember(), WakeAt(DUE)))
    if restarted:
        state, _ = feed(replace(state, state=State.DISABLED, attempt=0), Began(DUE))
    else:
        state, _ = feed(state, TimerDue(DUE))
    assert (state.state, state.aim, state.journal.staged) == (State.BOOTSTRAPPING, Purpose.RENEW, None)


def test_a_refused_rekey_does_not_keep_a_renewal_away_that_was_due_already() -> None:
    late = DUE + timedelta(hours=1)
    begun = asked_for(Purpose.REKEY, late)
    state, _ = feed(begun, Failed(begun.attempt, problem(State.REFUSED, late), 1.0))
    wake_at = late + timedelta(days=1)
    state, _ = feed(state, TimerDue(wake_at), TimerDue(wake_at + timedelta(minutes=15)))
    assert (state.state, state.aim) == (State.BOOTSTRAPPING, Purpose.RENEW)


def test_a_renewal_that_was_refused_when_due_waits_for_a_person() -> None:
    begun = asked_for(Purpose.RENEW, DUE)
    state, _ = feed(begun, Failed(begun.attempt, problem(State.REFUSED, DUE), 1.0))
    state, actions = feed(state, TimerDue(DUE + timedelta(days=1)))
    assert (state.state, actions) == (State.REFUSED, (Remember(), WakeAt(DUE + timedelta(days=2))))


def test_what_is_due_and_refused_under_the_successor_is_asked_of_the_present_ca_at_once_and_once_only() -> None:
    begun = under_successor(enrolled(), DUE)
    state, actions = feed(begun, Failed(begun.attempt, problem(State.REFUSED, DUE), 1.0))
    assert actions == (Remember(), LocateServer(state.attempt, refresh=True))
    assert (state.journal.staged, state.journal.declined) == (None, SUCCESSOR)
    rolled_over, _ = feed(state, CaVerified(state.attempt, ROLLED_OVER))
    rolled_over, _ = feed(rolled_over, KeyReady(rolled_over.attempt, KeyFacts("k", 2048), "again"))
    ended, _ = feed(rolled_over, Failed(rolled_over.attempt, problem(State.REFUSED, DUE), 1.0))
    assert ended.state is State.REFUSED


def fail_under_successor(state: Enrollment, failure: Problem, tries: int) -> Enrollment:
    """Fail so often, with the looks at the server in between."""
    for left in range(tries, 0, -1):
        state, _ = feed(state, Failed(state.attempt, failure, 1.0))
        if left > 1:
            due = state.journal.next_attempt_at
            assert due is not None
            state, actions = feed(state, TimerDue(due), CaVerified(state.attempt + 1, SUCCESSOR))
            state, actions = feed(state, KeyReady(state.attempt, KeyFacts("k", 2048), "fresh"))
            assert isinstance(actions[-1], SendRequest)
    return state


FAILURES = ["HttpStatusError", "UntrustedSignerError", "BrokenConnectionError"]


def failure_of(kind: str, at: datetime) -> Problem:
    reached = State.UNREACHABLE if kind == "BrokenConnectionError" else State.INVALID_RESPONSE
    return replace(problem(reached, at), kind=kind)


@pytest.mark.parametrize("kind", FAILURES)
def test_a_ca_that_cannot_open_what_is_sealed_for_its_successor_is_left_after_three_tries(kind: str) -> None:
    failure = failure_of(kind, NOW)
    begun = under_successor(enrolled(), NOW)
    state = fail_under_successor(begun, failure, 2)
    assert (state.state, state.journal.staged) == (failure.state, SUCCESSOR)
    state = fail_under_successor(begun, failure, 3)
    assert (state.state, state.journal.staged, state.journal.declined) == (State.ENROLLED, None, SUCCESSOR)


def test_a_gateway_whose_successor_cannot_be_had_long_before_its_renewal_is_enrolled_and_looks_on() -> None:
    failure = replace(problem(State.INVALID_RESPONSE), kind="UntrustedSignerError")
    state = fail_under_successor(under_successor(enrolled(), NOW), failure, 3)
    assert (state.state, state.journal.problem, state.journal.staged) == (State.ENROLLED, None, None)
    assert "message" in state.journal.ca_check
    state = fail_under_successor(under_successor(state, NOW), failure, 2)
    assert state.journal.staged == SUCCESSOR, "it may have passed a day later"


def test_on_the_last_day_of_the_present_ca_its_successor_is_not_given_up() -> None:
    state = renewed(enrolled(), ca=Validity(NOW, DUE + timedelta(hours=20)))
    failure = replace(problem(State.INVALID_RESPONSE, DUE), kind="HttpStatusError")
    assert fail_under_successor(under_successor(state, DUE), failure, 5).journal.staged == SUCCESSOR


def test_a_successor_that_is_not_reached_is_not_given_up() -> None:
    failure = replace(problem(State.UNREACHABLE, DUE), kind="TransportError")
    state = fail_under_successor(under_successor(enrolled(), DUE), failure, 5)
    assert (state.state, state.journal.staged) == (State.UNREACHABLE, SUCCESSOR)


def test_a_server_that_has_rolled_over_and_fails_is_asked_on_under_the_successor() -> None:
    failure = replace(problem(State.INVALID_RESPONSE, DUE), kind="HttpStatusError")
    state = fail_under_successor(under_successor(enrolled(), DUE), failure, 1)
    for _ in range(5):
        state, _ = feed(state, CaVerified(state.attempt, ROLLED_OVER))
        state, _ = feed(state, KeyReady(state.attempt, KeyFacts("k", 2048), "anew"))
        state, actions = feed(state, Failed(state.attempt, failure, 1.0))
        assert (state.state, state.journal.staged) == (State.INVALID_RESPONSE, ROLLED_OVER)
        assert isinstance(actions[-1], WakeAt)
        state, _ = feed(state, TimerDue(actions[-1].when))
    assert state.journal.attempts == 5, "the pauses go on growing"


@pytest.mark.parametrize("renew", [False, True])
def test_ra_certificates_of_a_renewal_that_was_refused_are_no_reason_to_renew(*, renew: bool) -> None:
    state = renewing()
    state = replace(state, configured=replace(state.configured, renew=renew))
    state, _ = feed(state, CaVerified(1, replace(TRUST, certificates=("PEM", "another RA"))))
    state, _ = feed(state, KeyReady(1, KeyFacts("k", 2048), "t"), Failed(1, problem(State.REFUSED), 1.0))
    assert state.state is State.REFUSED
    state, _ = feed(state, TimerDue(TOMORROW.when))
    assert (state.state, state.journal.staged) == (State.ENROLLED, None)
    changed = replace(state.configured, digest="other")
    state, _ = feed(state, SettingsChanged(TOMORROW.when, changed))
    assert state.state is State.ENROLLED


def pending() -> Enrollment:
    return feed(requesting(), Failed(1, problem(State.PENDING), 0.5))[0]


@pytest.mark.requirement("RFC 8894 3.3.3: CertPoll")
def test_a_poll_is_of_the_same_transaction_and_is_given_up_after_thirty_days() -> None:
    state, when = pending(), NOW
    for _ in range(2000):
        due = state.journal.next_attempt_at
        if due is None:
            break
        when = due
        state, _ = feed(state, TimerDue(when))
        state, actions = feed(state, KeyReady(state.attempt, KeyFacts("k", 2048), "fresh"))
        assert actions[-1] == SendPoll(state.attempt, "t1")
        state, _ = feed(state, Failed(state.attempt, problem(State.PENDING, when), 0.5))
    assert timedelta(days=30) < when - NOW < timedelta(days=31)
    assert state.state is State.REFUSED
    assert state.journal.problem is not None
    assert state.journal.problem.kind == "pending-too-long"
    assert state.journal.request is None


@pytest.mark.parametrize(("digest", "used"), [("d", "mine"), ("other", "")])
def test_a_challenge_that_did_not_go_out_is_not_taken_for_used_after_a_crash(digest: str, used: str) -> None:
    keystore = KeystoreFacts(True, IdentityFacts("new", "k"), KeyFacts("k", 2048))
    request = Request("t", "k", None, "A", digest=digest)
    journal = Journal(trust=replace(TRUST, certificates=()), request=request)
    state, _ = feed(enrollment(keystore, journal, has_challenge=True, challenge_digest="mine"), Began(NOW))
    assert state.state is State.ENROLLED
    assert state.journal.challenge_used == used


@pytest.mark.requirement("RFC 8894 5.2: recovery")
def test_a_server_that_knows_no_poll_is_sent_the_same_request_again() -> None:
    state, _ = feed(pending(), TimerDue(NOW + timedelta(hours=1)))
    state, actions = feed(state, KeyReady(state.attempt, KeyFacts("k", 2048), "fresh"))
    assert actions[-1] == SendPoll(state.attempt, "t1")
    state, _ = feed(state, PollUnsupported(state.attempt, NOW + timedelta(hours=1)))
    assert state.state is State.PENDING
    due = state.journal.next_attempt_at
    assert due is not None
    state, _ = feed(state, TimerDue(due))
    state, actions = feed(state, KeyReady(state.attempt, KeyFacts("k", 2048), "fresh"))
    assert actions[-1] == SendRequest(state.attempt, "t1")


@pytest.mark.requirement("RFC 8894 5.2: recovery")
def test_a_request_that_the_ca_does_not_know_is_begun_anew_once_and_then_sent_again() -> None:
    state, _ = feed(pending(), TimerDue(NOW + timedelta(hours=1)))
    state, _ = feed(state, KeyReady(state.attempt, KeyFacts("k", 2048), "fresh"))
    state, actions = feed(state, RequestUnknown(state.attempt, NOW + timedelta(hours=1), "t2"))
    assert actions == (Remember(), SendRequest(state.attempt, "t2"))
    state, _ = feed(state, Failed(state.attempt, problem(State.PENDING, NOW + timedelta(hours=1)), 0.5))
    state, _ = feed(state, TimerDue(NOW + timedelta(hours=2)))
    state, actions = feed(state, KeyReady(state.attempt, KeyFacts("k", 2048), "fresh"))
    assert actions[-1] == SendPoll(state.attempt, "t2")
    state, _ = feed(state, RequestUnknown(state.attempt, NOW + timedelta(hours=2), "t3"))
    assert state.state is State.PENDING
    state, _ = feed(state, TimerDue(NOW + timedelta(hours=3)))
    state, actions = feed(state, KeyReady(state.attempt, KeyFacts("k", 2048), "fresh"))
    assert actions[-1] == SendRequest(state.attempt, "t2")


OTHERWISE = replace(CONFIGURED, digest="other", key_size=4096)


@pytest.mark.requirement("RFC 8894 3.2.1.1: transactionID")
@pytest.mark.parametrize("reached", [State.REQUESTING, State.PENDING, State.UNREACHABLE])
@pytest.mark.parametrize("restarted", [False, True], ids=["at once", "over a restart"])
def test_a_request_ends_with_a_change_of_what_it_asks_for(reached: State, restarted: bool) -> None:
    state = requesting()
    if reached is not State.REQUESTING:
        state, _ = feed(state, Failed(1, problem(reached), 1.0))
    if restarted:
        stopped = replace(state, state=State.DISABLED, configured=OTHERWISE, attempt=0)
        state, actions = feed(stopped, Began(NOW))
    else:
        state, actions = feed(state, SettingsChanged(NOW, OTHERWISE))
    if reached is State.UNREACHABLE:
        state, actions = feed(state, CaVerified(state.attempt, replace(TRUST, certificates=())))
    assert PrepareKey(state.attempt, reuse=False) in actions
    state, actions = feed(state, KeyReady(state.attempt, KeyFacts("k4", 4096), "t2"))
    assert actions == (Remember(), SendRequest(state.attempt, "t2"))


def test_a_request_outlives_changes_that_it_does_not_depend_on() -> None:
    off = replace(CONFIGURED, enabled=False, digest="")
    state, _ = feed(pending(), SettingsChanged(NOW, off), SettingsChanged(NOW, CONFIGURED))
    state, actions = feed(state, KeyReady(state.attempt, KeyFacts("k", 2048), "fresh"))
    assert actions[-1] == SendPoll(state.attempt, "t1")


def test_pauses_grow_are_spread_and_end_at_six_hours() -> None:
    state, pauses = requesting(), []
    for _ in range(12):
        state, actions = feed(state, Failed(state.attempt, problem(State.UNREACHABLE), 1.0))
        (wake,) = (action for action in actions if isinstance(action, WakeAt))
        pauses.append((wake.when - NOW).total_seconds())
        state, _ = feed(state, TimerDue(wake.when))
        state, _ = feed(state, KeyReady(state.attempt, KeyFacts("k", 2048), "fresh"))
    assert pauses[:4] == [60, 120, 240, 480]
    assert pauses[-1] == 6 * 3600
    _, actions = feed(requesting(), Failed(1, problem(State.UNREACHABLE), 0.0))
    assert WakeAt(NOW + timedelta(seconds=1)) in actions


def test_a_wait_survives_a_restart_but_not_a_clock_that_was_far_ahead() -> None:
    failed, _ = feed(requesting(), Failed(1, problem(State.UNREACHABLE), 1.0))
    again = replace(failed, state=State.DISABLED, attempt=0)
    state, actions = feed(again, Began(NOW))
    assert (state.state, actions) == (State.UNREACHABLE, (WakeAt(NOW + timedelta(seconds=60)),))
    far = replace(again, journal=replace(again.journal, next_attempt_at=NOW + timedelta(days=3650)))
    state, actions = feed(far, Began(NOW))
    assert actions == (WakeAt(NOW + timedelta(hours=6)),)


def test_what_an_earlier_try_brings_is_ignored() -> None:
    state, _ = feed(requesting(), SettingsChanged(NOW, replace(CONFIGURED, digest="other")))
    assert feed(state, CertificateIssued(1, ())) == (state, ())


@pytest.mark.parametrize(
    ("changes", "state"), [({"enabled": False}, State.DISABLED), ({"problems": ("x",)}, State.MISCONFIGURED)]
)
def test_nothing_is_done_while_it_must_not(changes: dict[str, Any], state: State) -> None:
    reached, actions = feed(enrollment(**changes), Began(NOW))
    assert (reached.state, actions) == (state, ())


def test_a_look_for_the_successor_that_fails_does_not_take_the_turn_of_the_renewal_that_is_due() -> None:
    state = replace(enrolled(), state=State.UNREACHABLE, configured=replace(CONFIGURED, renew=True, rollover=True))
    state = replace(state, keystore=replace(state.keystore, ca=Validity(NOW, NOW + timedelta(days=89))))
    waits = replace(state.journal, problem=problem(State.UNREACHABLE, DUE), attempts=3, next_attempt_at=DUE, digest="d")
    state, actions = feed(replace(state, journal=waits), TimerDue(DUE))
    assert actions == (SeekNextCa(state.attempt),)
    state, actions = feed(state, Failed(state.attempt, problem(State.UNTRUSTED_CA, DUE), 1.0))
    wake = actions[-1]
    assert isinstance(wake, WakeAt)
    state, actions = feed(state, TimerDue(wake.when))
    assert (state.aim, actions) == (Purpose.RENEW, (LocateServer(state.attempt, refresh=True),))
