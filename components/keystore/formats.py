"""Keys and certificates as other programs hand them over: PEM with whatever is round it, DER, PKCS #7, PKCS #12.

Read tolerantly: line ends of any kind or none, blanks, UTF-16 with a byte order mark, texts between the blocks,
certificates in any order.
What is wrong is told with its place.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    load_der_private_key,
    load_pem_private_key,
    pkcs7,
)

from components.asn1.der import Reader
from components.keystore.entries import Entry, PrivateKeyEntry, TrustedCertificateEntry
from components.keystore.errors import DamagedKeystoreError, KeystoreError, WrongPasswordError
from components.keystore.filesystem.assembly import index_by_subject, issued_chain
from components.keystore.filesystem.pkcs12 import decode_pkcs12
from components.keystore.keys import SoftwarePrivateKey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from components.keystore.keys import PrivateKey
    from metatype import Secret

T = TypeVar("T")

LARGEST: Final = 4 * 1024 * 1024
"""Bytes of the largest file that is read."""

_ONE_LINE: Final = re.compile(r"(-----BEGIN ([A-Z0-9 ]+)-----)(.+?)(-----END \2-----)")
_UTF_16: Final = (b"\xff\xfe", b"\xfe\xff")
_JAVA: Final = (b"\xfe\xed\xfe\xed", b"\xce\xce\xce\xce")
"""How keystores in Java's own formats begin: JKS and JCEKS."""
_BEGIN: Final = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----")
_WITH_TRUST: Final = "TRUSTED CERTIFICATE"
"""OpenSSL's: after the certificate stands what it is trusted for."""
_CERTIFICATES: Final = frozenset({"CERTIFICATE", "X509 CERTIFICATE", _WITH_TRUST})
_KEYS: Final = frozenset({"PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "ENCRYPTED PRIVATE KEY"})
_PKCS7: Final = frozenset({"PKCS7", "CMS", "PKCS #7 SIGNED DATA"})
_CONVERT: Final = "keytool -importkeystore -srckeystore {0} -destkeystore {0}.p12 -deststoretype PKCS12"
_TAKEN_SILENTLY: Final = frozenset({"EC PARAMETERS", "DH PARAMETERS"})


class MaterialError(KeystoreError, ValueError):
    """A file does not hold what is wanted.

    Attributes:
        source: Where it comes from.
        line: The line that is wrong, from 1, or None.
    """

    def __init__(self, source: str, message: str, line: int | None = None) -> None:
        super().__init__(f"{source}{'' if line is None else f', line {line}'}: {message}")
        self.source = source
        self.line = line


class MaterialPasswordError(WrongPasswordError):
    """A file is encrypted, and not under the password that was given for it; `keystore` says where it comes from."""

    def __init__(self, source: str) -> None:
        super().__init__(source)
        self.args = (f"{source}: the password is wrong, or the file was altered; give its own with --password-file",)


@dataclass(slots=True)
class Material:
    """What files hold.

    Attributes:
        entries: Those of PKCS #12 files, by their own names.
        left_out: What was found and is not kept, in words.
    """

    keys: list[SoftwarePrivateKey] = field(default_factory=list)
    certificates: list[x509.Certificate] = field(default_factory=list)
    entries: dict[str, Entry] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)


def read_material(files: Iterable[tuple[str, bytes]], password: Secret | None) -> Material:
    """Read all files together: a key may stand in one, its certificates in others.

    Args:
        files: Where each comes from, and its content.
        password: Of what is encrypted among them.

    Raises:
        MaterialError: One of them holds nothing that can be read, or something in it is damaged.
        MaterialPasswordError: The password does not open one of them.
    """
    material = Material()
    for source, data in files:
        before = len(material.keys) + len(material.certificates) + len(material.entries)
        if len(data) > LARGEST:
            raise MaterialError(source, f"is larger than {LARGEST} bytes")
        if data.startswith(_JAVA):
            raise MaterialError(source, f"is a Java keystore: convert it, {_CONVERT.format(source)}")
        if data.lstrip()[:1] == b"\x30" and b"-----BEGIN " not in data:  # a text may begin with a 0, too
            _read_der(source, data, password, material)
        else:
            _read_pem(source, data, password, material)
        if len(material.keys) + len(material.certificates) + len(material.entries) == before:
            raise MaterialError(source, "holds neither a key nor a certificate, in PEM, DER, PKCS #7 or PKCS #12")
    return material


def entry_of(material: Material) -> Entry:
    """The one entry that the files make: a key with its chain, or one certificate.

    Raises:
        KeystoreError: They make none, or more than one; the message says what is there.
    """
    if material.entries:
        if len(material.entries) == 1 and not material.keys and not material.certificates:
            return next(iter(material.entries.values()))
        names = ", ".join(map(repr, material.entries))
        raise KeystoreError(
            f"there are several entries ({names}): import one of them with --entry NAME, or all with --all"
        )
    if len(material.keys) > 1:
        raise KeystoreError(f"there are {len(material.keys)} private keys; give the files of one")
    if material.keys:
        return PrivateKeyEntry(material.keys[0], chain_for(material.keys[0], material.certificates))
    if len(material.certificates) != 1:
        raise KeystoreError(
            f"there are {len(material.certificates)} certificates and no key: give one, or the key that is theirs, or "
            "store each of them with --all"
        )
    return TrustedCertificateEntry(material.certificates[0])


def all_entries(material: Material) -> dict[str, Entry]:
    """The entries of PKCS #12 files by their own names.

    Raises:
        KeystoreError: There are none, or there is something beside them that has no name.
    """
    if not material.entries or material.keys or material.certificates:
        raise KeystoreError(
            "only entries of PKCS #12 files have names: give the certificates of a bundle one with --alias, and "
            "import keys one by one"
        )
    return dict(material.entries)


def entry_named(material: Material, name: str) -> Entry:
    """One of the entries of PKCS #12 files; KeystoreError if there is none of that name."""
    if name not in material.entries:
        names = ", ".join(map(repr, material.entries)) or "none; only PKCS #12 files have entries with names"
        raise KeystoreError(f"there is no entry {name!r}; there are: {names}")
    return material.entries[name]


def numbered_certificates(material: Material, alias: str) -> dict[str, Entry]:
    """Each certificate once, as trusted under the alias and a number from 1, in the order of the files.

    Raises:
        KeystoreError: There is something else than certificates.
    """
    if material.keys or material.entries:
        raise KeystoreError("an alias with --all is for certificates, and there are keys or entries with names, too")
    certificates = dict.fromkeys(material.certificates)
    return {f"{alias}-{number}": TrustedCertificateEntry(one) for number, one in enumerate(certificates, 1)}


def chain_for(key: PrivateKey, certificates: list[x509.Certificate]) -> tuple[x509.Certificate, ...]:
    """The chain of a key, its own certificate first, whatever order they came in.

    Raises:
        KeystoreError: None of the certificates is the key's.
    """
    own = next((one for one in certificates if _is_of(one, key)), None)
    if own is None:
        found = (
            f"none of the {len(certificates)} certificates is" if certificates else "there is no certificate that is"
        )
        raise KeystoreError(f"{found} the private key's")
    return issued_chain(own, index_by_subject([one for one in certificates if one != own]))


def certified(entry: PrivateKeyEntry, certificates: list[x509.Certificate]) -> PrivateKeyEntry:
    """A key that is there already with the chain that was issued for it; KeystoreError if none of them is its own."""
    return PrivateKeyEntry(entry.key, chain_for(entry.key, certificates))


def _is_of(certificate: x509.Certificate, key: PrivateKey) -> bool:
    try:
        return certificate.public_key() == key.public_key
    except (ValueError, UnsupportedAlgorithm):
        return False


def _read_pem(source: str, data: bytes, password: Secret | None, material: Material) -> None:
    for kind, line, block in _blocks(source, data):
        if kind in _CERTIFICATES:
            der = _base64(source, line, kind, block)
            if kind == _WITH_TRUST:
                der = _load(source, line, kind, lambda: Reader(der).next().encoded)  # noqa: B023  # called at once
            material.certificates.append(_load(source, line, kind, lambda: x509.load_der_x509_certificate(der)))  # noqa: B023  # called at once
        elif kind in _KEYS:
            material.keys.append(_private_key(source, line, kind, block, password))
        elif kind in _PKCS7:
            der = _base64(source, line, kind, block)
            material.certificates += _load(source, line, kind, lambda: pkcs7.load_der_pkcs7_certificates(der))  # noqa: B023  # called at once
        elif kind not in _TAKEN_SILENTLY:
            material.left_out.append(f"{source}, line {line}: {kind}")


def _blocks(source: str, data: bytes) -> Iterator[tuple[str, int, list[str]]]:
    """The kind of each block, the line that it begins at, and its lines, the first and the last included."""
    text = data.decode("utf-16" if data.startswith(_UTF_16) else "utf-8-sig", "replace")
    lines = [line.strip() for line in re.split(r"\r\n|\n|\r", text)]
    number = 0
    while number < len(lines):
        begin = _BEGIN.search(lines[number])
        whole = list(_ONE_LINE.finditer(lines[number]))
        number += 1
        if whole:
            yield from ((one[2], number, [one[1], one[3], one[4]]) for one in whole)
            continue
        if begin is None:
            continue
        first, end = number, f"-----END {begin[1]}-----"
        while number <= len(lines):
            if number == len(lines) or _BEGIN.search(lines[number]):
                raise MaterialError(source, f"the block {begin[1]} that begins here has no {end}", first)
            number += 1
            if lines[number - 1] == end:
                break
        yield begin[1], first, lines[first - 1 : number]


def _base64(source: str, line: int, kind: str, block: list[str]) -> bytes:
    for offset, text in enumerate(block[1:-1], 1):
        if text and re.fullmatch(r"[A-Za-z0-9+/= \t]*", text) is None:
            raise MaterialError(source, f"this is no base64, in the block {kind}", line + offset)
    try:
        return base64.b64decode("".join("".join(block[1:-1]).split()), validate=True)
    except binascii.Error as error:
        raise MaterialError(source, f"the block {kind} is no base64: {error}", line) from None


def _load(source: str, line: int, kind: str, load: Callable[[], T]) -> T:
    try:
        return load()
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion) as error:
        raise MaterialError(source, f"the block {kind} cannot be read: {error}", line) from None


