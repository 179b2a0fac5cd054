"""EnvelopedData (RFC 5652 6) with one recipient: what only the recipient can read (RFC 8894 3.2.2)."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives import hashes, padding
from cryptography.hazmat.primitives.asymmetric import padding as rsa_padding
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.ciphers import Cipher as BlockCipher
from cryptography.hazmat.primitives.ciphers import algorithms, modes

from components.scep.errors import DecodingError, EnvelopeError, MessageError, UnsupportedAlgorithmError
from components.scep.message import asn1
from components.scep.message.kinds import (
    CIPHER_OIDS,
    DATA,
    DIGEST_OIDS,
    ENVELOPED_DATA,
    RSA_ENCRYPTION,
    RSA_OAEP,
    Cipher,
    Digest,
)

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.ciphers import BlockCipherAlgorithm

    from components.keystore import PrivateKey

_KEY_BYTES: Final = {Cipher.DES: 8, Cipher.DES3: 24, Cipher.AES128: 16, Cipher.AES192: 24, Cipher.AES256: 32}
_OAEP_DIGESTS: Final[dict[str, type[hashes.HashAlgorithm]]] = {
    DIGEST_OIDS[Digest.SHA1]: hashes.SHA1,
    DIGEST_OIDS[Digest.SHA256]: hashes.SHA256,
    DIGEST_OIDS[Digest.SHA384]: hashes.SHA384,
    DIGEST_OIDS[Digest.SHA512]: hashes.SHA512,
}
_OAEP_DEFAULT: Final = rsa_padding.OAEP(rsa_padding.MGF1(hashes.SHA1()), hashes.SHA1(), None)  # noqa: S303  # RFC 8017 A.2.1
_CIPHERS: Final = {oid: cipher for cipher, oid in CIPHER_OIDS.items()}


@dataclass(frozen=True, slots=True)
class OpenedEnvelope:
    """What was in an envelope, and what it was encrypted with."""

    content: bytes
    cipher: Cipher

    def __repr__(self) -> str:
        return f"OpenedEnvelope({len(self.content)} bytes, {self.cipher.value})"


def envelope(content: bytes, recipient: x509.Certificate, cipher: Cipher, *, oaep: bool = False) -> bytes:
    """Encrypt for one recipient with an RSA key (RSAES-PKCS1-v1_5, or RSAES-OAEP with SHA-1); a ContentInfo as DER.

    Raises:
        MessageError: The recipient's key is no RSA key.
    """
    public_key = recipient.public_key()
    if not isinstance(public_key, rsa.RSAPublicKey):
        raise MessageError(f"{recipient.subject.rfc4514_string()} has no RSA key, so nothing can be encrypted for it")
    key = os.urandom(_KEY_BYTES[cipher])
    algorithm = _algorithm(cipher, key)
    vector = os.urandom(algorithm.block_size // 8)
    padder = padding.PKCS7(algorithm.block_size).padder()
    encryptor = BlockCipher(algorithm, modes.CBC(vector)).encryptor()
    encrypted = encryptor.update(padder.update(content) + padder.finalize()) + encryptor.finalize()

    enveloped = asn1.rfc5652.EnvelopedData()
    enveloped["version"] = 0
    transport = enveloped["recipientInfos"][0]["ktri"]
    transport["version"] = 0
    transport["rid"]["issuerAndSerialNumber"]["issuer"] = issuer_name(recipient)
    transport["rid"]["issuerAndSerialNumber"]["serialNumber"] = recipient.serial_number
    transport["keyEncryptionAlgorithm"]["algorithm"] = RSA_OAEP if oaep else RSA_ENCRYPTION
    transport["keyEncryptionAlgorithm"]["parameters"] = b"\x30\x00" if oaep else asn1.encode(asn1.univ.Null(""))
    transport["encryptedKey"] = public_key.encrypt(key, _OAEP_DEFAULT if oaep else rsa_padding.PKCS1v15())
    info = enveloped["encryptedContentInfo"]
    info["contentType"] = DATA
    info["contentEncryptionAlgorithm"]["algorithm"] = CIPHER_OIDS[cipher]
    info["contentEncryptionAlgorithm"]["parameters"] = asn1.encode(asn1.univ.OctetString(vector))
    info["encryptedContent"] = encrypted
    return asn1.encode_content(ENVELOPED_DATA, enveloped)


@dataclass(frozen=True, slots=True)
class SealedEnvelope:
    """A decoded envelope that is not opened yet.

    Attributes:
        cipher: What its content is encrypted with.
    """

    cipher: Cipher
    _enveloped: Any

    def names(self, certificate: x509.Certificate) -> bool:
        """Whether it says that it is for this certificate."""
        return any(_is_named(one, certificate) for one in _transports(self._enveloped["recipientInfos"]))

    def open(self, key: PrivateKey, certificate: x509.Certificate) -> OpenedEnvelope:
        """Decrypt what was encrypted for `certificate`, whose key is `key`.

        Raises:
            EnvelopeError: It cannot be opened, for whatever reason.
            UnsupportedAlgorithmError: The key is transported with an algorithm that is not known here.
        """
        info = self._enveloped["encryptedContentInfo"]
        if not info["encryptedContent"].isValue:
            raise EnvelopeError
        transport = _for_us(self._enveloped["recipientInfos"], certificate)
        encryption = _transport_padding(transport["keyEncryptionAlgorithm"])
        try:
            vector = asn1.octets(bytes(info["contentEncryptionAlgorithm"]["parameters"]))
            content_key = key.decrypt(bytes(transport["encryptedKey"]), encryption)
            algorithm = _algorithm(self.cipher, content_key)
            decryptor = BlockCipher(algorithm, modes.CBC(vector)).decryptor()
            unpadder = padding.PKCS7(algorithm.block_size).unpadder()
            padded = decryptor.update(bytes(info["encryptedContent"])) + decryptor.finalize()
            return OpenedEnvelope(unpadder.update(padded) + unpadder.finalize(), self.cipher)
        except (ValueError, DecodingError):
            raise EnvelopeError from None

    def __repr__(self) -> str:
        return f"SealedEnvelope({self.cipher.value})"


def decode_envelope(data: bytes) -> SealedEnvelope:
    """Decode an envelope as far as it can be read by anybody.

    Raises:
        EnvelopeError: It is no EnvelopedData.
        UnsupportedAlgorithmError: It uses a cipher that is not known here.
    """
    try:
        enveloped = asn1.decode_content(data, ENVELOPED_DATA, asn1.rfc5652.EnvelopedData())
    except DecodingError:
        raise EnvelopeError from None
    oid = str(enveloped["encryptedContentInfo"]["contentEncryptionAlgorithm"]["algorithm"])
    cipher = _CIPHERS.get(oid)
    if cipher is None:
        raise UnsupportedAlgorithmError("encrypted", oid)
    return SealedEnvelope(cipher, enveloped)


def open_envelope(data: bytes, key: PrivateKey, certificate: x509.Certificate) -> OpenedEnvelope:
    """Decode an envelope and decrypt it: `decode_envelope`, then `SealedEnvelope.open`."""
    return decode_envelope(data).open(key, certificate)


def issuer_name(certificate: x509.Certificate) -> Any:
    """The issuer's name for pyasn1."""
    return asn1.decode(certificate.issuer.public_bytes(), asn1.rfc5280.Name())


