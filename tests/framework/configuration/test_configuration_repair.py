"""A damaged store is set aside, the last good copy used, and told until acknowledged; the master key changes safely."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from framework.configuration import ConfigurationStore, ConfigurationStoreError, StoreCopies, open_store, rotate_key
from framework.configuration.opening import FILE, GOOD_COPY, PAUSE_S
from framework.scheduler import Scheduler
from framework.sealing import CREDENTIAL, NEW_FILE, OLD_CREDENTIAL, KeyRing, SealingError
from framework.sealing import FILE as KEY_FILE
from framework.testing import FakeClock, GatewayHarness
from metatype import Secret

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CANARY = "canary-e4c0"


def opened(directory: Path, environ: dict[str, str] | None = None) -> ConfigurationStore:
    return open_store(directory, KeyRing.load(directory, environ or {}), FakeClock())


def state_in(directory: Path, environ: dict[str, str] | None = None) -> dict[str, Any]:
    store = opened(directory, environ)
    try:
        return {pid: dict(one.properties) for pid, one in store.load().items()}
    finally:
        store.close()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A state directory with a store, and a good copy that is one revision behind."""
    store = opened(tmp_path)
    store.commit({"a": {"x": 1, "secret": Secret(CANARY)}})
    store.component_secrets("a").set("own", Secret(CANARY))
    store.copy_to(tmp_path / GOOD_COPY)
    store.commit({"a": {"x": 2}, "b": {"y": 1}})
    store.close()
    return tmp_path


@dataclass(frozen=True)
class Damage:
    name: str
    do: Callable[[Path], object]


def flip(path: Path, needle: bytes) -> None:
    """Change one bit of what is stored."""
    data = bytearray(path.read_bytes())
    places = [place for place in range(len(data)) if data.startswith(needle, place)]
    for place in places:
        data[place + len(needle) - 2] ^= 1
    assert places
    path.write_bytes(data)


DAMAGES = (
    Damage("no database", lambda path: path.write_bytes(b"nothing of SQLite" * 300)),
    Damage("empty", lambda path: path.write_bytes(b"")),
    Damage("gone", lambda path: path.unlink()),
    Damage("torn", lambda path: path.write_bytes(path.read_bytes()[:6000])),
    Damage("a page of zeros", lambda path: path.write_bytes(path.read_bytes()[:8192] + bytes(4096))),
    Damage("one bit in a value", lambda path: flip(path, b'{"y": 1}')),
)


