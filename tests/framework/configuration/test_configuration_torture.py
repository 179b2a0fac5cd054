"""What was acknowledged is there and a batch is whole, wherever the power fails or the disk does.

The disk is SQLite's own, watched (`sqlite_disk`): the whole log of a batch, cut at every operation, with what was not
synced lost, torn or out of order; and every operation failing with ENOSPC and EIO. Not covered: a disk that lies about
syncs that it acknowledged.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from framework.configuration import ConfigurationStore, ConfigurationStoreError, DamagedStoreError
from framework.instance_lock import InstanceLock, InstanceLockError
from framework.sealing import MasterKey
from metatype import Secret
from tests.framework.configuration.sqlite_disk import WatchedDisk, disks_after

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEY = MasterKey(b"k" * 32)
BEFORE: dict[str, dict[str, Any]] = {
    "test.Pump": {"rate": 1, "password": Secret("old")},
    "test.Tank~Gone": {"size": 1},
    "test.Large": {"text": "a" * 9000},
}
BATCH: dict[str, dict[str, Any] | None] = {
    "test.Pump": {"rate": 2, "password": Secret("new")},
    "test.Tank~Gone": None,
    "test.Tank~New": {"size": 2},
    "test.Large": {"text": "b" * 9000},
}
AFTER = {pid: properties for pid, properties in {**BEFORE, **BATCH}.items() if properties is not None}

KILL_ROUNDS = int(os.environ.get("GATEWRIGHT_KILL_ROUNDS", "10"))
"""`GATEWRIGHT_KILL_ROUNDS=200` makes the long run of the proof."""


def state_of(store: ConfigurationStore) -> dict[str, dict[str, Any]]:
    return {pid: dict(one.properties) for pid, one in store.load().items()}


def files_in(directory: Path) -> dict[str, bytes]:
    """The files that a crash leaves: the index of the log is in memory, whatever its name says."""
    return {one.name: one.read_bytes() for one in directory.iterdir() if not one.name.endswith("-shm")}


def reopened(directory: Path, files: dict[str, bytes]) -> dict[str, dict[str, Any]]:
    for one in directory.iterdir():
        one.unlink()
    for name, content in files.items():
        (directory / name).write_bytes(content)
    store = ConfigurationStore(directory / "configuration.db", KEY)
    try:
        state = state_of(store)
        assert {pid: dict(one.properties) for pid, one in store.state_at(store.revision)[1].items()} == state
        return state
    finally:
        store.close()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[WatchedDisk]:
    live = tmp_path / "live"
    live.mkdir()
    watched = WatchedDisk(live)
    watched.install()
    yield watched
    watched.remove()


class TestPowerFailure:
    @pytest.mark.parametrize("checkpoint", [False, True], ids=["into the log", "and from the log into the file"])
    def test_every_cut_of_a_batch_reopens_to_before_or_after(
        self, disk: WatchedDisk, tmp_path: Path, checkpoint: bool
    ) -> None:
        live, copy = tmp_path / "live", tmp_path / "copy"
        copy.mkdir()
        store = ConfigurationStore(live / "configuration.db", KEY)
        store.commit(BEFORE)
        before = files_in(live)
        disk.log.clear()
        store.commit(BATCH)
        acknowledged = len(disk.log)
        if checkpoint:
            store._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        log = list(disk.log)
        store.close()
        disk.remove()
        assert {one.what for one in log} >= {"write", "sync"}
        assert acknowledged > 4, "the shim sees what SQLite does"
        found = set()
        for cut in range(len(log) + 1):
            for name, files in disks_after(before, log, cut):
                state = reopened(copy, files)
                assert state in (BEFORE, AFTER), f"cut after {cut} of {len(log)}: {name}"
                if cut >= acknowledged:
                    assert state == AFTER, f"acknowledged, then lost: cut after {cut} of {len(log)}: {name}"
                found.add("before" if state == BEFORE else "after")
        assert found == {"before", "after"}

    def test_every_cut_of_the_making_of_a_store_reopens_to_a_store(self, disk: WatchedDisk, tmp_path: Path) -> None:
        copy = tmp_path / "copy"
        copy.mkdir()
        store = ConfigurationStore(tmp_path / "live" / "configuration.db", KEY)
        log = list(disk.log)
        store.close()
        disk.remove()
        for cut in range(len(log) + 1):
            for _, files in disks_after({"configuration.db": b""}, log, cut):
                assert reopened(copy, files) == {}


class TestFailingDisk:
    @pytest.mark.parametrize("error", ["ENOSPC", "EIO"])
    def test_whichever_operation_fails_the_change_is_refused_or_whole_and_the_next_one_works(
        self, disk: WatchedDisk, tmp_path: Path, error: str
    ) -> None:
        live, copy = tmp_path / "live", tmp_path / "copy"
        copy.mkdir()
        store = ConfigurationStore(live / "configuration.db", KEY)
        store.commit(BEFORE)
        refused = 0
        for number in range(100):
            disk.log.clear()
            disk.fail = (number, error)
            try:
                store.commit(BATCH)
            except ConfigurationStoreError:
                refused += 1
                disk.fail = None
                assert state_of(store) == BEFORE
                assert reopened(copy, files_in(live)) in (BEFORE, AFTER)
                continue
            disk.fail = None
            break
        else:
            raise AssertionError("it never came through")
        assert refused > 4
        assert state_of(store) == AFTER
        assert store.commit({"test.Pump": {"rate": 3}}) == store.revision
        store.close()
        disk.remove()
        assert reopened(copy, files_in(live))["test.Pump"] == {"rate": 3}

    @pytest.mark.parametrize("error", ["ENOSPC", "EIO"])
    def test_whichever_operation_fails_while_a_store_is_made_the_next_start_makes_it(
        self, disk: WatchedDisk, tmp_path: Path, error: str
    ) -> None:
        refused = 0
        for number in range(100):
            for one in (tmp_path / "live").iterdir():
                one.unlink()
            disk.log.clear()
            disk.fail = (number, error)
            try:
                ConfigurationStore(tmp_path / "live" / "configuration.db", KEY).close()
            except DamagedStoreError as failed:
                raise AssertionError("a failing disk is no damage to be set aside") from failed
            except ConfigurationStoreError:
                refused += 1
                disk.fail = None
                store = ConfigurationStore(tmp_path / "live" / "configuration.db", KEY)
                assert state_of(store) == {}
                store.close()
                continue
            break
        else:
            raise AssertionError("it never came through")
        assert refused > 4


_LOADED_GATEWAY = """
import itertools, sys
from pathlib import Path
from framework import component
from framework.gateway import Gateway
from framework.plugins import hookimpl
from metatype import Secret

