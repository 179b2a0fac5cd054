"""Which CA certificates are trusted: those that fit what is pinned (RFC 8894 2.2). Pure."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, SignatureAlgorithmOID

from components.scep.errors import UntrustedCaError, UntrustedIssuerError, UntrustedSignerError
from components.scep.message import NO_EXTENSION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

    from components.keystore import PublicKey

CLOCK_SKEW: Final = timedelta(minutes=10)
"""How far two clocks may differ before a certificate counts as not valid yet, or no more."""

LONGEST_CHAIN: Final = 10

_RA_PURPOSES: Final = frozenset(
    {
        ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
        x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.1"),  # Microsoft's certificate request agent: NDES
        x509.ObjectIdentifier("1.3.6.1.5.5.7.3.28"),  # id-kp-cmcRA, RFC 6402
    }
)
_IsIssuedBy: TypeAlias = "Callable[[x509.Certificate, x509.Certificate], bool]"
_Extension = TypeVar("_Extension", bound=x509.ExtensionType)

_FINGERPRINT: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class FingerprintPin:
    """The SHA-256 fingerprint of a CA certificate (of its whole DER), 64 lower-case hex digits."""

    sha256: str

    def __post_init__(self) -> None:
        if _FINGERPRINT.fullmatch(self.sha256) is None:
            raise ValueError(
                "a fingerprint is 64 lower-case hex digits without colons: SHA-256 of the certificate's DER"
            )


@dataclass(frozen=True, slots=True)
class CertificatePin:
    """A CA certificate that was provided."""

    certificate: x509.Certificate

    @property
    def sha256(self) -> str:
        """Its fingerprint."""
        return fingerprint(self.certificate)


Pin = FingerprintPin | CertificatePin


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 over the certificate's DER, in lower-case hex."""
    return certificate.fingerprint(hashes.SHA256()).hex()


@dataclass(frozen=True, slots=True)
class CaTrust:
    """Certificates that a pin vouches for.

    Attributes:
        anchor: The pinned CA certificate.
        certificates: The anchor and every other certificate (intermediate CAs, RAs), each chained to it.
    """

    anchor: x509.Certificate
    certificates: tuple[x509.Certificate, ...]

    @property
    def recipient(self) -> x509.Certificate:
        """Whom requests are encrypted for; exactly one, whatever order the certificates came in.

        An RA with an RSA key that may encrypt, else the lowest CA, whatever its key usage says: RFC 8894
        3.5.2 has the client ignore it, since servers set it wrongly.
        """
        ras = [one for one in self.certificates if _is_ra(one) and _has_rsa_key(one)]
        for allowed in (_may_encipher_keys, _may_encipher_data, _has_no_key_usage):
            usable = [ra for ra in ras if allowed(ra)]
            if usable:
                return max(usable, key=_newest)
        lowest = [one for one in self._lowest_cas() if _has_rsa_key(one)]
        return max(lowest, key=_newest) if lowest else self.anchor

    @property
    def issuer(self) -> x509.Certificate:
        """The CA that issues: what IssuerAndSubject and IssuerAndSerialNumber name, never an RA.

        The recipient if it is a CA, else the CA that issued the recipient.
        """
        recipient = self.recipient
        if is_ca(recipient):
            return recipient
        return max((one for one in self.certificates if is_issued_by(recipient, one)), key=_newest, default=self.anchor)

    def _lowest_cas(self) -> list[x509.Certificate]:
        cas = [one for one in self.certificates if is_ca(one)]
        issuers = {parent for one in cas for parent in cas if one is not parent and is_issued_by(one, parent)}
        return [one for one in cas if one not in issuers]

    def chain_of(self, certificate: x509.Certificate) -> tuple[x509.Certificate, ...]:
        """The way from a certificate (first) to the anchor (last).

        Raises:
            UntrustedIssuerError: There is none.
        """
        chain = _chain(certificate, self.anchor, self.certificates)
        if chain is None:
            raise UntrustedIssuerError(
                certificate.subject.rfc4514_string(),
                certificate.issuer.rfc4514_string(),
                self.anchor.subject.rfc4514_string(),
            )
        return chain

    def and_signers_of(self, others: Iterable[CaTrust]) -> CaTrust:
        """The same CA with those that may answer for it, for finding out who signed a message; no issuer is one."""
        return CaTrust(self.anchor, (*self.certificates, *(one for ca in others for one in ca.certificates)))

    def check_signer(self, certificate: x509.Certificate) -> None:
        """See that a message's signer speaks for the CA: it is one of its CAs, or an RA of it.

        Raises:
            UntrustedSignerError: It is not.
        """
        known = certificate in self.certificates
        if known and (is_ca(certificate) or (_is_ra(certificate) and _may_sign(certificate))):
            return
        if _chain(certificate, self.anchor, self.certificates) is None:
            reason = "not of the pinned CA"
        else:
            reason = "neither the CA nor an RA among the CA's certificates whose key usage allows it to sign"
        raise UntrustedSignerError(certificate.subject.rfc4514_string(), reason)


