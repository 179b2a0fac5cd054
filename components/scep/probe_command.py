"""`scep probe`: what a SCEP server is and offers, through a running gateway or without one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from components.http.text import printable
from components.scep import schemas
from components.scep.commands import iso
from components.scep.errors import AnswerError, EndpointError, TransportError
from components.scep.probe import ProbeReport, probe, signature_digest
from components.scep.settings import PROVIDED_CERTIFICATE, bundle_problem, configured_bundle
from components.scep.transaction import SecurityProfile
from components.scep.trust import CertificatePin, FingerprintPin, Pin, fingerprint
from framework.admin import Answer, Command, CommandError, Invocation, OfflineInvocation, UsageError
from framework.admin.rendering import fields
from framework.clock import Clock, SystemClock

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from cryptography import x509

WOULD_STOP: Final = 1
NOT_SCEP: Final = 2
UNREACHABLE: Final = 3
WRONG_ARGUMENTS: Final = 4

_PID: Final = "gatewright.scep.SCEPEnrollmentService"


@dataclass(frozen=True, slots=True)
class _Settings:
    """What the gateway is configured with, or would be."""

    endpoint: str
    pin: Pin | None
    profile: SecurityProfile
    ca_identifier: str
    ca_bundle: str | None


def _probe_through_gateway(invocation: Invocation) -> Answer:
    from framework import ConfigurationError  # noqa: PLC0415  # the package is loaded in a gateway anyway

    try:
        configured = invocation.gateway.configuration_admin.get(_PID).properties
    except ConfigurationError:
        configured = {}
    settings = _settings(invocation.options, configured, invocation.gateway.state_directory)
    return _answer(settings, invocation.gateway.clock)


def _probe_offline(invocation: OfflineInvocation) -> Answer:
    return _answer(_settings(invocation.options, {}, invocation.state_directory or Path()), SystemClock())


def _settings(options: argparse.Namespace, configured: Mapping[str, Any], state_directory: Path) -> _Settings:
    """The arguments, and for what they leave open the gateway's configuration of the same server."""
    endpoint = options.url or configured.get("server.url")
    if not endpoint:
        raise UsageError("which server? Give its URL, as in server.url")
    same_server = endpoint == configured.get("server.url")
    try:
        pin: Pin | None = None if options.fingerprint is None else FingerprintPin(options.fingerprint)
    except ValueError as error:
        raise CommandError(f"--fingerprint: {error}", WRONG_ARGUMENTS) from None
    if pin is None and same_server:
        pin = _configured_pin(configured)
    profile = options.profile or configured.get("security.profile") or SecurityProfile.STANDARD
    identifier = options.ca_identifier
    if identifier is None:
        identifier = configured.get("server.ca.identifier", "") if same_server else ""
    ca_bundle = None if options.ca_bundle is None else str(state_directory / options.ca_bundle)
    if ca_bundle is None and same_server:
        ca_bundle = configured_bundle(configured, state_directory)
    problem = None if ca_bundle is None else bundle_problem(ca_bundle)
    if problem is not None:
        raise CommandError(f"the bundle of CAs: {problem}", WRONG_ARGUMENTS)
    return _Settings(endpoint, pin, SecurityProfile(profile), identifier, ca_bundle)


def _configured_pin(configured: Mapping[str, Any]) -> Pin | None:
    """What the configuration pins; None if nothing, or nothing that can be."""
    from cryptography import x509  # noqa: PLC0415  # loaded in a gateway anyway

    try:
        if configured.get("server.ca.verification.method") == PROVIDED_CERTIFICATE:
            pem = configured.get("server.bootstrap-certificate", "")
            return CertificatePin(x509.load_pem_x509_certificate(pem.encode()))
        return FingerprintPin(configured.get("server.ca.fingerprint", ""))
    except ValueError:
        return None


def _answer(settings: _Settings, clock: Clock) -> Answer:
    try:
        report = probe(
            settings.endpoint,
            clock=clock,
            pin=settings.pin,
            profile=settings.profile,
            ca_identifier=settings.ca_identifier,
            ca_bundle=settings.ca_bundle,
        )
    except EndpointError as error:
        raise CommandError(str(error), WRONG_ARGUMENTS) from error
    except TransportError as error:
        raise CommandError(str(error), UNREACHABLE, {"url": error.url}) from error
    except AnswerError as error:
        raise CommandError(str(error), NOT_SCEP) from error
    return Answer(_data(report, settings), _text(report), 0 if report.would_enrol else WOULD_STOP)


