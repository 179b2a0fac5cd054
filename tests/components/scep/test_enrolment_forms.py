"""The forms of a renewal: which one is tried when, and what of it is the CA's own decision."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from components.scep.enrolment import (
    Configured,
    EnrollAsked,
    Enrollment,
    Event,
    FormRefused,
    FormUnanswered,
    IdentityFacts,
    Journal,
    KeyFacts,
    KeyReady,
    KeystoreFacts,
    Problem,
    Purpose,
    SendRequest,
    State,
    TimerDue,
    Trust,
    step,
)
from components.scep.enrolment.events import CaVerified

if TYPE_CHECKING:
    from components.scep.transaction import RenewalForm

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CONFIGURED = Configured(True, (), "A", "d", retry_interval_s=60, key_size=2048, has_challenge=True)
TRUST = Trust("A", "http://ca/scep", ("renewal",))
FORMS = 3
"""RenewalReq without and with the challenge password, PKCSReq."""


@dataclass
class Renewal:
    """A renewal under way: each method is an answer to the request that was sent last."""

    state: Enrollment
    sent: list[tuple[str, RenewalForm | None]]
    fresh: int = 0

    def feed(self, event: Event) -> None:
        self.state, actions = step(self.state, event)
        self.sent += [(one.transaction_id, one.form) for one in actions if isinstance(one, SendRequest)]

    def prepare(self) -> None:
        self.fresh += 1
        self.feed(CaVerified(self.state.attempt, TRUST))
        self.feed(KeyReady(self.state.attempt, KeyFacts("k", 2048), f"t{self.fresh}"))

    def refuse(self, *, by_ca: bool = True) -> None:
        self.fresh += 1
        state = State.REFUSED if by_ca else State.INVALID_RESPONSE
        problem = Problem(state, "refused" if by_ca else "HttpStatusError", "", "", NOW)
        self.feed(FormRefused(self.state.attempt, problem, f"t{self.fresh}", 1.0, by_ca))

    def fail(self) -> None:
        self.fresh += 1
        problem = Problem(State.INVALID_RESPONSE, "HttpStatusError", "", "", NOW)
        self.feed(FormUnanswered(self.state.attempt, problem, f"t{self.fresh}", 1.0))

    def wait(self) -> None:
        due = self.state.journal.next_attempt_at
        assert due is not None, "nothing is waited for"
        self.feed(TimerDue(due))
        if self.state.state is State.BOOTSTRAPPING:
            self.prepare()
        else:
            self.fresh += 1
            self.feed(KeyReady(self.state.attempt, KeyFacts("k", 2048), f"t{self.fresh}"))


@pytest.fixture
def renewal() -> Renewal:
    keystore = KeystoreFacts(True, IdentityFacts("c", "k"), KeyFacts("k", 2048))
    begun = Renewal(Enrollment(State.ENROLLED, CONFIGURED, keystore, Journal(trust=TRUST)), [])
    begun.feed(EnrollAsked(NOW, Purpose.RENEW))
    begun.prepare()
    return begun


@pytest.mark.requirement("design 6: refusals")
def test_a_renewal_that_the_ca_refuses_in_every_form_is_refused(renewal: Renewal) -> None:
    for _ in range(FORMS):
        renewal.refuse()
    assert renewal.state.state is State.REFUSED
    assert len({transaction for transaction, _ in renewal.sent}) == FORMS
    assert [form.challenge for _, form in renewal.sent if form is not None] == [False, True, False]


def test_a_server_that_fails_once_is_sent_the_same_request_again(renewal: Renewal) -> None:
    renewal.fail()
    assert renewal.state.state is State.INVALID_RESPONSE
    renewal.wait()
    first, again = renewal.sent
    assert first == again


def test_a_form_over_which_the_server_fails_again_and_again_is_left_for_the_next(renewal: Renewal) -> None:
    for _ in range(3):
        renewal.fail()
        renewal.wait()
    *before, (transaction, form) = renewal.sent
    assert len(set(before)) == 1
    assert (transaction, form) not in before
    assert transaction != before[0][0]
    assert form is not None
    assert form.challenge


@pytest.mark.requirement("design 6: refusals")
def test_what_only_the_http_server_refused_is_never_refused_for_good(renewal: Renewal) -> None:
    for _ in range(FORMS):
        renewal.refuse(by_ca=False)
    assert renewal.state.state is State.INVALID_RESPONSE
    renewal.wait()
    assert renewal.sent[-1][1] == renewal.sent[0][1]
    assert renewal.sent[-1][0] not in {transaction for transaction, _ in renewal.sent[:-1]}


def test_refusals_after_a_failing_server_are_asked_for_once_more_in_every_form(renewal: Renewal) -> None:
    for _ in range(3):
        renewal.fail()
        renewal.wait()
    renewal.refuse()
    renewal.refuse()
    assert renewal.state.state == "invalid-response", "the first form has not come to the CA"
    renewal.wait()
    assert renewal.sent[-1][1] == renewal.sent[0][1]
    for _ in range(FORMS):
        renewal.refuse()
    assert renewal.state.state is State.REFUSED


def test_a_server_that_never_recovers_is_asked_in_every_form_with_growing_pauses(renewal: Renewal) -> None:
    for _ in range(4 * FORMS):
        renewal.fail()
        assert renewal.state.state is State.INVALID_RESPONSE
        renewal.wait()
    assert {form for _, form in renewal.sent} == {form for _, form in renewal.sent[:6]}
    renewal.fail()
    due = renewal.state.journal.next_attempt_at
    assert due is not None
    assert due - NOW == timedelta(hours=6)