@component("test.Part", factory=True)
class Part:
    def modified(self, change): pass

class Plugin:
    @hookimpl
    def gatewright_components(self): return (Part,)

with Gateway(Path(sys.argv[1]), plugins=[Plugin()], discover=False, environ={}) as gateway:
    admin = gateway.configuration_admin
    stored = admin.stored()
    print(stored.get("test.Part~0", {}).get("n", 0), flush=True)
    for n in itertools.count(stored.get("test.Part~0", {}).get("n", 0) + 1):
        properties = {"n": n, "secret": Secret(str(n)), "text": "x" * (n * 97 % 5000)}
        batch = {f"test.Part~{one}": properties for one in range(4)}
        batch[f"test.Part~extra-{n}"] = {"n": n}
        if f"test.Part~extra-{n - 1}" in admin.stored():
            batch[f"test.Part~extra-{n - 1}"] = None
        admin.apply(batch)
        print(n, flush=True)
"""


def test_kill_after_kill_of_a_gateway_under_load_loses_and_tears_nothing(tmp_path: Path) -> None:
    (tmp_path / "gateway.py").write_text(_LOADED_GATEWAY)
    acknowledged = 0
    for turn in range(KILL_ROUNDS):
        with subprocess.Popen(
            [sys.executable, str(tmp_path / "gateway.py"), str(tmp_path / "state")],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        ) as gateway:
            assert gateway.stdout is not None
            found = int(gateway.stdout.readline())
            assert acknowledged <= found <= acknowledged + 1, "one batch may be durable and not yet acknowledged"
            acknowledged = found
            for _ in range(1 + turn * 7 % 13):
                acknowledged = int(gateway.stdout.readline())
            gateway.send_signal(signal.SIGKILL)
            for line in gateway.stdout:  # what it had said before the kill
                acknowledged = int(line)
    key = MasterKey((tmp_path / "state" / "master.key").read_bytes())
    store = ConfigurationStore(tmp_path / "state" / "configuration.db", key)
    state = state_of(store)
    number = state["test.Part~0"]["n"]
    assert acknowledged <= number <= acknowledged + 1
    assert {pid: one["n"] for pid, one in state.items()} == dict.fromkeys(
        [*(f"test.Part~{one}" for one in range(4)), f"test.Part~extra-{number}"], number
    )
    assert {state[f"test.Part~{one}"]["secret"] for one in range(4)} == {Secret(str(number))}
    assert store.notices() == ()
    store.close()


_SECOND_PROCESS = """
import sys
from pathlib import Path
from framework.configuration import ConfigurationStore
from framework.sealing import MasterKey
store = ConfigurationStore(Path(sys.argv[1]), MasterKey(b"k" * 32))
for number in range(40):
    store.save(sys.argv[2], {"n": number})
"""


class TestTwoProcesses:
    def test_two_gateways_never_share_a_state_directory(self, tmp_path: Path) -> None:
        first = InstanceLock(tmp_path)
        first.acquire()
        with pytest.raises(InstanceLockError):
            InstanceLock(tmp_path).acquire()
        first.release()

    def test_whoever_opens_a_store_beside_another_tears_nothing(self, tmp_path: Path) -> None:
        path = tmp_path / "configuration.db"
        ConfigurationStore(path, KEY).close()
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", _SECOND_PROCESS, str(path), name],
                env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            )
            for name in ("one", "two")
        ]
        assert [process.wait() for process in processes] == [0, 0]
        store = ConfigurationStore(path, KEY)
        assert state_of(store) == {"one": {"n": 39}, "two": {"n": 39}}
        assert store.revision == 80
        store.close()
