"""History: every revision can be gone back to, the initial one always, by the smallest change."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from framework.configuration import (
    ConfigurationBatchError,
    ConfigurationStore,
    ConfigurationStoreError,
    PlannedEffect,
    UnknownRevisionError,
)
from framework.configuration.schema import BEFORE_HISTORY, SCHEMA_VERSION
from framework.sealing import MasterKey
from metatype import Secret

if TYPE_CHECKING:
    from pathlib import Path

PID = "test.Pump"
KEY = MasterKey(b"k" * 32)

VERSION_1 = """
CREATE TABLE configuration (pid TEXT PRIMARY KEY, revision INTEGER NOT NULL, properties TEXT NOT NULL) STRICT;
CREATE TABLE component_secret (pid TEXT, name TEXT, sealed TEXT NOT NULL, PRIMARY KEY (pid, name)) STRICT;
CREATE TABLE last_revision (revision INTEGER NOT NULL) STRICT;
INSERT INTO last_revision VALUES (7);
INSERT INTO configuration VALUES ('a', 3, '{"x": 1}'), ('b', 7, '{"y": 2}');
PRAGMA user_version = 1;
"""
"""What the first version wrote."""


def properties_of(state: Any) -> dict[str, dict[str, Any]]:
    return {pid: dict(one.properties) for pid, one in state.items()}


def test_every_revision_says_when_why_and_what(site: Any) -> None:
    site.admin.update(PID, {"rate": 6})
    site.clock.advance(3600)
    site.admin.apply({"test.Free": {"a": 1}, "test.Tank~A": {"size": 1}}, cause="import of a file")
    site.admin.add_snapshot("before the change")
    newest, first, initial = site.admin.history()
    assert (newest.number, newest.cause, newest.pids) == (2, "import of a file", ("test.Free", "test.Tank~A"))
    assert newest.snapshots == ("before the change",)
    assert (newest.at - first.at).total_seconds() == 3600
    assert (initial.number, initial.cause, initial.pids) == (0, "initial", ())


def test_going_back_touches_only_what_differs(site: Any) -> None:
    site.admin.apply({PID: {"rate": 6, "password": "secret"}, "test.Free": {"a": 1}, "test.Tank~A": {"size": 1}})
    site.admin.apply({PID: {"rate": 7, "password": "other"}, "test.Tank~A": None, "test.Tank~B": {"size": 2}})
    site.delivered.clear()
    plan = site.admin.plan_rollback(1)
    assert {one.pid: one.effect for one in plan.plans} == {
        PID: PlannedEffect.MODIFY,
        "test.Tank~A": PlannedEffect.CREATE,
        "test.Tank~B": PlannedEffect.DELETE,
    }
    assert (site.admin.revision, site.delivered) == (2, [])
    result = site.admin.rollback(1)
    assert result.revision == 3
    assert sorted(event.pid for event in site.delivered) == [PID, "test.Tank~A", "test.Tank~B"]
    assert (site.value("rate"), site.value("password"), site.value("size", "test.Tank~A")) == (6, Secret("secret"), 1)
    assert site.admin.history()[0].cause == "rollback to 1"
    assert site.admin.rollback(1).results == ()
    site.admin.rollback(2)
    assert site.admin.stored() == site.admin.stored(2)


def test_one_can_always_go_back_to_the_initial_revision(site: Any) -> None:
    site.admin.apply({PID: {"rate": 6}, "test.Tank~A": {"size": 1}})
    site.admin.rollback(0)
    assert site.admin.stored() == {}
    assert site.value("rate") == 5


def test_a_snapshot_is_gone_back_to_by_its_name_and_can_be_moved_and_removed(site: Any) -> None:
    site.admin.update(PID, {"rate": 6})
    assert site.admin.add_snapshot("good") == 1
    site.admin.update(PID, {"rate": 7})
    site.admin.rollback("good")
    assert site.value("rate") == 6
    assert site.admin.add_snapshot("good", 2) == 2
    site.admin.rollback("good")
    assert site.value("rate") == 7
    site.admin.remove_snapshot("good")
    with pytest.raises(UnknownRevisionError, match="good"):
        site.admin.rollback("good")
    with pytest.raises(UnknownRevisionError, match="good"):
        site.admin.remove_snapshot("good")


@pytest.mark.parametrize("revision", [-1, 99, 10**30, "99", "nothing", "", "1 ", "\N{SUPERSCRIPT TWO}"])
def test_a_revision_that_is_not_there_is_an_error_that_says_where_to_look(site: Any, revision: int | str) -> None:
    site.admin.update(PID, {"rate": 6})
    for ask in (site.admin.rollback, site.admin.plan_rollback, site.admin.stored):
        with pytest.raises(UnknownRevisionError, match="config history"):
            ask(revision)


@pytest.mark.parametrize("name", ["", "12", "a\nb", "x" * 101])
def test_a_name_that_is_none_is_refused(site: Any, name: str) -> None:
    with pytest.raises(UnknownRevisionError, match="name"):
        site.admin.add_snapshot(name)


def test_what_is_not_valid_any_more_is_refused_as_a_whole(site: Any) -> None:
    site.store.commit({PID: {"rate": 1000}, "test.Free": {"a": 1}})
    site.store.commit({PID: {"rate": 6}, "test.Free": {"a": 2}})
    site.reopen()
    assert list(site.admin.plan_rollback(1).problems) == [PID]
    with pytest.raises(ConfigurationBatchError):
        site.admin.rollback(1)
    assert site.value("a", "test.Free") == 2


def test_what_no_component_has_is_left_as_it_is_and_told(site: Any) -> None:
    site.catalogue.add("test.Late", factory=False, object_class=None)
    site.admin.apply({"test.Late": {"a": 1}, PID: {"rate": 6}})
    site.catalogue.remove("test.Late")
    result = site.admin.rollback(0)
    assert list(result.left) == ["test.Late"]
    assert list(site.admin.stored()) == ["test.Late"]


class TestPruning:
    def test_the_newest_the_initial_and_the_named_are_kept(self, tmp_path: Path) -> None:
        store = ConfigurationStore(tmp_path / "configuration.db", KEY, history_kept=3)
        for number in range(1, 11):
            store.save("a" if number % 2 else "b", {"n": number})
            if number == 4:
                store.add_snapshot("four")
        assert [one.number for one in store.history()] == [10, 9, 8, 4, 0]
        assert properties_of(store.state_at(4)[1]) == {"a": {"n": 3}, "b": {"n": 4}}
        assert properties_of(store.state_at(8)[1]) == {"a": {"n": 7}, "b": {"n": 8}}
        store.remove_snapshot("four")
        store.save("a", {"n": 11})
        assert [one.number for one in store.history()] == [11, 10, 9, 0]
        with pytest.raises(UnknownRevisionError):
            store.state_at(4)
        store.close()

    def test_the_history_stays_as_long_as_it_is_told(self, tmp_path: Path) -> None:
        store = ConfigurationStore(tmp_path / "configuration.db", KEY, history_kept=5)
        for number in range(60):
            store.save("pid", {"n": number})
        with sqlite3.connect(tmp_path / "configuration.db") as raw:
            (rows,) = raw.execute("SELECT count(*) FROM change").fetchone()
        raw.close()
        store.close()
        assert rows <= 6

    @settings(max_examples=20, deadline=None)
    @given(
        batches=st.lists(
            st.dictionaries(st.sampled_from("abcd"), st.none() | st.integers(0, 9), min_size=1), max_size=14
        ),
        named=st.sets(st.integers(0, 13)),
        kept=st.integers(1, 6),
    )
    def test_each_revision_that_is_kept_is_what_it_was(
        self,
        tmp_path_factory: pytest.TempPathFactory,
        batches: list[dict[str, int | None]],
        named: set[int],
        kept: int,
    ) -> None:
        store = ConfigurationStore(tmp_path_factory.mktemp("store") / "configuration.db", KEY, history_kept=kept)
        states: list[dict[str, dict[str, Any]]] = [{}]
        for number, batch in enumerate(batches):
            state = {**states[-1], **{pid: {"n": value} for pid, value in batch.items()}}
            states.append({pid: state[pid] for pid in state if pid not in batch or batch[pid] is not None})
            store.commit({pid: None if value is None else {"n": value} for pid, value in batch.items()})
            if number in named:
                store.add_snapshot(f"after {number}")
        found = {one.number: properties_of(store.state_at(one.number)[1]) for one in store.history()}
        assert found == {number: states[number] for number in found}
        assert found.keys() >= {0, *range(max(1, len(batches) + 1 - kept), len(batches) + 1)}
        assert found.keys() >= {number + 1 for number in named if number < len(batches)}
        store.close()


class TestMigration:
    @pytest.fixture
    def old(self, tmp_path: Path) -> Path:
        path = tmp_path / "configuration.db"
        with sqlite3.connect(path) as raw:
            raw.executescript(VERSION_1)
        raw.close()
        return path

    def test_a_file_of_the_first_version_is_brought_forward(self, old: Path) -> None:
        store = ConfigurationStore(old, KEY)
        assert properties_of(store.load()) == {"a": {"x": 1}, "b": {"y": 2}}
        assert [(one.number, one.cause) for one in store.history()] == [(7, BEFORE_HISTORY)]
        assert store.save("a", {"x": 2}) == 8
        assert properties_of(store.state_at(7)[1]) == {"a": {"x": 1}, "b": {"y": 2}}
        store.close()
        again = ConfigurationStore(old, KEY)
        assert [one.number for one in again.history()] == [8, 7]
        again.close()

    def test_a_migration_that_fails_leaves_the_file_as_it_was(self, old: Path) -> None:
        with sqlite3.connect(old) as raw:
            raw.execute("CREATE TABLE setting (surprise TEXT)")
        raw.close()
        with pytest.raises(ConfigurationStoreError):
            ConfigurationStore(old, KEY)
        with sqlite3.connect(old) as raw:
            tables = {name for (name,) in raw.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
            assert raw.execute("PRAGMA user_version").fetchone() == (1,)
        raw.close()
        assert tables == {"configuration", "component_secret", "last_revision", "setting"}

    def test_a_new_file_is_of_this_version(self, tmp_path: Path) -> None:
        ConfigurationStore(tmp_path / "configuration.db", KEY).close()
        with sqlite3.connect(tmp_path / "configuration.db") as raw:
            assert raw.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
        raw.close()
