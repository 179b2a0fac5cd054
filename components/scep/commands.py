"""The `cert` commands: how the enrolment is, and what a person can have it do."""

from __future__ import annotations

import contextlib
import queue
import re
from typing import TYPE_CHECKING, Any, Final

from cryptography.hazmat.primitives.serialization import Encoding

from components.keystore import PublicKey, describe_public_key
from components.scep import schemas
from components.scep.component import PID
from components.scep.driver import STATE_CHANGED, STEP
from components.scep.enrolment import State
from components.scep.identity import ENROLLED_KEY_PAIR
from components.scep.service import EnrollmentService, EnrollmentStatus
from components.scep.trust import fingerprint, subject_alternative_names
from framework import ConfigurationError
from framework.admin import Answer, Command, CommandError, Invocation
from framework.admin.rendering import fields, printable, table
from framework.configuration import Origin

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    from cryptography import x509

    from framework import Event
    from framework.admin import GatewayView

VALID: Final = 0
UNKNOWN: Final = 1
REFUSED: Final = 2
UNREACHABLE: Final = 3
MISCONFIGURED: Final = 4
WORKING: Final = 5

_ASKED: Final = Answer({"asked": True}, "asked for; see how it goes with: gatewright cert status")

_KEYSTORE: Final = "gatewright.keystore.FilesystemKeystore"

CORRECT_THEM: Final = "correct these properties, together, with: gatewright config set; or in their file"

WAITING_FOR_KEYSTORE: Final = "waiting-for-keystore"
EXPIRED: Final = "expired"

LOOK_UP_S: Final = 2.0
"""How often, while nothing happens, it is looked whether the client is still there, in seconds."""

_UNDER_WAY: Final = frozenset(
    {State.BOOTSTRAPPING, State.GENERATING_KEY, State.REQUESTING, State.CHECKING_CA, State.PENDING}
)
"""The states that something follows of itself; what is pending is asked for again and again."""

_EXIT_STATUSES: Final = {
    State.ENROLLED: VALID,
    State.CHECKING_CA: VALID,
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
    """How the enrolment is; with `--wait` as soon as nothing is under way any more."""
    service = _find_service(invocation)
    if not invocation.options.wait or service is None:
        return _as_it_is(invocation)
    with _happening(invocation) as happened:
        if service.status().state in _UNDER_WAY:
            _show_until_done(invocation, service, happened)
    return _as_it_is(invocation)


def _as_it_is(invocation: Invocation) -> Answer:
    gateway = invocation.gateway
    service = _find_service(invocation)
    if service is None:
        return _without_service(invocation)
    status, now = service.status(), gateway.clock.now()
    data = status_data(status, now)
    exit_status = UNKNOWN if data["state"] == EXPIRED else _EXIT_STATUSES[status.state]
    problems = _configuration_problems(invocation) if status.state is State.DISABLED else ()
    if problems:
        data |= _in_the_way(State.MISCONFIGURED, "; ".join(problems), CORRECT_THEM)
        exit_status = MISCONFIGURED
    return Answer(data, _text(data), exit_status)


def _configuration_problems(invocation: Invocation) -> tuple[str, ...]:
    """Why nothing of what is configured is used, by the descriptor's rules; empty if it is used."""
    admin = invocation.gateway.configuration_admin
    try:
        configuration = admin.get(PID)
    except ConfigurationError as error:
        return tuple(str(one) for one in error.problems)
    if Origin.FILE in configuration.origins.values():
        return ()
    return tuple(f"configuration file {one}" for one in admin.file_problems if one.pid == PID)


def _in_the_way(state: str, message: str, what_to_do: str) -> dict[str, Any]:
    """What `cert status` has of an enrolment that cannot begin."""
    return {
        "state": str(state),
        "last_error": {"kind": str(state), "message": message, "what_to_do": what_to_do, "at": None},
        "next_action": {"what": what_to_do, "at": None},
    }


def _enroll(invocation: Invocation) -> Answer:
    service = needed_service(invocation)
    return _asked(invocation, service, service.enroll)


def _renew(invocation: Invocation) -> Answer:
    service = needed_service(invocation)
    return _asked(invocation, service, service.renew)


def _rekey(invocation: Invocation) -> Answer:
    service = needed_service(invocation)
    return _asked(invocation, service, service.rekey)


def _asked(invocation: Invocation, service: EnrollmentService, ask: Callable[[], None]) -> Answer:
    """Ask for it; with `--wait` show each step until it is done. How the enrolment is then, or if nothing can begin."""
    refuse_if_disabled(service)
    misconfigured = service.status().state is State.MISCONFIGURED
    if not invocation.options.wait and not misconfigured:
        ask()
        return _ASKED
    with _happening(invocation) as happened:
        ask()
        if invocation.options.wait:
            _show_until_done(invocation, service, happened)
        elif _begins(happened):
            return _ASKED
    return _as_it_is(invocation)


def _begins(happened: queue.SimpleQueue[Event]) -> bool:
    """Whether what was misconfigured is so no more: a file that a property names may be there now."""
    try:
        return State(happened.get(timeout=LOOK_UP_S).properties["state"]) is not State.MISCONFIGURED
    except queue.Empty:
        return False


@contextlib.contextmanager
def _happening(invocation: Invocation) -> Iterator[queue.SimpleQueue[Event]]:
    """What happens to the enrolment from now on."""
    happened: queue.SimpleQueue[Event] = queue.SimpleQueue()
    with invocation.gateway.event_admin.subscribe((STATE_CHANGED, STEP), happened.put, owner="cert --wait"):
        yield happened


def _show_until_done(invocation: Invocation, service: EnrollmentService, happened: queue.SimpleQueue[Event]) -> None:
    """Show each step until nothing is under way any more, or nobody is there to see it."""
    while not invocation.client.is_gone():
        try:
            event = happened.get(timeout=LOOK_UP_S)
        except queue.Empty:
            if service.status().state is State.MISCONFIGURED:
                return  # it was before, so nothing changes and nothing is told
            continue
        message = str(event.properties.get("message", ""))
        invocation.emit({"state": event.properties["state"], "message": message}, printable(f"  {message}"))
        if event.topic == STATE_CHANGED and State(event.properties["state"]) not in _UNDER_WAY:
            return


def _wait_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--wait",
        action="store_true",
        help="show each step until it is done or has failed; the exit status is that of cert status then",
    )


