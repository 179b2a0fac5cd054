"""From entries to the PEM files that stand for them; pure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from components.keystore.entries import PrivateKeyEntry, SecretKeyEntry

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cryptography import x509

    from components.keystore.entries import Entry
    from components.keystore.export.settings import ExportSettings

TRUSTED: Final = "trusted.bundle"
"""All exported trusted certificates in one file. No alias has this ending."""

_LONGEST_STEM: Final = 200


@dataclass(frozen=True, slots=True)
class PemFile:
    """One file.

    Attributes:
        content: PEM blocks.
        secret: Whether a private key is among them.
    """

    content: bytes = field(repr=False)
    secret: bool = False


@dataclass(frozen=True, slots=True)
class PemFiles:
    """All files of an export.

    Attributes:
        files: By name.
        contents: By alias, as data: `kind`, `files`, and for a private key `key`, which is `exported` or
            `stays in the keystore`.
        problems: What was asked for and is not there, in words.
    """

    files: Mapping[str, PemFile]
    contents: Mapping[str, Mapping[str, Any]]
    problems: tuple[str, ...] = ()


def pem_files(entries: Mapping[str, Entry], settings: ExportSettings) -> PemFiles:
    """Make the files of all entries that are to be exported.

    A private key is `ALIAS.key` (PKCS #8), its chain `ALIAS.crt`, its own certificate first, and both together are
    `ALIAS.pem`. A key that cannot leave its keystore has the chain alone. A trusted certificate is `ALIAS.crt`; all
    of them together are `trusted.bundle`. Secret keys are not exported.

    Raises:
        KeystoreError: A key does not leave the keystore though it was said to.
    """
    files: dict[str, PemFile] = {}
    contents: dict[str, dict[str, Any]] = {}
    trusted: list[bytes] = []
    for alias, entry in sorted(entries.items()):
        if not settings.chooses(alias) or isinstance(entry, SecretKeyEntry):
            continue
        made: dict[str, PemFile] = {}
        stem = file_stem(alias)
        if isinstance(entry, PrivateKeyEntry):
            chain = _certificates(entry.chain)
            made[f"{stem}.crt"] = PemFile(chain)
            if entry.key.exportable:
                key = entry.key.export().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
                made[f"{stem}.key"] = PemFile(key, secret=True)
                made[f"{stem}.pem"] = PemFile(key + chain, secret=True)
            told = "exported" if entry.key.exportable else "stays in the keystore"
            contents[alias] = {"kind": "private-key", "key": told}
        else:
            trusted.append(_certificates((entry.certificate,)))
            made[f"{stem}.crt"] = PemFile(trusted[-1])
            contents[alias] = {"kind": "trusted-certificate"}
        contents[alias]["files"] = sorted(made)
        files |= made
    files[TRUSTED] = PemFile(b"".join(trusted))
    return PemFiles(files, contents, tuple(_missing(entries, settings)))


def file_stem(alias: str) -> str:
    """What the names of an alias's files begin with: the alias, with what is unusual in names of files as `%XX`.

    A very long one is cut, and told from others by a digest.
    """
    stem = quote(alias, safe=" @+,=:")
    if stem.startswith("."):
        stem = f"%2E{stem[1:]}"
    if len(stem) > _LONGEST_STEM:
        stem = f"{stem[:100]}~{hashlib.sha256(alias.encode()).hexdigest()}"
    return stem


def _certificates(certificates: Iterable[x509.Certificate]) -> bytes:
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)


def _missing(entries: Mapping[str, Entry], settings: ExportSettings) -> Iterable[str]:
    for alias in settings.aliases:
        if "*" in alias:
            continue
        if alias not in entries:
            yield f"there is no entry {alias}, which keystore.export.aliases names, so it has no files"
        elif isinstance(entries[alias], SecretKeyEntry):
            yield f"{alias} is a secret key, which is not exported; take it out of keystore.export.aliases"
