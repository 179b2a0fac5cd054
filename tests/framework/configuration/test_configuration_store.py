"""The store: what was acknowledged is there, sealed, private, and nothing else is taken for it."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from framework.configuration import ConfigurationStore, ConfigurationStoreError
from framework.configuration.schema import checksum
from framework.sealing import MasterKey, SealingError
from metatype import Secret

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = MasterKey(b"k" * 32)
CANARY = "canary-4711"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "configuration.db"


@pytest.fixture
def store(path: Path) -> Iterator[ConfigurationStore]:
    opened = ConfigurationStore(path, KEY)
    yield opened
    opened.close()


def properties_in(path: Path, pid: str = "pid") -> dict[str, Any] | None:
    """What a store holds for a pid when it is opened anew."""
    opened = ConfigurationStore(path, KEY)
    try:
        stored = opened.load().get(pid)
        return None if stored is None else dict(stored.properties)
    finally:
        opened.close()


def test_values_come_back_with_their_types(store: ConfigurationStore, path: Path) -> None:
    given = {
        "text": "\0 \N{SNOWMAN} \ud800",
        "whole": 2**63,
        "fraction": 0.1,
        "decimal": Decimal("1.10"),
        "truth": True,
        "secret": Secret(CANARY),
        "texts": ["a", ""],
        "secrets": [Secret("a"), Secret("")],
        "nothing": [],
    }
    store.save("pid", given)
    store.close()
    found = properties_in(path)
    assert found == given
    assert {name: type(value) for name, value in found.items()} == {name: type(value) for name, value in given.items()}


def test_a_text_that_looks_like_a_sealed_one_stays_a_text(store: ConfigurationStore, path: Path) -> None:
    store.save("pid", {"text": '{"$sealed": "v1:AAAA"}', "more": ["$sealed"]})
    store.close()
    assert properties_in(path) == {"text": '{"$sealed": "v1:AAAA"}', "more": ["$sealed"]}


def test_revisions_grow_through_deletes_and_restarts(store: ConfigurationStore, path: Path) -> None:
    revisions = [store.save("a", {}), store.save("b", {}), store.save("b", None), store.save("a", None)]
    store.close()
    again = ConfigurationStore(path, KEY)
    revisions.append(again.save("a", {}))
    again.close()
    assert revisions == [1, 2, 3, 4, 5]


def test_the_files_are_their_owners_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        store = ConfigurationStore(tmp_path / "configuration.db", KEY)
        store.save("pid", {"a": 1})
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
        store.close()
    finally:
        os.umask(before)
    assert modes.keys() >= {"configuration.db", "configuration.db-wal"}
    assert set(modes.values()) == {0o600}


def test_no_file_holds_a_secret_in_the_clear(store: ConfigurationStore, tmp_path: Path) -> None:
    store.save("pid", {"secret": Secret(CANARY), "list": [Secret(CANARY)]})
    store.component_secrets("pid").set("name", Secret(CANARY))
    contents = [path.read_bytes() for path in tmp_path.iterdir()]
    store.close()
    contents += [path.read_bytes() for path in tmp_path.iterdir()]
    assert all(CANARY.encode() not in content for content in contents)


def test_a_sealed_value_moved_to_another_place_does_not_open(store: ConfigurationStore, path: Path) -> None:
    store.save("one", {"secret": Secret(CANARY)})
    store.close()
    with sqlite3.connect(path) as raw:
        (revision, text) = raw.execute("SELECT revision, properties FROM configuration").fetchone()
        raw.execute("UPDATE configuration SET pid = 'two', checksum = ?", (checksum("two", revision, text),))
    raw.close()
    moved = ConfigurationStore(path, KEY)
    with pytest.raises(SealingError, match="two secret") as caught:
        moved.load()
    moved.close()
    assert CANARY not in str(caught.value)


class TestComponentSecrets:
    def test_each_component_has_its_own(self, store: ConfigurationStore, path: Path) -> None:
        one, two = store.component_secrets("one"), store.component_secrets("two")
        one.set("name", Secret("first"))
        one.set("name", Secret("second"))
        two.set("name", Secret("other"))
        two.delete("name")
        two.delete("name")
        store.close()
        again = ConfigurationStore(path, KEY)
        assert again.component_secrets("one").get("name") == Secret("second")
        assert again.component_secrets("two").get("name") is None
        assert again.component_secrets("one").get("other") is None
        again.close()

    def test_they_outlive_the_configuration(self, store: ConfigurationStore) -> None:
        store.component_secrets("pid").set("name", Secret("kept"))
        store.save("pid", {})
        store.save("pid", None)
        assert store.component_secrets("pid").get("name") == Secret("kept")

    def test_one_sealed_as_a_property_does_not_open_as_a_components(
        self, store: ConfigurationStore, path: Path
    ) -> None:
        store.save("pid", {"name": Secret(CANARY)})
        store.close()
        with sqlite3.connect(path) as raw:
            raw.execute(
                "INSERT INTO component_secret SELECT pid, 'name', json_extract(properties, '$.name.\"$sealed\"') "
                "FROM configuration"
            )
        raw.close()
        moved = ConfigurationStore(path, KEY)
        with pytest.raises(SealingError):
            moved.component_secrets("pid").get("name")
        moved.close()


class TestOpening:
    @pytest.mark.parametrize("content", [b"not a database" * 100, b"SQLite format 3\0" + b"\xff" * 5000])
    def test_what_is_no_store_is_refused_and_left_as_it_is(self, path: Path, content: bytes) -> None:
        path.write_bytes(content)
        with pytest.raises(ConfigurationStoreError) as caught:
            ConfigurationStore(path, KEY)
        assert caught.value.path == path
        assert str(path) in str(caught.value)
        assert path.read_bytes() == content

    def test_a_newer_schema_is_refused_and_left_as_it_is(self, store: ConfigurationStore, path: Path) -> None:
        store.save("pid", {"a": 1})
        store.close()
        with sqlite3.connect(path) as raw:
            raw.execute("PRAGMA user_version = 1000")
        raw.close()
        with pytest.raises(ConfigurationStoreError, match="newer version"):
            ConfigurationStore(path, KEY)
        with sqlite3.connect(path) as raw:
            assert raw.execute("SELECT properties FROM configuration").fetchall() == [('{"a": 1}',)]
        raw.close()

    def test_an_empty_file_is_a_new_store(self, path: Path) -> None:
        path.touch()
        assert properties_in(path) is None

    def test_another_master_key_opens_all_but_secrets(self, store: ConfigurationStore, path: Path) -> None:
        store.save("pid", {"a": 1})
        store.close()
        other = ConfigurationStore(path, MasterKey(b"x" * 32))
        assert other.load()["pid"].properties == {"a": 1}
        other.save("pid", {"secret": Secret("x")})
        other.close()
        with pytest.raises(SealingError):
            properties_in(path)


class TestCrash:
    def test_a_log_cut_or_garbled_anywhere_reopens_to_a_state_that_was(self, tmp_path: Path) -> None:
        live = tmp_path / "live"
        live.mkdir()
        store = ConfigurationStore(live / "configuration.db", KEY)
        sizes = []
        for number in range(4):
            store.save("pid", {"a": number, "b": "x" * 3000 * number, "c": number})
            sizes.append((live / "configuration.db-wal").stat().st_size)
        database = (live / "configuration.db").read_bytes()
        log = (live / "configuration.db-wal").read_bytes()
        store.close()
        cuts = sorted({*range(0, len(log), 1777), *sizes, *(size - 1 for size in sizes), *(size + 1 for size in sizes)})
        for cut in cuts:
            kept = sum(size <= cut for size in sizes)
            for rest in (b"", b"\xa5" * 5000):
                copy = Path(tempfile.mkdtemp(dir=tmp_path)) / "configuration.db"
                copy.write_bytes(database)
                copy.with_name("configuration.db-wal").write_bytes(log[:cut] + rest)
                found = _first_or_nothing(copy)
                if cut >= sizes[0]:
                    assert found is not None
                    assert found == {"a": kept - 1, "b": "x" * 3000 * (kept - 1), "c": kept - 1}
                shutil.rmtree(copy.parent)

    @pytest.mark.parametrize("acknowledged", [1, 5, 17, 40])
    def test_a_kill_loses_nothing_that_was_acknowledged_and_tears_nothing(self, path: Path, acknowledged: int) -> None:
        for offset in (0, 1000):
            with subprocess.Popen(
                [sys.executable, "-c", _ENDLESS_WRITER, path, str(offset)],
                stdout=subprocess.PIPE,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            ) as writer:
                assert writer.stdout is not None
                for _ in range(acknowledged):
                    writer.stdout.readline()
                writer.kill()
            found = properties_in(path)
            assert found is not None
            assert found["a"] == found["b"]
            assert found["a"] >= offset + acknowledged - 1
            assert found["secret"] == Secret(str(found["a"]))


def _first_or_nothing(path: Path) -> dict[str, Any] | None:
    """What a store holds whose first transaction, the one that makes its tables, may have been lost too."""
    try:
        return properties_in(path)
    except ConfigurationStoreError:
        return None


_ENDLESS_WRITER = """
import itertools, sys
from pathlib import Path
from framework.configuration import ConfigurationStore
from framework.sealing import MasterKey
from metatype import Secret
store = ConfigurationStore(Path(sys.argv[1]), MasterKey(b"k" * 32))
for number in itertools.count(int(sys.argv[2])):
    store.save("pid", {"a": number, "secret": Secret(str(number)), "b": number})
    print(number, flush=True)
