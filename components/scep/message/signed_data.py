"""SignedData (RFC 5652 5) with one signer: what a message is signed with, by whom, and over what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import Hash
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import SubjectKeyIdentifier

from components.asn1 import der
from components.asn1.der import Element
from components.scep.errors import (
    ContentTypeError,
    DecodingError,
    DigestMismatchError,
    ForgedSignatureError,
    UnknownSignerError,
    UnsupportedAlgorithmError,
)
from components.scep.message import cms
from components.scep.message.certificates import NO_EXTENSION, load_certificates
from components.scep.message.kinds import (
    CONTENT_TYPE,
    DATA,
    DIGEST_OIDS,
    ECDSA_SIGNATURE_OIDS,
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
    attributes: Sequence[tuple[str, bytes]],
    *,
    key: PrivateKey,
    certificate: x509.Certificate,
    digest: Digest,
    content_type: str = DATA,
) -> bytes:
    """Sign a content with an RSA key; only the signer's certificate goes along (some servers choke on more).

    Args:
        content: What is signed, or None.
        attributes: Signed beside contentType and messageDigest: object identifiers and values in DER.
        key: The key of `certificate`; it may be one that cannot leave its keystore.
        certificate: The signer's certificate.
        digest: What content and attributes are hashed with.
        content_type: The object identifier of what the content is.
    """
    of_content = [
        (CONTENT_TYPE, der.object_identifier(content_type)),
        (MESSAGE_DIGEST, der.octet_string(_hash(digest, content or b""))),
    ]
    signed_attributes = der.set_of(
        der.sequence(der.object_identifier(oid), der.set_of([value])) for oid, value in [*of_content, *attributes]
    )
    signer = der.sequence(
        der.integer(1),
        cms.issuer_and_serial_number(certificate),
        cms.algorithm(DIGEST_OIDS[digest]),
        bytes((cms.CONTEXT_0,)) + signed_attributes[1:],
        cms.algorithm(RSA_ENCRYPTION),
        der.octet_string(key.sign(signed_attributes, HASHES[digest]())),
    )
    encapsulated = [der.object_identifier(content_type)]
    if content is not None:
        encapsulated.append(der.encode(cms.CONTEXT_0, der.octet_string(content)))
    signed = der.sequence(
        der.integer(1),
        der.set_of([cms.algorithm(DIGEST_OIDS[digest])]),
        der.sequence(*encapsulated),
        der.encode(cms.CONTEXT_0, certificate.public_bytes(Encoding.DER)),
        der.set_of([signer]),
    )
    return cms.content_info(SIGNED_DATA, signed)


def decode_signed_data(data: bytes) -> SignedContent:
    """Decode a SignedData in BER or DER; attributes may come in any order.

    Raises:
        DecodingError: It is none, or has not exactly one signer.
        UnsupportedAlgorithmError: It is signed with an algorithm that is not known here.
    """
    return cms.read(data, _parse)


def _parse(element: Element) -> SignedContent:
    fields = cms.content_of(element, SIGNED_DATA)
    fields.next().integer()
    fields.next().expect(der.SET)
    encapsulated = fields.next().children()
    content_type = encapsulated.next().object_identifier()
    content = b"" if encapsulated.at_end else der.decode(encapsulated.next().expect(cms.CONTEXT_0)).octets()
    certificates = cms.set_of_raw(fields, cms.CONTEXT_0)
    cms.set_of_raw(fields, cms.CONTEXT_1)
    signers = list(der.Reader(fields.next().expect(der.SET)))
    if len(signers) != 1:
        raise DecodingError(f"a message has one signer, this one has {len(signers)}")
    attributes, signature = _signer(signers[0], content)
    return SignedContent(content, content_type, load_certificates(certificates), attributes, signature)


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


def _signer(element: Element, content: bytes) -> tuple[dict[str, bytes], Signature]:
    """A SignerInfo (RFC 5652 5.3): its signed attributes, and what is to be verified."""
    fields = element.children()
    fields.next().integer()
    issuer, serial_number, subject_key_identifier = _signer_identifier(fields.next())
    digest = _digest(cms.algorithm_of(fields.next())[0])
    signed_attributes = list(der.Reader(fields.next().content)) if fields.peek() == cms.CONTEXT_0 else []
    attributes = _attribute_values(signed_attributes)
    algorithm, _ = cms.algorithm_of(fields.next())
    if algorithm not in (RSA_ENCRYPTION, RSA_SIGNATURE_OIDS[digest], ECDSA_SIGNATURE_OIDS[digest]):
        raise UnsupportedAlgorithmError("signed", algorithm)
    if attributes and MESSAGE_DIGEST not in attributes:
        raise DigestMismatchError(missing=True)
    value = fields.next().octets()
    content_type = attributes.get(CONTENT_TYPE)
    return attributes, Signature(
        digest=digest,
        value=value,
        signed=_as_signed(signed_attributes) if attributes else (content,),
        message_digest=cms.read(attributes[MESSAGE_DIGEST], Element.octets) if attributes else None,
        content_type=None if content_type is None else cms.read(content_type, Element.object_identifier),
        issuer=issuer,
        serial_number=serial_number,
        subject_key_identifier=subject_key_identifier,
    )


def _signer_identifier(element: Element) -> tuple[bytes | None, int | None, bytes | None]:
    """Issuer and serial number, or the subject key identifier."""
    if element.tag == cms.IMPLICIT_OCTETS_0:
        return None, None, element.content
    if element.tag == cms.CONTEXT_0:
        return None, None, der.joined(element.content)
    named = element.children()
    return named.next().encoded, named.next().integer(), None


def _digest(identifier: str) -> Digest:
    digest = _DIGESTS.get(identifier)
    if digest is None:
        raise UnsupportedAlgorithmError("hashed", identifier)
    return digest


def _attribute_values(signed_attributes: list[Element]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for attribute in signed_attributes:
        fields = attribute.children()
        oid = fields.next().object_identifier()
        values = [one.encoded for one in fields.next().children(der.SET)]
        if oid in found or len(values) != 1:
            raise DecodingError(f"the signed attribute {oid} does not have exactly one value")
        found[oid] = values[0]
    return found


def _as_signed(signed_attributes: list[Element]) -> tuple[bytes, ...]:
    """The attributes as a SET OF, which RFC 5652 5.4 has signed: in DER, and in the order in which they came."""
    encoded = [der.sequence(*(field.encoded for field in attribute.children())) for attribute in signed_attributes]
    return der.set_of(encoded), der.encode(der.SET, *encoded)


def _is_named(certificate: x509.Certificate, signature: Signature) -> bool:
    if signature.subject_key_identifier is None:
        issuer, serial_number = signature.issuer, signature.serial_number
        return issuer is not None and serial_number is not None and cms.names(certificate, issuer, serial_number)
    try:
        identifier = certificate.extensions.get_extension_for_class(SubjectKeyIdentifier).value.digest
    except NO_EXTENSION:
        return False
    return identifier == signature.subject_key_identifier


def _verifies(certificate: x509.Certificate, signature: Signature) -> bool:
    """Whether one of the encodings is what was signed: RFC 5652 wants DER, some sign what they send."""
    try:
        public_key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return False
    digest = HASHES[signature.digest]()
    for signed in signature.signed:
        try:
            if isinstance(public_key, rsa.RSAPublicKey):
                public_key.verify(signature.value, signed, padding.PKCS1v15(), digest)
            elif isinstance(public_key, ec.EllipticCurvePublicKey):
                public_key.verify(signature.value, signed, ec.ECDSA(digest))
            else:
                return False
        except InvalidSignature:
            continue
        return True
    return False
