"""The CA itself: its RSA key, its certificate and what it issued, durable in one directory."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from components.scep.message import FailInfo
from framework.storage import make_private_directory, replace_file
from tools.scep_ca.errors import CaStateError, RequestRefusedError
from tools.scep_ca.ledger import IssuedCertificate, Ledger
from tools.scep_ca.policy import build_certificate, key_usage

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path
    from types import TracebackType

    from tools.scep_ca.policy import CertificationRequest

KEY_FILE: Final = "ca.key"
CERTIFICATE_FILE: Final = "ca.pem"

DEFAULT_SUBJECT: Final = x509.Name.from_rfc4514_string("CN=Development SCEP CA,O=Gatewright")
DEFAULT_KEY_SIZE: Final = 2048

_BACKDATING: Final = timedelta(days=1)
_SERIAL_BITS: Final = 62


@dataclass(frozen=True, slots=True)
class CaParameters:
    """What a CA is made with, when its directory has none yet.

    Attributes:
        subject: Its name; None is `DEFAULT_SUBJECT`, or whatever a CA that is there has.
        key_size: Bits of its RSA key; None is `DEFAULT_KEY_SIZE`, or whatever a CA that is there has.
        validity: How long its certificate is valid.
    """

    subject: x509.Name | None = None
    key_size: int | None = None
    validity: timedelta = timedelta(days=3650)


class CertificateAuthority:
    """A root CA. Its methods may be called from any thread.

    Attributes:
        directory: Where its state is.
        key: Its private key.
        certificate: Its self-signed certificate.
    """

    def __init__(self, directory: Path, key: rsa.RSAPrivateKey, certificate: x509.Certificate, ledger: Ledger) -> None:
        self.directory = directory
        self.key = key
        self.certificate = certificate
        self._ledger = ledger

    @classmethod
    def open(cls, directory: Path, parameters: CaParameters, now: datetime) -> Self:
        """The CA of a directory; both are made if they are not there.

        Raises:
            CaStateError: Another process uses the directory, its files are damaged, its certificate has
                expired, or it is another CA than `parameters` asks for.
            OSError: The directory cannot be written.
        """
        make_private_directory(directory)
        ledger = Ledger(directory)
        try:
            key = _load_or_make_key(directory, parameters)
            certificate = _load_or_make_certificate(directory, key, parameters, now)
        except BaseException:
            ledger.close()
            raise
        return cls(directory, key, certificate, ledger)

    @property
    def fingerprint(self) -> str:
        """SHA-256 over its certificate's DER, in lower-case hex: what a client pins."""
        return self.certificate.fingerprint(hashes.SHA256()).hex()

    def issue(
        self, request: CertificationRequest, *, transaction_id: str, now: datetime, validity: timedelta
    ) -> tuple[x509.Certificate, bool]:
        """The certificate for a request, and whether it is new.

        The same transaction for the same key gets the same certificate, however often it is asked for: a
        client that lost the reply asks again (RFC 8894 3.2.1.1 has an id for each operation).

        Raises:
            RequestRefusedError: In that transaction something else was issued for that key, or the CA cannot
                give the name or the validity.
        """
        if request.subject == self.certificate.subject:
            raise RequestRefusedError(FailInfo.BAD_REQUEST, "the requested subject is the CA's own")
        if now >= self.certificate.not_valid_after_utc:
            raise RequestRefusedError(FailInfo.BAD_REQUEST, "the CA's certificate has expired")
        certificate, new = self._ledger.record(
            transaction_id,
            _key_identifier(request.public_key),
            after=self.certificate.serial_number,
            issue=lambda serial: build_certificate(
                request,
                issuer=self.certificate,
                issuer_key=self.key,
                serial=serial,
                now=now,
                validity=validity,
            ),
        )
        if not _fulfils(certificate, request):
            raise RequestRefusedError(
                FailInfo.BAD_REQUEST,
                "the transaction id has been used for another request: each operation needs its own",
            )
        return certificate, new

    def issued(self) -> tuple[IssuedCertificate, ...]:
        """What it has issued, oldest first."""
        return self._ledger.issued()

    def close(self) -> None:
        """Let another process have the directory."""
        self._ledger.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _load_or_make_key(directory: Path, parameters: CaParameters) -> rsa.RSAPrivateKey:
    path = directory / KEY_FILE
    if not path.exists():
        if (directory / CERTIFICATE_FILE).exists():
            raise CaStateError(directory, f"{CERTIFICATE_FILE} is there, but its key {KEY_FILE} is not")
        made = rsa.generate_private_key(public_exponent=65537, key_size=parameters.key_size or DEFAULT_KEY_SIZE)
        encoded = made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        replace_file(path, encoded)
        return made
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError) as error:
        raise CaStateError(directory, f"{KEY_FILE} is no unencrypted private key") from error
    if not isinstance(key, rsa.RSAPrivateKey):
        raise CaStateError(directory, f"{KEY_FILE} is no RSA key")
    if parameters.key_size not in (None, key.key_size):
        raise CaStateError(directory, f"its key has {key.key_size} bits, not {parameters.key_size}")
    return key


def _load_or_make_certificate(
    directory: Path, key: rsa.RSAPrivateKey, parameters: CaParameters, now: datetime
) -> x509.Certificate:
    path = directory / CERTIFICATE_FILE
    if not path.exists():
        made = _make_certificate(key, parameters, now)
        replace_file(path, made.public_bytes(Encoding.PEM), mode=0o644)
        return made
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
    except ValueError as error:
        raise CaStateError(directory, f"{CERTIFICATE_FILE} is no certificate") from error
    if certificate.public_key() != key.public_key():
        raise CaStateError(directory, f"{CERTIFICATE_FILE} and {KEY_FILE} do not belong together")
    if parameters.subject not in (None, certificate.subject):
        raise CaStateError(directory, f"its subject is {certificate.subject.rfc4514_string()}")
    if now >= certificate.not_valid_after_utc:
        raise CaStateError(directory, f"its certificate expired on {certificate.not_valid_after_utc}")
    return certificate


def _make_certificate(key: rsa.RSAPrivateKey, parameters: CaParameters, now: datetime) -> x509.Certificate:
    subject = DEFAULT_SUBJECT if parameters.subject is None else parameters.subject
    # Issued serials count on from this one. A random start keeps apart the certificates of two CAs of one
    # name, as they are when somebody deletes the directory and begins anew.
    serial = secrets.randbits(_SERIAL_BITS) + 1
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(now - _BACKDATING)
        .not_valid_after(now + parameters.validity)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(key_usage(ca=True), critical=True)
        .add_extension(identifier, critical=False)
        .sign(key, hashes.SHA256())
    )


def _key_identifier(public_key: rsa.RSAPublicKey) -> bytes:
    encoded = public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(encoded).digest()


def _fulfils(certificate: x509.Certificate, request: CertificationRequest) -> bool:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        names = None
    return certificate.subject == request.subject and names == request.alternative_names
