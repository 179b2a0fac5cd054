"""Problems and next steps in words that a person can act on."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from components.keystore import KeystoreError
from components.scep.enrolment import RETRIED, Enrollment, Problem, Purpose, State, next_check
from components.scep.errors import (
    ClientKeyError,
    HttpStatusError,
    IssuedCertificateError,
    MessageError,
    NotScepError,
    OldCertificateError,
    RecipientKeyError,
    TransportError,
    UntrustedCaError,
    WeakAlgorithmError,
)
from components.scep.message import FailInfo

if TYPE_CHECKING:
    from datetime import datetime

    from components.scep.enrolment import SetAside, Verdict
    from components.scep.transaction import Refused


_NOT_OF_THE_CHALLENGE: Final = (
    FailInfo.BAD_ALG,
    FailInfo.BAD_MESSAGE_CHECK,
    FailInfo.BAD_TIME,
    FailInfo.BAD_CERT_ID,
)
_CHALLENGE_USED: Final = "; its challenge password has brought a certificate before, on "
_NEW_CHALLENGE: Final = (
    "if it is good for one use, get a new one from the CA's operator, and give it with: gatewright config set "
    "gatewright.scep.SCEPEnrollmentService client.challenge.password=-; else: "
)


def problem_of(error: BaseException, now: datetime) -> Problem:
    """What an error means for the enrolment: the state that it leads to, and what to do."""
    state, kind, what_to_do = _classify(error)
    retry_after_s = error.retry_after_s if isinstance(error, HttpStatusError) else None
    return Problem(state, kind, str(error) or type(error).__name__, what_to_do, now, retry_after_s)


def problem_of_refusal(
    refused: Refused,
    now: datetime,
    purpose: Purpose = Purpose.ENROLL,
    earlier: Problem | None = None,
    challenge_used_at: datetime | None = None,
) -> Problem:
    """A refusal by the CA of a request.

    Args:
        refused: What the CA said.
        now: When.
        purpose: What the request was for.
        earlier: The refusal of the same renewal in other forms. What the CA said first counts: it has not met the
            request in a form that it does not know.
        challenge_used_at: When the challenge password that went along has brought a certificate before, or None.
    """
    if earlier is None:
        problem = _refused(refused, now, purpose)
    elif refused.summary in earlier.message:
        # The same with the challenge as without it: it is not the challenge.
        return replace(_without_blame(earlier, refused.summary), at=now)
    else:
        problem = replace(earlier, message=f"{earlier.message}; in another form: {refused.summary}", at=now)
    if challenge_used_at is None or refused.fail_info in _NOT_OF_THE_CHALLENGE:
        return problem
    used = f"{_CHALLENGE_USED}{challenge_used_at:%Y-%m-%d}"
    return replace(problem, message=problem.message + used, what_to_do=_NEW_CHALLENGE + problem.what_to_do)


def _refused(refused: Refused, now: datetime, purpose: Purpose) -> Problem:
    if purpose is Purpose.ENROLL:
        message, again = f"the CA refused the request: {refused.summary}", "gatewright cert enroll"
    else:
        message = f"the CA refused the renewal: {refused.summary}"
        again = f"gatewright cert {purpose}; or, by the challenge password: gatewright cert enroll"
    return Problem(State.REFUSED, refused.reason, message, f"{refused.hint}; then: {again}", now)


def _without_blame(problem: Problem, reason: str) -> Problem:
    """The same problem, without blaming a challenge password that was used before for what has this reason, too."""
    start, blame, rest = problem.message.partition(_CHALLENGE_USED)
    if not blame or not start.endswith(reason):
        return problem
    message = start + rest[len("YYYY-MM-DD") :]
    return replace(problem, message=message, what_to_do=problem.what_to_do.removeprefix(_NEW_CHALLENGE))


def pending_problem(now: datetime) -> Problem:
    """The CA has yet to decide."""
    return Problem(
        State.PENDING,
        "pending",
        "the CA has the request and has yet to decide about it; perhaps a person there has to",
        "have the request approved at the CA; it is asked again until it is, and now by: gatewright cert poll",
        now,
    )


def waits_for_renewal(aside: SetAside) -> str:
    """What is set aside while the renewal that is due is seen to."""
    if aside.staged is not None and aside.staged.succeeds:
        what = "the move to the CA's successor"
    else:
        what = f"what was asked for ({aside.asked or 'renew'})"
    transaction = "" if aside.request is None else f", transaction {aside.request.transaction_id}"
    return f"{what} was not to be had before the renewal was due, and waits for that{transaction}"


def next_step(enrollment: Enrollment, verdicts: tuple[Verdict, ...] = ()) -> str:
    """What comes next."""
    match enrollment.state:
        case State.DISABLED:
            return "nothing: it is disabled; set enabled=true"
        case State.MISCONFIGURED:
            return "it waits for a change of its configuration"
        case State.BOOTSTRAPPING:
            return "the CA certificates are being fetched and verified"
        case State.GENERATING_KEY:
            return "a key pair is being prepared"
        case State.REQUESTING:
            return "the request is on its way to the CA"
        case State.PENDING:
            return "the CA is asked again whether it has decided"
        case State.CHECKING_CA:
            return "the CA is asked for its successor"
        case State.ENROLLED:
            return _what_an_enrolled_gateway_does(enrollment, verdicts)
        case State.REFUSED:
            return _what_a_refused_gateway_does(enrollment)
        case State.UNTRUSTED_CA:
            return "the CA certificates are fetched and verified again; nothing secret is sent until they fit"
        case State.UNREACHABLE | State.INVALID_RESPONSE | State.KEYSTORE_ERROR:
            return "it is tried again"


def next_at(enrollment: Enrollment, now: datetime) -> datetime | None:
    """When what comes next begins, or None if it is under way or waits for a person."""
    if enrollment.state is State.ENROLLED:
        return next_check(enrollment, now)
    return enrollment.journal.next_attempt_at if enrollment.state in RETRIED else None


def _what_a_refused_gateway_does(enrollment: Enrollment) -> str:
    waits = "it waits for a change of its configuration, or for somebody who asks again"
    if enrollment.keystore.identity is None or enrollment.journal.refused_when_due:
        return waits
    return f"{waits}; within a day, or sooner if the renewal is due, it looks at what is due"


def _what_an_enrolled_gateway_does(enrollment: Enrollment, verdicts: tuple[Verdict, ...]) -> str:
    found = next((verdict for verdict in verdicts if verdict.applies), None)
    if found is not None and found.purpose is not None:
        return f"the certificate is renewed: {found.message}"
    if found is not None:
        return f"nothing is done about it by itself ({found.message}); the certificate is looked at again"
    renews = "it is renewed when due" if enrollment.configured.renew else "it is not renewed, as client.renew is false"
    return f"the certificate is stored, and {renews}; it is looked at again"


def _classify(error: BaseException) -> tuple[State, str, str]:
    name = type(error).__name__
    match error:
        case UntrustedCaError():
            return (
                State.UNTRUSTED_CA,
                name,
                (
                    "compare the fingerprint with the CA's operator by another way than this network; then correct "
                    "server.ca.fingerprint or server.bootstrap-certificate, or find out who answers for the server"
                ),
            )
        case OldCertificateError():
            return State.REFUSED, name, "renew with a new key: gatewright cert rekey"
        case HttpStatusError(is_for_now=True):
            return State.UNREACHABLE, name, "wait: the server is busy, or down for now; ask its operator if it stays so"
        case HttpStatusError() | NotScepError():
            return State.INVALID_RESPONSE, name, "check server.url: host, port and path of the SCEP server"
        case TransportError():
            return State.UNREACHABLE, name, "check that the server runs, and the network on the way to it"
        case WeakAlgorithmError():
            return State.INVALID_RESPONSE, name, "change the server's algorithms, or security.profile"
        case IssuedCertificateError():
            return State.INVALID_RESPONSE, name, "ask the CA's operator why it issues such certificates"
        case RecipientKeyError():
            return State.INVALID_RESPONSE, name, "ask the CA's operator for a CA or an RA with an RSA key"
        case ClientKeyError():
            return State.REFUSED, name, "have an RSA key made and certified: gatewright cert enroll"
        case MessageError():
            return (
                State.INVALID_RESPONSE,
                name,
                "somebody may be in between; ask the CA's operator if it stays so",
            )
        case KeystoreError() | OSError():
            return State.KEYSTORE_ERROR, name, "see to the keystore: gatewright keystore list tells how it is"
        case _:
            return State.KEYSTORE_ERROR, name, "this should not happen: report it, with the gateway's log"
