"""Servers that cannot do what they offer (RFC 8894 3.5.2): found out once, remembered, forgotten with a reason."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from components.scep.client import ScepClient
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
    FormRefused,
    IdentityFacts,
    IdentityStored,
    Journal,
    JournalFile,
    KeyFacts,
    KeyReady,
    KeystoreFacts,
    NextCaSought,
    Problem,
    Purpose,
    Remember,
    ReplySealed,
    Request,
    SendPoll,
    SendRequest,
    SettingsChanged,
    State,
    TimerDue,
    Trust,
    Validity,
    WakeAt,
    step,
)
from components.scep.enrolment.journal import VERSION
from components.scep.errors import HttpStatusError
from components.scep.message import Cipher, decode_envelope, decode_pki_message
from components.scep.transaction import SecurityProfile
from tools.scep_ca.faults import FaultySide

if TYPE_CHECKING:
    from pathlib import Path

    from components.scep.transaction import Capabilities
    from tests.components.scep.enrolled_gateway import Begin, EnrolledGateway

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LEGACY = Configured(True, (), "A", "d", retry_interval_s=60, key_size=2048, profile=SecurityProfile.LEGACY, renew=True)
OFFERED = ("aes", "des3", "renewal", "sha-1", "sha-256")
TRUST = Trust("A", "http://ca/scep", OFFERED)
LIFE = Validity(NOW - timedelta(days=80), NOW + timedelta(days=1))  # it is to be renewed
KEYSTORE = KeystoreFacts(True, IdentityFacts("c", "k", validity=LIFE), KeyFacts("k", 2048))
SEALED = Problem(State.INVALID_RESPONSE, "EnvelopeError", "cannot be opened", "", NOW)
BAD_ALG = Problem(State.REFUSED, "badAlg", "refused", "", NOW)


@dataclass
class Life:
    """An enrolment; each method is something that happens to it."""

    state: Enrollment
    actions: tuple[Action, ...] = ()

    def feed(self, event: Event) -> None:
        self.state, self.actions = step(self.state, event)

    def renew(self, trust: Trust = TRUST) -> None:
        """A renewal begins by itself, at a server that is found as this."""
        self.feed(TimerDue(NOW))
        (wake,) = (one for one in self.actions if isinstance(one, WakeAt))
        self.feed(TimerDue(wake.when))
        self.find(trust)

    def ask(self, purpose: Purpose = Purpose.RENEW) -> None:
        self.feed(EnrollAsked(NOW, purpose))
        self.find()

    def go_on(self) -> None:
        """The next try, after a failure."""
        due = self.state.journal.next_attempt_at
        assert due is not None, "nothing is waited for"
        self.feed(TimerDue(due))
        self.find()

    def find(self, trust: Trust = TRUST) -> None:
        self.feed(CaVerified(self.state.attempt, trust))
        self.prepare()

    def prepare(self) -> None:
        self.feed(KeyReady(self.state.attempt, KeyFacts("k", 2048), "t"))

    def seal(self) -> None:
        self.feed(ReplySealed(self.state.attempt, SEALED, 1.0))

    def issue(self) -> None:
        self.feed(CertificateIssued(self.state.attempt, ()))
        self.feed(IdentityStored(self.state.attempt, KEYSTORE, NOW))
        assert self.state.state is State.ENROLLED

    def restart(self, configured: Configured = LEGACY) -> None:
        self.state = Enrollment(State.DISABLED, configured, KEYSTORE, self.state.journal)
        self.feed(Began(NOW))

    @property
    def sent(self) -> SendRequest | SendPoll:
        (sent,) = (one for one in self.actions if isinstance(one, SendRequest | SendPoll))
        assert self.actions.index(Remember()) < self.actions.index(sent)
        return sent

    def remembers(self) -> bool:
        trust = self.state.journal.trust
        assert trust is not None
        return trust.weaker


def life(trust: Trust = TRUST, configured: Configured = LEGACY) -> Life:
    return Life(Enrollment(State.ENROLLED, configured, KEYSTORE, Journal(trust=trust)))


def taught() -> Life:
    """A life in which a server was found out."""
    one = life()
    one.renew()
    first = one.sent
    assert not first.weaker
    one.seal()
    assert one.sent == replace(first, weaker=True), "the same transaction"
    assert not one.remembers(), "it has not helped yet"
    one.issue()
    assert one.remembers()
    return one


@pytest.mark.requirement("RFC 8894 3.5.2: weaker algorithms")
def test_what_helped_is_sent_at_once_from_then_on_over_a_restart() -> None:
    one = taught()
    one.restart()
    one.renew()
    assert one.sent.weaker


def test_a_crash_after_the_weaker_was_sent_goes_on_with_the_weaker() -> None:
    one = life()
    one.renew()
    one.seal()
    sent = one.sent
    one.restart()
    one.prepare()
    assert (one.sent.transaction_id, one.sent.weaker) == (sent.transaction_id, True)


def test_what_did_not_help_either_is_no_experience_and_the_next_try_begins_with_what_is_offered() -> None:
    one = life()
    one.renew()
    one.seal()
    one.seal()
    assert one.state.state is State.INVALID_RESPONSE
    assert one.state.journal.problem == SEALED
    one.restart()
    assert not one.remembers()
    one.go_on()
    assert not one.sent.weaker


@pytest.mark.parametrize("profile", [SecurityProfile.STANDARD, SecurityProfile.STRICT])
def test_another_profile_sends_nothing_weaker(profile: SecurityProfile) -> None:
    one = life(configured=replace(LEGACY, profile=profile))
    one.renew()
    one.seal()
    assert one.state.state is State.INVALID_RESPONSE


def test_a_server_that_offers_no_more_than_the_weakest_is_not_asked_the_same_twice() -> None:
    one = life(replace(TRUST, capabilities=("des3", "renewal")))
    one.renew(replace(TRUST, capabilities=("des3", "renewal")))
    one.seal()
    assert one.state.state is State.INVALID_RESPONSE


@pytest.mark.parametrize("while_off", [False, True])
def test_a_profile_that_permits_it_no_more_is_the_end_of_the_experience(*, while_off: bool) -> None:
    strict = replace(LEGACY, profile=SecurityProfile.STRICT, digest="s")
    one = taught()
    if while_off:
        one.restart(strict)
    else:
        one.feed(SettingsChanged(NOW, strict))
    assert not one.remembers()
    assert Remember() in one.actions
    one.feed(SettingsChanged(NOW, LEGACY))
    one.renew()
    assert not one.sent.weaker


@pytest.mark.parametrize(
    ("found", "kept"),
    [
        (TRUST, True),
        (replace(TRUST, certificates=("another RA",)), True),
        (replace(TRUST, warning="offers less"), True),
        (replace(TRUST, capabilities=(*OFFERED, "getnextcacert")), False),
        (replace(TRUST, capabilities=("aes", "renewal", "sha-1", "sha-256")), False),
        (replace(TRUST, url="http://ca/other"), False),
    ],
)
def test_it_is_kept_for_the_same_server_as_long_as_that_offers_the_same(found: Trust, *, kept: bool) -> None:
    one = taught()
    one.renew(found)
    assert one.sent.weaker == kept
    one.issue()
    assert one.remembers() == kept


def test_the_successor_of_the_ca_is_the_same_server() -> None:
    one = taught()
    one.state = replace(one.state, state=State.CHECKING_CA)
    one.feed(NextCaSought(one.state.attempt, NOW, replace(TRUST, certificates=("next",)), "taken over"))
    one.prepare()
    assert one.sent.weaker
    one.issue()
    assert one.remembers()


def test_a_bootstrap_is_the_end_of_the_experience() -> None:
    one = taught()
    one.restart(replace(LEGACY, bootstrap_identity="B", digest="b"))
    one.feed(CaVerified(one.state.attempt, replace(TRUST, bootstrap_identity="B", certificates=("PEM",))))
    one.prepare()
    assert not one.sent.weaker


def test_a_server_that_was_mended_without_a_word_is_sent_what_it_offers_again() -> None:
    one = taught()
    one.renew()
    one.feed(FormRefused(one.state.attempt, BAD_ALG, "fresh", 1.0))
    assert (one.sent.weaker, one.sent.transaction_id) == (False, "fresh")
    one.feed(FormRefused(one.state.attempt, BAD_ALG, "other", 1.0))
    assert isinstance(one.sent, SendRequest)
    assert one.sent.form is not None
    assert one.sent.form.message_type.name == "PKCS_REQ", "another refusal is one of the form"
    one.issue()
    assert not one.remembers()


@pytest.mark.parametrize("kind", ["badAlg", "badMessageCheck", "badRequest", "HttpStatusError"])
def test_a_renewal_that_is_refused_in_what_helped_once_is_sent_in_what_is_offered_in_all_forms(kind: str) -> None:
    one = taught()
    trust = one.state.journal.trust
    assert trust is not None
    journal = replace(one.state.journal, trust=replace(trust, renewal_form="renewal_req+challenge"))
    one.state = replace(one.state, configured=replace(LEGACY, has_challenge=True), journal=journal)
    one.renew()
    sent = [one.sent]
    for number in range(2):
        refused = replace(BAD_ALG, kind=kind)
        one.feed(FormRefused(one.state.attempt, refused, f"t{number}", 1.0, by_ca=kind != "HttpStatusError"))
        sent.append(one.sent)
    forms = [request.form for request in sent if isinstance(request, SendRequest) and request.form is not None]
    assert [form.challenge for form in forms] == [True, False, True]
    assert [request.weaker for request in sent] == [True, True, False], "not right after the challenge went out"


@pytest.mark.parametrize(
    ("kind", "state"),
    [
        ("HttpStatusError", State.INVALID_RESPONSE),
        ("HttpStatusError", State.UNREACHABLE),
        ("BrokenConnectionError", State.UNREACHABLE),
    ],
)
def test_a_server_that_fails_over_what_helped_once_is_sent_what_it_offers_at_the_next_try(
    kind: str, state: State
) -> None:
    one = taught()
    one.renew()
    assert one.sent.weaker
    transaction = one.sent.transaction_id
    one.feed(Failed(one.state.attempt, Problem(state, kind, "", "", NOW), 1.0))
    one.restart()
    one.go_on()
    assert (one.sent.weaker, one.sent.transaction_id) == (False, transaction)


def test_a_network_that_is_down_says_nothing_of_what_helped() -> None:
    one = taught()
    one.renew()
    one.feed(Failed(one.state.attempt, Problem(State.UNREACHABLE, "TransportError", "", "", NOW), 1.0))
    one.go_on()
    assert one.sent.weaker


@pytest.mark.parametrize("purpose", list(Purpose))
@pytest.mark.parametrize("failed", [False, True], ids=["all is well", "a try has failed"])
def test_who_asks_after_a_failure_has_the_server_met_as_if_for_the_first_time(
    purpose: Purpose, *, failed: bool
) -> None:
    """Where all is well, what helps is sent at once: a challenge that is good for one use goes out once only."""
    one = taught()
    if failed:
        one.renew()
        one.feed(Failed(one.state.attempt, Problem(State.UNREACHABLE, "TransportError", "", "", NOW), 1.0))
    one.ask(purpose)
    assert one.sent.weaker != failed


def test_what_is_offered_no_more_is_not_sent_by_a_request_under_way_either() -> None:
    one = taught()
    one.renew()
    one.feed(Failed(one.state.attempt, Problem(State.UNREACHABLE, "TransportError", "", "", NOW), 1.0))
    due = one.state.journal.next_attempt_at
    assert due is not None
    one.feed(TimerDue(due))
    one.find(replace(TRUST, capabilities=("aes", "renewal", "sha-256")))
    assert not one.sent.weaker
    one.seal()
    assert one.state.state is State.INVALID_RESPONSE


def test_a_poll_whose_reply_cannot_be_opened_is_sent_once_more_too() -> None:
    one = life()
    one.renew()
    one.feed(Failed(one.state.attempt, Problem(State.PENDING, "pending", "", "", NOW), 1.0))
    one.restart()
    one.ask()
    poll = one.sent
    assert isinstance(poll, SendPoll)
    one.seal()
    assert one.sent == replace(poll, weaker=True)


def test_a_journal_of_before_has_no_experience(tmp_path: Path) -> None:
    journal = Journal(trust=TRUST, request=Request("t", "k", None, "A"))
    file = JournalFile(tmp_path, "K")
    file.save(journal)
    path = tmp_path / "K.json"
    document = json.loads(path.read_text("utf-8"))
    assert document["version"] == VERSION
    del document["trust"]["weaker"], document["request"]["weaker"]
    path.write_text(json.dumps(document), "utf-8")
    assert file.load() == (journal, None)


def _requests(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was sent since the last look, as the log tells it."""
    texts = [re.search(r"certificate requested from \S+ \((.*)\)", one.getMessage()) for one in caplog.records]
    caplog.clear()
    return [text[1] for text in texts if text is not None]


