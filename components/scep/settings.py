"""The component's properties as what the enrolment needs, with everything that is wrong with them at once."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cryptography import x509

from components.keystore import parse_alternative_name, parse_subject
from components.scep.endpoint import normalize_endpoint
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
        ca_bundle: The PEM file of the CAs that an https server is verified against; None takes the system's.
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
    ca_bundle: str | None = None

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
            self.ca_bundle or "",
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


def read_settings(properties: Mapping[str, Any], state_directory: Path) -> EnrollmentSettings:
    """The settings in properties that the metatype has found valid.

    Args:
        properties: The component's.
        state_directory: What relative paths are relative to.

    Raises:
        SettingsError: They do not fit together; `.problems` has everything that is wrong.
    """
    problems: list[str] = []
    endpoint = _endpoint(properties, problems)
    pin = _pin(properties, problems)
    subject = _subject(properties, problems)
    names = _alternative_names(properties, problems)
    ca_bundle = _ca_bundle(properties, state_directory, problems)
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
        ca_bundle=ca_bundle,
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


def configured_bundle(properties: Mapping[str, Any], state_directory: Path) -> str | None:
    """The path of the CAs that https servers are verified against; None for the system's."""
    text = properties.get("server.tls.ca-bundle", "").strip()
    return str(state_directory / text) if text else None


def bundle_problem(path: str) -> str | None:
    """Why a file is no bundle of CAs in PEM, and what to do; None if it is one."""
    remedy = "give a PEM file of the CAs that vouch for the https server, or leave it empty for the system's"
    try:
        x509.load_pem_x509_certificates(Path(path).read_bytes())
    except OSError as error:
        return f"{path} cannot be read ({error.strerror or error}); {remedy}"
    except ValueError:
        return f"{path} holds no certificate in PEM, or a damaged one; {remedy}"
    return None


def _ca_bundle(properties: Mapping[str, Any], state_directory: Path, problems: list[str]) -> str | None:
    path = configured_bundle(properties, state_directory)
    problem = None if path is None else bundle_problem(path)
    if problem is not None:
        problems.append(f"server.tls.ca-bundle: {problem}")
    return path


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
