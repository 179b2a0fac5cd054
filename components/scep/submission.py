"""A request or a poll handed to the server, and its reply taken in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from components.scep import enrolment, wording
from components.scep.driver import jitter
from components.scep.enrolment import State
from components.scep.errors import EnvelopeError, HttpStatusError, OperationUnsupportedError
from components.scep.exchange import Exchange, open_exchange
from components.scep.log_events import (
    ISSUED,
    RENEWAL_FORM_REFUSED,
    RENEWAL_FORM_UNANSWERED,
    REPLY_SEALED,
    REQUEST_UNKNOWN,
    REQUESTED,
)
from components.scep.message import FailInfo
from components.scep.transaction import Capabilities, Issued, Pending, Refused, new_transaction_id

if TYPE_CHECKING:
    from datetime import datetime

    from components.scep.driver import EnrolmentDriver
    from components.scep.identity import StoredIdentity
    from components.scep.transaction import Reply
    from components.scep.trust import CaTrust
    from framework import BackgroundResult


def send(driver: EnrolmentDriver, action: enrolment.SendRequest | enrolment.SendPoll) -> None:
    """Send a request for a certificate, or ask whether the CA has decided about one."""
    attempt, record = action.attempt, driver.trust_record
    capabilities = Capabilities(frozenset(record.capabilities))
    stored = driver.store.look()
    trust, signers = driver.trust_of(stored), _signers(driver, stored)
    exchange = open_exchange(stored, driver.settings, trust, capabilities, action, signers)
    sent, client = exchange.request, driver.client(record.url)
    kind = sent.message_type.name.replace("_", " ").lower()
    how = f"{kind}, in {sent.algorithms}" if action.weaker else kind
    driver.step(REQUESTED, {"url": record.url, "request": how, "transaction": sent.transaction_id})

    def done(result: BackgroundResult[bytes]) -> None:
        error = result.error
        if isinstance(error, OperationUnsupportedError) and exchange.is_poll:
            driver.feed(enrolment.PollUnsupported(attempt, driver.now()))
        elif isinstance(error, HttpStatusError) and exchange.form and not error.is_for_now:
            _leave_form(driver, attempt, exchange, error)
        else:
            data = driver.outcome(attempt, result)
            if data is not None:
                driver.guarded(attempt, lambda: _read(driver, attempt, data, exchange))

    driver.context.run_in_background(lambda: client.send(sent, exchange.capabilities), done)


def _signers(driver: EnrolmentDriver, stored: StoredIdentity) -> tuple[CaTrust, ...]:
    """The CAs beside the one that is asked as which its server may answer: those of a rollover, while they overlap.

    RFC 8894 4.7 has requests sealed for the next CA, and does not say as which of the two the server answers them.
    """
    if not enrolment.trust_is_current(driver.enrollment):
        return ()
    staged = driver.enrollment.journal.staged
    return (stored.trust, *stored.earlier) if staged is not None and staged.succeeds else stored.earlier


def _read(driver: EnrolmentDriver, attempt: int, data: bytes, exchange: Exchange) -> None:
    now = driver.now()
    try:
        reply = exchange.read(data, now)
    except EnvelopeError as error:
        driver.step(REPLY_SEALED)
        driver.feed(enrolment.ReplySealed(attempt, wording.problem_of(error, now), jitter()))
        if attempt == driver.enrollment.attempt and driver.enrollment.state is not State.REQUESTING:
            driver.failures += 1  # nothing else is to be sent
        return
    _take_reply(driver, attempt, exchange, reply, now)


def _take_reply(driver: EnrolmentDriver, attempt: int, exchange: Exchange, reply: Reply, now: datetime) -> None:
    match reply:
        case Issued(chain, warnings):
            driver.step(ISSUED, {"serial": f"{chain[0].serial_number:x}"})
            if attempt == driver.enrollment.attempt:
                driver.issued = chain
            driver.feed(enrolment.CertificateIssued(attempt, warnings))
        case Pending():
            driver.feed(enrolment.Failed(attempt, wording.pending_problem(now), jitter()))
        case Refused(fail_info=code) if exchange.is_poll and code == FailInfo.BAD_CERT_ID:
            driver.step(REQUEST_UNKNOWN)
            driver.feed(enrolment.RequestUnknown(attempt, now, _fresh_id(exchange)))
        case Refused() if exchange.form is not None:
            before = driver.enrollment.journal.request
            earlier = None if before is None else before.refused
            problem = wording.problem_of_refusal(reply, now, exchange.purpose, earlier, _used_at(driver, exchange))
            driver.step(RENEWAL_FORM_REFUSED, {"reason": reply.summary})
            driver.feed(enrolment.FormRefused(attempt, problem, _fresh_id(exchange), jitter()))
        case Refused():
            used_at = _used_at(driver, exchange)
            problem = wording.problem_of_refusal(reply, now, exchange.purpose, challenge_used_at=used_at)
            driver.feed(enrolment.Failed(attempt, problem, jitter()))


def _used_at(driver: EnrolmentDriver, exchange: Exchange) -> datetime | None:
    """When the challenge password that a request carries has brought a certificate before."""
    carried = exchange.form is None or exchange.form.challenge
    return enrolment.challenge_used_at(driver.enrollment) if carried else None


def _leave_form(driver: EnrolmentDriver, attempt: int, exchange: Exchange, error: HttpStatusError) -> None:
    """The HTTP server did not let the CA decide about a renewal in this form."""
    problem = wording.problem_of(error, driver.now())
    driver.step(RENEWAL_FORM_UNANSWERED, {"reason": problem.message})
    if error.is_of_the_request:
        driver.feed(enrolment.FormRefused(attempt, problem, _fresh_id(exchange), jitter(), by_ca=False))
    else:
        driver.feed(enrolment.FormUnanswered(attempt, problem, _fresh_id(exchange), jitter()))


def _fresh_id(exchange: Exchange) -> str:
    return new_transaction_id(exchange.parties.certified.key.public_key)
