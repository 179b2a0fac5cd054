"""EnvelopedData (RFC 5652 section 6): content encrypted for the one holder of an RSA key."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.ciphers import Cipher as BlockCipher
from cryptography.hazmat.primitives.ciphers import algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from components.scep.certificates import rsa_key_of, subject_text
from components.scep.errors import (
    DecryptionError,
    MalformedMessageError,
    RecipientError,
    UnsupportedAlgorithmError,
)
from components.scep.message import ber
from components.scep.message.algorithms import Cipher
from components.scep.message.identifiers import certificate_identifier, identifies

if TYPE_CHECKING:
    from cryptography import x509

    from components.keystore import PrivateKey

_MOST_ELEMENTS: Final = 4096
_WHAT: Final = "enveloped message"
_RSAES_OAEP: Final = "1.2.840.113549.1.1.7"


@dataclass(frozen=True, slots=True)
class OpenedEnvelope:
    """What an envelope held.

    Attributes:
        content: The plain text.
        cipher: How it was encrypted.
    """

    content: bytes = field(repr=False)
    cipher: Cipher


def envelope(content: bytes, recipient: x509.Certificate, cipher: Cipher) -> bytes:
    """Encrypt `content` for the holder of the recipient's RSA key (RSAES-PKCS1-v1_5).

    The recipient's key usage is not looked at (RFC 8894 section 3.5.2 wants it ignored).

    Returns:
        A ContentInfo in DER.

    Raises:
        UnsupportedAlgorithmError: The recipient's key is no RSA key.
    """
    from components.scep.message import asn1  # noqa: PLC0415  # heavy

    public_key = rsa_key_of(recipient)
    if public_key is None:
        raise UnsupportedAlgorithmError("key transport", f"of {subject_text(recipient.subject)}, whose key is not RSA,")
    key, vector = secrets.token_bytes(cipher.key_size), secrets.token_bytes(cipher.block_size)
    enveloped_data = asn1.EnvelopedData()
    enveloped_data["version"] = "v0"
    recipient_info = enveloped_data["recipientInfos"][0]["ktri"]
    recipient_info["version"] = "v0"
    asn1.issuer_and_serial_number(
        recipient_info["rid"]["issuerAndSerialNumber"], recipient.issuer.public_bytes(), recipient.serial_number
    )
    asn1.algorithm(recipient_info["keyEncryptionAlgorithm"], asn1.RSA_ENCRYPTION, asn1.NULL)
    recipient_info["encryptedKey"] = public_key.encrypt(key, padding.PKCS1v15())
    encrypted = enveloped_data["encryptedContentInfo"]
    encrypted["contentType"] = asn1.DATA
    asn1.algorithm(encrypted["contentEncryptionAlgorithm"], cipher.identifier, asn1.octet_string(vector))
    encrypted["encryptedContent"] = _encrypt(content, cipher, key, vector)
    return asn1.encode_content(asn1.ENVELOPED_DATA, enveloped_data)


def open_envelope(data: bytes, key: PrivateKey, certificate: x509.Certificate) -> OpenedEnvelope:
    """Decrypt what was encrypted for `certificate`, whose key is `key`.

    Args:
        data: A ContentInfo in BER.
        key: The private key, which may be one that cannot leave its keystore.
        certificate: The certificate that the sender took; an envelope may name several recipients.

    Raises:
        MalformedMessageError: It is no EnvelopedData.
        UnsupportedAlgorithmError: It is encrypted in a way that is not built in.
        RecipientError: It is for others only.
        DecryptionError: The key does not open it.
        KeystoreError: The keystore did not let the key work.
    """
    from components.scep.message import asn1  # noqa: PLC0415  # heavy

    element = ber.definite(data, _WHAT, _MOST_ELEMENTS)
    enveloped_data = asn1.decode_content(element, asn1.ENVELOPED_DATA, asn1.EnvelopedData(), _WHAT)
    encrypted = enveloped_data["encryptedContentInfo"]
    cipher, vector = _content_encryption(encrypted["contentEncryptionAlgorithm"])
    if not encrypted["encryptedContent"].hasValue():
        raise MalformedMessageError(_WHAT, "it has no content")
    recipient_info = _recipient_info(enveloped_data["recipientInfos"], certificate)
    transport = str(recipient_info["keyEncryptionAlgorithm"]["algorithm"])
    if transport != asn1.RSA_ENCRYPTION:
        name = "RSAES-OAEP" if transport == _RSAES_OAEP else transport
        raise UnsupportedAlgorithmError("key transport", name)
    try:
        content_key = key.decrypt(bytes(recipient_info["encryptedKey"]), padding.PKCS1v15())
        content = _decrypt(bytes(encrypted["encryptedContent"]), cipher, content_key, vector)
    except ValueError:
        raise DecryptionError from None
    return OpenedEnvelope(content, cipher)


def _content_encryption(identifier: Any) -> tuple[Cipher, bytes]:
    from components.scep.message import asn1  # noqa: PLC0415  # heavy

    name = str(identifier["algorithm"])
    cipher = Cipher.of_identifier(name)
    if cipher is None:
        raise UnsupportedAlgorithmError("content encryption", name)
    parameters = identifier["parameters"]
    vector = asn1.octets(bytes(parameters), _WHAT) if parameters.hasValue() else b""
    if len(vector) != cipher.block_size:
        raise MalformedMessageError(_WHAT, f"the initialisation vector of {cipher} has {len(vector)} octets")
    return cipher, vector


def _recipient_info(recipient_infos: Any, certificate: x509.Certificate) -> Any:
    for recipient_info in recipient_infos:
        if recipient_info.getName() != "ktri":
            continue
        transport = recipient_info["ktri"]
        if identifies(certificate_identifier(transport["rid"]), certificate):
            return transport
    raise RecipientError


def _block_cipher(cipher: Cipher, key: bytes, vector: bytes) -> BlockCipher[modes.CBC]:
    if len(key) != cipher.key_size:
        raise ValueError("the key has another length than the cipher's")
    match cipher:
        case Cipher.DES_CBC:
            # Triple DES with one key three times is DES.
            return BlockCipher(TripleDES(key * 3), modes.CBC(vector))
        case Cipher.DES_EDE3_CBC:
            return BlockCipher(TripleDES(key), modes.CBC(vector))
        case _:
            return BlockCipher(algorithms.AES(key), modes.CBC(vector))


def _encrypt(content: bytes, cipher: Cipher, key: bytes, vector: bytes) -> bytes:
    padder = PKCS7(cipher.block_size * 8).padder()
    encryptor = _block_cipher(cipher, key, vector).encryptor()
    return encryptor.update(padder.update(content) + padder.finalize()) + encryptor.finalize()


def _decrypt(ciphertext: bytes, cipher: Cipher, key: bytes, vector: bytes) -> bytes:
    decryptor = _block_cipher(cipher, key, vector).decryptor()
    padded = decryptor.update(ciphertext) + decryptor.finalize()
    unpadder = PKCS7(cipher.block_size * 8).unpadder()
    return unpadder.update(padded) + unpadder.finalize()
