"""What the messages here have in common of CMS (RFC 5652): ContentInfo, AlgorithmIdentifier, names of certificates.

Whatever a peer sends is read here first: one element, in bounds, BER or DER. Certificates stay as they came, since
encoding one anew could change what its issuer signed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from cryptography import x509

from components.asn1 import ber, der
from components.asn1.der import DerError, IndefiniteLengthError
from components.scep.errors import DecodingError

if TYPE_CHECKING:
    from collections.abc import Callable

    from components.asn1.der import Element, Reader

T = TypeVar("T")

CONTEXT_0: Final = 0xA0
"""The tag `[0]` of what is constructed; 0x80 where it is not."""
CONTEXT_1: Final = 0xA1
IMPLICIT_OCTETS_0: Final = 0x80

_PADDING: Final = b"\x00\t\n\r "


def read(data: bytes, parse: Callable[[Element], T]) -> T:
    """Lay a structure on received bytes; indefinite lengths are made definite where there are some.

    Args:
        data: BER. White space and zero octets may follow the element; some servers send a line end.
        parse: Reads the element; it may raise DerError.

    Raises:
        DecodingError: It is too large, no BER, or not of that structure.
    """
    if len(data) > ber.LARGEST:
        raise DecodingError(f"more than the {ber.LARGEST} octets that are accepted")
    try:
        try:
            return parse(_first(data))
        except IndefiniteLengthError:
            return parse(der.decode(ber.definite(data)))
    except DerError as error:
        raise DecodingError(str(error)) from None


def _first(data: bytes) -> Element:
    element = der.Reader(data).next()
    if data[len(element.encoded) :].strip(_PADDING):
        raise DerError("something follows the end")
    return element


def definite(data: bytes) -> bytes:
    """BER with all its lengths made definite, to the innermost; DecodingError."""
    try:
        return ber.definite(data)
    except DerError as error:
        raise DecodingError(str(error)) from None


def set_of_raw(fields: Reader, tag: int) -> tuple[bytes, ...]:
    """The members of an implicitly tagged set as they came, if it is the next field; else none."""
    return tuple(one.encoded for one in der.Reader(fields.next().content)) if fields.peek() == tag else ()


def content_of(element: Element, content_type: str) -> Reader:
    """The fields of the SEQUENCE in a ContentInfo of that type; DerError if it is none."""
    fields = element.children()
    found = fields.next().object_identifier()
    if found != content_type:
        raise DerError(f"is a ContentInfo of type {found}, not {content_type}")
    return der.decode(fields.next().expect(CONTEXT_0)).children()


def content_info(content_type: str, content: bytes) -> bytes:
    """A ContentInfo (RFC 5652 3)."""
    return der.sequence(der.object_identifier(content_type), der.encode(CONTEXT_0, content))


def algorithm(identifier: str, parameters: bytes = der.NULL) -> bytes:
    """An AlgorithmIdentifier (RFC 5280 4.1.1.2)."""
    return der.sequence(der.object_identifier(identifier), parameters)


def algorithm_of(element: Element) -> tuple[str, Element | None]:
    """The object identifier of an AlgorithmIdentifier, and its parameters, if it has any."""
    fields = element.children()
    return fields.next().object_identifier(), None if fields.at_end else fields.next()


def issuer_and_serial_number(certificate: x509.Certificate) -> bytes:
    """The IssuerAndSerialNumber of a certificate (RFC 5652 10.2.4)."""
    return der.sequence(certificate.issuer.public_bytes(), der.integer(certificate.serial_number))


def names(certificate: x509.Certificate, issuer: bytes, serial_number: int) -> bool:
    """Whether an issuer, as it was encoded by somebody else, and a serial number are those of a certificate."""
    if certificate.serial_number != serial_number:
        return False
    if certificate.issuer.public_bytes() == issuer:
        return True
    try:
        return x509.Name.from_bytes(issuer) == certificate.issuer
    except (ValueError, TypeError):
        return False
