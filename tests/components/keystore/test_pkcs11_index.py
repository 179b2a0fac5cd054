"""The index of a token: it comes back whole or not at all, and the former one stays until then."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from hypothesis import given
from hypothesis import strategies as st
from pkcs11.exceptions import GeneralError

from components.keystore import (
    KeystoreError,
)
from components.keystore.pkcs11.committing import write_index
from components.keystore.pkcs11.contents import TokenContents
from components.keystore.pkcs11.index import CertificateRecord, Index, KeyRecord, decode_index, encode_index, newest

pytestmark = pytest.mark.peer("softhsm2-util")

SHA256 = hashes.SHA256()
PATIENCE_S = 60.0


class _OddObject:
    def __init__(self, value: bytes | Exception) -> None:
        self.value = value
        self.destroyed = False

    def __getitem__(self, _: object) -> bytes:
        if isinstance(self.value, Exception):
            raise self.value
        return self.value

    def destroy(self) -> None:
        self.destroyed = True


@pytest.mark.parametrize("value", [b"torn", GeneralError()], ids=["torn", "unreadable"])
def test_the_former_index_stays_until_the_new_one_is_seen_to_be_whole(value: bytes | Exception) -> None:
    former, fresh = _OddObject(b"former"), _OddObject(value)
    session: Any = SimpleNamespace(create_object=lambda _: fresh)
    contents = TokenContents((b"former",), [former], Index(4), True, [], {}, {})
    with pytest.raises((KeystoreError, GeneralError)):
        write_index(session, contents, {})
    assert (former.destroyed, fresh.destroyed) == (False, True)


records = st.one_of(
    st.none(),
    st.builds(KeyRecord, st.binary(max_size=20), st.lists(st.text("0123456789abcdef"), max_size=3).map(tuple)),
    st.builds(CertificateRecord, st.text("0123456789abcdef")),
)


@given(st.integers(1, 2**40), st.dictionaries(st.text(), records), st.data())
def test_an_index_comes_back_whole_or_not_at_all(generation: int, entries: Any, data: st.DataObject) -> None:
    index = Index(generation, entries)
    encoded = encode_index(index)
    assert decode_index(encoded) == index
    cut = data.draw(st.integers(0, len(encoded) - 1))
    assert decode_index(encoded[:cut]) is None
    assert newest([encoded[:cut], encode_index(Index()), encoded]) == index
