"""Keys and certificates of a CA on disk: its root, itself, its RAs, in one generation after the other."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from framework.storage import replace_file
from tools.scep_ca.errors import CaStateError
from tools.scep_ca.policy import key_usage

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

DEFAULT_SUBJECT: Final = x509.Name.from_rfc4514_string("CN=Development SCEP CA,O=Gatewright")
DEFAULT_KEY_SIZE: Final = 2048

_BACKDATING: Final = timedelta(days=1)
_SERIAL_BITS: Final = 62
_RA_PURPOSES: Final = (
    x509.ObjectIdentifier("1.3.6.1.5.5.7.3.28"),  # id-kp-cmcRA, RFC 6402
    x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.1"),  # certificate request agent, as NDES's RAs have it
)


@dataclass(frozen=True, slots=True)
class CaParameters:
    """What a CA is made with, when its directory has none yet.

    Attributes:
        subject: Its name; None is `DEFAULT_SUBJECT`, or whatever a CA that is there has.
        key_size: Bits of its RSA key; None is `DEFAULT_KEY_SIZE`, or whatever a CA that is there has.
        validity: How long its certificate is valid.
        intermediate: Whether a root is above it, which then is what clients pin.
        registration_authority: Whether RAs sign and decrypt messages for it, one each, as NDES has them.
    """

    subject: x509.Name | None = None
    key_size: int | None = None
    validity: timedelta = timedelta(days=3650)
    intermediate: bool = False
    registration_authority: bool = False


@dataclass(frozen=True, slots=True)
class Identity:
    """A key and its certificate."""

    key: rsa.RSAPrivateKey
    certificate: x509.Certificate


@dataclass(frozen=True, slots=True)
class Generation:
    """A CA between two rollovers.

    Attributes:
        number: 0 for the first.
        ca: Who issues.
        root: Who issued the CA's certificate, or None if that is self-signed.
        ra_signing: Who signs messages for the CA, or None if it does so itself.
        ra_encryption: Whom messages are encrypted for, or None if it is the CA.
    """

    number: int
    ca: Identity
    root: Identity | None
    ra_signing: Identity | None
    ra_encryption: Identity | None

    @property
    def anchor(self) -> x509.Certificate:
        """What a client pins."""
        return self.ca.certificate if self.root is None else self.root.certificate

    @property
    def anchor_file(self) -> str:
        """The name of that certificate's file."""
        return f"{'ca' if self.root is None else 'root'}{f'-{self.number}' if self.number else ''}.pem"

    @property
    def signer(self) -> Identity:
        """Who signs messages."""
        return self.ra_signing or self.ca

    @property
    def recipient(self) -> Identity:
        """Whom messages are encrypted for."""
        return self.ra_encryption or self.ca

    @property
    def certificates(self) -> tuple[x509.Certificate, ...]:
        """All of them, for GetCACert; the CA's own first."""
        others = (self.ra_signing, self.ra_encryption, self.root)
        return (self.ca.certificate, *(one.certificate for one in others if one is not None))


def open_generation(directory: Path, number: int, parameters: CaParameters, now: datetime) -> Generation:
    """The generation of that number; what of it is not there is made.

    Raises:
        CaStateError: Its files are damaged, or it is another CA than `parameters` asks for.
    """
    suffix = f"-{number}" if number else ""
    has_root = (directory / f"root{suffix}.pem").exists()
    if parameters.intermediate and not has_root and (directory / f"ca{suffix}.pem").exists():
        raise CaStateError(directory, "its certificate is self-signed; it is no intermediate")
    root = None
    subject = parameters.subject
    if parameters.intermediate or has_root:
        name = _with_common_name(parameters.subject or DEFAULT_SUBJECT, "Root")
        root = _open(directory, f"root{suffix}", parameters, now, subject=name, issuer=None, path_length=1)
    ca = _open(directory, f"ca{suffix}", parameters, now, subject=subject, issuer=root, path_length=0)
    signing = encryption = None
    if parameters.registration_authority or (directory / f"ra-signing{suffix}.pem").exists():
        signing = _open_ra(directory, f"ra-signing{suffix}", ca, now, encipherment=False)
        encryption = _open_ra(directory, f"ra-encryption{suffix}", ca, now, encipherment=True)
    return Generation(number, ca, root, signing, encryption)


