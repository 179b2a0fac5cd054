"""A state directory that is copied or moved with its keystores, and entries that move while something goes wrong."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from components.keystore import KeystoreService
from components.keystore.conformance import trusted
from components.keystore.filesystem import Pkcs12Keystore
from components.keystore.filesystem.file import KeystoreFile
from components.keystore.filesystem.known_paths import KnownPaths
from framework.instance_lock import InstanceLock
from framework.service.log_lines import TextLines
from tests.components.keystore.file_gateways import LEFT, PASSWORD, harness, opened, problems, service

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MOVED = "keystore.entries-moved"


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Path]:
    """The state directory of a gateway that runs."""
    directory = tmp_path / "host" / "live"
    directory.mkdir(parents=True)
    lock = InstanceLock(directory)
    lock.acquire()
    yield directory
    lock.release()


@pytest.fixture(params=["this release", "the release before"])
def _remembering(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which release remembers paths: the one before knew absolute ones only."""
    if request.param == "the release before":
        monkeypatch.setattr(KnownPaths, "to_text", lambda known, _home: "\0".join(map(str, known.paths)))


def moves(caplog: pytest.LogCaptureFixture) -> list[tuple[Any, ...]]:
    found = [one.args for one in caplog.records if getattr(one.msg, "name", None) == MOVED]
    return [(one["entries"], one["former"].name, one["path"].name) for one in found if isinstance(one, dict)]


@pytest.mark.usefixtures("_remembering")
@pytest.mark.parametrize("change", ["MOVE", "STAY"])
@pytest.mark.parametrize("path", ["enrollment.p12", "keys/enrollment.p12", "absolute"])
def test_a_started_copy_of_a_state_directory_leaves_the_original_alone(
    live: Path, monkeypatch: pytest.MonkeyPatch, change: str, path: str
) -> None:
    paths = {LEFT: str(live / "enrollment.p12") if path == "absolute" else path}
    with harness(live, paths, change=change) as gateway:
        service(gateway, LEFT).set("ca", trusted())
        service(gateway, LEFT).set("newer", trusted(1))
        copy = live.with_name("copy")
        shutil.copytree(live, copy)
        before = {one: one.read_bytes() for one in live.rglob("*.p12*")}
        monkeypatch.undo()
        paths = {LEFT: "enrollment.p12" if path == "absolute" else path}
        for _ in range(2):
            with harness(copy, paths, change=change) as started:
                assert service(started, LEFT).aliases() == ("ca", "newer")
                assert problems(started, LEFT) == ""
        assert {one: one.read_bytes() for one in live.rglob("*.p12*")} == before
        assert service(gateway, LEFT).aliases() == ("ca", "newer")
        assert problems(gateway, LEFT) == ""