def _data(report: ProbeReport, settings: _Settings) -> dict[str, Any]:
    location, next_ca = report.location, report.next_ca
    difference = location.clock_difference
    return {
        "url": location.url,
        "server": location.server or None,
        "capabilities": sorted(printable(one, 60) for one in location.capabilities.keywords),
        "clock_difference_s": None if difference is None else round(difference.total_seconds()),
        "pinned": None if settings.pin is None else settings.pin.sha256,
        "certificates": [
            {**_certificate(one.certificate), "roles": list(one.roles), "remarks": list(one.remarks)}
            for one in report.certificates
        ],
        "next_ca": None if next_ca is None else _certificate(next_ca.trust.anchor),
        "profile": settings.profile.value,
        "findings": list(report.findings),
        "outlook": list(report.outlook),
        "would_enrol": report.would_enrol,
    }


def _certificate(certificate: x509.Certificate) -> dict[str, Any]:
    return {
        "subject": printable(certificate.subject.rfc4514_string()),
        "issuer": printable(certificate.issuer.rfc4514_string()),
        "serial": f"{certificate.serial_number:x}",
        "sha256": fingerprint(certificate),
        "not_before": iso(certificate.not_valid_before_utc),
        "not_after": iso(certificate.not_valid_after_utc),
        "key": _key(certificate),
        "signature_digest": signature_digest(certificate),
    }


def _text(report: ProbeReport) -> str:
    location = report.location
    pairs: list[tuple[str, object]] = [
        ("server", location.url),
        ("software", location.server or "does not say"),
        ("offers", ", ".join(sorted(printable(one, 60) for one in location.capabilities.keywords)) or "does not say"),
    ]
    if location.clock_difference is not None:
        pairs.append(("clock", f"{round(location.clock_difference.total_seconds()):+d} s from this one"))
    for one in report.certificates:
        shown = _certificate(one.certificate)
        pairs += [
            ("certificate", shown["subject"]),
            ("  roles", ", ".join(one.roles)),
            ("  SHA-256", shown["sha256"]),
            ("  key", f"{shown['key']}, signed with {shown['signature_digest']}"),
            ("  valid", f"{shown['not_before']} to {shown['not_after']}"),
        ]
    if report.next_ca is not None:
        pairs.append(("next CA", f"SHA-256 {fingerprint(report.next_ca.trust.anchor)}, vouched for by the present one"))
    pairs += [("finding", finding) for finding in report.findings]
    pairs += [("a gateway", step) for step in report.outlook]
    return fields(pairs)


def _key(certificate: x509.Certificate) -> str:
    try:
        public_key = certificate.public_key()
    except ValueError:
        return "unknown"
    match public_key:
        case rsa.RSAPublicKey():
            return f"RSA {public_key.key_size}"
        case ec.EllipticCurvePublicKey():
            return f"EC {public_key.curve.name}"
        case _:
            return "unknown"


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "url", nargs="?", metavar="URL", help="as in server.url; the gateway's own if it is left out and one runs"
    )
    parser.add_argument("--fingerprint", metavar="F", help="SHA-256 of the CA certificate, as in server.ca.fingerprint")
    parser.add_argument("--ca-identifier", metavar="NAME", help="as in server.ca.identifier")
    parser.add_argument(
        "--ca-bundle",
        metavar="FILE",
        help="PEM file of the CAs that an https server is verified against, as in server.tls.ca-bundle; "
        "a relative path is relative to the state directory if there is one",
    )
    parser.add_argument("--profile", choices=[one.value for one in SecurityProfile], help="as in security.profile")


PROBE_COMMANDS: Final = (
    Command(
        path=("scep", "probe"),
        help="what a SCEP server is and offers, and what a gateway would do with it; nothing is changed or given away",
        run=_probe_through_gateway,
        offline=_probe_offline,
        arguments=_arguments,
        examples=(
            "gatewright scep probe http://scep-server-endpoint:8999",
            "gatewright scep probe http://scep-server-endpoint:8999 --fingerprint cf93ee54…  --json",
        ),
        exit_statuses={
            WOULD_STOP: "a gateway would not enrol: the CA is not pinned, or not the pinned one",
            NOT_SCEP: "what answered is no SCEP server",
            UNREACHABLE: "the server cannot be reached, or answers with an HTTP error",
            WRONG_ARGUMENTS: "the URL, the fingerprint or the bundle of CAs is none",
        },
        schema=schemas.probed,
    ),
)
