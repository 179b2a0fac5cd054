"""The CMS structures of SCEP (RFC 5652) for pyasn1, and the one door through which its errors come.

The only module here that imports pyasn1, which is slow to load; the others reach it through `asn1`.
Certificates stay raw bytes (`Any`): re-encoding one could change what its issuer signed.
"""

from __future__ import annotations

from typing import Any

from pyasn1.codec.ber import decoder as ber_decoder
from pyasn1.codec.ber import encoder as ber_encoder
from pyasn1.codec.der import encoder as der_encoder
from pyasn1.type import char, namedtype, tag, univ
from pyasn1_modules import rfc4055, rfc5280, rfc5652

from components.scep.errors import DecodingError
from components.scep.message.ber import definite

__all__ = [
    "IssuerAndSubject",
    "SignedData",
    "char",
    "decode",
    "decode_content",
    "encode",
    "encode_as_received",
    "encode_content",
    "octets",
    "rfc4055",
    "rfc5280",
    "rfc5652",
    "univ",
]


def _context(number: int) -> tag.Tag:
    return tag.Tag(tag.tagClassContext, tag.tagFormatConstructed, number)


def _tagged(element: Any, **tagging: tag.Tag) -> Any:
    """The element under another tag; the stubs leave `subtype` untyped."""
    return element.subtype(**tagging)


class RawSet(univ.SetOf):
    """A set whose elements stay as they are."""

    componentType = univ.Any()  # noqa: N815  # pyasn1's name


class EncapsulatedContent(univ.Sequence):
    """EncapsulatedContentInfo; old servers put something else than an OCTET STRING into it."""

    componentType = namedtype.NamedTypes(  # noqa: N815  # pyasn1's name
        namedtype.NamedType("eContentType", univ.ObjectIdentifier()),
        namedtype.OptionalNamedType("eContent", _tagged(univ.Any(), explicitTag=_context(0))),
    )


class SignedData(univ.Sequence):
    """SignedData (RFC 5652 5.1) with raw certificates."""

    componentType = namedtype.NamedTypes(  # noqa: N815  # pyasn1's name
        namedtype.NamedType("version", univ.Integer()),
        namedtype.NamedType("digestAlgorithms", rfc5652.DigestAlgorithmIdentifiers()),
        namedtype.NamedType("encapContentInfo", EncapsulatedContent()),
        namedtype.OptionalNamedType("certificates", _tagged(RawSet(), implicitTag=_context(0))),
        namedtype.OptionalNamedType("crls", _tagged(RawSet(), implicitTag=_context(1))),
        namedtype.NamedType("signerInfos", rfc5652.SignerInfos()),
    )


class IssuerAndSubject(univ.Sequence):
    """The content of a CertPoll (RFC 8894 3.3.3)."""

    componentType = namedtype.NamedTypes(  # noqa: N815  # pyasn1's name
        namedtype.NamedType("issuer", rfc5280.Name()),
        namedtype.NamedType("subject", rfc5280.Name()),
    )


def decode(data: bytes, spec: Any) -> Any:
    """Decode BER (and so DER).

    Raises:
        DecodingError: It is not of that structure.
    """
    try:
        value, _ = ber_decoder.decode(data, asn1Spec=spec)
    except Exception as error:  # noqa: BLE001  # pyasn1 raises whatever comes to it on hostile input
        raise DecodingError(f"is no well-formed {type(spec).__name__}: {type(error).__name__}") from None
    return value


def decode_content(data: bytes, content_type: str, spec: Any) -> Any:
    """The content of a ContentInfo of that type as it came from a peer; DecodingError if it is none."""
    info = decode(definite(data), rfc5652.ContentInfo())
    if str(info["contentType"]) != content_type:
        raise DecodingError(f"is a ContentInfo of type {info['contentType']}, not {content_type}")
    return decode(bytes(info["content"]), spec)


def encode(value: Any) -> bytes:
    """A structure as DER."""
    return bytes(der_encoder.encode(value))


def encode_as_received(value: Any) -> bytes:
    """A structure with the elements of its sets in the order in which they came."""
    return bytes(ber_encoder.encode(value))


def encode_content(content_type: str, content: Any) -> bytes:
    """A ContentInfo of that type as DER."""
    info = rfc5652.ContentInfo()
    info["contentType"] = univ.ObjectIdentifier(content_type)
    info["content"] = encode(content)
    return encode(info)


def octets(data: bytes) -> bytes:
    """The bytes in an OCTET STRING, which may be constructed; DecodingError if it is none."""
    return bytes(decode(data, univ.OctetString()))
