"""Reading PKCS #10 requests (RFC 2986), those too whose writer did not sort a SET OF."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PSS, PKCS1v15

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.hashes import HashAlgorithm


def load_csr(encoded: bytes) -> tuple[x509.CertificateSigningRequest, bytes]:
    """A request, and its part that is signed, as it came.

    cryptography takes DER only, but strongSwan (5.9.8, with --san) leaves the attributes unsorted. Such a request
    is sorted to be read; its own signature then no longer fits, so use `is_signed` with what is returned.

    Raises:
        ValueError: It is no request.
    """
    try:
        csr = x509.load_der_x509_csr(encoded)
    except ValueError:
        signed, sorted_encoding = _sorted(encoded)
        return x509.load_der_x509_csr(sorted_encoding), signed
    return csr, csr.tbs_certrequest_bytes


def is_signed(csr: x509.CertificateSigningRequest, signed: bytes, algorithm: HashAlgorithm) -> bool:
    """Whether the request is signed with its own RSA key over what came."""
    public_key, padding = csr.public_key(), csr.signature_algorithm_parameters
    if not isinstance(public_key, rsa.RSAPublicKey) or not isinstance(padding, PKCS1v15 | PSS):
        return False
    try:
        public_key.verify(csr.signature, signed, padding, algorithm)
    except InvalidSignature:
        return False
    return True


def _sorted(encoded: bytes) -> tuple[bytes, bytes]:
    """The signed part as it came, and the whole in DER; ValueError if it is no request."""
    from pyasn1.codec.ber import decoder  # noqa: PLC0415  # needed for few requests
    from pyasn1.codec.der import encoder  # noqa: PLC0415
    from pyasn1.type import univ  # noqa: PLC0415
    from pyasn1_modules import rfc2986  # noqa: PLC0415

    try:
        parts, _ = decoder.decode(encoded, asn1Spec=univ.SequenceOf(componentType=univ.Any()))
        request, _ = decoder.decode(encoded, asn1Spec=rfc2986.CertificationRequest())
        return bytes(parts[0]), encoder.encode(request)
    except Exception as error:  # noqa: BLE001  # pyasn1 raises whatever comes to it on hostile input
        raise ValueError(f"is no certification request: {type(error).__name__}") from None