class TestDamage:
    @pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.name)
    def test_the_last_good_copy_is_used_and_the_damaged_file_kept(self, directory: Path, damage: Damage) -> None:
        damage.do(directory / FILE)
        broken = (directory / FILE).read_bytes() if (directory / FILE).exists() else None
        store = opened(directory)
        assert {pid: one.properties["x"] for pid, one in store.load().items()} == {"a": 1}
        assert store.component_secrets("a").get("own") == Secret(CANARY)
        (notice,) = store.notices()
        assert "revision 1" in notice
        assert "config acknowledge" in notice
        store.save("a", {"x": 3})
        store.close()
        aside = [one for one in directory.glob("*.damaged-*") if not one.name.endswith(("-wal", "-shm"))]
        assert [one.read_bytes() for one in aside] == ([] if broken is None else [broken])
        again = opened(directory)
        assert again.notices() == (notice,), "it stays until it is acknowledged"
        again.acknowledge()
        again.close()
        last = opened(directory)
        assert list(last.notices()) == []
        last.close()
        assert state_in(directory) == {"a": {"x": 3}}

    @pytest.mark.parametrize("bit", range(8))
    def test_whatever_bit_has_flipped_it_opens_with_what_was_written_or_with_the_copy(
        self, directory: Path, bit: int
    ) -> None:
        store = opened(directory)
        store.remember_files({"a.json": {"a": {"x": 1, "secret": Secret(CANARY)}}})
        store.add_snapshot("good")
        store.copy_to(directory / GOOD_COPY)
        store.close()
        whole, good = (directory / FILE).read_bytes(), state_in(directory)
        places = [place for place in range(len(whole)) if whole[place]]
        for place in places[bit * 97 :: 8 * 97]:
            for left in directory.glob(f"{FILE}*"):
                left.unlink()
            (directory / FILE).write_bytes(whole[:place] + bytes((whole[place] ^ 1 << bit,)) + whole[place + 1 :])
            store = opened(directory)
            try:
                assert {pid: dict(one.properties) for pid, one in store.load().items()} == good
                assert store.get_secret("a", "own") == Secret(CANARY)
                assert len(store.history()) == 3
                assert store.remembered_files().keys() <= {"a.json"}
            finally:
                store.close()

    def test_without_a_good_copy_it_starts_with_nothing_stored_and_says_so(self, directory: Path) -> None:
        (directory / GOOD_COPY).unlink()
        (directory / FILE).write_bytes(b"x" * 5000)
        store = opened(directory)
        assert (store.load(), len(store.notices())) == ({}, 1)
        assert "no good copy" in store.notices()[0]
        store.close()

    def test_a_good_copy_that_is_damaged_too_is_set_aside_too(self, directory: Path) -> None:
        for name in (FILE, GOOD_COPY):
            (directory / name).write_bytes(b"x" * 5000)
        store = opened(directory)
        assert store.load() == {}
        store.close()
        assert len([one for one in directory.iterdir() if ".damaged-" in one.name]) == 2

    def test_a_newer_store_is_no_damage(self, directory: Path) -> None:
        store = opened(directory)
        store._connection.execute("PRAGMA user_version = 99")
        store.close()
        before = (directory / FILE).read_bytes()
        with pytest.raises(ConfigurationStoreError, match="newer version"):
            opened(directory)
        assert (directory / FILE).read_bytes() == before

    def test_damage_in_the_history_keeps_only_from_going_back_there(self, directory: Path) -> None:
        store = opened(directory)
        store._connection.execute("UPDATE change SET properties = '{}' WHERE revision = 1")
        with pytest.raises(ConfigurationStoreError, match="history of a is damaged"):
            store.state_at(1)
        assert store.state_at(2)[0] == 2
        store.close()

    def test_a_gateway_starts_says_it_in_its_status_and_can_be_told_to_stop_saying_it(self, tmp_path: Path) -> None:
        with GatewayHarness(state_directory=tmp_path):
            pass
        (tmp_path / FILE).write_bytes(b"x" * 5000)
        with GatewayHarness(state_directory=tmp_path) as harness:
            assert len(harness.configuration_admin.notices) == 1
        with GatewayHarness(state_directory=tmp_path) as harness:
            assert len(harness.configuration_admin.notices) == 1
            harness.configuration_admin.acknowledge()
            assert not list(harness.configuration_admin.notices)


class TestCopies:
    def test_one_is_made_a_while_after_a_change_and_one_for_many(self, tmp_path: Path) -> None:
        clock = FakeClock()
        scheduler = Scheduler(clock)
        store = opened(tmp_path)
        StoreCopies(store, scheduler, lambda job: job()).start()
        for number in range(5):
            store.save("a", {"x": number})
        assert not (tmp_path / GOOD_COPY).exists()
        clock.advance(PAUSE_S)
        assert scheduler.run_due() == 1
        assert (tmp_path / GOOD_COPY).stat().st_mode & 0o777 == 0o600
        store.close()
        (tmp_path / FILE).unlink()
        assert state_in(tmp_path) == {"a": {"x": 4}}

    @pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO])
    def test_one_that_fails_leaves_the_one_before(
        self, directory: Path, monkeypatch: pytest.MonkeyPatch, error: int
    ) -> None:
        before = (directory / GOOD_COPY).read_bytes()
        store = opened(directory)
        copies = StoreCopies(store, Scheduler(FakeClock()), lambda job: job())
        copies.start()

        def fail(_: int) -> None:
            raise OSError(error, os.strerror(error))

        monkeypatch.setattr(os, "fsync", fail)
        copies.make()
        monkeypatch.undo()
        store.close()
        assert (directory / GOOD_COPY).read_bytes() == before
        assert sorted(one.name for one in directory.iterdir() if one.name.startswith(".")) == []


