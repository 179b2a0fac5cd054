"""The component's properties as what the enrolment needs, with everything that is wrong with them at once."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from cryptography import x509

from components.keystore import parse_alternative_name, parse_subject
from components.scep.client import normalize_endpoint
from components.scep.errors import EndpointError
from components.scep.transaction import SecurityProfile
from components.scep.trust import CertificatePin, FingerprintPin, Pin

if TYPE_CHECKING:
    from collections.abc import Mapping

    from metatype import Secret

FINGERPRINT: Final = "FINGERPRINT"
PROVIDED_CERTIFICATE: Final = "PROVIDED_CERTIFICATE"


@dataclass(frozen=True, slots=True)
class EnrollmentSettings:
    """What the properties mean.

    Attributes:
        pin: What the CA is verified against.
        subject: The subject that is asked for.
        alternative_names: The subject alternative names that are asked for.
        retry_interval_s: The pause after the first failure; later ones grow from it.
        key_size: Bits of the RSA key.
        renew: Whether the certificate is renewed by itself.
        rollover: Whether the CA's successor is looked for.
        lead_hours: How long before it expires a certificate is renewed.
    """

    endpoint: str
    ca_identifier: str
    pin: Pin
    subject: x509.Name
    alternative_names: tuple[x509.GeneralName, ...]
    challenge: Secret
    key_size: int
    retry_interval_s: int
    profile: SecurityProfile
    renew: bool
    rollover: bool
    lead_hours: int

    def digest(self, key: bytes) -> str:
        """A keyed digest of all that a request depends on: equal only if another try would be the same."""
        facts = [
            self.endpoint,
            self.ca_identifier,
            self.pin.sha256,
            self.subject.public_bytes().hex(),
            [repr(name) for name in self.alternative_names],
            self.challenge.reveal(),
            self.key_size,
            self.profile.value,
        ]
        return hmac.new(key, json.dumps(facts).encode(), hashlib.sha256).hexdigest()


class SettingsError(Exception):
    """The properties do not make an enrolment.

    Attributes:
        problems: Everything that is wrong, each with the property's name.
    """

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


def read_settings(properties: Mapping[str, Any]) -> EnrollmentSettings:
    """The settings in properties that the metatype has found valid.

    Raises:
        SettingsError: They do not fit together; `.problems` has everything that is wrong.
    """
    problems: list[str] = []
    endpoint = _endpoint(properties, problems)
    pin = _pin(properties, problems)
    subject = _subject(properties, problems)
    names = _alternative_names(properties, problems)
    if problems or pin is None or subject is None:
        raise SettingsError(tuple(problems))
    return EnrollmentSettings(
        endpoint=endpoint,
        ca_identifier=properties["server.ca.identifier"],
        pin=pin,
        subject=subject,
        alternative_names=tuple(names),
        challenge=properties["client.challenge.password"],
        key_size=properties["client.keypair.size"],
        retry_interval_s=properties["connect.retry-interval"],
        profile=SecurityProfile(properties["security.profile"]),
        renew=properties["client.renew"],
        rollover=properties["server.rollover"],
        lead_hours=properties["certificate.expiration.check.time"],
    )


def _endpoint(properties: Mapping[str, Any], problems: list[str]) -> str:
    try:
        return normalize_endpoint(properties["server.url"])
    except EndpointError as error:
        problems.append(f"server.url: {error.reason}")
        return ""


def _pin(properties: Mapping[str, Any], problems: list[str]) -> Pin | None:
    if properties["server.ca.verification.method"] == FINGERPRINT:
        try:
            return FingerprintPin(properties["server.ca.fingerprint"])
        except ValueError as error:
            problems.append(f"server.ca.fingerprint: {error}")
            return None
    pem = properties["server.bootstrap-certificate"]
    if not pem.strip():
        problems.append("server.bootstrap-certificate: is empty; put the CA's root certificate there, in PEM")
        return None
    try:
        certificates = x509.load_pem_x509_certificates(pem.encode())
    except ValueError:
        problems.append("server.bootstrap-certificate: holds no certificate in PEM (-----BEGIN CERTIFICATE-----)")
        return None
    if len(certificates) > 1:
        problems.append(
            "server.bootstrap-certificate: holds several certificates; leave only the CA's root certificate"
        )
        return None
    return CertificatePin(certificates[0])


def _subject(properties: Mapping[str, Any], problems: list[str]) -> x509.Name | None:
    text = properties["client.subject.dn"].strip()
    if not text:
        problems.append("client.subject.dn: is empty; it says who this gateway is, such as CN=gateway-17,O=Example")
        return None
    try:
        return parse_subject(text)
    except ValueError as error:
        problems.append(f"client.subject.dn: {error}")
        return None


def _alternative_names(properties: Mapping[str, Any], problems: list[str]) -> list[x509.GeneralName]:
    names: list[x509.GeneralName] = []
    for text in properties.get("client.subject.alternative-names", ()):
        try:
            names.append(parse_alternative_name(text))
        except ValueError as error:
            problems.append(f"client.subject.alternative-names: {text!r}: {error}")
    return names
