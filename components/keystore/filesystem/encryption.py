"""Password-based encryption and integrity of PKCS #12 files (RFC 8018, RFC 7292 appendix B).

Written: PBES2 with PBKDF2-HMAC-SHA-256 and AES-256-CBC, MAC by HMAC-SHA-256. Read also: PBES2 with the other
HMACs, AES sizes and triple DES, PKCS #12's own triple DES and RC2, and MACs with the other SHA digests.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import hmac
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from components.asn1 import der
from components.asn1.der import DerError
from components.keystore.filesystem import object_identifiers as oid
from components.keystore.filesystem import rc2

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers import BlockCipherAlgorithm

    from components.asn1.der import Element
    from metatype import Secret

ITERATIONS: Final = 10_000
"""What is written, as Java does; the same for keys and MAC, since an attacker tries the weaker of both."""

MOST_ITERATIONS: Final = 1_000_000
"""What is read of one key: it costs no more than a second."""

MOST_ITERATIONS_OF_ALL: Final = 10_000_000
"""What is read of all keys of a file together. Old programs derive one for each entry, with up to 100,000."""

_SALT_SIZE: Final = 16
_MAC_KEY: Final = 3
_CIPHER_KEY: Final = 1
_CIPHER_IV: Final = 2


class UnknownAlgorithmError(ValueError):
    """A file is protected by an algorithm that is not supported."""


def pkcs12_key(password: Secret, salt: bytes, iterations: int, *, purpose: int, size: int, digest: str) -> bytes:
    """Derive key material as RFC 7292 appendix B.2 does.

    Args:
        password: The password; it enters as a zero-terminated UTF-16.
        salt: The salt.
        iterations: How often the digest is repeated.
        purpose: The `ID` octet: 1 for a key, 2 for an initialization vector, 3 for a MAC key.
        size: How many octets are needed.
        digest: hashlib's name of the digest.
    """
    make = getattr(hashlib, digest, None) or functools.partial(hashlib.new, digest)  # looked up once, used so often
    block = make(usedforsecurity=False).block_size
    encoded = password.reveal().encode("utf-16-be", "surrogatepass") + b"\x00\x00"
    material = bytearray(_fill(salt, block) + _fill(encoded, block))
    derived = b""
    while len(derived) < size:
        value = bytes([purpose]) * block + bytes(material)
        for _ in range(iterations):
            value = make(value, usedforsecurity=False).digest()
        derived += value
        addend = int.from_bytes(_fill(value, block)[:block]) + 1
        for start in range(0, len(material), block):
            part = int.from_bytes(material[start : start + block]) + addend
            material[start : start + block] = (part % (1 << 8 * block)).to_bytes(block)
    return derived[:size]


def _fill(data: bytes, block: int) -> bytes:
    """Repeat `data` up to the next multiple of `block`."""
    size = block * -(-len(data) // block)
    return (data * (size // len(data) + 1))[:size] if data else b""


def mac_holds(mac: Element, content: bytes, keys: DerivedKeys) -> bool:
    """Whether the MacData `mac` is that of `content` under the password of these keys.

    Raises:
        DerError: It is no MacData.
        UnknownAlgorithmError: It is of a kind that is not supported.
    """
    fields = mac.children()
    digest_info = fields.next().children()
    algorithm = digest_info.next().children().next().object_identifier()
    expected = digest_info.next().expect(der.OCTET_STRING)
    salt = fields.next().expect(der.OCTET_STRING)
    iterations = 1 if fields.at_end else _iterations(fields.next())
    digest = oid.DIGESTS.get(algorithm)
    if algorithm in oid.OTHER_MACS:
        raise UnknownAlgorithmError(f"its MAC is by {oid.OTHER_MACS[algorithm]}, which is not supported")
    if digest is None:
        raise DerError(f"its MAC is by {algorithm}, which no known program uses")
    size = hashlib.new(digest, usedforsecurity=False).digest_size
    key = keys.get(Derivation(salt, iterations, size, digest, _MAC_KEY))
    return hmac.compare_digest(hmac.digest(key, content, digest), expected)


@dataclass(frozen=True, slots=True)
class Derivation:
    """What a key is derived from besides the password; `purpose` is 0 for PBKDF2, else that of `pkcs12_key`."""

    salt: bytes
    iterations: int
    size: int
    digest: str
    purpose: int = 0

    def is_like(self, other: Derivation) -> bool:
        """Whether both differ in their salts only."""
        return (self.iterations, self.size, self.digest, self.purpose) == (
            other.iterations,
            other.size,
            other.digest,
            other.purpose,
        )


class DerivedKeys:
    """The keys of one password, each derived once and kept as long as this is: to derive them is what files cost.

    Attributes:
        password: The password.
    """

    def __init__(self, password: Secret) -> None:
        self.password = password
        self._keys: dict[Derivation, bytes] = {}

    def __contains__(self, wanted: Derivation) -> bool:
        """Whether a key was derived already."""
        return wanted in self._keys

    def get(self, wanted: Derivation) -> bytes:
        """The key."""
        key = self._keys.get(wanted)
        if key is None:
            key = self._keys[wanted] = self._derive(wanted)
        return key

    def alike(self, wanted: Derivation) -> Derivation:
        """How such a key was derived before, else as wanted with a new salt.

        All generations of one file may share their salts, which make work on its password useless for other files.
        """
        for known in self._keys:
            if len(known.salt) == _SALT_SIZE and known.is_like(wanted):
                return known
        return dataclasses.replace(wanted, salt=os.urandom(_SALT_SIZE))

    def _derive(self, wanted: Derivation) -> bytes:
        if not wanted.purpose:
            encoded = self.password.reveal().encode()
            return hashlib.pbkdf2_hmac(wanted.digest, encoded, wanted.salt, wanted.iterations, wanted.size)
        return pkcs12_key(
            self.password,
            wanted.salt,
            wanted.iterations,
            purpose=wanted.purpose,
            size=wanted.size,
            digest=wanted.digest,
        )


_CONTENT: Final = Derivation(b"", ITERATIONS, 32, "sha256")
_MAC: Final = Derivation(b"", ITERATIONS, 32, "sha256", _MAC_KEY)


class Protection:
    """What files are written under: PBES2 and a MAC, by keys of one password."""

    def __init__(self, keys: DerivedKeys) -> None:
        content, mac = keys.alike(_CONTENT), keys.alike(_MAC)
        self._content, self._mac = content, mac
        self._key, self._mac_key = keys.get(content), keys.get(mac)

    def mac_data(self, content: bytes) -> bytes:
        """Make the MacData of a file (RFC 7292 section 4)."""
        value = hmac.digest(self._mac_key, content, "sha256")
        digest_info = der.sequence(der.sequence(der.object_identifier(oid.SHA256), der.NULL), der.octet_string(value))
        return der.sequence(digest_info, der.octet_string(self._mac.salt), der.integer(self._mac.iterations))

    def encrypt(self, data: bytes) -> tuple[bytes, bytes]:
        """Encrypt a part of a file under an initialization vector of its own.

        Returns:
            The AlgorithmIdentifier as DER, and the ciphertext.
        """
        vector = os.urandom(16)
        padder = padding.PKCS7(128).padder()
        encryptor = Cipher(algorithms.AES(self._key), modes.CBC(vector)).encryptor()
        ciphertext = encryptor.update(padder.update(data) + padder.finalize()) + encryptor.finalize()
        function = der.sequence(
            der.octet_string(self._content.salt),
            der.integer(self._content.iterations),
            der.integer(self._content.size),
            der.sequence(der.object_identifier(oid.HMAC_SHA256), der.NULL),
        )
        parameters = der.sequence(
            der.sequence(der.object_identifier(oid.PBKDF2), function),
            der.sequence(der.object_identifier(oid.AES_256_CBC), der.octet_string(vector)),
        )
        return der.sequence(der.object_identifier(oid.PBES2), parameters), ciphertext


@dataclass(frozen=True, slots=True)
class _Cipher:
    """A cipher with its key and vector; `algorithm` is None for RC2."""

    algorithm: BlockCipherAlgorithm | None
    key: bytes
    vector: bytes

    @property
    def block_bits(self) -> int:
        return 8 * rc2.BLOCK_SIZE if self.algorithm is None else self.algorithm.block_size

    def decrypt(self, ciphertext: bytes) -> bytes:
        if self.algorithm is None:
            return rc2.decrypt_cbc(self.key, self.vector, ciphertext)
        decryptor = Cipher(self.algorithm, modes.CBC(self.vector)).decryptor()
        return decryptor.update(ciphertext) + decryptor.finalize()


class Decryptor:
    """Decrypts the parts of one file; a key that several of them share is derived once.

    Args:
        keys: Those of the file's password.
        most_iterations: How many iterations all keys together may cost.
    """

    def __init__(self, keys: DerivedKeys, most_iterations: int = MOST_ITERATIONS_OF_ALL) -> None:
        self._keys = keys
        self._iterations_left = most_iterations

    def decrypt(self, algorithm: Element, ciphertext: bytes) -> bytes:
        """Decrypt what was encrypted by `algorithm`, an AlgorithmIdentifier.

        Raises:
            ValueError: The parameters or the padding are wrong (a DerError among others).
            UnknownAlgorithmError: The algorithm is not supported.
        """
        cipher = self._cipher(algorithm)
        unpadder = padding.PKCS7(cipher.block_bits).unpadder()
        return unpadder.update(cipher.decrypt(ciphertext)) + unpadder.finalize()

    def decrypt_altered(self, algorithm: Element, ciphertext: bytes) -> bytes:
        """Decrypt what may have been altered: the padding is not looked at; errors as `decrypt`."""
        cipher = self._cipher(algorithm)
        return cipher.decrypt(ciphertext[: len(ciphertext) * 8 // cipher.block_bits * cipher.block_bits // 8])

    def _cipher(self, algorithm: Element) -> _Cipher:
        fields = algorithm.children()
        identifier = fields.next().object_identifier()
        if identifier == oid.PBES2:
            return self._pbes2(fields.next())
        if identifier in oid.PBE_SHA1_KEY_SIZES:
            return self._pbe_sha1(identifier, fields.next())
        raise UnknownAlgorithmError(f"its content is encrypted by {identifier}, which is not supported")

    def _pbes2(self, parameters: Element) -> _Cipher:
        fields = parameters.children()
        function = fields.next().children()
        scheme = fields.next().children()
        if (name := function.next().object_identifier()) != oid.PBKDF2:
            raise UnknownAlgorithmError(f"its keys are derived by {name}, which is not supported")
        name = scheme.next().object_identifier()
        vector = scheme.next().expect(der.OCTET_STRING)
        if name in oid.AES_CBC_KEY_SIZES:
            key = self._pbkdf2(function.next(), oid.AES_CBC_KEY_SIZES[name])
            return _Cipher(algorithms.AES(key), key, vector)
        if name == oid.DES_EDE3_CBC:
            key = self._pbkdf2(function.next(), 24)
            return _Cipher(_triple_des(key), key, vector)
        raise UnknownAlgorithmError(f"its content is encrypted by {name}, which is not supported")

    def _pbkdf2(self, parameters: Element, size: int) -> bytes:
        fields = parameters.children()
        salt = fields.next().expect(der.OCTET_STRING)
        iterations = _iterations(fields.next())
        if fields.peek() == der.INTEGER and fields.next().integer() != size:
            raise DerError("the key length does not fit the cipher")
        name = oid.HMAC_SHA1 if fields.at_end else fields.next().children().next().object_identifier()
        if name not in oid.HMACS:
            raise UnknownAlgorithmError(f"its keys are derived with {name}, which is not supported")
        return self._derive(Derivation(salt, iterations, size, oid.HMACS[name]))

    def _pbe_sha1(self, identifier: str, parameters: Element) -> _Cipher:
        fields = parameters.children()
        salt = fields.next().expect(der.OCTET_STRING)
        count = _iterations(fields.next())
        size = oid.PBE_SHA1_KEY_SIZES[identifier]
        key = self._derive(Derivation(salt, count, size, "sha1", _CIPHER_KEY))
        vector = self._derive(Derivation(salt, count, 8, "sha1", _CIPHER_IV))
        is_rc2 = identifier in (oid.PBE_SHA1_RC2_128, oid.PBE_SHA1_RC2_40)
        return _Cipher(None if is_rc2 else _triple_des(key), key, vector)

    def _derive(self, wanted: Derivation) -> bytes:
        if wanted not in self._keys:
            self._iterations_left -= wanted.iterations
            if self._iterations_left < 0:
                raise DerError("its keys cost more iterations than any honest file has")
        return self._keys.get(wanted)


def _iterations(element: Element) -> int:
    iterations = element.integer()
    if not 0 < iterations <= MOST_ITERATIONS:
        raise DerError(f"{iterations} iterations are outside of 1 to {MOST_ITERATIONS}")
    return iterations


def _triple_des(key: bytes) -> BlockCipherAlgorithm:
    # Only old files need it; whoever has none does not load what is on its way out.
    from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES  # noqa: PLC0415  # see above

    return TripleDES(key if len(key) == 24 else key + key[:8])