"""

_SCALARS = (
    st.text() | st.integers(-(2**64), 2**64) | st.booleans() | st.floats(allow_nan=False) | st.builds(Secret, st.text())
)
_PROPERTIES = st.dictionaries(st.text(max_size=8), _SCALARS | st.lists(_SCALARS, max_size=3), max_size=4)
_NAMES = st.sampled_from(["a", "b~c", "b~\N{SNOWMAN}"])


class StoreMachine(RuleBasedStateMachine):
    """The store beside a dictionary, closed and opened again at any point."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp(prefix="gatewright-test-"))
        self.store = ConfigurationStore(self.directory / "configuration.db", KEY)
        self.expected: dict[str, dict[str, Any]] = {}
        self.secrets: dict[tuple[str, str], Secret] = {}
        self.revision = 0

    @rule(pid=_NAMES, properties=_PROPERTIES)
    def save(self, pid: str, properties: dict[str, Any]) -> None:
        self.revision += 1
        assert self.store.save(pid, properties) == self.revision
        self.expected[pid] = properties

    @rule(pid=_NAMES)
    def remove(self, pid: str) -> None:
        self.revision += 1
        assert self.store.save(pid, None) == self.revision
        self.expected.pop(pid, None)

    @rule(pid=_NAMES, name=_NAMES, text=st.text())
    def set_secret(self, pid: str, name: str, text: str) -> None:
        self.store.component_secrets(pid).set(name, Secret(text))
        self.secrets[pid, name] = Secret(text)

    @rule(pid=_NAMES, name=_NAMES)
    def delete_secret(self, pid: str, name: str) -> None:
        self.store.component_secrets(pid).delete(name)
        self.secrets.pop((pid, name), None)

    @rule()
    def reopen(self) -> None:
        self.store.close()
        self.store = ConfigurationStore(self.directory / "configuration.db", KEY)

    @invariant()
    def holds_what_was_saved(self) -> None:
        assert {pid: dict(one.properties) for pid, one in self.store.load().items()} == self.expected
        for pid in ("a", "b~c"):
            assert self.store.component_secrets(pid).get("a") == self.secrets.get((pid, "a"))

    def teardown(self) -> None:
        self.store.close()
        shutil.rmtree(self.directory)


TestStoreMachine = StoreMachine.TestCase
TestStoreMachine.settings = settings(max_examples=25, stateful_step_count=12, deadline=None)
