"""The structures of CMS (RFC 5652) that SCEP uses. Imports pyasn1, which is heavy: import this where it is used."""

from __future__ import annotations

from typing import Any, Final

from pyasn1.codec.ber import decoder
from pyasn1.codec.der import encoder
from pyasn1.error import PyAsn1Error
from pyasn1.type import char, namedtype, tag, univ
from pyasn1_modules import rfc5652

from components.scep.errors import MalformedMessageError
from components.scep.text import printable

DATA: Final = "1.2.840.113549.1.7.1"
SIGNED_DATA: Final = "1.2.840.113549.1.7.2"
ENVELOPED_DATA: Final = "1.2.840.113549.1.7.3"
RSA_ENCRYPTION: Final = "1.2.840.113549.1.1.1"

NULL: Final = univ.Null("")

ContentInfo: Final = rfc5652.ContentInfo
SignerInfo: Final = rfc5652.SignerInfo
EnvelopedData: Final = rfc5652.EnvelopedData


def _context(number: int) -> tag.Tag:
    return tag.Tag(tag.tagClassContext, tag.tagFormatConstructed, number)


class OpaqueSet(univ.SetOf):  # type: ignore[misc]  # the stubs leave the base untyped
    """A SET whose elements stay as they came."""

    componentType = univ.Any()  # noqa: N815  # pyasn1's name


class SignedData(univ.Sequence):  # type: ignore[misc]  # the stubs leave the base untyped
    """SignedData (RFC 5652 section 5.1), certificates opaque: cryptography reads them hundreds of times faster."""

    componentType = namedtype.NamedTypes(  # noqa: N815  # pyasn1's name
        namedtype.NamedType("version", rfc5652.CMSVersion()),
        namedtype.NamedType("digestAlgorithms", OpaqueSet()),
        namedtype.NamedType("encapContentInfo", rfc5652.EncapsulatedContentInfo()),
        namedtype.OptionalNamedType("certificates", OpaqueSet().subtype(implicitTag=_context(0))),
        namedtype.OptionalNamedType("crls", OpaqueSet().subtype(implicitTag=_context(1))),
        namedtype.NamedType("signerInfos", OpaqueSet()),
    )


def decode(data: bytes, schema: Any, what: str) -> Any:
    """Read one value of `schema`, or of any universal type if that is None.

    Raises:
        MalformedMessageError: It is none.
    """
    try:
        value, rest = decoder.decode(data, asn1Spec=schema)
    except (PyAsn1Error, ValueError) as error:
        raise MalformedMessageError(what, printable(str(error))) from error
    if rest:
        raise MalformedMessageError(what, "something follows the end")
    return value


def encode(value: Any) -> bytes:
    """Write a value in DER."""
    return bytes(encoder.encode(value))


def decode_content(data: bytes, content_type: str, schema: Any, what: str) -> Any:
    """Read a ContentInfo (RFC 5652 section 3) of this type, and what it contains.

    Raises:
        MalformedMessageError: It is none, or of another type.
    """
    info = decode(data, ContentInfo(), what)
    if str(info["contentType"]) != content_type:
        raise MalformedMessageError(what, f"its content type is {info['contentType']}, not {content_type}")
    return decode(bytes(info["content"]), schema, what)


def encode_content(content_type: str, content: Any) -> bytes:
    """Write a ContentInfo."""
    info = ContentInfo()
    info["contentType"] = univ.ObjectIdentifier(content_type)
    info["content"] = encode(content)
    return encode(info)


def algorithm(target: Any, identifier: str, parameters: Any) -> None:
    """Fill in an AlgorithmIdentifier; parameters None leaves them out."""
    target["algorithm"] = univ.ObjectIdentifier(identifier)
    if parameters is not None:
        target["parameters"] = encode(parameters)


def issuer_and_serial_number(target: Any, issuer: bytes, serial_number: int) -> None:
    """Fill in an IssuerAndSerialNumber (RFC 5652 section 10.2.4)."""
    target["issuer"] = decode(issuer, rfc5652.Name(), "issuer")
    target["serialNumber"] = serial_number


def text(value: bytes, what: str) -> str:
    """The text of a string of any type; servers do not always keep to PrintableString."""
    string = decode(value, None, what)
    if isinstance(string, char.AbstractCharacterString | univ.OctetString):
        return bytes(string).decode("utf-8", "replace")
    raise MalformedMessageError(what, "it is no string")


def octets(value: bytes, what: str) -> bytes:
    """The octets of an OCTET STRING."""
    string = decode(value, univ.OctetString(), what)
    return bytes(string)


def octet_string(value: bytes) -> Any:
    """An OCTET STRING."""
    return univ.OctetString(value)