class TestMasterKeyRotation:
    def test_everything_opens_under_the_new_key_and_nothing_under_the_old(self, directory: Path) -> None:
        old_key = (directory / KEY_FILE).read_bytes()
        store = opened(directory)
        store.commit({"a": {"secret": Secret(CANARY)}}, taken={("a", "secret"): Secret(CANARY)})
        store.remember_files({"a.json": {"a": {"secret": Secret(CANARY)}}})
        before = store.state_at(1)
        rotate_key(store, KeyRing.load(directory, {}), directory)
        assert store.state_at(1) == before
        store.save("c", {"secret": Secret("after")})
        store.close()
        assert (directory / KEY_FILE).read_bytes() != old_key
        assert not (directory / NEW_FILE).exists()
        again = opened(directory)
        assert again.load()["a"].properties["secret"] == Secret(CANARY)
        assert again.taken_secret("a", "secret") == Secret(CANARY)
        assert again.remembered_files() == {"a.json": {"a": {"secret": Secret(CANARY)}}}
        assert again.component_secrets("a").get("own") == Secret(CANARY)
        again.close()
        (directory / FILE).unlink()
        assert state_in(directory)["a"] == {"secret": Secret(CANARY)}, "the good copy is under the new key too"
        (directory / KEY_FILE).write_bytes(old_key)
        with pytest.raises(SealingError):
            opened(directory)

    @pytest.mark.parametrize("step", ["prepare", "reseal", "commit", "copy"])
    def test_interrupted_at_any_step_the_next_start_completes_it(
        self, directory: Path, monkeypatch: pytest.MonkeyPatch, step: str
    ) -> None:
        class Killed(BaseException):
            pass

        def die(*_: object) -> None:
            raise Killed

        store = opened(directory)
        keys = KeyRing.load(directory, {})
        if step == "prepare":
            keys.prepare()
        else:
            with monkeypatch.context() as dying:
                if step == "reseal":
                    dying.setattr(ConfigurationStore, "reseal", die)
                    dying.setattr(KeyRing, "forget_next", lambda _: None)
                elif step == "commit":
                    dying.setattr(KeyRing, "commit", die)
                else:
                    dying.setattr(ConfigurationStore, "copy_to", die)
                with pytest.raises(Killed):
                    rotate_key(store, keys, directory)
        store.close()
        for _ in range(2):
            again = opened(directory)
            assert again.component_secrets("a").get("own") == Secret(CANARY)
            assert again.state_at(1)[1]["a"].properties["secret"] == Secret(CANARY)
            again.close()
            assert not (directory / NEW_FILE).exists()

    def test_a_key_that_is_a_credential_is_changed_where_it_is_and_by_a_start(self, tmp_path: Path) -> None:
        credentials, state = tmp_path / "credentials", tmp_path / "state"
        credentials.mkdir()
        state.mkdir()
        environ = {"CREDENTIALS_DIRECTORY": str(credentials)}
        store = opened(state)
        store.save("a", {"secret": Secret(CANARY)})
        store.close()
        (credentials / CREDENTIAL).write_bytes(b"1" * 32)
        assert state_in(state, environ)["a"]["secret"] == Secret(CANARY), "from the file to the credential"
        (state / KEY_FILE).unlink()
        store = opened(state, environ)
        with pytest.raises(SealingError, match=OLD_CREDENTIAL):
            rotate_key(store, KeyRing.load(state, environ), state)
        store.close()
        (credentials / OLD_CREDENTIAL).write_bytes(b"1" * 32)
        (credentials / CREDENTIAL).write_bytes(b"2" * 32)
        assert state_in(state, environ)["a"]["secret"] == Secret(CANARY)
        (credentials / OLD_CREDENTIAL).unlink()
        assert state_in(state, environ)["a"]["secret"] == Secret(CANARY)

    def test_a_gateway_rotates_while_it_runs(self, tmp_path: Path) -> None:
        with GatewayHarness(state_directory=tmp_path) as harness:
            before = (tmp_path / KEY_FILE).read_bytes()
            harness.gateway.rotate_master_key()
        assert (tmp_path / KEY_FILE).read_bytes() != before
        with GatewayHarness(state_directory=tmp_path):
            pass

    def test_none_is_made_in_the_place_of_one_that_is_lost(self, directory: Path) -> None:
        before, kept = state_in(directory), directory / "kept"
        (directory / KEY_FILE).rename(kept)
        with pytest.raises(SealingError, match=r"master.key is gone.*bring it back"):
            opened(directory)
        assert not (directory / KEY_FILE).exists()
        kept.rename(directory / KEY_FILE)
        assert state_in(directory) == before
