"""Which requests are granted, and what a certificate says. Pure: no disk, no network, no clock."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import AttributeOID, ExtendedKeyUsageOID

from components.scep.message import FailInfo
from framework import Secret
from tools.scep_ca.errors import RequestRefusedError
from tools.scep_ca.pkcs10 import is_signed, load_csr

if TYPE_CHECKING:
    from datetime import datetime

LARGEST_KEY: Final = 8192
"""The largest key that is certified, in bits: every verification of it costs the CA time."""

SHA2: Final = (hashes.SHA256, hashes.SHA384, hashes.SHA512)

_BACKDATING: Final = timedelta(hours=1)
_MALFORMED: Final = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)


@dataclass(frozen=True, slots=True)
class IssuancePolicy:
    """What the CA asks for and what it gives.

    Attributes:
        challenge: The password that a request must carry; None grants requests without one, and with any.
        validity: How long a certificate is valid from its issuance; it never outlives the CA's.
        smallest_key: The smallest RSA key that is certified, in bits.
        strict: Whether messages in DES, 3DES or SHA-1 are refused. Taken or not, replies are never in DES or
            SHA-1.
        approval: Whether a person must approve first enrolments; clients poll meanwhile.
        renewal: Whether RenewalReq is offered; a PKCSReq signed with a certificate of the CA is a renewal too.
        renewal_challenge: Whether a renewal must carry the challenge password as well.
    """

    challenge: Secret | None = field(repr=False)
    validity: timedelta = timedelta(days=90)
    smallest_key: int = 2048
    strict: bool = False
    approval: bool = False
    renewal: bool = True
    renewal_challenge: bool = False

    def __post_init__(self) -> None:
        if self.challenge is not None and not self.challenge:
            raise ValueError("an empty challenge password protects nothing; use None to ask for none")
        if self.validity < timedelta(seconds=1):
            raise ValueError("a certificate is valid for at least one second")


@dataclass(frozen=True, slots=True)
class CertificationRequest:
    """What a request that may be granted asks for."""

    subject: x509.Name
    public_key: rsa.RSAPublicKey
    alternative_names: x509.SubjectAlternativeName | None


def read_request(encoded: bytes, policy: IssuancePolicy, *, renewal: bool = False) -> CertificationRequest:
    """Read a PKCS #10 request (DER) and see that it may be granted.

    Args:
        encoded: The request.
        policy: What is asked of it.
        renewal: Whether it comes with a certificate that stands for the challenge password.

    Raises:
        RequestRefusedError: It may not, or is malformed.
    """
    try:
        csr, signed = load_csr(encoded)
    except ValueError:
        raise unreadable() from None
    try:
        _check_signature(csr, signed, policy)
        if not renewal or policy.renewal_challenge:
            _check_challenge(csr, policy)
        return _requested(csr)
    except _MALFORMED:
        raise _bad_request("the certification request is malformed") from None


def unreadable() -> RequestRefusedError:
    """The one refusal of an envelope that cannot be opened and of one with something else in it.

    Who could tell bad padding from bad content could decrypt what others sent (a padding oracle).
    """
    return RequestRefusedError(
        FailInfo.BAD_MESSAGE_CHECK,
        "the envelope cannot be opened with this CA's key, or no certification request is in it",
    )


def build_certificate(
    request: CertificationRequest,
    *,
    issuer: x509.Certificate,
    issuer_key: rsa.RSAPrivateKey,
    serial: int,
    now: datetime,
    validity: timedelta,
) -> x509.Certificate:
    """The certificate that a request gets: a TLS client's, which also signs and decrypts SCEP messages.

    It begins a little before now, for clients whose clocks are behind, but by a tenth of its life at most, so
    that a certificate of a minute is new when it arrives.
    """
    builder = (
        x509.CertificateBuilder()
        .subject_name(request.subject)
        .issuer_name(issuer.subject)
        .public_key(request.public_key)
        .serial_number(serial)
        .not_valid_before(max(now - min(_BACKDATING, validity / 10), issuer.not_valid_before_utc))
        .not_valid_after(min(now + validity, issuer.not_valid_after_utc))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(key_usage(ca=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(request.public_key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )
    if request.alternative_names is not None:
        # RFC 5280 4.2.1.6: critical if there is no subject.
        builder = builder.add_extension(request.alternative_names, critical=not list(request.subject))
    return builder.sign(issuer_key, hashes.SHA256())


def key_usage(*, ca: bool) -> x509.KeyUsage:
    """What a key may be used for: messages (RFC 8894 2.1.2, 2.3); by a CA, certificates and CRLs too."""
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=True,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )


def _check_signature(csr: x509.CertificateSigningRequest, signed: bytes, policy: IssuancePolicy) -> None:
    public_key = csr.public_key()
    if not isinstance(public_key, rsa.RSAPublicKey):
        raise _bad_algorithm("only RSA keys are certified")
    if not policy.smallest_key <= public_key.key_size <= LARGEST_KEY:
        raise _bad_algorithm(
            f"the RSA key has {public_key.key_size} bits; from {policy.smallest_key} to {LARGEST_KEY} are accepted"
        )
    algorithm = csr.signature_hash_algorithm
    if not isinstance(algorithm, SHA2):
        raise _bad_algorithm("the certification request must be signed with SHA-256, SHA-384 or SHA-512")
    if not is_signed(csr, signed, algorithm):
        raise _bad_request("the signature of the certification request is wrong")


def _check_challenge(csr: x509.CertificateSigningRequest, policy: IssuancePolicy) -> None:
    if policy.challenge is None:
        return
    try:
        value = csr.attributes.get_attribute_for_oid(AttributeOID.CHALLENGE_PASSWORD).value
    except x509.AttributeNotFound:
        raise _bad_request("the request carries no challenge password") from None
    if Secret(value.decode("utf-8", "replace")) != policy.challenge:
        raise _bad_request("the challenge password is wrong")


def _requested(csr: x509.CertificateSigningRequest) -> CertificationRequest:
    public_key = csr.public_key()
    assert isinstance(public_key, rsa.RSAPublicKey)  # noqa: S101  # checked with the signature
    try:
        names = csr.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        names = None
    if not list(csr.subject) and not names:
        raise _bad_request("the request names no subject")
    return CertificationRequest(csr.subject, public_key, names)


def _bad_request(text: str) -> RequestRefusedError:
    return RequestRefusedError(FailInfo.BAD_REQUEST, text)


def _bad_algorithm(text: str) -> RequestRefusedError:
    return RequestRefusedError(FailInfo.BAD_ALG, text)