def _status_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--wait", action="store_true", help="if something is under way, show each step until it is done or has failed"
    )


def _poll(invocation: Invocation) -> Answer:
    service = needed_service(invocation)
    if service.status().state is not State.PENDING:
        raise CommandError("no request is pending at the CA; gatewright cert status says how it is")
    service.poll()
    return _ASKED


def _ca(invocation: Invocation) -> Answer:
    service = needed_service(invocation)
    if invocation.options.look_for_next:
        if service.client_certificate is None:
            raise CommandError("there is no certificate yet, so there is no CA to succeed; see gatewright cert status")
        service.force_rollover()
        return _ASKED
    status = service.status()
    certificates = [_ca_data(one) for one in status.ca_certificates]
    data = {
        "keystore": status.keystore,
        "server_url": status.server_url,
        "certificates": certificates,
        "ca_check": status.ca_check or None,
    }
    columns = ("SUBJECT", "VALID UNTIL", "SHA-256")
    rows = [(one["subject"], one["not_after"], one["sha256"]) for one in certificates]
    shown = table(columns, rows) if rows else "no CA is trusted yet"
    return Answer(data, f"{shown}\nnext CA: {status.ca_check}" if status.ca_check else shown)


def _ca_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--look-for-next",
        action="store_true",
        help="look for the CA's successor now, and move to it if there is one",
    )


def _inspect(invocation: Invocation) -> Answer:
    status = needed_service(invocation).status()
    if status.certificate is None:
        raise CommandError("there is no certificate yet; see gatewright cert status")
    public_key = status.certificate.public_key()
    data = _certificate_data(status.certificate, status.keystore) | {
        "key": describe_public_key(public_key) if isinstance(public_key, PublicKey) else "of an unknown kind",
        "alternative_names": [str(name.value) for name in subject_alternative_names(status.certificate)],
        "pem": status.certificate.public_bytes(Encoding.PEM).decode(),
    }
    pairs = [
        (name.replace("_", " "), value) for name, value in data.items() if name not in {"pem", "alternative_names"}
    ]
    pairs += [("alternative name", name) for name in data["alternative_names"]]
    return Answer(data, f"{fields(pairs)}\n\n{data['pem']}".rstrip())


