"""What comes of what somebody asks for, while something is under way, after a change of server, after a refusal."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from components.scep.enrolment import (
    Began,
    CaVerified,
    CertificateIssued,
    EnrollAsked,
    Failed,
    Journal,
    KeyFacts,
    KeyReady,
    KeystoreFacts,
    LocateServer,
    NextCaSought,
    PrepareKey,
    Purpose,
    Remember,
    RolloverAsked,
    SendPoll,
    SendRequest,
    State,
    StoreIdentity,
)
from tests.components.scep.enrolment_states import NOW, RENEWED, TRUST, problem
from tests.components.scep.test_enrolment_machine import SUCCESSOR, asked_for, enrollment, feed, pending, requesting


@pytest.mark.parametrize("purpose", Purpose)
def test_who_asks_while_the_first_request_is_on_its_way_has_that_one_answered(purpose: Purpose) -> None:
    asked, actions = feed(requesting(), EnrollAsked(NOW, purpose))
    assert actions == ()
    _, actions = feed(asked, CertificateIssued(1, ()))
    assert actions == (StoreIdentity(1),)


def test_who_asks_for_something_else_than_is_under_way_has_that_begun() -> None:
    begun = asked_for(Purpose.RENEW, NOW)
    state, actions = feed(begun, EnrollAsked(NOW, Purpose.REKEY))
    assert (state.aim, actions) == (Purpose.REKEY, (Remember(), LocateServer(2, refresh=True)))


def test_what_fails_after_somebody_asked_on_its_way_is_soon_tried_again() -> None:
    begun = requesting()
    begun = replace(begun, journal=replace(begun.journal, attempts=9))
    state, _ = feed(begun, EnrollAsked(NOW), Failed(1, problem(State.UNREACHABLE), 1.0))
    assert state.journal.next_attempt_at == NOW + timedelta(seconds=60)


OF_BEFORE = replace(TRUST, bootstrap_identity="B", certificates=())


@pytest.mark.requirement("mission: [1] bootstrap")
@pytest.mark.parametrize("purpose", [Purpose.RENEW, Purpose.REKEY])
@pytest.mark.parametrize("asked_before", [False, True], ids=["then asked", "asked before"])
def test_another_server_is_enrolled_with_whatever_is_asked_for(purpose: Purpose, asked_before: bool) -> None:
    journal = Journal(trust=OF_BEFORE, asked=purpose if asked_before else None)
    keystore = KeystoreFacts(True, RENEWED, KeyFacts("k", 2048))
    state, actions = feed(enrollment(keystore, journal, renew=True), Began(NOW))
    assert actions[-1] == LocateServer(1)
    if not asked_before:
        state, _ = feed(state, EnrollAsked(NOW, purpose))
    attempt = state.attempt
    state, actions = feed(state, CaVerified(attempt, TRUST))
    assert (state.aim, actions[-1]) == (Purpose.ENROLL, PrepareKey(attempt, reuse=False))
    if not asked_before:
        state, _ = feed(state, EnrollAsked(NOW, purpose))
    assert state.aim is Purpose.ENROLL
    state, actions = feed(state, KeyReady(attempt, KeyFacts("k1", 2048), "t"))
    assert actions[-1] == SendRequest(attempt, "t", Purpose.ENROLL)
    state, _ = feed(state, Failed(attempt, problem(State.REFUSED), 1.0), EnrollAsked(NOW, purpose))
    assert state.aim is Purpose.ENROLL


def test_what_was_refused_is_not_asked_again_under_a_successor_that_is_found() -> None:
    begun = asked_for(Purpose.ENROLL, NOW)
    state, _ = feed(begun, Failed(begun.attempt, problem(State.REFUSED), 1.0), RolloverAsked(NOW))
    state, _ = feed(state, NextCaSought(state.attempt, NOW, SUCCESSOR, "found"))
    assert (state.aim, state.journal.asked) == (Purpose.RENEW, None)


@pytest.mark.parametrize("purpose", list(Purpose))
def test_who_asks_while_the_first_enrolment_is_pending_has_the_same_request_asked_about(purpose: Purpose) -> None:
    state, _ = feed(pending(), EnrollAsked(NOW, purpose))
    state, _ = feed(state, CaVerified(state.attempt, replace(TRUST, certificates=())))
    state, actions = feed(state, KeyReady(state.attempt, KeyFacts("k", 2048), "fresh"))
    assert actions[-1] == SendPoll(state.attempt, "t1")
