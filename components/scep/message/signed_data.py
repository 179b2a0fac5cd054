"""SignedData (RFC 5652 5) with one signer: what a message is signed with, by whom, and over what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import Hash
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import DuplicateExtension, ExtensionNotFound, SubjectKeyIdentifier, UnsupportedGeneralNameType

from components.scep.errors import (
    ContentTypeError,
    DecodingError,
    DigestMismatchError,
    ForgedSignatureError,
    UnknownSignerError,
    UnsupportedAlgorithmError,
)
from components.scep.message import asn1
from components.scep.message.certificates import load_certificates, raw_certificates
from components.scep.message.envelope import issuer_name
from components.scep.message.kinds import (
    CONTENT_TYPE,
    DATA,
    DIGEST_OIDS,
    MESSAGE_DIGEST,
    RSA_ENCRYPTION,
    RSA_SIGNATURE_OIDS,
    SIGNED_DATA,
    Digest,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from cryptography import x509

    from components.keystore import PrivateKey

HASHES: Final[dict[Digest, type[hashes.HashAlgorithm]]] = {
    Digest.SHA1: hashes.SHA1,
    Digest.SHA256: hashes.SHA256,
    Digest.SHA384: hashes.SHA384,
    Digest.SHA512: hashes.SHA512,
}
_DIGESTS: Final = {oid: digest for digest, oid in DIGEST_OIDS.items()}


@dataclass(frozen=True, slots=True)
class Signature:
    """A message's signature as it came, not verified.

    Attributes:
        signed: The encodings of the signed attributes that the signature may be over, or the content if there
            are no signed attributes.
        message_digest: The attribute that must equal the content's digest; None if there are no signed attributes.
        content_type: The attribute that must name the content's type; some servers leave it out.
    """

    digest: Digest
    value: bytes
    signed: tuple[bytes, ...]
    message_digest: bytes | None
    content_type: str | None
    issuer: bytes | None
    serial_number: int | None
    subject_key_identifier: bytes | None


class Signed(Protocol):
    """What has a signature over a content."""

    @property
    def content(self) -> bytes:
        """What is signed, or empty."""
        ...

    @property
    def content_type(self) -> str:
        """The object identifier of what the content is."""
        ...

    @property
    def certificates(self) -> tuple[x509.Certificate, ...]:
        """The certificates that came with it."""
        ...

    @property
    def signature(self) -> Signature:
        """The signature."""
        ...


@dataclass(frozen=True, slots=True)
class SignedContent:
    """A decoded SignedData, of which nothing is verified yet.

    Attributes:
        content: What is signed, or empty.
        content_type: The object identifier of what it is.
        certificates: The certificates that came with it.
        attributes: The signed attributes as BER, by object identifier.
    """

    content: bytes
    content_type: str
    certificates: tuple[x509.Certificate, ...]
    attributes: Mapping[str, bytes]
    signature: Signature


def encode_signed_data(
    content: bytes | None,
    attributes: Sequence[tuple[str, Any]],
    *,
    key: PrivateKey,
    certificate: x509.Certificate,
    digest: Digest,
    content_type: str = DATA,
) -> bytes:
    """Sign a content with an RSA key; only the signer's certificate goes along (some servers choke on more).

    Args:
        content: What is signed, or None.
        attributes: Signed beside contentType and messageDigest: object identifiers and pyasn1 values.
        key: The key of `certificate`; it may be one that cannot leave its keystore.
        certificate: The signer's certificate.
        digest: What content and attributes are hashed with.
        content_type: The object identifier of what the content is.
    """
    signed = asn1.SignedData()
    signed["version"] = 1
    signed["digestAlgorithms"][0]["algorithm"] = DIGEST_OIDS[digest]
    signed["digestAlgorithms"][0]["parameters"] = asn1.encode(asn1.univ.Null(""))
    signed["encapContentInfo"]["eContentType"] = content_type
    if content is not None:
        signed["encapContentInfo"]["eContent"] = asn1.encode(asn1.univ.OctetString(content))
    signed["certificates"].extend([certificate.public_bytes(Encoding.DER)])
    info = signed["signerInfos"][0]
    info["version"] = 1
    info["sid"]["issuerAndSerialNumber"]["issuer"] = issuer_name(certificate)
    info["sid"]["issuerAndSerialNumber"]["serialNumber"] = certificate.serial_number
    info["digestAlgorithm"]["algorithm"] = DIGEST_OIDS[digest]
    info["digestAlgorithm"]["parameters"] = asn1.encode(asn1.univ.Null(""))
    of_content = [
        (CONTENT_TYPE, asn1.univ.ObjectIdentifier(content_type)),
        (MESSAGE_DIGEST, asn1.univ.OctetString(_hash(digest, content or b""))),
    ]
    for oid, value in [*of_content, *attributes]:
        attribute = asn1.rfc5652.Attribute()
        attribute["attrType"] = oid
        attribute["attrValues"][0] = asn1.encode(value)
        info["signedAttrs"].append(attribute)
    info["signatureAlgorithm"]["algorithm"] = RSA_ENCRYPTION
    info["signatureAlgorithm"]["parameters"] = asn1.encode(asn1.univ.Null(""))
    info["signature"] = key.sign(asn1.encode(_as_set(info["signedAttrs"])), HASHES[digest]())
    return asn1.encode_content(SIGNED_DATA, signed)


def decode_signed_data(data: bytes) -> SignedContent:
    """Decode a SignedData in BER or DER; attributes may come in any order.

    Raises:
        DecodingError: It is none, or has not exactly one signer.
        UnsupportedAlgorithmError: It is signed with an algorithm that is not known here.
    """
    signed = asn1.decode_content(data, SIGNED_DATA, asn1.SignedData())
    if len(signed["signerInfos"]) != 1:
        raise DecodingError(f"a message has one signer, this one has {len(signed['signerInfos'])}")
    info = signed["signerInfos"][0]
    attributes = _attribute_values(info["signedAttrs"]) if info["signedAttrs"].isValue else {}
    content = signed["encapContentInfo"]["eContent"]
    octets = asn1.octets(bytes(content)) if content.isValue else b""
    return SignedContent(
        content=octets,
        content_type=str(signed["encapContentInfo"]["eContentType"]),
        certificates=load_certificates(raw_certificates(signed)),
        attributes=attributes,
        signature=_signature(info, attributes, octets),
    )


def find_signer(message: Signed, candidates: Iterable[x509.Certificate]) -> x509.Certificate:
    """Check the signature, not yet what it says of the content (see `check_content`).

    Args:
        message: The message.
        candidates: Certificates that the signer's may be among, beside those in the message.

    Returns:
        The certificate of the signer; whether to trust it is the caller's to say.

    Raises:
        UnknownSignerError: The certificate that the message names is not there.
        ForgedSignatureError: It is, but its key did not sign this.
    """
    signature = message.signature
    named = [one for one in dict.fromkeys((*message.certificates, *candidates)) if _is_named(one, signature)]
    if not named:
        raise UnknownSignerError
    for certificate in named:
        if _verifies(certificate, signature):
            return certificate
    raise ForgedSignatureError


def check_content(message: Signed) -> None:
    """See that the signed attributes are about this content (RFC 5652 5.4, 11.1, 11.2).

    Raises:
        DigestMismatchError: The digest is another's, or missing.
        ContentTypeError: The type is another's.
    """
    signature = message.signature
    if signature.message_digest is None:
        return
    if signature.message_digest != _hash(signature.digest, message.content):
        raise DigestMismatchError
    if signature.content_type not in (None, message.content_type):
        raise ContentTypeError(str(signature.content_type), message.content_type)


def verify_signature(message: Signed, candidates: Iterable[x509.Certificate]) -> x509.Certificate:
    """Check the signature and what it says of the content: `find_signer`, then `check_content`."""
    signer = find_signer(message, candidates)
    check_content(message)
    return signer


def _hash(digest: Digest, data: bytes) -> bytes:
    calculation = Hash(HASHES[digest]())
    calculation.update(data)
    return calculation.finalize()


def _attribute_values(signed_attributes: Any) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for attribute in signed_attributes:
        oid, values = str(attribute["attrType"]), attribute["attrValues"]
        if oid in found or len(values) != 1:
            raise DecodingError(f"the signed attribute {oid} does not have exactly one value")
        found[oid] = bytes(values[0])
    return found


def _signature(info: Any, found: Mapping[str, bytes], content: bytes) -> Signature:
    digest = _DIGESTS.get(str(info["digestAlgorithm"]["algorithm"]))
    if digest is None:
        raise UnsupportedAlgorithmError("hashed", str(info["digestAlgorithm"]["algorithm"]))
    algorithm = str(info["signatureAlgorithm"]["algorithm"])
    if algorithm not in (RSA_ENCRYPTION, RSA_SIGNATURE_OIDS[digest]):
        raise UnsupportedAlgorithmError("signed", algorithm)
    if found and MESSAGE_DIGEST not in found:
        raise DigestMismatchError(missing=True)
    identifier = info["sid"]
    by_issuer = identifier.getName() == "issuerAndSerialNumber"
    named = identifier["issuerAndSerialNumber"] if by_issuer else None
    signed: tuple[bytes, ...] = (content,)
    if found:
        as_set = _as_set(info["signedAttrs"])
        signed = (asn1.encode(as_set), asn1.encode_as_received(as_set))
    return Signature(
        digest=digest,
        value=bytes(info["signature"]),
        signed=signed,
        message_digest=asn1.octets(found[MESSAGE_DIGEST]) if found else None,
        content_type=str(asn1.decode(found[CONTENT_TYPE], asn1.univ.ObjectIdentifier()))
        if CONTENT_TYPE in found
        else None,
        issuer=None if named is None else asn1.encode(named["issuer"]),
        serial_number=None if named is None else int(named["serialNumber"]),
        subject_key_identifier=None if by_issuer else bytes(identifier["subjectKeyIdentifier"]),
    )


def _object_identifier(encoded: bytes) -> str:
    return str(asn1.decode(encoded, asn1.univ.ObjectIdentifier()))


def _as_set(signed_attributes: Any) -> Any:
    """The attributes with the tag of SET OF, over which RFC 5652 5.4 has them signed."""
    attributes = asn1.univ.SetOf(componentType=asn1.rfc5652.Attribute())
    attributes.extend(signed_attributes)
    return attributes


def _is_named(certificate: x509.Certificate, signature: Signature) -> bool:
    if signature.subject_key_identifier is None:
        fits = certificate.serial_number == signature.serial_number
        return fits and certificate.issuer.public_bytes() == signature.issuer
    try:
        identifier = certificate.extensions.get_extension_for_class(SubjectKeyIdentifier).value.digest
    except (ExtensionNotFound, DuplicateExtension, UnsupportedGeneralNameType, ValueError):
        return False
    return identifier == signature.subject_key_identifier


def _verifies(certificate: x509.Certificate, signature: Signature) -> bool:
    """Whether one of the encodings is what was signed: RFC 5652 wants DER, some sign what they send."""
    try:
        public_key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return False
    if not isinstance(public_key, rsa.RSAPublicKey):
        return False
    for signed in signature.signed:
        try:
            public_key.verify(signature.value, signed, padding.PKCS1v15(), HASHES[signature.digest]())
        except InvalidSignature:
            continue
        return True
    return False
