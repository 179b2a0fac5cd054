"""The master key and what is sealed under it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framework.sealing import CREDENTIAL, MasterKey, SealingError
from metatype import Secret

if TYPE_CHECKING:
    from pathlib import Path

KEY = MasterKey(bytes(32))


@given(text=st.text(), context=st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_what_is_sealed_opens_in_its_place(text: str, context: str) -> None:
    sealed = KEY.seal(Secret(text), context)
    assert KEY.unseal(sealed, context) == Secret(text)
    assert KEY.seal(Secret(text), context) != sealed


@pytest.mark.parametrize("change", ["", "v1:", "v2:AAAA", "v1:!!!!", "nonsense"])
def test_what_was_changed_does_not_open(change: str) -> None:
    with pytest.raises(SealingError):
        KEY.unseal(change, "place")


def test_a_sealed_text_does_not_open_in_another_place() -> None:
    with pytest.raises(SealingError, match="other"):
        KEY.unseal(KEY.seal(Secret("a"), "place"), "other")


def test_the_key_is_made_once_and_is_private(tmp_path: Path) -> None:
    sealed = MasterKey.load_or_create(tmp_path, {}).seal(Secret("a"), "x")
    assert (tmp_path / "master.key").stat().st_mode & 0o777 == 0o600
    assert MasterKey.load_or_create(tmp_path, {}).unseal(sealed, "x") == Secret("a")


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    MasterKey.load_or_create(tmp_path, {})
    (tmp_path / "master.key").chmod(0o640)
    with pytest.raises(SealingError, match="chmod 600"):
        MasterKey.load_or_create(tmp_path, {})


def test_a_credential_of_systemd_comes_first(tmp_path: Path) -> None:
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / CREDENTIAL).write_bytes(bytes(32))
    key = MasterKey.load_or_create(tmp_path, {"CREDENTIALS_DIRECTORY": str(credentials)})
    assert key.unseal(KEY.seal(Secret("a"), "x"), "x") == Secret("a")
    assert not (tmp_path / "master.key").exists()


def test_a_key_of_the_wrong_size_is_refused() -> None:
    with pytest.raises(SealingError, match="32 bytes"):
        MasterKey(b"short")


def test_the_key_does_not_show_itself() -> None:
    assert repr(MasterKey(b"k" * 32)) == "MasterKey(****)"
