"""Whether a CRL is to be relied on: signed by a trusted certificate, no older than what is known, of a known scope."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from components.keystore.crl.errors import CrlRefusedError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from pathlib import Path

    from components.keystore.crl.outline import Outline

CLOCK_SKEW: Final = timedelta(hours=24)
"""How far in the future a CRL may have been made: clocks differ, by time zones too."""

_STRONG: Final = (hashes.SHA224, hashes.SHA256, hashes.SHA384, hashes.SHA512)
_UNDERSTOOD: Final = (x509.IssuingDistributionPoint, x509.CRLNumber, x509.AuthorityKeyIdentifier)


def check_signature(outline: Outline, trusted: Iterable[x509.Certificate]) -> x509.Certificate:
    """Check that one of the trusted certificates signed the CRL (RFC 5280 6.3.3 f, g), and return it.

    Raises:
        CrlRefusedError: None did, or the one that did is not for that.
    """
    issuer = outline.frame.issuer
    name = issuer.rfc4514_string()
    candidates = [one for one in trusted if one.subject == issuer]
    if not candidates:
        raise CrlRefusedError(f"its issuer {name} is no trusted certificate of the keystore")
    if not isinstance(outline.frame.signature_hash_algorithm, _STRONG):
        raise CrlRefusedError("it is not signed with RSA or ECDSA and SHA-2")
    signers = [one for one in candidates if _signed_by(outline, one)]
    if not signers:
        raise CrlRefusedError(f"its signature is not that of the trusted {name}")
    for one in signers:
        if may_sign(one):
            return one
    raise CrlRefusedError(f"the trusted {name} may not sign CRLs: its key usage is without cRLSign")


def key_digest(certificate: x509.Certificate) -> str:
    """What a signer is known by, whatever certificates it has: SHA-256 of its name and public key, in hex."""
    key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(certificate.subject.public_bytes() + key).hexdigest()


def check_content(frame: x509.CertificateRevocationList, now: datetime) -> None:
    """Check that it is a whole CRL of its own issuer, made before now.

    Raises:
        CrlRefusedError: It is a delta or an indirect one, for some reasons only, or otherwise not understood.
    """
    if frame.last_update_utc > now + CLOCK_SKEW:
        raise CrlRefusedError(f"it was made at {frame.last_update_utc}, and it is {now} by this gateway's clock")
    try:
        extensions = list(frame.extensions)
    except (ValueError, x509.DuplicateExtension) as error:
        raise CrlRefusedError(f"its extensions cannot be read ({error})") from error
    for extension in extensions:
        value = extension.value
        if isinstance(value, x509.DeltaCRLIndicator):
            raise CrlRefusedError("it is a delta CRL; configure the URL of the complete one")
        if isinstance(value, x509.IssuingDistributionPoint):
            if value.indirect_crl:
                raise CrlRefusedError("it is an indirect CRL, which lists certificates of other issuers")
            if value.only_some_reasons or value.only_contains_attribute_certs or value.relative_name:
                raise CrlRefusedError("it does not cover all reasons, or no public-key certificates")
        elif extension.critical and not isinstance(value, _UNDERSTOOD):
            raise CrlRefusedError(f"it has a critical extension that is not known here ({extension.oid.dotted_string})")


def check_succession(known: x509.CertificateRevocationList, frame: x509.CertificateRevocationList, place: Path) -> None:
    """Check that a CRL is not older than the one that is known, which is kept at `place`.

    Raises:
        CrlRefusedError: Its number, or the time that it was made, goes back.
    """
    before, after = crl_number(known), crl_number(frame)
    if before is not None and (after is None or after < before):
        raise CrlRefusedError(
            f"its number {after} goes back behind {before}; if the CA was set up anew, stop the gateway, "
            f"remove {place}, and start it"
        )
    if frame.last_update_utc < known.last_update_utc:
        raise CrlRefusedError(f"it was made at {frame.last_update_utc}, before the one that is known")


def crl_number(frame: x509.CertificateRevocationList) -> int | None:
    """The CRL number (RFC 5280 5.2.3), or None if there is none."""
    try:
        return frame.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    except x509.ExtensionNotFound:
        return None


def issuing_point(frame: x509.CertificateRevocationList) -> x509.IssuingDistributionPoint | None:
    """What part of its issuer's certificates it covers (RFC 5280 5.2.5); None for all."""
    try:
        return frame.extensions.get_extension_for_class(x509.IssuingDistributionPoint).value
    except x509.ExtensionNotFound:
        return None


def covers(frame: x509.CertificateRevocationList, certificate: x509.Certificate) -> bool:
    """Whether a CRL speaks of this certificate of its issuer."""
    if frame.issuer != certificate.issuer or _of_other_key(frame, certificate):
        return False
    point = issuing_point(frame)
    if point is None:
        return True
    try:
        is_ca = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        is_ca = False
    if (point.only_contains_ca_certs and not is_ca) or (point.only_contains_user_certs and is_ca):
        return False
    return not point.full_name or bool(set(point.full_name) & set(distribution_points(certificate)))


def authority_key_identifier(holder: x509.Certificate | x509.CertificateRevocationList) -> bytes | None:
    """Which key of its issuer signed it, if it says so (RFC 5280 4.2.1.1, 5.2.1)."""
    try:
        return holder.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    except (x509.ExtensionNotFound, ValueError, x509.DuplicateExtension):
        return None


def distribution_points(certificate: x509.Certificate) -> list[x509.GeneralName]:
    """The names in the CRL distribution points of a certificate; none if it has none, or they cannot be read."""
    try:
        points = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    except (x509.ExtensionNotFound, ValueError, x509.DuplicateExtension):
        return []
    return [name for point in points for name in point.full_name or () if point.crl_issuer is None]


def _of_other_key(frame: x509.CertificateRevocationList, certificate: x509.Certificate) -> bool:
    """Whether two CAs of one name, such as before and after a change of its key, are concerned."""
    ours, theirs = authority_key_identifier(frame), authority_key_identifier(certificate)
    return ours is not None and theirs is not None and ours != theirs


def _signed_by(outline: Outline, certificate: x509.Certificate) -> bool:
    frame, digest = outline.frame, outline.digest
    if digest is None or frame.signature_hash_algorithm is None:
        return False
    prehashed = utils.Prehashed(frame.signature_hash_algorithm)
    try:
        key, how = certificate.public_key(), frame.signature_algorithm_parameters
        if isinstance(key, rsa.RSAPublicKey) and isinstance(how, padding.PKCS1v15 | padding.PSS):
            key.verify(frame.signature, digest, how, prehashed)
        elif isinstance(key, ec.EllipticCurvePublicKey) and isinstance(how, ec.ECDSA):
            key.verify(frame.signature, digest, ec.ECDSA(prehashed))
        else:
            return False
    except (InvalidSignature, ValueError, UnsupportedAlgorithm):
        return False
    return True


def may_sign(certificate: x509.Certificate) -> bool:
    """Whether a certificate is for signing CRLs: its key usage, if it has one, says so (RFC 5280 4.2.1.3)."""
    try:
        return certificate.extensions.get_extension_for_class(x509.KeyUsage).value.crl_sign
    except x509.ExtensionNotFound:
        return True
    except (ValueError, x509.DuplicateExtension):
        return False