def needed_service(invocation: Invocation) -> EnrollmentService:
    """The enrolment; CommandError with the reason if there is none."""
    service = _find_service(invocation)
    if service is None:
        raise CommandError("\n".join(invocation.gateway.explain(PID).sentences), MISCONFIGURED)
    return service


def refuse_if_disabled(service: EnrollmentService) -> None:
    """CommandError if the enrolment is disabled."""
    if service.status().state is State.DISABLED:
        raise CommandError(f"the enrolment is disabled: gatewright config set {PID} enabled=true")


def _find_service(invocation: Invocation) -> EnrollmentService | None:
    registry = invocation.gateway.registry
    found = registry.find(EnrollmentService)
    service = None if found is None else registry.get(found)
    return service if isinstance(service, EnrollmentService) else None


def _without_service(invocation: Invocation) -> Answer:
    """Why there is no enrolment to ask, said in the same form."""
    explanation = invocation.gateway.explain(PID)
    unsatisfied = [one for one in explanation.data.get("references", ()) if not one["satisfied"]]
    message, problems = "; ".join(explanation.sentences), _configuration_problems(invocation)
    if explanation.state == State.DISABLED.value:
        state, exit_status, message = State.DISABLED.value, UNKNOWN, "the component was disabled by hand"
        what_to_do = f"enable it with: gatewright component enable {PID}"
    elif problems:
        state, exit_status, message = State.MISCONFIGURED.value, MISCONFIGURED, "; ".join(problems)
        what_to_do = CORRECT_THEM
    elif unsatisfied:
        state, exit_status = WAITING_FOR_KEYSTORE, MISCONFIGURED
        what_to_do = _how_to_have_a_keystore(invocation.gateway, unsatisfied[0])
    elif explanation.state == "failed":
        state, exit_status = State.KEYSTORE_ERROR.value, MISCONFIGURED
        what_to_do = "see to the keystore; the activation is retried"
    elif explanation.state == "unknown":
        state, exit_status, what_to_do = "unknown", UNKNOWN, "install the scep plugin"
    else:
        state, exit_status, what_to_do = explanation.state, WORKING, "wait a moment"
    data: dict[str, Any] = {
        **_in_the_way(state, message, what_to_do),
        "keystore": None,
        "certificate": None,
        "warnings": [],
        "trust": [],
        "server_url": None,
        "checks": [],
        "transaction_id": None,
        "ca_check": None,
    }
    return Answer(data, _text(data), exit_status)


def _how_to_have_a_keystore(gateway: GatewayView, reference: Mapping[str, Any]) -> str:
    """What to do about a keystore that is missing: another is no help in the place of one that may come back."""
    or_else = "or change KeystoreService.target"
    found = re.fullmatch(r"\(kura\.service\.pid=([A-Za-z0-9_.-]+)\)", reference["target"] or "")
    if found is None:
        return f"configure a keystore that matches KeystoreService.target; {or_else}"
    wanted = found[1]
    for one in gateway.components():
        if wanted in (one.pid, one.pid.partition("~")[2]):
            return f"see why {one.pid} is not there: gatewright explain {one.pid}; {or_else}"
    if (gateway.state_directory / "data" / PID / f"{wanted}.json").exists():  # its journal
        return (
            f"bring {wanted} back, which the enrolment was into: see whether its plugin (gatewright plugin list) "
            f"or its configuration (gatewright config history) is gone; {or_else}, which enrols anew"
        )
    example = f"gatewright config set {_KEYSTORE}~{wanted} keystore.path=keys.p12"
    return f"configure a keystore that matches KeystoreService.target, such as: {example}; {or_else}"


def status_data(status: EnrollmentStatus, now: datetime) -> dict[str, Any]:
    """The answer of `cert status` as JSON data."""
    certificate, problem = status.certificate, status.problem
    expired = certificate is not None and certificate.not_valid_after_utc < now
    state = EXPIRED if status.state is State.ENROLLED and expired else status.state.value
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
            "at": iso(problem.at),
        },
        "next_action": {"what": status.next_step, "at": None if status.next_at is None else iso(status.next_at)},
        "warnings": list(status.warnings),
        "trust": [
            {"subject": one.subject.rfc4514_string(), "sha256": fingerprint(one)} for one in status.ca_certificates
        ],
        "server_url": status.server_url,
        "checks": [{"check": one.check, "applies": one.applies, "message": one.message} for one in status.verdicts],
        "transaction_id": status.transaction_id,
        "ca_check": status.ca_check or None,
    }


