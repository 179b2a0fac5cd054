"""The store: sealed, versioned, whole after a kill."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from framework.configuration import ConfigurationStore, ConfigurationStoreError
from framework.sealing import MasterKey, SealingError
from metatype import Secret

if TYPE_CHECKING:
    from pathlib import Path

KEY = MasterKey(bytes(32))


def test_what_was_saved_is_there_after_reopening(tmp_path: Path) -> None:
    properties = {"a": 1, "b": 1.5, "c": True, "d": "text", "e": ["x", "y"], "f": Decimal("1.10"), "g": Secret("s")}
    store = ConfigurationStore(tmp_path / "s.db", KEY)
    assert store.save("pid", properties) == 1
    assert store.save("other", {}) == 2
    store.close()
    store = ConfigurationStore(tmp_path / "s.db", KEY)
    assert store.load()["pid"].properties == properties
    assert store.save("pid", None) == 3
    assert set(store.load()) == {"other"}
    store.close()


values = st.one_of(st.booleans(), st.integers(-(2**63), 2**63 - 1), st.text(), st.lists(st.text(), max_size=3))


@settings(max_examples=50, deadline=None)
@given(properties=st.dictionaries(st.text(min_size=1), values, max_size=5), secret=st.text())
def test_any_properties_come_back_as_they_were(
    tmp_path_factory: pytest.TempPathFactory, properties: dict[str, object], secret: str
) -> None:
    store = ConfigurationStore(tmp_path_factory.mktemp("store") / "s.db", KEY)
    store.save("pid", {**properties, "secret": Secret(secret)})
    assert store.load()["pid"].properties == {**properties, "secret": Secret(secret)}
    store.close()


def test_a_components_secrets_are_its_own(tmp_path: Path) -> None:
    store = ConfigurationStore(tmp_path / "s.db", KEY)
    mine, others = store.component_secrets("mine"), store.component_secrets("others")
    assert mine.get("password") is None
    mine.set("password", Secret("a"))
    mine.set("password", Secret("b"))
    others.set("password", Secret("c"))
    assert mine.get("password") == Secret("b")
    mine.delete("password")
    mine.delete("password")
    assert mine.get("password") is None
    assert others.get("password") == Secret("c")
    store.close()


def test_a_secret_that_was_moved_to_another_place_does_not_open(tmp_path: Path) -> None:
    store = ConfigurationStore(tmp_path / "s.db", KEY)
    store.save("one", {"password": Secret("a")})
    store.close()
    connection = sqlite3.connect(tmp_path / "s.db")
    connection.execute("UPDATE configuration SET pid = 'two'")
    connection.commit()
    connection.close()
    store = ConfigurationStore(tmp_path / "s.db", KEY)
    with pytest.raises(SealingError, match="two"):
        store.load()
    store.close()


def test_another_master_key_opens_nothing_and_says_what_to_do(tmp_path: Path) -> None:
    store = ConfigurationStore(tmp_path / "s.db", KEY)
    store.save("pid", {"password": Secret("a")})
    store.close()
    store = ConfigurationStore(tmp_path / "s.db", MasterKey(bytes([1]) * 32))
    with pytest.raises(SealingError, match="master key"):
        store.load()
    store.close()


def test_a_newer_store_is_refused(tmp_path: Path) -> None:
    ConfigurationStore(tmp_path / "s.db", KEY).close()
    connection = sqlite3.connect(tmp_path / "s.db")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(ConfigurationStoreError, match="newer version"):
        ConfigurationStore(tmp_path / "s.db", KEY)


def test_a_file_that_is_no_store_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "s.db").write_bytes(b"something else" * 1000)
    with pytest.raises(ConfigurationStoreError, match="cannot be used"):
        ConfigurationStore(tmp_path / "s.db", KEY)
    assert (tmp_path / "s.db").read_bytes() == b"something else" * 1000


def test_what_was_acknowledged_survives_a_kill(tmp_path: Path) -> None:
    program = """
import sys
from pathlib import Path
from framework.configuration import ConfigurationStore
from framework.sealing import MasterKey
store = ConfigurationStore(Path(sys.argv[1]), MasterKey(bytes(32)))
number = 0
while True:
    number += 1
    store.save("pid", {"n": number, "same": [str(number)]})
    print(number, flush=True)
"""
    acknowledged = 0
    for _ in range(8):
        process = subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path / "s.db")], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        for line in process.stdout:
            acknowledged = int(line)
            if acknowledged >= 25:
                break
        process.send_signal(signal.SIGKILL)
        rest = process.stdout.read().split()
        process.wait()
        process.stdout.close()
        acknowledged = int(rest[-1]) if rest else acknowledged
        store = ConfigurationStore(tmp_path / "s.db", KEY)
        found = store.load()["pid"].properties
        store.close()
        assert found["n"] in (acknowledged, acknowledged + 1)
        assert found["same"] == [str(found["n"])]