def verify_ca_certificates(certificates: Iterable[x509.Certificate], pin: Pin, now: datetime) -> CaTrust:
    """The certificates that the pin vouches for, of those that a server sent; the others are left out.

    Raises:
        UntrustedCaError: The pinned certificate is not there, is no CA, or is not valid now.
    """
    sent = tuple(dict.fromkeys(certificates))
    found = tuple(fingerprint(one) for one in sent)

    def untrusted(reason: str) -> UntrustedCaError:
        return UntrustedCaError(pin.sha256, found, reason)

    if isinstance(pin, CertificatePin):
        anchor = pin.certificate
    else:
        matching = [one for one in sent if fingerprint(one) == pin.sha256]
        if not matching:
            raise untrusted("none of its certificates has the configured fingerprint")
        anchor = matching[0]
    if not is_ca(anchor):
        raise untrusted("the pinned certificate is no CA certificate")
    if not is_valid_at(anchor, now):
        raise untrusted(
            f"the pinned certificate is valid from {anchor.not_valid_before_utc} "
            f"to {anchor.not_valid_after_utc}, and it is {now} by this gateway's clock"
        )
    issued = functools.cache(is_issued_by)
    valid = [one for one in sent if one != anchor and is_valid_at(one, now)]
    chained = [one for one in valid if _chain(one, anchor, sent, issued) is not None]
    if isinstance(pin, CertificatePin) and anchor not in sent and not chained:
        raise untrusted("none of its certificates is the provided one, or was issued under it")
    return CaTrust(anchor, (anchor, *chained))


def verify_next_ca_certificates(certificates: Iterable[x509.Certificate], current: CaTrust, now: datetime) -> CaTrust:
    """The trust of the time to come (RFC 8894 4.7), from certificates that the current CA has signed.

    The new anchor is the CA among them that none of the others issued. It may not be valid yet, but must be valid
    some day; whether it is used already is the caller's to say.

    Raises:
        UntrustedCaError: There is no such CA, or more than one, or it is the one that is there.
    """
    sent = tuple(dict.fromkeys(certificates))
    found = tuple(map(fingerprint, sent))

    def untrusted(reason: str) -> UntrustedCaError:
        return UntrustedCaError(fingerprint(current.anchor), found, reason)

    cas = [one for one in sent if is_ca(one)]
    issued = functools.cache(is_issued_by)
    highest = [one for one in cas if not any(issued(one, other) for other in cas if other != one)]
    if len(highest) != 1:
        raise untrusted(f"the next CA certificates have {len(highest) or 'no'} CAs at their top, not one")
    anchor = highest[0]
    if anchor in current.certificates:
        raise untrusted("the next CA certificate is one of the present ones")
    if anchor.not_valid_after_utc <= max(now, anchor.not_valid_before_utc):
        raise untrusted(f"the next CA certificate is valid until {anchor.not_valid_after_utc} only")
    chained = [one for one in sent if one != anchor and _chain(one, anchor, sent, issued) is not None]
    return CaTrust(anchor, (anchor, *chained))


def is_ca(certificate: x509.Certificate) -> bool:
    """Whether it is a CA certificate: by its basic constraints, or as one of version 1, which has none."""
    constraints = _extension(certificate, x509.BasicConstraints)
    if constraints is not None:
        return constraints.ca
    return certificate.version is x509.Version.v1 and certificate.issuer == certificate.subject


def may_sign_crls(certificate: x509.Certificate) -> bool:
    """Whether its key usage has it sign CRLs, as that of a CA's key for CRLs only (RFC 5280 4.2.1.3)."""
    usage = _extension(certificate, x509.KeyUsage)
    return usage is not None and usage.crl_sign


def subject_alternative_names(certificate: x509.Certificate) -> tuple[x509.GeneralName, ...]:
    """The alternative names of a certificate; none if they cannot be read."""
    names = _extension(certificate, x509.SubjectAlternativeName)
    return () if names is None else tuple(names)


def has_public_key(certificate: x509.Certificate, public_key: PublicKey) -> bool:
    """Whether a certificate is for this key; one with a key of an unknown kind is not."""
    return _public_key(certificate) == public_key