def issued_data(certificate: x509.Certificate) -> dict[str, Any]:
    """What a certificate is, as JSON data."""
    return {
        "subject": certificate.subject.rfc4514_string(),
        "issuer": certificate.issuer.rfc4514_string(),
        "serial": f"{certificate.serial_number:x}",
        "not_before": iso(certificate.not_valid_before_utc),
        "not_after": iso(certificate.not_valid_after_utc),
        "sha256": fingerprint(certificate),
    }


def _certificate_data(certificate: x509.Certificate, keystore: str) -> dict[str, Any]:
    return {**issued_data(certificate), "alias": ENROLLED_KEY_PAIR, "keystore": keystore}


def _ca_data(certificate: x509.Certificate) -> dict[str, Any]:
    return {
        "subject": certificate.subject.rfc4514_string(),
        "not_before": iso(certificate.not_valid_before_utc),
        "not_after": iso(certificate.not_valid_after_utc),
        "sha256": fingerprint(certificate),
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
    if data.get("ca_check"):
        pairs.append(("next CA", data["ca_check"]))
    pairs += [(f"check {one['check']}", one["message"]) for one in data.get("checks", ())]
    when = "" if next_action["at"] is None else f" at {next_action['at']}"
    pairs.append(("next", f"{next_action['what']}{when}"))
    pairs += [("warning", warning) for warning in data["warnings"]]
    return fields(pairs)


def iso(moment: datetime) -> str:
    """A moment in ISO 8601, UTC, to the second."""
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


_STATUS_TEXTS: Final = {
    UNKNOWN: "unknown: disabled, expired, or there is no enrolment",
    REFUSED: "the CA refused the request",
    UNREACHABLE: "the server cannot be reached or does not answer as it must; it is tried again",
    MISCONFIGURED: "the configuration, the keystore or the pinned CA is not right",
    WORKING: "it is working on it",
}


COMMANDS: Final = (
    Command(
        path=("cert", "status"),
        help="the gateway's certificate, how its enrolment is, and what comes next",
        run=_status,
        arguments=_status_arguments,
        examples=("gatewright cert status", "gatewright cert status --wait", "gatewright cert status --json"),
        exit_statuses=_STATUS_TEXTS,
        diagnostic=(),
        schema=schemas.status,
    ),
    Command(
        path=("cert", "enroll"),
        help="ask for a certificate now; the one that is there stays until the new one is complete",
        run=_enroll,
        arguments=_wait_argument,
        examples=("gatewright cert enroll", "gatewright cert enroll --wait"),
        exit_statuses=_STATUS_TEXTS,
        schema=schemas.asked,
    ),
    Command(
        path=("cert", "renew"),
        help="renew the certificate now, with its key and subject",
        run=_renew,
        arguments=_wait_argument,
        examples=("gatewright cert renew", "gatewright cert renew --wait"),
        exit_statuses=_STATUS_TEXTS,
        schema=schemas.asked,
    ),
    Command(
        path=("cert", "rekey"),
        help="renew the certificate now with a new key",
        run=_rekey,
        arguments=_wait_argument,
        examples=("gatewright cert rekey", "gatewright cert rekey --wait"),
        exit_statuses=_STATUS_TEXTS,
        schema=schemas.asked,
    ),
    Command(
        path=("cert", "poll"),
        help="ask the CA now about a request that it has yet to decide",
        run=_poll,
        examples=("gatewright cert poll",),
        schema=schemas.polled,
    ),
    Command(
        path=("cert", "ca"),
        help="the CA certificates that are trusted, and what is known of the next CA",
        run=_ca,
        arguments=_ca_arguments,
        examples=("gatewright cert ca", "gatewright cert ca --look-for-next"),
        diagnostic=(),
        schema=schemas.authorities,
    ),
    Command(
        path=("cert", "inspect"),
        help="the gateway's certificate in all its parts",
        run=_inspect,
        examples=("gatewright cert inspect",),
        diagnostic=(),
        schema=schemas.inspected,
    ),
)
