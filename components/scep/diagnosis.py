"""What `gatewright doctor` finds out about an enrolment: the way to the server, what it offers, and the identity.

Nothing is changed and nothing secret is sent: the server is looked at as `scep probe` does.
"""

from __future__ import annotations

import urllib.parse
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.asymmetric import rsa

from components.http.text import printable
from components.keystore import KeystoreError, KeystoreService, PrivateKeyEntry, guarded
from components.scep.endpoint import normalize_endpoint
from components.scep.errors import AnswerError, EndpointError, TransportError, UntrustedIssuerError
from components.scep.health import severity_of_end, statuses
from components.scep.identity import ENROLLED_KEY_PAIR
from components.scep.probe import (
    SMALLEST_KEY,
    ProbeReport,
    capability_findings,
    clock_findings,
    probe,
    signature_digest,
)
from components.scep.settings import SettingsError, read_settings
from components.scep.trust import CaTrust, fingerprint, is_valid_at
from framework import ConfigurationAdmin, ConfigurationError
from framework.plugins import Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from datetime import datetime

    from cryptography import x509

    from components.scep.service import EnrollmentStatus
    from components.scep.settings import EnrollmentSettings
    from framework.clock import Clock
    from framework.plugins.context import PluginContext

PID: Final = "gatewright.scep.SCEPEnrollmentService"

NAME_DEADLINE_S: Final = 5.0
SERVER_DEADLINE_S: Final = 20.0
"""Seconds that the name of the server, and then the look at the server, may take: together less than `doctor` waits."""


def examine(context: PluginContext) -> Iterator[Finding]:
    """Look at everything that an enrolment depends on, in the order in which it does."""
    for status in statuses(context):
        yield from _identity(context, status)
        settings = _settings(context)
        if settings is not None and (yield from _name_resolution(settings.endpoint, context.clock)):
            yield from _server(settings, context.clock)


def _settings(context: PluginContext) -> EnrollmentSettings | None:
    """What is configured; None if it is not right, which the enrolment's own state tells."""
    (reference,) = context.find_all(ConfigurationAdmin)
    admin: ConfigurationAdmin = context.get(reference)
    try:
        return read_settings(admin.get(PID).properties, context.state_directory)
    except (ConfigurationError, SettingsError):
        return None


def _name_resolution(endpoint: str, clock: Clock) -> Generator[Finding, None, bool]:
    """Whether the server's name leads anywhere; what it returns is whether to go on."""
    try:
        host = urllib.parse.urlsplit(normalize_endpoint(endpoint)).hostname or ""
    except EndpointError as error:
        yield Finding(Severity.ERROR, str(error), "correct server.url", "name resolution")
        return False
    from components.http.connection import addresses_of  # noqa: PLC0415  # costly to load, and status needs none

    ends_at = clock.monotonic() + NAME_DEADLINE_S
    try:
        found = {str(entry[4][0]) for entry in addresses_of(host, 0, lambda: ends_at - clock.monotonic())}
    except OSError as error:
        text = f"{host} cannot be resolved: {error.strerror or error}"
        fix = "see to DNS (/etc/resolv.conf) and to the name in server.url; with a proxy only that needs to resolve it"
        yield Finding(Severity.WARNING, text, fix, "name resolution")
        return True
    yield Finding(Severity.OK, f"{host} is {', '.join(sorted(found))}", check="name resolution")
    return True


def _server(settings: EnrollmentSettings, clock: Clock) -> Iterator[Finding]:
    try:
        report = probe(
            settings.endpoint,
            clock=clock,
            pin=settings.pin,
            profile=settings.profile,
            ca_identifier=settings.ca_identifier,
            ca_bundle=settings.ca_bundle,
            within_s=SERVER_DEADLINE_S,
        )
    except TransportError as error:
        yield Finding(Severity.ERROR, str(error), "see to the network, the server, and server.url", "endpoint")
        return
    except (AnswerError, EndpointError) as error:
        yield Finding(Severity.ERROR, str(error), "correct server.url: host, port and path", "endpoint")
        return
    software = f" ({report.location.server})" if report.location.server else ""
    yield Finding(Severity.OK, f"a SCEP server answers at {report.location.url}{software}", check="endpoint")
    yield _fingerprint(report, settings)
    yield from _server_clock(report)
    yield from _algorithms(report)


def _fingerprint(report: ProbeReport, settings: EnrollmentSettings) -> Finding:
    if report.trust is not None:
        text = f"the CA is the pinned one: {fingerprint(report.trust.anchor)}"
        return Finding(Severity.OK, text, check="fingerprint")
    shown = ", ".join(fingerprint(one.certificate) for one in report.certificates)
    text = f"the server's CA is not the pinned one: pinned is {settings.pin.sha256}, the server has {shown}"
    fix = "compare with the CA's operator by another way than this network, then correct what is pinned"
    return Finding(Severity.ERROR, text, fix, "fingerprint")


