"""A keystore whose path changes: its former file does not open, is damaged, or belongs to another keystore, too."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any

import pytest

from components.keystore import KeystoreError, plugin
from components.keystore.conformance import trusted
from components.keystore.filesystem.file import KeystoreFile
from framework.testing import GatewayHarness
from tests.components.keystore.file_gateways import (
    FOREIGN,
    LEFT,
    PASSWORD,
    RIGHT,
    harness,
    opened,
    problems,
    service,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from components.keystore import Entry
    from components.keystore.filesystem import Pkcs12Keystore

PATIENCE_S = 60.0


@pytest.fixture
def closed(tmp_path: Path) -> Path:
    """A file that the gateway has made, and that another program has put under a password of its own."""
    with harness(tmp_path, {LEFT: "old.p12"}) as gateway:
        service(gateway, LEFT).set("ca", trusted())
    opened(tmp_path / "old.p12", PASSWORD).change_password(FOREIGN)
    return tmp_path / "old.p12"


def test_a_former_file_that_no_password_opens_is_told_of_and_lost_is_nothing(tmp_path: Path, closed: Path) -> None:
    before = closed.read_bytes()
    for _ in range(2):  # the next start looks again, and says it again
        with harness(tmp_path, {LEFT: "new.p12"}) as gateway:
            told = problems(gateway, LEFT)
            assert str(closed) in told
            assert "no known password opens it; set keystore.password" in told
            service(gateway, LEFT).set("newer", trusted(1))
    assert closed.read_bytes() == before
    assert opened(closed, FOREIGN).aliases() == ("ca",)


def test_its_entries_move_as_soon_as_its_password_is_configured(tmp_path: Path, closed: Path) -> None:
    with harness(tmp_path, {LEFT: "new.p12"}) as gateway:
        keystore = service(gateway, LEFT)
        assert problems(gateway, LEFT)
        gateway.configuration_admin.update(LEFT, {"keystore.password": FOREIGN})
        assert keystore.get("ca") == trusted()
        assert problems(gateway, LEFT) == ""
        assert not closed.exists()
        gateway.configuration_admin.update(LEFT, {"keystore.password": PASSWORD})
    assert opened(tmp_path / "new.p12", PASSWORD).aliases() == ("ca",)


def test_a_path_that_changes_again_forgets_neither_file(tmp_path: Path, closed: Path) -> None:
    with harness(tmp_path, {LEFT: "new.p12"}) as gateway:
        service(gateway, LEFT).set("newer", trusted(1))
    with harness(tmp_path, {LEFT: "newest.p12"}) as gateway:
        assert service(gateway, LEFT).aliases() == ("newer",)
        assert str(closed) in problems(gateway, LEFT)
    closed.unlink()
    with harness(tmp_path, {LEFT: "newest.p12"}) as gateway:
        assert problems(gateway, LEFT) == ""


def test_a_former_file_that_is_damaged_is_told_of_and_stays(tmp_path: Path) -> None:
    with harness(tmp_path, {LEFT: "old.p12"}):
        pass
    (tmp_path / "old.p12").write_bytes(b"\x30\x80 no keystore")
    (tmp_path / "old.p12.previous").unlink(missing_ok=True)
    with harness(tmp_path, {LEFT: "new.p12"}) as gateway:
        assert "could not be moved: keystore" in problems(gateway, LEFT)
        service(gateway, LEFT).set("ca", trusted())
    assert (tmp_path / "old.p12").read_bytes() == b"\x30\x80 no keystore"


def test_a_former_file_that_cannot_be_reached_is_waited_for_also_where_there_are_entries_by_now(tmp_path: Path) -> None:
    old, away = tmp_path / "disk" / "old.p12", tmp_path / "unmounted"
    with harness(tmp_path, {LEFT: "disk/old.p12"}) as gateway:
        service(gateway, LEFT).set("ca", trusted())
    old.parent.rename(away)
    old.parent.mkdir()  # where a disk is mounted, at times
    opened(tmp_path / "new.p12", PASSWORD).set("newer", trusted(1))
    for _ in range(2):
        with harness(tmp_path, {LEFT: "new.p12"}) as gateway:
            assert f"{old}, where the entries were before" in problems(gateway, LEFT)
            assert service(gateway, LEFT).aliases() == ("newer",)
    old.parent.rmdir()
    away.rename(old.parent)
    with harness(tmp_path, {LEFT: "new.p12"}) as gateway:
        assert service(gateway, LEFT).aliases() == ("ca", "newer")
        assert problems(gateway, LEFT) == ""
        assert not old.exists()
    with harness(tmp_path, {LEFT: "new.p12"}) as gateway:
        assert problems(gateway, LEFT) == ""


def test_a_former_file_that_nobody_wants_any_more_is_waited_for_until_the_configuration_says_so(tmp_path: Path) -> None:
    with harness(tmp_path, {LEFT: "disk/old.p12"}):
        pass
    (tmp_path / "disk").rename(tmp_path / "gone")
    opened(tmp_path / "new.p12", PASSWORD).set("newer", trusted(1))
    with harness(tmp_path, {LEFT: "new.p12"}) as gateway:
        assert "set keystore.path.change to STAY, and this ends at the next start" in problems(gateway, LEFT)
    conf: dict[str, dict[str, Any]] = {LEFT: {"keystore.path": "new.p12", "keystore.password": PASSWORD.reveal()}}
    for change in ("STAY", "MOVE"):
        conf[LEFT]["keystore.path.change"] = change
        with GatewayHarness(plugins=[plugin], conf=conf, state_directory=tmp_path) as gateway:
            assert problems(gateway, LEFT) == ""


def test_two_keystores_of_one_file_are_told_of_until_one_has_another(tmp_path: Path) -> None:
    with harness(tmp_path, {LEFT: "a.p12", RIGHT: "keys/../a.p12"}) as gateway:
        service(gateway, LEFT).set("ca", trusted())
        for pid, other in ((LEFT, RIGHT), (RIGHT, LEFT)):
            assert f"a.p12 is the file of {other}, too" in problems(gateway, pid)
        gateway.configuration_admin.update(RIGHT, {"keystore.path": "b.p12"})
        gateway.settle()
        assert service(gateway, LEFT).aliases() == ("ca",), "they are not moved away under it"
        assert problems(gateway, LEFT) == ""


def test_a_keystore_that_another_has_put_under_its_password_names_it(tmp_path: Path) -> None:
    with harness(tmp_path, {LEFT: "a.p12"}) as gateway:
        gateway.configuration_admin.update(RIGHT, {"keystore.path": "a.p12", "keystore.password": FOREIGN})
        gateway.settle()
        assert f"a.p12 is the file of {LEFT}, too" in " ".join(gateway.explain(RIGHT).sentences)
        assert f"a.p12 is the file of {RIGHT}, too" in problems(gateway, LEFT)


def everything(directory: Path) -> dict[str, Entry]:
    found: dict[str, Entry] = {}
    for path in directory.glob("*.p12"):
        found.update(opened(path, PASSWORD).entries())
    return found


@pytest.mark.parametrize("how", ["together", "one after the other", "while the gateway is off"])
def test_two_keystores_that_swap_their_paths_lose_and_mix_nothing(tmp_path: Path, how: str) -> None:
    before, after = {LEFT: "a.p12", RIGHT: "b.p12"}, {LEFT: "b.p12", RIGHT: "a.p12"}
    with harness(tmp_path, before) as gateway:
        service(gateway, LEFT).set("left", trusted(1))
        service(gateway, RIGHT).set("right", trusted(2))
        changes = {pid: {"keystore.path": path} for pid, path in after.items()}
        if how == "together":
            gateway.configuration_admin.apply(changes)
        elif how == "one after the other":
            for pid, change in changes.items():
                gateway.configuration_admin.update(pid, change)
        gateway.settle()
        if how != "while the gateway is off":
            look_at_swapped(gateway)
    if how == "while the gateway is off":
        with harness(tmp_path, after) as gateway:
            look_at_swapped(gateway)
    assert everything(tmp_path) == {"left": trusted(1), "right": trusted(2)}


def look_at_swapped(gateway: GatewayHarness) -> None:
    """Each has the file that it names, with what was in it, and says that its own entries stay where they were."""
    assert service(gateway, LEFT).aliases() == ("right",)
    assert service(gateway, RIGHT).aliases() == ("left",)
    told = {pid: problems(gateway, pid) for pid in (LEFT, RIGHT)}
    assert (
        f"is the file of {RIGHT}, too; entries" in told[LEFT] or f"is the file of {LEFT}, too; entries" in told[RIGHT]
    )


def test_two_files_that_take_each_other_over_at_once_wait_for_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = tmp_path / "a.p12", tmp_path / "b.p12"
    for number, path in enumerate(paths):
        opened(path, PASSWORD).set(path.stem, trusted(number))
    both = threading.Barrier(2, timeout=1)  # passed only if each holds the lock of one of the files
    lock = KeystoreFile.locked

    @contextlib.contextmanager
    def locked(file: KeystoreFile) -> Iterator[None]:
        with lock(file):
            with contextlib.suppress(threading.BrokenBarrierError):
                both.wait()
            yield

    moved: list[bool] = []

    def take_over(keystore: Pkcs12Keystore, former: Pkcs12Keystore) -> None:
        try:
            moved.append(keystore.take_over(former) == ())
        except KeystoreError:  # the other one was first, and this one's file is gone
            moved.append(False)

    pairs = [(opened(one, PASSWORD), opened(other, PASSWORD)) for one, other in (paths, paths[::-1])]
    monkeypatch.setattr(KeystoreFile, "locked", locked)
    threads = [threading.Thread(target=take_over, args=pair, daemon=True) for pair in pairs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    monkeypatch.undo()
    assert sorted(moved) == [False, True]
    assert everything(tmp_path) == {"a": trusted(0), "b": trusted(1)}