def _private_key(source: str, line: int, kind: str, block: list[str], password: Secret | None) -> SoftwarePrivateKey:
    """A key, encrypted or not. What cryptography says of it is left out where a password is involved."""
    secret = None if password is None else password.reveal().encode()
    encrypted = kind == "ENCRYPTED PRIVATE KEY" or any("ENCRYPTED" in one for one in block[1:3])
    if encrypted and not secret:
        raise MaterialError(source, "the private key is encrypted: give its password with --password-file", line)
    pem = "\n".join([f"-----BEGIN {kind}-----", *block[1:-1], f"-----END {kind}-----", ""]).encode()
    try:
        key = load_pem_private_key(pem, secret if encrypted else None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        if encrypted:
            raise MaterialPasswordError(source) from None
        raise MaterialError(source, f"the block {kind} is no private key, or a damaged one", line) from None
    return _usable(source, key)


def _usable(source: str, key: object) -> SoftwarePrivateKey:
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise MaterialError(source, f"its private key is a {type(key).__name__}: RSA and EC keys are kept, no others")
    return SoftwarePrivateKey(key)


def _read_der(source: str, data: bytes, password: Secret | None, material: Material) -> None:
    """DER says nothing of what it is, so it is tried."""
    if _der_certificate(data, material) or _der_key(source, data, password, material) or _der_pkcs7(data, material):
        return
    if password is None:
        raise MaterialError(
            source,
            "is neither certificate nor key in DER; if it is a PKCS #12 file, give its password with --password-file",
        )
    try:
        material.entries.update(decode_pkcs12(data, password, source))
    except WrongPasswordError:
        raise MaterialPasswordError(source) from None
    except DamagedKeystoreError as error:
        reason = f"is neither certificate nor key in DER, and no PKCS #12 file that can be read: {error.reason}"
        raise MaterialError(source, reason) from error


def _der_certificate(data: bytes, material: Material) -> bool:
    try:
        material.certificates.append(x509.load_der_x509_certificate(data))
    except (ValueError, x509.InvalidVersion):
        return False
    return True


def _der_key(source: str, data: bytes, password: Secret | None, material: Material) -> bool:
    try:
        key = load_der_private_key(data, None)
    except TypeError:  # so cryptography says that it is encrypted
        if not password:
            text = "the private key is encrypted: give its password with --password-file"
            raise MaterialError(source, text) from None
        try:
            key = load_der_private_key(data, password.reveal().encode())
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise MaterialPasswordError(source) from None
    except (ValueError, UnsupportedAlgorithm):
        return False
    material.keys.append(_usable(source, key))
    return True


def _der_pkcs7(data: bytes, material: Material) -> bool:
    try:
        material.certificates += pkcs7.load_der_pkcs7_certificates(data)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return False
    return True
