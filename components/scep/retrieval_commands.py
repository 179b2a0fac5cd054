"""`cert get` and `cert crl`: what the CA has beside the gateway's own certificate, fetched over SCEP by hand."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from components.http.text import printable
from components.keystore import KeystoreError
from components.scep import schemas
from components.scep.commands import (
    MISCONFIGURED,
    REFUSED,
    UNKNOWN,
    UNREACHABLE,
    iso,
    issued_data,
    needed_service,
    refuse_if_disabled,
)
from components.scep.enrolment import State
from components.scep.errors import (
    CertificateNotFoundError,
    ClientKeyError,
    NotEnrolledError,
    OperationUnsupportedError,
    ScepError,
)
from components.scep.transaction import Refused
from framework.admin import Answer, Command, CommandError, Invocation, OutputFile
from framework.admin.rendering import fields

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from components.scep.service import EnrollmentService

_Found = TypeVar("_Found")

UNSUPPORTED: Final = 6

_SERIAL: Final = re.compile(r"(?:0x)?[0-9a-f]{1,64}", re.IGNORECASE)


def _get(invocation: Invocation) -> Answer:
    serial_number = _serial_number(invocation.options.serial)
    service = _ready_service(invocation)
    found = _asked(lambda: service.fetch_certificate(serial_number))
    pem = found.certificate.public_bytes(Encoding.PEM).decode()
    return _answer(invocation, issued_data(found.certificate), pem, found.warnings)


def _crl(invocation: Invocation) -> Answer:
    found = _asked(_ready_service(invocation).fetch_crl)
    crl = found.crl
    data = {
        "issuer": crl.issuer.rfc4514_string(),
        "number": _number(crl),
        "this_update": iso(crl.last_update_utc),
        "next_update": None if crl.next_update_utc is None else iso(crl.next_update_utc),
        "revoked": len(crl),
    }
    return _answer(invocation, data, crl.public_bytes(Encoding.PEM).decode(), found.warnings)


def _ready_service(invocation: Invocation) -> EnrollmentService:
    """The enrolment; CommandError if it cannot ask anybody."""
    service = needed_service(invocation)
    refuse_if_disabled(service)
    status = service.status()
    if status.state is State.MISCONFIGURED and status.problem is not None:
        raise CommandError(f"{status.problem.message}; {status.problem.what_to_do}", MISCONFIGURED)
    return service


def _asked(fetch: Callable[[], _Found | Refused]) -> _Found:
    """What was found; CommandError with what to do if nothing was."""
    try:
        found = fetch()
    except OperationUnsupportedError as error:
        advice = "the server does not do this over SCEP: ask the CA's operator where it publishes certificates and CRLs"
        raise CommandError(f"{error}; {advice}", UNSUPPORTED) from error
    except NotEnrolledError as error:
        raise CommandError(f"{error}; see gatewright cert status", UNKNOWN) from error
    except CertificateNotFoundError as error:
        raise CommandError(str(error), REFUSED) from error
    except ClientKeyError as error:
        raise CommandError(f"{error}; have an RSA key certified: gatewright cert enroll", MISCONFIGURED) from error
    except KeystoreError as error:
        raise CommandError(str(error), MISCONFIGURED) from error
    except ScepError as error:
        raise CommandError(str(error), UNREACHABLE) from error
    if isinstance(found, Refused):
        raise CommandError(f"the CA refused the request: {found.summary}; {found.hint}", REFUSED)
    return found


def _answer(invocation: Invocation, data: dict[str, Any], pem: str, warnings: tuple[str, ...]) -> Answer:
    """The facts and the PEM; with `-o` the PEM goes into a file of the client instead of the screen."""
    path = invocation.options.output
    whole = {**data, "warnings": list(warnings), "pem": pem, "file": path}
    pairs: list[tuple[str, object]] = [
        (name.replace("_", " "), "unknown" if value is None else printable(str(value))) for name, value in data.items()
    ]
    pairs += [("warning", warning) for warning in warnings]
    if path is None:
        return Answer(whole, f"{fields(pairs)}\n\n{pem}".rstrip())
    return Answer(whole, f"{fields(pairs)}\nwritten to {path}", files=(OutputFile(path, pem.encode()),))


def _serial_number(text: str) -> int:
    digits = text.replace(":", "")
    if _SERIAL.fullmatch(digits) is None:
        raise CommandError(f"{text!r} is no serial number: give it in hexadecimal, as gatewright cert status shows it")
    return int(digits, 16)


def _number(crl: x509.CertificateRevocationList) -> int | None:
    try:
        return crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    except (x509.ExtensionNotFound, ValueError):
        return None


def _output_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-o", "--output", metavar="FILE", help="write it there, in PEM")


def _get_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("serial", metavar="SERIAL", help="its serial number, hexadecimal, with colons or without")
    _output_argument(parser)


_STATUSES: Final = {
    UNKNOWN: "there is no enrolment, or no certificate yet to ask with; or SERIAL is no serial number",
    REFUSED: "the CA refused, or has no such certificate",
    UNREACHABLE: "the server cannot be reached or does not answer as it must",
    MISCONFIGURED: "the configuration or the keystore is not right",
    UNSUPPORTED: "the server does not know the operation",
}

RETRIEVAL_COMMANDS: Final = (
    Command(
        path=("cert", "get"),
        help="fetch a certificate that the CA has issued, by its serial number (GetCert); nothing is stored",
        run=_get,
        arguments=_get_arguments,
        examples=("gatewright cert get 1c3f07", "gatewright cert get 1c:3f:07 -o other.pem"),
        exit_statuses=_STATUSES,
        schema=schemas.fetched_certificate,
    ),
    Command(
        path=("cert", "crl"),
        help="fetch the CRL that the gateway's certificate would be on (GetCRL); nothing is stored",
        run=_crl,
        arguments=_output_argument,
        examples=("gatewright cert crl", "gatewright cert crl -o ca.crl"),
        exit_statuses=_STATUSES,
        schema=schemas.fetched_crl,
    ),
)