def _warnings(gateway: EnrolledGateway) -> list[str]:
    return [one for one in gateway.status["warnings"] if "nobody can open" in one]


def test_quirk_20_ndes_is_found_out_once_and_the_status_warns_until_it_is_forgotten(
    begin: Begin, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level("INFO")
    settings: dict[str, Any] = {"security.profile": "legacy"}
    gateway, authority = begin(settings=settings, faults=("3des-only",))
    assert gateway.status["state"] == "enrolled", gateway.status
    assert _requests(caplog) == ["pkcs req", "pkcs req, in 3DES and SHA-1"]
    assert len(_warnings(gateway)) == 1
    gateway.stop()
    gateway.start()
    gateway.days(88)
    assert gateway.status["state"] == "enrolled", gateway.status
    assert _requests(caplog) == ["renewal req, in 3DES and SHA-1"]
    offered = authority.ca.get_ca_caps()
    monkeypatch.setattr(authority.ca, "get_ca_caps", lambda: offered + b"\nSomething-New\n")
    gateway.days(85)
    assert _requests(caplog) == ["renewal req", "renewal req, in 3DES and SHA-1"]
    gateway.set(security__profile="standard")
    assert _warnings(gateway) == []


@pytest.mark.parametrize("status", [400, 500])
def test_a_server_that_was_mended_and_fails_over_3des_costs_no_certificate(
    begin: Begin, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    caplog.set_level("INFO")
    gateway, authority = begin(settings={"security.profile": "legacy"}, faults=("3des-only",))
    assert gateway.status["state"] == "enrolled", gateway.status
    authority.ca._faults = FaultySide(())
    send = ScepClient.pki_operation

    def mended(self: ScepClient, message: bytes, capabilities: Capabilities) -> bytes:
        if decode_envelope(decode_pki_message(message).content or b"").cipher is Cipher.DES3:
            raise HttpStatusError(self.url, status, "cannot", None)
        return send(self, message, capabilities)

    monkeypatch.setattr(ScepClient, "pki_operation", mended)
    _requests(caplog)
    gateway.days(92)
    assert gateway.status["state"] == "enrolled", gateway.status
    assert _requests(caplog) == ["renewal req, in 3DES and SHA-1", "renewal req"]
    assert _warnings(gateway) == []