def _open(
    directory: Path,
    name: str,
    parameters: CaParameters,
    now: datetime,
    *,
    subject: x509.Name | None,
    issuer: Identity | None,
    path_length: int,
) -> Identity:
    key = _load_or_make_key(directory, name, parameters.key_size)
    path = directory / f"{name}.pem"
    if not path.exists():
        end = now + parameters.validity
        if issuer is not None:
            end = min(end, issuer.certificate.not_valid_after_utc)
        certificate = _make_ca_certificate(key, subject or DEFAULT_SUBJECT, issuer, now, end, path_length)
        replace_file(path, certificate.public_bytes(Encoding.PEM), mode=0o644)
        return Identity(key, certificate)
    certificate = _load_certificate(directory, name, key)
    if subject not in (None, certificate.subject):
        raise CaStateError(directory, f"its subject is {certificate.subject.rfc4514_string()}")
    if now >= certificate.not_valid_after_utc:
        raise CaStateError(directory, f"its certificate expired on {certificate.not_valid_after_utc}")
    return Identity(key, certificate)


def _open_ra(directory: Path, name: str, ca: Identity, now: datetime, *, encipherment: bool) -> Identity:
    key = _load_or_make_key(directory, name, None)
    path = directory / f"{name}.pem"
    if path.exists():
        return Identity(key, _load_certificate(directory, name, key))
    subject = _with_common_name(ca.certificate.subject, "RA encryption" if encipherment else "RA signing")
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(ca.certificate.subject)
        .public_key(key.public_key())
        .serial_number(secrets.randbits(_SERIAL_BITS) + 1)
        .not_valid_before(max(now - _BACKDATING, ca.certificate.not_valid_before_utc))
        .not_valid_after(ca.certificate.not_valid_after_utc)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_ra_key_usage(encipherment=encipherment), critical=True)
        .add_extension(x509.ExtendedKeyUsage(_RA_PURPOSES), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca.key.public_key()), critical=False)
        .sign(ca.key, hashes.SHA256())
    )
    replace_file(path, certificate.public_bytes(Encoding.PEM), mode=0o644)
    return Identity(key, certificate)


def _load_or_make_key(directory: Path, name: str, size: int | None) -> rsa.RSAPrivateKey:
    path = directory / f"{name}.key"
    if not path.exists():
        if (directory / f"{name}.pem").exists():
            raise CaStateError(directory, f"{name}.pem is there, but its key {name}.key is not")
        made = rsa.generate_private_key(public_exponent=65537, key_size=size or DEFAULT_KEY_SIZE)
        replace_file(path, made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return made
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError) as error:
        raise CaStateError(directory, f"{name}.key is no unencrypted private key") from error
    if not isinstance(key, rsa.RSAPrivateKey):
        raise CaStateError(directory, f"{name}.key is no RSA key")
    if size not in (None, key.key_size):
        raise CaStateError(directory, f"its key has {key.key_size} bits, not {size}")
    return key


def _load_certificate(directory: Path, name: str, key: rsa.RSAPrivateKey) -> x509.Certificate:
    try:
        certificate = x509.load_pem_x509_certificate((directory / f"{name}.pem").read_bytes())
    except ValueError as error:
        raise CaStateError(directory, f"{name}.pem is no certificate") from error
    if certificate.public_key() != key.public_key():
        raise CaStateError(directory, f"{name}.pem and {name}.key do not belong together")
    return certificate


def _make_ca_certificate(
    key: rsa.RSAPrivateKey,
    subject: x509.Name,
    issuer: Identity | None,
    now: datetime,
    end: datetime,
    path_length: int,
) -> x509.Certificate:
    # Issued serials count on from this one. A random start keeps apart the certificates of two CAs of one
    # name, as they are when somebody deletes the directory and begins anew, and after a rollover.
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if issuer is None else issuer.certificate.subject)
        .public_key(key.public_key())
        .serial_number(secrets.randbits(_SERIAL_BITS) + 1)
        .not_valid_before(now - _BACKDATING if issuer is None else issuer.certificate.not_valid_before_utc)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
        .add_extension(key_usage(ca=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    if issuer is not None:
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key())
        builder = builder.add_extension(identifier, critical=False)
    return builder.sign(key if issuer is None else issuer.key, hashes.SHA256())


def _ra_key_usage(*, encipherment: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not encipherment,
        content_commitment=False,
        key_encipherment=encipherment,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def _with_common_name(subject: x509.Name, what: str) -> x509.Name:
    """The subject with more in its common name."""
    oid = x509.NameOID.COMMON_NAME
    names = [x509.NameAttribute(oid, f"{one.value!s} {what}") if one.oid == oid else one for one in subject]
    return x509.Name(names if subject.get_attributes_for_oid(oid) else [*names, x509.NameAttribute(oid, what)])
