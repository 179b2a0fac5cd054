"""`cert status` and `cert enroll`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from components.scep.component import PID
from components.scep.enrolment import State
from components.scep.identity import ENROLLED_KEY_PAIR
from components.scep.service import EnrollmentService, EnrollmentStatus
from components.scep.trust import fingerprint
from framework.admin import Answer, Command, CommandError, Invocation
from framework.admin.rendering import fields

if TYPE_CHECKING:
    from datetime import datetime

    from cryptography import x509

VALID: Final = 0
UNKNOWN: Final = 1
REFUSED: Final = 2
UNREACHABLE: Final = 3
MISCONFIGURED: Final = 4
WORKING: Final = 5

WAITING_FOR_KEYSTORE: Final = "waiting-for-keystore"
EXPIRED: Final = "expired"

_EXIT_STATUSES: Final = {
    State.ENROLLED: VALID,
    State.DISABLED: UNKNOWN,
    State.REFUSED: REFUSED,
    State.UNREACHABLE: UNREACHABLE,
    State.INVALID_RESPONSE: UNREACHABLE,
    State.MISCONFIGURED: MISCONFIGURED,
    State.UNTRUSTED_CA: MISCONFIGURED,
    State.KEYSTORE_ERROR: MISCONFIGURED,
    State.BOOTSTRAPPING: WORKING,
    State.GENERATING_KEY: WORKING,
    State.REQUESTING: WORKING,
    State.PENDING: WORKING,
}


def _status(invocation: Invocation) -> Answer:
    gateway = invocation.gateway
    service = _find_service(invocation)
    if service is None:
        return _without_service(invocation)
    status, now = service.status(), gateway.clock.now()
    data = status_data(status, now)
    exit_status = UNKNOWN if data["state"] == EXPIRED else _EXIT_STATUSES[status.state]
    return Answer(data, _text(data), exit_status)


def _enroll(invocation: Invocation) -> Answer:
    service = _find_service(invocation)
    if service is None:
        raise CommandError("\n".join(invocation.gateway.explain(PID).sentences), MISCONFIGURED)
    service.enroll()
    return Answer({"asked": True}, "asked for; see how it goes with: gatewright cert status")


def _find_service(invocation: Invocation) -> EnrollmentService | None:
    registry = invocation.gateway.registry
    found = registry.find(EnrollmentService)
    service = None if found is None else registry.get(found)
    return service if isinstance(service, EnrollmentService) else None


def _without_service(invocation: Invocation) -> Answer:
    """Why there is no enrolment to ask, said in the same form."""
    explanation = invocation.gateway.explain(PID)
    unsatisfied = [one for one in explanation.data.get("references", ()) if not one["satisfied"]]
    message = "; ".join(explanation.sentences)
    if unsatisfied:
        state, exit_status = WAITING_FOR_KEYSTORE, MISCONFIGURED
        what_to_do = "configure a keystore that matches KeystoreService.target, or change that filter"
    elif explanation.state == "failed":
        state, exit_status = State.KEYSTORE_ERROR.value, MISCONFIGURED
        what_to_do = "see to the keystore; the activation is retried"
    elif explanation.state == "unknown":
        state, exit_status, what_to_do = "unknown", UNKNOWN, "install the scep plugin"
    else:
        state, exit_status, what_to_do = explanation.state, WORKING, "wait a moment"
    data: dict[str, Any] = {
        "state": state,
        "keystore": None,
        "certificate": None,
        "last_error": {"kind": state, "message": message, "what_to_do": what_to_do, "at": None},
        "next_action": {"what": what_to_do, "at": None},
        "warnings": [],
        "trust": [],
        "server_url": None,
    }
    return Answer(data, _text(data), exit_status)


def status_data(status: EnrollmentStatus, now: datetime) -> dict[str, Any]:
    """The answer of `cert status` as JSON data."""
    certificate, problem = status.certificate, status.problem
    expired = certificate is not None and certificate.not_valid_after_utc < now
    state = EXPIRED if status.state is State.ENROLLED and expired else status.state.value
    next_step = "nothing by itself: gatewright cert enroll asks for a new one" if state == EXPIRED else status.next_step
    return {
        "state": state,
        "keystore": status.keystore,
        "certificate": None if certificate is None else _certificate_data(certificate, status.keystore),
        "last_error": None
        if problem is None
        else {
            "kind": problem.kind,
            "message": problem.message,
            "what_to_do": problem.what_to_do,
            "at": _iso(problem.at),
        },
        "next_action": {"what": next_step, "at": None if status.next_at is None else _iso(status.next_at)},
        "warnings": list(status.warnings),
        "trust": [
            {"subject": one.subject.rfc4514_string(), "sha256": fingerprint(one)} for one in status.ca_certificates
        ],
        "server_url": status.server_url,
    }


def _certificate_data(certificate: x509.Certificate, keystore: str) -> dict[str, Any]:
    return {
        "subject": certificate.subject.rfc4514_string(),
        "issuer": certificate.issuer.rfc4514_string(),
        "serial": f"{certificate.serial_number:x}",
        "not_before": _iso(certificate.not_valid_before_utc),
        "not_after": _iso(certificate.not_valid_after_utc),
        "sha256": fingerprint(certificate),
        "alias": ENROLLED_KEY_PAIR,
        "keystore": keystore,
    }


def _text(data: dict[str, Any]) -> str:
    certificate, error, next_action = data["certificate"], data["last_error"], data["next_action"]
    pairs: list[tuple[str, object]] = [("state", data["state"])]
    if certificate is not None:
        pairs += [
            ("subject", certificate["subject"]),
            ("issuer", certificate["issuer"]),
            ("serial", certificate["serial"]),
            ("valid", f"{certificate['not_before']} to {certificate['not_after']}"),
            ("sha256", certificate["sha256"]),
            ("kept as", f"{certificate['alias']} in {certificate['keystore']}"),
        ]
    if data["server_url"] is not None:
        pairs.append(("server", data["server_url"]))
    pairs += [("trusts", f"{one['subject']} (SHA-256 {one['sha256']})") for one in data["trust"]]
    if error is not None:
        pairs += [("happened", error["message"]), ("do", error["what_to_do"])]
    when = "" if next_action["at"] is None else f" at {next_action['at']}"
    pairs.append(("next", f"{next_action['what']}{when}"))
    pairs += [("warning", warning) for warning in data["warnings"]]
    return fields(pairs)


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


COMMANDS: Final = (
    Command(
        path=("cert", "status"),
        help="the gateway's certificate, how its enrolment is, and what comes next",
        run=_status,
        examples=("gatewright cert status", "gatewright cert status --json"),
        exit_statuses={
            UNKNOWN: "unknown: disabled, expired, or there is no enrolment",
            REFUSED: "the CA refused the request",
            UNREACHABLE: "the server cannot be reached or does not answer as it must; it is tried again",
            MISCONFIGURED: "the configuration, the keystore or the pinned CA is not right",
            WORKING: "it is working on it",
        },
    ),
    Command(
        path=("cert", "enroll"),
        help="ask for a certificate now; the one that is there stays until the new one is complete",
        run=_enroll,
        examples=("gatewright cert enroll",),
    ),
)
