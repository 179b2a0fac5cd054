"""A commit to a token: certificates that are new, then one write of the index, then the former index goes.

Whoever reads in between, or after a crash, finds the entries of before or those of after; see `index`.
"""

from __future__ import annotations

import contextlib
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from pkcs11.constants import Attribute, ObjectClass
from pkcs11.exceptions import PKCS11Error

from components.keystore.entries import Entry, PrivateKeyEntry, TrustedCertificateEntry
from components.keystore.errors import KeystoreError, UnsupportedOperationError
from components.keystore.pkcs11.index import (
    CertificateRecord,
    Index,
    IndexRecord,
    KeyRecord,
    encode_index,
    is_own,
    new_object_id,
)
from components.keystore.pkcs11.key import TokenPrivateKey

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryptography import x509
    from pkcs11.types import Session

    from components.keystore.contract import Changes
    from components.keystore.pkcs11.contents import TokenContents

INDEX_LABEL: Final = "gatewright keystore index"
"""CKA_LABEL of the data object that holds the index."""
_APPLICATION: Final = "gatewright"


def records_after(contents: TokenContents, changes: Changes) -> dict[str, IndexRecord]:
    """The records of the index when the changes are made.

    Raises:
        UnsupportedOperationError: The token does not store such an entry.
    """
    records: dict[str, IndexRecord] = dict(contents.records)
    for alias, entry in changes.items():
        records[alias] = _record(alias, entry, contents)
    # An entry of None is kept only where it hides what others have put there.
    return {alias: record for alias, record in records.items() if record or alias in contents.foreign_labels}


def store(
    session: Session, contents: TokenContents, changes: Changes, records: Mapping[str, IndexRecord]
) -> TokenContents:
    """Store what the changes need, and then the records; returns what is on the token then.

    Raises:
        PKCS11Error: As the module says; the entries are those of before.
        KeystoreError: The token did not store what it was given; likewise.
    """
    index = _next_index(contents, records)
    made: list[Any] = []
    try:
        for alias, entry in changes.items():
            made += _store_certificates(session, contents, alias, entry)
        index_object = _create(session, index)
    except PKCS11Error:
        for each in made:
            with contextlib.suppress(PKCS11Error):
                each.destroy()
        raise
    return _supersede(contents, index, index_object)


def write_index(session: Session, contents: TokenContents, records: Mapping[str, IndexRecord]) -> TokenContents:
    """Write these records as the next generation of the index; errors and result as of `store`."""
    index = _next_index(contents, records)
    return _supersede(contents, index, _create(session, index))


def _next_index(contents: TokenContents, records: Mapping[str, IndexRecord]) -> Index:
    return Index(contents.index.generation + 1, MappingProxyType(dict(records)))


def _create(session: Session, index: Index) -> Any:
    return session.create_object(
        {
            Attribute.CLASS: ObjectClass.DATA,
            Attribute.TOKEN: True,
            Attribute.PRIVATE: True,
            Attribute.LABEL: INDEX_LABEL,
            Attribute.APPLICATION: _APPLICATION,
            Attribute.VALUE: encode_index(index),
        }
    )


def _supersede(contents: TokenContents, index: Index, index_object: Any) -> TokenContents:
    """Remove the former index once the new one is seen to be whole; certificates that it takes stay in any case."""
    value = encode_index(index)
    try:
        whole = bytes(index_object[Attribute.VALUE]) == value
    except PKCS11Error:
        with contextlib.suppress(PKCS11Error):
            index_object.destroy()
        raise
    if not whole:
        index_object.destroy()
        raise KeystoreError("the token gives back another index than it was given; look after its module")
    for each in contents.index_objects:
        with contextlib.suppress(PKCS11Error):  # of several, the highest generation counts
            each.destroy()
    return contents.after(index, value, index_object)


def _record(alias: str, entry: Entry | None, contents: TokenContents) -> IndexRecord:
    if entry is None:
        return None
    if isinstance(entry, PrivateKeyEntry):
        key = entry.key
        if not isinstance(key, TokenPrivateKey) or key.id not in contents.keys:
            raise UnsupportedOperationError(
                f"store {alias}", "the token takes no keys that were made elsewhere; generate one in it"
            )
        return KeyRecord(key.id, tuple(map(contents.fingerprint, entry.chain)))
    if not isinstance(entry, TrustedCertificateEntry):
        raise UnsupportedOperationError(f"store {alias}", "the token keeps no secret keys")
    return CertificateRecord(contents.fingerprint(entry.certificate))


def _store_certificates(session: Session, contents: TokenContents, alias: str, entry: Entry | None) -> list[Any]:
    """Add the certificates of an entry that the token has not; the key's own bears the key's CKA_ID."""
    wanted: list[tuple[x509.Certificate, bytes | None]] = []
    if isinstance(entry, PrivateKeyEntry) and isinstance(entry.key, TokenPrivateKey):
        wanted += [(entry.chain[0], entry.key.id if is_own(entry.key.id) else None)]
        wanted += [(certificate, None) for certificate in entry.chain[1:]]
    elif isinstance(entry, TrustedCertificateEntry):
        wanted += [(entry.certificate, None)]
    return [
        contents.add(session, certificate, object_id or new_object_id(), alias)
        for certificate, object_id in wanted
        if not contents.holds(certificate, object_id)
    ]
