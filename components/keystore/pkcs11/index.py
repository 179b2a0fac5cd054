"""The index of a token: one object that says which entries there are, so that one write changes them all.

A token stores single objects and knows no transactions. So a commit first adds the certificates that are new, then
writes the next generation of the index, and only then removes what the new index no longer names. Whoever reads takes
the highest generation that is whole: a crash before that one write leaves the old entries, a crash after it the new.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_OWN: Final = b"gatewright\x01"
_FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """A private key entry: the key's CKA_ID, and the SHA-256 fingerprints of its chain in hex."""

    key: bytes
    chain: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CertificateRecord:
    """A trusted certificate, by its SHA-256 fingerprint in hex."""

    certificate: str


IndexRecord: TypeAlias = KeyRecord | CertificateRecord | None
"""An entry; None hides objects of that label that others put on the token, until they are gone."""


@dataclass(frozen=True, slots=True)
class Index:
    """Which entries there are.

    Attributes:
        generation: Counts the commits.
        records: The entries by alias.
    """

    generation: int = 0
    records: Mapping[str, IndexRecord] = field(default_factory=lambda: MappingProxyType({}))

    def keys(self) -> frozenset[bytes]:
        """The CKA_IDs of all keys that are named."""
        return frozenset(record.key for record in self.records.values() if isinstance(record, KeyRecord))

    def certificates(self) -> frozenset[str]:
        """The fingerprints of all certificates that are named."""
        found: set[str] = set()
        for record in self.records.values():
            if isinstance(record, KeyRecord):
                found.update(record.chain)
            elif record is not None:
                found.add(record.certificate)
        return frozenset(found)


def new_object_id() -> bytes:
    """A CKA_ID by which objects of ours are told from those that others put on the token."""
    return _OWN + secrets.token_bytes(8)


def is_own(object_id: bytes) -> bool:
    """Whether that is such an identifier."""
    return object_id.startswith(_OWN)


def encode_index(index: Index) -> bytes:
    """The index as the value of a data object: a line with a SHA-256 of the rest, then JSON."""
    document = {
        "format": _FORMAT,
        "generation": index.generation,
        "entries": {alias: _encode_record(record) for alias, record in sorted(index.records.items())},
    }
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
    return hashlib.sha256(text).hexdigest().encode() + b"\n" + text


def decode_index(data: bytes) -> Index | None:
    """The index that `encode_index` made; None if it is not whole, as after a write that was cut."""
    digest, _, text = data.partition(b"\n")
    if hashlib.sha256(text).hexdigest().encode() != digest:
        return None
    try:
        document = json.loads(text)
        if document["format"] != _FORMAT:
            return None
        records = {str(alias): _decode_record(record) for alias, record in document["entries"].items()}
        return Index(int(document["generation"]), MappingProxyType(records))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def newest(values: Iterable[bytes]) -> Index | None:
    """The highest generation among the whole ones of these; None if none is whole."""
    whole = [index for value in values if (index := decode_index(value)) is not None]
    return max(whole, key=lambda index: index.generation, default=None)


def _encode_record(record: IndexRecord) -> object:
    match record:
        case KeyRecord():
            return {"key": record.key.hex(), "chain": record.chain}
        case CertificateRecord():
            return {"certificate": record.certificate}
        case None:
            return None


def _decode_record(record: Mapping[str, object] | None) -> IndexRecord:
    if record is None:
        return None
    chain = record.get("chain")
    if isinstance(chain, list):
        return KeyRecord(bytes.fromhex(str(record["key"])), tuple(map(str, chain)))
    return CertificateRecord(str(record["certificate"]))
