"""Problems and next steps in words that a person can act on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from components.keystore import KeystoreError
from components.scep.enrolment import Enrollment, Problem, State
from components.scep.errors import (
    HttpStatusError,
    IssuedCertificateError,
    MessageError,
    NotScepError,
    TransportError,
    UntrustedCaError,
    WeakAlgorithmError,
)

if TYPE_CHECKING:
    from datetime import datetime

    from components.scep.transaction import Refused


def problem_of(error: BaseException, now: datetime) -> Problem:
    """What an error means for the enrolment: the state that it leads to, and what to do."""
    state, kind, what_to_do = _classify(error)
    return Problem(state, kind, str(error) or type(error).__name__, what_to_do, now)


def problem_of_refusal(refused: Refused, now: datetime) -> Problem:
    """A refusal by the CA."""
    message = f"the CA refused the request: {refused.reason}"
    if refused.text:
        message += f" ({refused.text})"
    if refused.hresult is not None:
        message += f" (HRESULT 0x{refused.hresult & 0xFFFFFFFF:08x})"
    return Problem(State.REFUSED, refused.reason, message, f"{refused.hint}; then: gatewright cert enroll", now)


def pending_problem(now: datetime) -> Problem:
    """The CA has yet to decide."""
    return Problem(
        State.PENDING,
        "pending",
        "the CA has the request and has yet to decide, perhaps a person there has",
        "have the request approved at the CA; the same request is sent again until it is",
        now,
    )


def next_step(enrollment: Enrollment) -> str:
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
            return "the same request is sent again"
        case State.ENROLLED:
            return "nothing: the certificate is stored"
        case State.REFUSED:
            return "it waits for a change of its configuration, or for: gatewright cert enroll"
        case State.UNTRUSTED_CA:
            return "the CA certificates are fetched and verified again; nothing secret is sent until they fit"
        case State.UNREACHABLE | State.INVALID_RESPONSE | State.KEYSTORE_ERROR:
            return "it is tried again"


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
        case HttpStatusError() | NotScepError():
            return State.INVALID_RESPONSE, name, "check server.url: host, port and path of the SCEP server"
        case TransportError():
            return State.UNREACHABLE, name, "check that the server runs, and the network on the way to it"
        case WeakAlgorithmError():
            return State.INVALID_RESPONSE, name, "change the server's algorithms, or security.profile"
        case IssuedCertificateError():
            return State.INVALID_RESPONSE, name, "ask the CA's operator why it issues such certificates"
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