def _server_clock(report: ProbeReport) -> Iterator[Finding]:
    difference = report.location.clock_difference
    for text in clock_findings(report.location):
        yield Finding(
            Severity.WARNING, text, "see which of the two is right, and have it kept by NTP", "server's clock"
        )
    if difference is not None and not clock_findings(report.location):
        text = f"the server's clock differs by {round(difference.total_seconds()):+d} s"
        yield Finding(Severity.OK, text, check="server's clock")


def _algorithms(report: ProbeReport) -> Iterator[Finding]:
    capabilities = report.location.capabilities
    missing = capability_findings(capabilities)
    fix = "see gatewright scep probe, and ask the CA's operator"
    if missing:
        yield Finding(Severity.WARNING, "; ".join(missing), fix, "capabilities")
    else:
        offered = ", ".join(sorted(printable(one, 60) for one in capabilities.keywords))
        yield Finding(Severity.OK, offered, check="capabilities")
    if report.trust is None:
        return
    told = {*missing, *clock_findings(report.location)}
    weak = [text for text in report.findings if text not in told]
    yield from (Finding(Severity.WARNING, text, fix, "weak algorithms") for text in weak)
    if not weak:
        yield Finding(Severity.OK, "none among its certificates and what it offers", check="weak algorithms")


def _identity(context: PluginContext, status: EnrollmentStatus) -> Iterator[Finding]:
    """Whether the stored certificate, its key and its chain belong together, and how long that lasts."""
    certificate = status.certificate
    if certificate is None:
        return
    now = context.clock.now()
    try:
        entry = _entry(context, status.keystore)
    except KeystoreError as error:
        yield Finding(Severity.ERROR, str(error), "see gatewright keystore list", "key matches certificate")
        return
    if entry is None or entry.key.public_key != certificate.public_key():
        text = f"the key of {ENROLLED_KEY_PAIR} in {status.keystore} is not the certificate's"
        yield Finding(Severity.ERROR, text, "gatewright cert enroll", "key matches certificate")
    else:
        yield Finding(Severity.OK, "the key is the certificate's", check="key matches certificate")
        yield _chain(entry, status)
    yield _days_left(status, certificate, now)
    public_key = certificate.public_key()
    weak = [f"signed with {signature_digest(certificate).upper()}"] if signature_digest(certificate) == "sha1" else []
    if isinstance(public_key, rsa.RSAPublicKey) and public_key.key_size < SMALLEST_KEY:
        weak.append(f"an RSA key of {public_key.key_size} bits")
    if weak:
        fix = "set client.keypair.size to 2048 or more, then gatewright cert rekey; or ask the CA's operator"
        yield Finding(Severity.WARNING, f"the identity is weak: {', '.join(weak)}", fix, "identity")


def _entry(context: PluginContext, keystore_pid: str) -> PrivateKeyEntry | None:
    for reference in context.find_all(KeystoreService):
        if str(reference.properties.get("kura.service.pid")) == keystore_pid:
            service = context.get(reference)
            if isinstance(service, KeystoreService):
                entry = guarded(service, keystore_pid, context.clock).get(ENROLLED_KEY_PAIR)
                return entry if isinstance(entry, PrivateKeyEntry) else None
    return None


def _chain(entry: PrivateKeyEntry, status: EnrollmentStatus) -> Finding:
    cas = status.ca_certificates
    fix = "gatewright cert ca shows what is trusted; gatewright cert enroll obtains a certificate of that CA"
    if not cas:
        return Finding(Severity.ERROR, "there is no trusted CA certificate", fix, "chain")
    for anchor in cas:
        try:
            chain = CaTrust(anchor, (*cas, *entry.chain[1:])).chain_of(entry.chain[0])
        except UntrustedIssuerError:
            continue
        return Finding(Severity.OK, f"{len(chain)} certificates up to the trusted CA", check="chain")
    return Finding(Severity.ERROR, "the certificate does not lead to a trusted CA", fix, "chain")


def _days_left(status: EnrollmentStatus, certificate: x509.Certificate, now: datetime) -> Finding:
    ends = certificate.not_valid_after_utc
    if not is_valid_at(certificate, now):
        text = f"the certificate is valid from {certificate.not_valid_before_utc} to {ends}, and now it is {now}"
        return Finding(Severity.ERROR, text, "see to the clock; gatewright cert enroll", "days left")
    text = f"{(ends - now).days} days, until {ends:%Y-%m-%d %H:%M} UTC"
    severity = severity_of_end(status, now)
    if severity is Severity.OK:
        return Finding(Severity.OK, text, check="days left")
    fix = "see gatewright cert status for why it was not renewed, then gatewright cert renew"
    return Finding(severity, text, fix, "days left")
