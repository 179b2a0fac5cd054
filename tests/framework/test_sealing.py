"""Sealed secrets: opened only with their key and in their place, and never shown."""

from __future__ import annotations

import base64
import logging
import traceback
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framework.sealing import CREDENTIAL, FILE, MasterKey, SealingError
from metatype import Secret

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KEY = MasterKey(bytes(range(32)))
CANARY = "canary-4711-\N{LATIN SMALL LETTER E WITH ACUTE}"


@given(text=st.text(st.characters(exclude_categories=())), context=st.text())
def test_what_was_sealed_opens_in_its_place(text: str, context: str) -> None:
    assert KEY.unseal(KEY.seal(Secret(text), context), context).reveal() == text


@given(place=st.text(), other=st.text())
def test_what_was_sealed_for_one_place_opens_in_no_other(place: str, other: str) -> None:
    sealed = KEY.seal(Secret("secret"), place)
    if other == place:
        return
    with pytest.raises(SealingError):
        KEY.unseal(sealed, other)


def test_one_secret_is_never_sealed_alike_twice() -> None:
    assert len({KEY.seal(Secret("secret"), "place") for _ in range(50)}) == 50


def test_another_key_opens_nothing() -> None:
    with pytest.raises(SealingError, match="another master key"):
        MasterKey(b"x" * 32).unseal(KEY.seal(Secret("secret"), "place"), "place")


def test_every_changed_bit_is_noticed() -> None:
    version, _, encoded = KEY.seal(Secret("secret"), "place").partition(":")
    raw = base64.b64decode(encoded)
    for bit in range(8 * len(raw)):
        changed = bytearray(raw)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(SealingError):
            KEY.unseal(f"{version}:{base64.b64encode(changed).decode()}", "place")


@given(st.text(max_size=80))
def test_any_other_text_is_a_sealing_error(text: str) -> None:
    for candidate in (text, f"v1:{text}"):
        with pytest.raises(SealingError):
            KEY.unseal(candidate, "place")


def test_a_later_way_of_sealing_is_told_apart_from_damage() -> None:
    with pytest.raises(SealingError, match="'v2'"):
        KEY.unseal("v2:AAAA", "place")


def test_neither_the_key_nor_an_error_shows_a_secret() -> None:
    sealed = KEY.seal(Secret(CANARY), "place")
    assert CANARY not in sealed
    assert bytes(range(32)).hex() not in repr(KEY).lower()
    with pytest.raises(SealingError) as caught:
        KEY.unseal(sealed, "elsewhere")
    assert caught.value.__cause__ is None
    assert CANARY not in "".join(traceback.format_exception(caught.value))


class TestMasterKeyFile:
    def test_it_is_made_once_and_only_its_owner_can_read_it(self, tmp_path: Path) -> None:
        sealed = MasterKey.load_or_create(tmp_path, {}).seal(Secret("secret"), "place")
        path = tmp_path / FILE
        assert (len(path.read_bytes()), path.stat().st_mode & 0o777) == (32, 0o600)
        assert MasterKey.load_or_create(tmp_path, {}).unseal(sealed, "place") == Secret("secret")

    def test_two_state_directories_have_two_keys(self, tmp_path: Path) -> None:
        (tmp_path / "a").mkdir()
        (tmp_path / "b").mkdir()
        sealed = MasterKey.load_or_create(tmp_path / "a", {}).seal(Secret("secret"), "place")
        with pytest.raises(SealingError):
            MasterKey.load_or_create(tmp_path / "b", {}).unseal(sealed, "place")

    @pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o620, 0o601])
    def test_one_that_others_can_use_is_refused_with_what_to_do(self, tmp_path: Path, mode: int) -> None:
        MasterKey.load_or_create(tmp_path, {})
        (tmp_path / FILE).chmod(mode)
        with pytest.raises(SealingError, match="chmod 600") as caught:
            MasterKey.load_or_create(tmp_path, {})
        assert f"{mode:04o}" in str(caught.value)

    @pytest.mark.parametrize("size", [0, 31, 33])
    def test_one_of_the_wrong_size_is_refused(self, tmp_path: Path, size: int) -> None:
        (tmp_path / FILE).write_bytes(b"k" * size)
        (tmp_path / FILE).chmod(0o600)
        with pytest.raises(SealingError, match=f"{size}"):
            MasterKey.load_or_create(tmp_path, {})
        assert (tmp_path / FILE).read_bytes() == b"k" * size, "a key is never replaced: what it sealed would be lost"


class TestSystemdCredential:
    @pytest.fixture
    def credentials(self, tmp_path: Path) -> Path:
        directory = tmp_path / "credentials"
        directory.mkdir()
        return directory

    @pytest.fixture
    def state(self, tmp_path: Path) -> Path:
        directory = tmp_path / "state"
        directory.mkdir()
        return directory

    def test_it_comes_before_the_file_and_no_file_is_made(self, credentials: Path, state: Path) -> None:
        (credentials / CREDENTIAL).write_bytes(bytes(range(32)))
        key = MasterKey.load_or_create(state, {"CREDENTIALS_DIRECTORY": str(credentials)})
        assert KEY.unseal(key.seal(Secret("secret"), "place"), "place") == Secret("secret")
        assert not (state / FILE).exists()

    @pytest.mark.parametrize("environ_of", [lambda _: {}, lambda directory: {"CREDENTIALS_DIRECTORY": str(directory)}])
    def test_without_it_the_file_is_used(
        self, credentials: Path, state: Path, environ_of: Callable[[Path], dict[str, str]]
    ) -> None:
        MasterKey.load_or_create(state, environ_of(credentials))
        assert (state / FILE).exists()

    def test_one_of_the_wrong_size_is_refused_and_the_file_is_no_substitute(
        self, credentials: Path, state: Path
    ) -> None:
        MasterKey.load_or_create(state, {})
        (credentials / CREDENTIAL).write_bytes(b"short")
        with pytest.raises(SealingError):
            MasterKey.load_or_create(state, {"CREDENTIALS_DIRECTORY": str(credentials)})


def test_making_loading_and_failing_log_no_secret(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    key = MasterKey.load_or_create(tmp_path, {})
    sealed = key.seal(Secret(CANARY), "place")
    with pytest.raises(SealingError):
        key.unseal(sealed, "elsewhere")
    assert CANARY not in caplog.text
