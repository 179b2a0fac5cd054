"""EnvelopedData (RFC 5652 6) with one recipient: what only the recipient can read (RFC 8894 3.2.2)."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives import hashes, padding
from cryptography.hazmat.primitives.asymmetric import padding as rsa_padding
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.ciphers import Cipher as BlockCipher
from cryptography.hazmat.primitives.ciphers import algorithms, modes

from components.asn1 import der
from components.scep.errors import DecodingError, EnvelopeError, RecipientKeyError, UnsupportedAlgorithmError
from components.scep.message import cms
from components.scep.message.kinds import (
    CIPHER_OIDS,
    DATA,
    ENVELOPED_DATA,
    RSA_ENCRYPTION,
    RSA_OAEP,
    Cipher,
)

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.ciphers import BlockCipherAlgorithm

    from components.asn1.der import Element
    from components.keystore import PrivateKey

_KEY_BYTES: Final = {Cipher.DES: 8, Cipher.DES3: 24, Cipher.AES128: 16, Cipher.AES192: 24, Cipher.AES256: 32}
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
        RecipientKeyError: The recipient's key is no RSA key.
    """
    public_key = recipient.public_key()
    if not isinstance(public_key, rsa.RSAPublicKey):
        raise RecipientKeyError(recipient.subject.rfc4514_string())
    key = os.urandom(_KEY_BYTES[cipher])
    algorithm = _algorithm(cipher, key)
    vector = os.urandom(algorithm.block_size // 8)
    padder = padding.PKCS7(algorithm.block_size).padder()
    encryptor = BlockCipher(algorithm, modes.CBC(vector)).encryptor()
    encrypted = encryptor.update(padder.update(content) + padder.finalize()) + encryptor.finalize()

    transport = der.sequence(
        der.integer(0),
        cms.issuer_and_serial_number(recipient),
        cms.algorithm(RSA_OAEP, der.sequence()) if oaep else cms.algorithm(RSA_ENCRYPTION),
        der.octet_string(public_key.encrypt(key, _OAEP_DEFAULT if oaep else rsa_padding.PKCS1v15())),
    )
    info = der.sequence(
        der.object_identifier(DATA),
        cms.algorithm(CIPHER_OIDS[cipher], der.octet_string(vector)),
        der.encode(cms.IMPLICIT_OCTETS_0, encrypted),
    )
    return cms.content_info(ENVELOPED_DATA, der.sequence(der.integer(0), der.set_of([transport]), info))


@dataclass(frozen=True, slots=True)
class _Transport:
    """The content key, encrypted for one recipient (KeyTransRecipientInfo)."""

    issuer: bytes | None
    serial_number: int | None
    algorithm: str
    parameters: bytes | None
    encrypted_key: bytes

    def names(self, certificate: x509.Certificate) -> bool:
        """Whether it is for this certificate; one that names a key identifier says nothing."""
        if self.issuer is None or self.serial_number is None:
            return False
        return cms.names(certificate, self.issuer, self.serial_number)

    def padding(self) -> rsa_padding.AsymmetricPadding:
        """How the key is encrypted; UnsupportedAlgorithmError if that is not known here."""
        if self.algorithm == RSA_ENCRYPTION:
            return rsa_padding.PKCS1v15()
        if self.algorithm != RSA_OAEP:
            raise UnsupportedAlgorithmError("encrypted for us", self.algorithm)
        if self.parameters is None:
            return _OAEP_DEFAULT
        from components.scep.message.oaep import oaep_padding  # noqa: PLC0415  # few servers use it, and pyasn1 is slow

        return oaep_padding(self.parameters)


@dataclass(frozen=True, slots=True)
class SealedEnvelope:
    """A decoded envelope that is not opened yet.

    Attributes:
        cipher: What its content is encrypted with.
    """

    cipher: Cipher
    _vector: bytes
    _encrypted: bytes | None
    _transports: tuple[_Transport, ...]

    def names(self, certificate: x509.Certificate) -> bool:
        """Whether it says that it is for this certificate."""
        return any(one.names(certificate) for one in self._transports)

    def open(self, key: PrivateKey, certificate: x509.Certificate) -> OpenedEnvelope:
        """Decrypt what was encrypted for `certificate`, whose key is `key`.

        Raises:
            EnvelopeError: It cannot be opened, for whatever reason.
            UnsupportedAlgorithmError: The key is transported with an algorithm that is not known here.
        """
        if self._encrypted is None:
            raise EnvelopeError
        transport = self._for_us(certificate)
        encryption = transport.padding()
        try:
            content_key = key.decrypt(transport.encrypted_key, encryption)
            algorithm = _algorithm(self.cipher, content_key)
            decryptor = BlockCipher(algorithm, modes.CBC(self._vector)).decryptor()
            unpadder = padding.PKCS7(algorithm.block_size).unpadder()
            padded = decryptor.update(self._encrypted) + decryptor.finalize()
            return OpenedEnvelope(unpadder.update(padded) + unpadder.finalize(), self.cipher)
        except ValueError:
            raise EnvelopeError from None

    def _for_us(self, certificate: x509.Certificate) -> _Transport:
        """The recipient that names our certificate, or the only one, however it names us."""
        for transport in self._transports:
            if transport.names(certificate):
                return transport
        if len(self._transports) != 1:
            raise EnvelopeError
        return self._transports[0]

    def __repr__(self) -> str:
        return f"SealedEnvelope({self.cipher.value})"


def decode_envelope(data: bytes) -> SealedEnvelope:
    """Decode an envelope as far as it can be read by anybody.

    Raises:
        EnvelopeError: It is no EnvelopedData.
        UnsupportedAlgorithmError: It uses a cipher that is not known here.
    """
    try:
        return cms.read(data, _parse)
    except DecodingError:
        raise EnvelopeError from None


def _parse(element: Element) -> SealedEnvelope:
    fields = cms.content_of(element, ENVELOPED_DATA)
    fields.next().integer()
    if fields.peek() == cms.CONTEXT_0:
        fields.next()  # originatorInfo: nothing here needs it
    recipients = fields.next().children(der.SET)
    transports = tuple(_transport(one) for one in recipients if one.tag == der.SEQUENCE)
    info = fields.next().children()
    info.next().object_identifier()
    oid, parameters = cms.algorithm_of(info.next())
    cipher = _CIPHERS.get(oid)
    if cipher is None:
        raise UnsupportedAlgorithmError("encrypted", oid)
    vector = b"" if parameters is None else parameters.octets()
    return SealedEnvelope(cipher, vector, None if info.at_end else _implicit_octets(info.next()), transports)


def _transport(element: Element) -> _Transport:
    fields = element.children()
    fields.next().integer()
    identifier = fields.next()
    issuer, serial_number = None, None
    if identifier.tag == der.SEQUENCE:
        named = identifier.children()
        issuer, serial_number = named.next().encoded, named.next().integer()
    algorithm, parameters = cms.algorithm_of(fields.next())
    encoded = None if parameters is None else parameters.encoded
    return _Transport(issuer, serial_number, algorithm, encoded, fields.next().octets())


def _implicit_octets(element: Element) -> bytes:
    """The `[0]` of encryptedContent, primitive or constructed: Debian's server sends the latter."""
    if element.tag == cms.IMPLICIT_OCTETS_0:
        return element.content
    return der.joined(element.expect(cms.CONTEXT_0))


def open_envelope(data: bytes, key: PrivateKey, certificate: x509.Certificate) -> OpenedEnvelope:
    """Decode an envelope and decrypt it: `decode_envelope`, then `SealedEnvelope.open`."""
    return decode_envelope(data).open(key, certificate)


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
