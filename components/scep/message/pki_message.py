"""pkiMessage (RFC 8894 3): a SignedData whose signed attributes say what it is, of which transaction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import Hash
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import SubjectKeyIdentifier
from cryptography.x509.extensions import ExtensionNotFound
from pyasn1.type import char, univ
from pyasn1_modules import rfc5652

from components.scep.errors import DecodingError, MessageTypeError, SignatureError
from components.scep.message import asn1
from components.scep.message.certificates import load_certificate, raw_certificates
from components.scep.message.envelope import issuer_name
from components.scep.message.kinds import (
    CONTENT_TYPE,
    DATA,
    DIGEST_OIDS,
    FAIL_INFO,
    FAIL_INFO_TEXT,
    MESSAGE_DIGEST,
    MESSAGE_TYPE,
    NDES_HRESULT,
    PKI_STATUS,
    RECIPIENT_NONCE,
    RSA_ENCRYPTION,
    RSA_SIGNATURE_OIDS,
    SENDER_NONCE,
    SIGNED_DATA,
    TRANSACTION_ID,
    Digest,
    PkiStatus,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cryptography import x509

    from components.keystore import PrivateKey

_HASHES: Final[dict[Digest, type[hashes.HashAlgorithm]]] = {
    Digest.SHA1: hashes.SHA1,
    Digest.SHA256: hashes.SHA256,
    Digest.SHA384: hashes.SHA384,
    Digest.SHA512: hashes.SHA512,
}
_DIGESTS: Final = {oid: digest for digest, oid in DIGEST_OIDS.items()}


@dataclass(frozen=True, slots=True)
class MessageAttributes:
    """The signed attributes of a message (RFC 8894 3.2.1).

    Attributes:
        message_type: What the message is.
        transaction_id: The transaction that it belongs to.
        sender_nonce: 16 fresh bytes; old servers leave it out of replies.
        recipient_nonce: In a reply, the request's `sender_nonce`.
        status: In a reply, what came of the request.
        fail_info: In a refusal, the code; codes that RFC 8894 does not know are kept as numbers.
        fail_info_text: In a refusal, more for people.
        hresult: In a refusal of Microsoft's NDES, its own error code.
    """

    message_type: int
    transaction_id: str
    sender_nonce: bytes | None = None
    recipient_nonce: bytes | None = None
    status: PkiStatus | None = None
    fail_info: int | None = None
    fail_info_text: str | None = None
    hresult: int | None = None


@dataclass(frozen=True, slots=True)
class Signature:
    """A message's signature as it came, not verified.

    Attributes:
        signed: The encodings of the signed attributes that the signature may be over.
        message_digest: The attribute that must equal the content's digest.
        content_type: The attribute that must name the content's type; some servers leave it out.
    """

    digest: Digest
    value: bytes
    signed: tuple[bytes, ...]
    message_digest: bytes
    content_type: str | None
    issuer: bytes | None
    serial_number: int | None
    subject_key_identifier: bytes | None


@dataclass(frozen=True, slots=True)
class PkiMessage:
    """A decoded message, of which nothing is verified yet.

    Attributes:
        content: The encrypted part, or empty: a refusal has none.
        certificates: The certificates that came with it.
    """

    attributes: MessageAttributes
    content: bytes
    certificates: tuple[x509.Certificate, ...]
    signature: Signature


def encode_pki_message(
    attributes: MessageAttributes,
    content: bytes | None,
    *,
    key: PrivateKey,
    certificate: x509.Certificate,
    digest: Digest,
) -> bytes:
    """Sign a message with an RSA key; only the signer's certificate goes along (some servers choke on more).

    Args:
        attributes: What the message says.
        content: The encrypted part, or None.
        key: The key of `certificate`; it may be one that cannot leave its keystore.
        certificate: The signer's certificate.
        digest: What content and attributes are hashed with.
    """
    signed = asn1.SignedData()
    signed["version"] = 1
    signed["digestAlgorithms"][0]["algorithm"] = DIGEST_OIDS[digest]
    signed["digestAlgorithms"][0]["parameters"] = asn1.encode(univ.Null(""))
    signed["encapContentInfo"]["eContentType"] = DATA
    if content is not None:
        signed["encapContentInfo"]["eContent"] = asn1.encode(univ.OctetString(content))
    signed["certificates"].extend([certificate.public_bytes(Encoding.DER)])
    info = signed["signerInfos"][0]
    info["version"] = 1
    info["sid"]["issuerAndSerialNumber"]["issuer"] = issuer_name(certificate)
    info["sid"]["issuerAndSerialNumber"]["serialNumber"] = certificate.serial_number
    info["digestAlgorithm"]["algorithm"] = DIGEST_OIDS[digest]
    info["digestAlgorithm"]["parameters"] = asn1.encode(univ.Null(""))
    for oid, value in _encoded_attributes(attributes, _hash(digest, content or b"")):
        attribute = rfc5652.Attribute()
        attribute["attrType"] = oid
        attribute["attrValues"][0] = asn1.encode(value)
        info["signedAttrs"].append(attribute)
    info["signatureAlgorithm"]["algorithm"] = RSA_ENCRYPTION
    info["signatureAlgorithm"]["parameters"] = asn1.encode(univ.Null(""))
    info["signature"] = key.sign(asn1.encode(_as_set(info["signedAttrs"])), _HASHES[digest]())
    return asn1.encode_content(SIGNED_DATA, signed)


def decode_pki_message(data: bytes) -> PkiMessage:
    """Decode a message in BER or DER; attributes may come in any order.

    Raises:
        DecodingError: It is no pkiMessage.
    """
    signed = asn1.decode_content(data, SIGNED_DATA, asn1.SignedData())
    if len(signed["signerInfos"]) != 1:
        raise DecodingError(f"a pkiMessage has one signer, this one has {len(signed['signerInfos'])}")
    info = signed["signerInfos"][0]
    if not info["signedAttrs"].isValue:
        raise DecodingError("the message has no signed attributes")
    found = _attribute_values(info["signedAttrs"])
    content = signed["encapContentInfo"]["eContent"]
    return PkiMessage(
        attributes=_decoded_attributes(found),
        content=asn1.octets(bytes(content)) if content.isValue else b"",
        certificates=tuple(map(load_certificate, raw_certificates(signed))),
        signature=_signature(info, found),
    )


def verify_signature(message: PkiMessage, candidates: Iterable[x509.Certificate]) -> x509.Certificate:
    """Check the content's digest and the signature.

    Args:
        message: The message.
        candidates: Certificates that the signer's may be among, beside those in the message.

    Returns:
        The certificate of the signer; whether to trust it is the caller's to say.

    Raises:
        SignatureError: Content or attributes were changed, or nobody of these signed them.
    """
    signature = message.signature
    if signature.content_type not in (None, DATA):
        raise SignatureError(f"the signed content type is {signature.content_type}, not {DATA}")
    if signature.message_digest != _hash(signature.digest, message.content):
        raise SignatureError("the message's content does not fit its digest: it was changed on the way")
    named = [one for one in (*message.certificates, *candidates) if _is_named(one, signature)]
    if not named:
        raise SignatureError("the certificate of the message's signer is neither in it nor among the CA's certificates")
    for certificate in named:
        public_key = certificate.public_key()
        if isinstance(public_key, rsa.RSAPublicKey) and _verifies(public_key, signature):
            return certificate
    raise SignatureError("the message's signature is not one of the signer that it names")


def _hash(digest: Digest, data: bytes) -> bytes:
    calculation = Hash(_HASHES[digest]())
    calculation.update(data)
    return calculation.finalize()


def _encoded_attributes(attributes: MessageAttributes, message_digest: bytes) -> list[tuple[str, Any]]:
    pairs: list[tuple[str, Any]] = [
        (CONTENT_TYPE, univ.ObjectIdentifier(DATA)),
        (MESSAGE_DIGEST, univ.OctetString(message_digest)),
        (MESSAGE_TYPE, char.PrintableString(str(int(attributes.message_type)))),
        (TRANSACTION_ID, char.PrintableString(attributes.transaction_id)),
    ]
    if attributes.sender_nonce is not None:
        pairs.append((SENDER_NONCE, univ.OctetString(attributes.sender_nonce)))
    if attributes.recipient_nonce is not None:
        pairs.append((RECIPIENT_NONCE, univ.OctetString(attributes.recipient_nonce)))
    if attributes.status is not None:
        pairs.append((PKI_STATUS, char.PrintableString(str(int(attributes.status)))))
    if attributes.fail_info is not None:
        pairs.append((FAIL_INFO, char.PrintableString(str(int(attributes.fail_info)))))
    if attributes.fail_info_text is not None:
        pairs.append((FAIL_INFO_TEXT, char.UTF8String(attributes.fail_info_text)))
    return pairs


def _attribute_values(signed_attributes: Any) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for attribute in signed_attributes:
        oid, values = str(attribute["attrType"]), attribute["attrValues"]
        if oid in found or len(values) != 1:
            raise DecodingError(f"the signed attribute {oid} does not have exactly one value")
        found[oid] = bytes(values[0])
    return found


def _decoded_attributes(found: dict[str, bytes]) -> MessageAttributes:
    message_type = _number(found, MESSAGE_TYPE)
    transaction_id = _text(found, TRANSACTION_ID)
    if message_type is None or transaction_id is None:
        raise DecodingError("the message has no messageType or no transactionID")
    return MessageAttributes(
        message_type=message_type,
        transaction_id=transaction_id,
        sender_nonce=_octets(found, SENDER_NONCE),
        recipient_nonce=_octets(found, RECIPIENT_NONCE),
        status=_status(found),
        fail_info=_number(found, FAIL_INFO),
        fail_info_text=_text(found, FAIL_INFO_TEXT),
        hresult=_number(found, NDES_HRESULT),
    )


def _status(found: dict[str, bytes]) -> PkiStatus | None:
    number = _number(found, PKI_STATUS)
    try:
        return None if number is None else PkiStatus(number)
    except ValueError:
        raise MessageTypeError(f"the reply has the pkiStatus {number}, which SCEP does not know") from None


def _octets(found: dict[str, bytes], oid: str) -> bytes | None:
    return None if oid not in found else asn1.octets(found[oid])


def _text(found: dict[str, bytes], oid: str) -> str | None:
    if oid not in found:
        return None
    value = asn1.decode(found[oid], None)
    if not isinstance(value, char.AbstractCharacterString):
        raise DecodingError(f"the signed attribute {oid} is no text")
    try:
        return str(value)
    except UnicodeError:
        raise DecodingError(f"the signed attribute {oid} is no text") from None


def _number(found: dict[str, bytes], oid: str) -> int | None:
    text = _text(found, oid)
    if text is None:
        return None
    digits = text.strip().removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 20):
        raise DecodingError(f"the signed attribute {oid} is no number")
    return int(text)


def _signature(info: Any, found: dict[str, bytes]) -> Signature:
    digest = _DIGESTS.get(str(info["digestAlgorithm"]["algorithm"]))
    algorithm = str(info["signatureAlgorithm"]["algorithm"])
    if digest is None or algorithm not in (RSA_ENCRYPTION, RSA_SIGNATURE_OIDS[digest]):
        digest_name = info["digestAlgorithm"]["algorithm"]
        raise SignatureError(f"the message is signed with the unsupported {digest_name} and {algorithm}")
    if MESSAGE_DIGEST not in found:
        raise SignatureError("the message has no messageDigest, so its content is not signed")
    identifier = info["sid"]
    by_issuer = identifier.getName() == "issuerAndSerialNumber"
    named = identifier["issuerAndSerialNumber"] if by_issuer else None
    as_set = _as_set(info["signedAttrs"])
    return Signature(
        digest=digest,
        value=bytes(info["signature"]),
        signed=(asn1.encode(as_set), asn1.encode_as_received(as_set)),
        message_digest=asn1.octets(found[MESSAGE_DIGEST]),
        content_type=str(asn1.decode(found[CONTENT_TYPE], univ.ObjectIdentifier())) if CONTENT_TYPE in found else None,
        issuer=None if named is None else asn1.encode(named["issuer"]),
        serial_number=None if named is None else int(named["serialNumber"]),
        subject_key_identifier=None if by_issuer else bytes(identifier["subjectKeyIdentifier"]),
    )


def _as_set(signed_attributes: Any) -> Any:
    """The attributes with the tag of SET OF, over which RFC 5652 5.4 has them signed."""
    attributes = univ.SetOf(componentType=rfc5652.Attribute())
    attributes.extend(signed_attributes)
    return attributes


def _is_named(certificate: x509.Certificate, signature: Signature) -> bool:
    if signature.subject_key_identifier is None:
        fits = certificate.serial_number == signature.serial_number
        return fits and certificate.issuer.public_bytes() == signature.issuer
    try:
        identifier = certificate.extensions.get_extension_for_class(SubjectKeyIdentifier).value.digest
    except (ExtensionNotFound, ValueError):
        return False
    return identifier == signature.subject_key_identifier


def _verifies(public_key: rsa.RSAPublicKey, signature: Signature) -> bool:
    """Whether one of the encodings is what was signed: RFC 5652 wants DER, some sign what they send."""
    for signed in signature.signed:
        try:
            public_key.verify(signature.value, signed, padding.PKCS1v15(), _HASHES[signature.digest]())
        except InvalidSignature:
            continue
        return True
    return False