def is_valid_at(certificate: x509.Certificate, now: datetime) -> bool:
    """Whether a moment is in a certificate's validity, give or take `CLOCK_SKEW`."""
    return certificate.not_valid_before_utc - CLOCK_SKEW <= now <= certificate.not_valid_after_utc + CLOCK_SKEW


def is_issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether `issuer`, which must be a CA, signed `certificate`; SHA-1 signatures count, MD5's do not."""
    if certificate.issuer != issuer.subject or not is_ca(issuer):
        return False
    public_key = _public_key(issuer)
    try:
        if isinstance(public_key, rsa.RSAPublicKey) and _is_signed_with_sha1(certificate):
            public_key.verify(
                certificate.signature,
                certificate.tbs_certificate_bytes,
                padding.PKCS1v15(),
                hashes.SHA1(),  # noqa: S303  # CAs of the past signed so
            )
        else:
            certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
        return False
    return True


def _is_signed_with_sha1(certificate: x509.Certificate) -> bool:
    return certificate.signature_algorithm_oid == SignatureAlgorithmOID.RSA_WITH_SHA1


def _chain(
    certificate: x509.Certificate,
    anchor: x509.Certificate,
    between: Iterable[x509.Certificate],
    issued: _IsIssuedBy | None = None,
) -> tuple[x509.Certificate, ...] | None:
    """The shortest way up from a certificate to the anchor; None if there is none.

    No pair is verified twice. Who asks for several chains gives an `issued` that remembers its answers, since
    hostile certificates can be slow to verify.
    """
    issued = issued or is_issued_by
    if certificate == anchor:
        return (anchor,)
    unseen = [one for one in dict.fromkeys((anchor, *between)) if one != certificate]
    ways: list[tuple[x509.Certificate, ...]] = [(certificate,)]
    while ways:
        longer = []
        for way in ways:
            for issuer in [one for one in unseen if issued(way[-1], one) and _may_follow(way, one)]:
                if issuer == anchor:
                    return (*way, anchor)
                unseen.remove(issuer)
                longer.append((*way, issuer))
        ways = longer
    return None


def _may_follow(way: tuple[x509.Certificate, ...], issuer: x509.Certificate) -> bool:
    """Whether the path length of a CA allows it to stand above these (RFC 5280 4.2.1.9)."""
    if len(way) >= LONGEST_CHAIN:
        return False
    constraints = _extension(issuer, x509.BasicConstraints)
    below = sum(1 for one in way[1:] if one.subject != one.issuer)
    return constraints is None or constraints.path_length is None or below <= constraints.path_length


def _newest(certificate: x509.Certificate) -> tuple[datetime, str]:
    """Orders certificates that are equally fit, so that the order in which they came plays no part."""
    return certificate.not_valid_before_utc, fingerprint(certificate)


def _is_ra(certificate: x509.Certificate) -> bool:
    """Whether it may be an RA's: no CA, and not limited to purposes that are none of an RA's.

    Any device of the same CA has a certificate that chains to the pin. If it could pose as an RA, it could
    have the challenge passwords of others encrypted for itself. RFC 5280 4.2.1.12: where extended key
    usages are given, the certificate must be used for these only.
    """
    if is_ca(certificate):
        return False
    purposes = _extension(certificate, x509.ExtendedKeyUsage)
    return purposes is None or not _RA_PURPOSES.isdisjoint(purposes)


def _public_key(certificate: x509.Certificate) -> CertificatePublicKeyTypes | None:
    try:
        return certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return None


def _has_rsa_key(certificate: x509.Certificate) -> bool:
    return isinstance(_public_key(certificate), rsa.RSAPublicKey)


def _extension(certificate: x509.Certificate, kind: type[_Extension]) -> _Extension | None:
    """The value of an extension; None if there is none, or none that can be read."""
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except NO_EXTENSION:
        return None


def _may_sign(certificate: x509.Certificate) -> bool:
    """Whether an RA's key usage allows it to sign, as that of an encryption RA does not."""
    usage = _extension(certificate, x509.KeyUsage)
    return usage is None or usage.digital_signature or usage.content_commitment


def _may_encipher_keys(certificate: x509.Certificate) -> bool:
    usage = _extension(certificate, x509.KeyUsage)
    return usage is not None and usage.key_encipherment


def _may_encipher_data(certificate: x509.Certificate) -> bool:
    usage = _extension(certificate, x509.KeyUsage)
    return usage is not None and usage.data_encipherment


def _has_no_key_usage(certificate: x509.Certificate) -> bool:
    return _extension(certificate, x509.KeyUsage) is None