def _for_us(recipients: Any, certificate: x509.Certificate) -> Any:
    """The recipient that names our certificate, or the only one, however it names us."""
    transports = _transports(recipients)
    for transport in transports:
        if _is_named(transport, certificate):
            return transport
    if len(transports) != 1:
        raise EnvelopeError
    return transports[0]


def _transports(recipients: Any) -> list[Any]:
    return [one["ktri"] for one in recipients if one.getName() == "ktri"]


def _is_named(transport: Any, certificate: x509.Certificate) -> bool:
    identifier = transport["rid"]
    if identifier.getName() != "issuerAndSerialNumber":
        return False
    named = identifier["issuerAndSerialNumber"]
    serial_fits = int(named["serialNumber"]) == certificate.serial_number
    return serial_fits and bool(asn1.encode(named["issuer"]) == certificate.issuer.public_bytes())


def _transport_padding(algorithm: Any) -> rsa_padding.AsymmetricPadding:
    oid = str(algorithm["algorithm"])
    if oid == RSA_ENCRYPTION:
        return rsa_padding.PKCS1v15()
    if oid != RSA_OAEP:
        raise UnsupportedAlgorithmError("encrypted for us", oid)
    parameters = algorithm["parameters"]
    digest: hashes.HashAlgorithm = hashes.SHA1()  # noqa: S303  # the default of RFC 8017 A.2.1
    mask_digest = digest
    try:
        if parameters.isValue:
            decoded = asn1.decode(bytes(parameters), asn1.rfc4055.RSAES_OAEP_params())
            digest = _oaep_digest(decoded["hashFunc"], digest)
            if decoded["maskGenFunc"].isValue and decoded["maskGenFunc"]["parameters"].isValue:
                named = asn1.decode(bytes(decoded["maskGenFunc"]["parameters"]), asn1.rfc5280.AlgorithmIdentifier())
                mask_digest = _oaep_digest(named, mask_digest)
    except DecodingError:
        raise EnvelopeError from None
    return rsa_padding.OAEP(rsa_padding.MGF1(mask_digest), digest, None)


def _oaep_digest(identifier: Any, default: hashes.HashAlgorithm) -> hashes.HashAlgorithm:
    """The digest that is named, or the default."""
    if not identifier.isValue:
        return default
    oid = str(identifier["algorithm"])
    if oid not in _OAEP_DIGESTS:
        raise UnsupportedAlgorithmError("encrypted for us (OAEP)", oid)
    return _OAEP_DIGESTS[oid]()


def _algorithm(cipher: Cipher, key: bytes) -> BlockCipherAlgorithm:
    """The block cipher with a key; ValueError if the key does not fit."""
    if len(key) != _KEY_BYTES[cipher]:
        raise ValueError("the content key has the wrong length")
    match cipher:
        case Cipher.DES:
            return TripleDES(key * 3)  # three times the same key is single DES
        case Cipher.DES3:
            return TripleDES(key)
        case _:
            return algorithms.AES(key)