@pytest.mark.usefixtures("_remembering")
def test_a_copy_whose_path_is_then_changed_moves_its_own_entries(live: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with harness(live, {LEFT: "enrollment.p12"}) as gateway:
        service(gateway, LEFT).set("ca", trusted())
        copy = live.with_name("copy")
        shutil.copytree(live, copy)
        monkeypatch.undo()
        for path in ("enrollment.p12", "other.p12"):
            with harness(copy, {LEFT: path}) as started:
                assert service(started, LEFT).get("ca") == trusted()
                assert problems(started, LEFT) == ""
        assert not (copy / "enrollment.p12").exists()
        assert service(gateway, LEFT).get("ca") == trusted()


def test_a_copy_within_the_original_moves_its_own_entries(live: Path) -> None:
    with harness(live, {LEFT: "enrollment.p12"}) as gateway:
        service(gateway, LEFT).set("ca", trusted())
        copy = live / "backup" / "copy"
        shutil.copytree(live, live.with_name("copy"))
        copy.parent.mkdir()
        live.with_name("copy").rename(copy)
        with harness(copy, {LEFT: "other.p12"}) as started:
            assert service(started, LEFT).get("ca") == trusted()
            assert problems(started, LEFT) == ""
        assert not (copy / "enrollment.p12").exists()
        assert service(gateway, LEFT).get("ca") == trusted()


def test_nothing_is_taken_from_the_state_directory_of_another_gateway(live: Path) -> None:
    opened(live / "theirs.p12", PASSWORD).set("theirs", trusted(2))
    state = live.with_name("other")
    with harness(state, {LEFT: str(live / "theirs.p12")}):
        pass
    with harness(state, {LEFT: "mine.p12"}) as gateway:
        assert f"is the file of the gateway with state directory {live}, too" in problems(gateway, LEFT)
    assert opened(live / "theirs.p12", PASSWORD).aliases() == ("theirs",)


def test_a_copy_moves_nothing_into_the_file_of_the_original(live: Path) -> None:
    with harness(live, {LEFT: str(live / "enrollment.p12")}) as gateway:
        service(gateway, LEFT).set("ca", trusted())
        copy = live.with_name("copy")
        shutil.copytree(live, copy)
        opened(copy / "enrollment.p12", PASSWORD).set("old", trusted(3))
        with harness(copy, {LEFT: str(live / "enrollment.p12")}) as started:
            assert f"is the file of the gateway with state directory {live}, too" in problems(started, LEFT)
        assert service(gateway, LEFT).aliases() == ("ca",)
    assert opened(copy / "enrollment.p12", PASSWORD).aliases() == ("ca", "old")


@pytest.mark.parametrize("runs", [True, False])
def test_a_file_beside_the_state_directory_is_not_taken_from_its_gateway_whether_it_runs(
    live: Path, *, runs: bool
) -> None:
    paths = {LEFT: "../keys/enrollment.p12"}
    file = live.parent / "keys" / "enrollment.p12"
    copied = live.parents[1] / "elsewhere"
    gateway = harness(live, paths)
    with gateway:
        service(gateway, LEFT).set("ca", trusted())
    shutil.copytree(live.parent, copied)
    before = file.read_bytes()
    if runs:
        with harness(live, paths) as gateway, harness(copied / "live", paths) as started:
            assert f"{file}, since a gateway that runs uses that file" in problems(started, LEFT)
            assert service(gateway, LEFT).aliases() == ("ca",)
    else:
        with harness(copied / "live", paths) as started:
            assert f"{file}, which was the keystore's file before, holds nothing but" in problems(started, LEFT)
    assert file.read_bytes() == before
    with harness(copied / "live", paths) as started:
        assert problems(started, LEFT) == "", "it is told of once"


def test_where_entries_stay_in_a_file_beside_the_state_directory_a_copy_says_nothing_unless_they_differ(
    live: Path,
) -> None:
    paths = {LEFT: "../keys/enrollment.p12"}
    with harness(live, paths, change="STAY") as gateway:
        service(gateway, LEFT).set("ca", trusted())
        for name in ("same", "behind"):
            shutil.copytree(live.parent, live.parents[1] / name)
        with harness(live.parents[1] / "same" / "live", paths, change="STAY") as started:
            assert problems(started, LEFT) == ""
        service(gateway, LEFT).set("newer", trusted(1))
        with harness(live.parents[1] / "behind" / "live", paths, change="STAY") as started:
            assert "the entries of before stay in" in problems(started, LEFT)


def test_a_state_directory_that_is_moved_has_its_keystores_with_it(tmp_path: Path) -> None:
    with harness(tmp_path / "old", {LEFT: "keys.p12"}) as gateway:
        service(gateway, LEFT).set("ca", trusted())
    (tmp_path / "old").rename(tmp_path / "new")
    with harness(tmp_path / "new", {LEFT: "keys.p12"}) as gateway:
        assert service(gateway, LEFT).get("ca") == trusted()
        assert problems(gateway, LEFT) == ""


@pytest.mark.usefixtures("_remembering")
def test_a_directory_that_becomes_a_link_to_where_it_is_now_is_the_same_keystore(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, disk = tmp_path / "state", tmp_path / "disk"
    with harness(state, {LEFT: "keys/a.p12"}) as gateway:
        service(gateway, LEFT).set("ca", trusted())
    monkeypatch.undo()
    (state / "keys").rename(disk)
    (state / "keys").symlink_to(disk)
    with harness(state, {LEFT: "keys/a.p12"}) as gateway:
        assert service(gateway, LEFT).get("ca") == trusted()
        assert problems(gateway, LEFT) == ""


def test_another_name_of_the_same_file_is_the_same_keystore(tmp_path: Path) -> None:
    with harness(tmp_path, {LEFT: "a.p12"}) as gateway:
        service(gateway, LEFT).set("ca", trusted())
    os.link(tmp_path / "a.p12", tmp_path / "b.p12")
    with harness(tmp_path, {LEFT: "b.p12"}) as gateway:
        assert service(gateway, LEFT).get("ca") == trusted()
        assert problems(gateway, LEFT) == ""
    assert (tmp_path / "a.p12").exists()


def change_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, change: str) -> None:
    """Give a keystore with an entry another path, and have the log as text lines."""
    caplog.handler.setFormatter(TextLines())
    with harness(tmp_path, {LEFT: "old.p12"}) as gateway:
        service(gateway, LEFT).set("ca", trusted())
    monkeypatch.undo()
    with harness(tmp_path, {LEFT: "new.p12"}, change=change):
        pass


@pytest.mark.usefixtures("_remembering")
def test_entries_that_move_are_told_of_in_the_log_with_both_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    change_path(tmp_path, monkeypatch, caplog, "MOVE")
    assert moves(caplog) == [(1, "old.p12", "new.p12")]
    assert f"moved 1 entries from {tmp_path}/old.p12 to {tmp_path}/new.p12" in caplog.text


@pytest.mark.usefixtures("_remembering")
def test_a_path_before_is_no_secret_in_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    change_path(tmp_path, monkeypatch, caplog, "STAY")
    assert f"the entries of before stay in {tmp_path}/old.p12;" in caplog.text


class CutError(Exception):
    """The process ends here."""


def cutting(real: Callable[..., object], *, before: bool) -> Callable[..., object]:
    def cut(*arguments: Any) -> object:
        if not before:
            real(*arguments)
        raise CutError

    return cut


@pytest.mark.parametrize("place", ["before it is stored", "before the file goes", "after the file went"])
@pytest.mark.parametrize("then", ["new.p12", "newer.p12", "old.p12"])
def test_a_move_that_is_cut_anywhere_loses_nothing_wherever_the_keystore_is_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, then: str
) -> None:
    with harness(tmp_path, {LEFT: "old.p12"}) as gateway:
        service(gateway, LEFT).set("ca", trusted())
    name, before = {
        "before it is stored": ("_store", True),
        "before the file goes": ("remove", True),
        "after the file went": ("remove", False),
    }[place]
    owner: type = Pkcs12Keystore if name == "_store" else KeystoreFile
    monkeypatch.setattr(owner, name, cutting(getattr(owner, name), before=before))
    with harness(tmp_path, {LEFT: "new.p12"}) as gateway:
        assert gateway.registry.find(KeystoreService) is None
    monkeypatch.undo()
    with harness(tmp_path, {LEFT: then}) as gateway:
        assert service(gateway, LEFT).get("ca") == trusted()
    if then == "new.p12":
        assert not (tmp_path / "old.p12").exists(), "what was begun is ended"
