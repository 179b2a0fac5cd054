"""A process that ends at any action on files: whatever it was about, the store opens with the state before or after."""

from __future__ import annotations

import contextlib
import errno
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

from components.keystore import HealthState, KeystoreError
from components.keystore.conformance import foreign_pair, trusted
from components.keystore.filesystem import Pkcs12Keystore, encryption
from metatype import Secret
from tests.components.keystore.failing_disk import FailingDisk

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PASSWORD, NEXT = Secret("correct horse"), Secret("battery staple")
MOST_ACTIONS = 200


@pytest.fixture(autouse=True)
def _cheap_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_CONTENT", "_MAC"):
        monkeypatch.setattr(encryption, name, replace(getattr(encryption, name), iterations=1))


def opened(path: Path, *passwords: Secret) -> Pkcs12Keystore:
    store = Pkcs12Keystore(path)
    store.open(passwords[0] if passwords else PASSWORD, passwords[1:])
    return store


def prepare(directory: Path) -> Path:
    """A keystore of two generations: `first`, then `pair` too."""
    path = directory / "gateway.p12"
    store = opened(path)
    store.set("first", trusted())
    store.set("pair", foreign_pair())
    return path


def prepare_damaged(directory: Path) -> Path:
    path = prepare(directory)
    path.write_bytes(path.read_bytes()[:-100])
    return path


def prepare_two(directory: Path) -> Path:
    opened(directory / "former.p12").set("moved", trusted(1))
    return prepare(directory)


@dataclass(frozen=True)
class Operation:
    """What is done while the process ends, and the aliases that the store may have afterwards."""

    prepare: Callable[[Path], Path]
    perform: Callable[[Path], object]
    outcomes: tuple[tuple[str, ...], ...]


def move(path: Path) -> None:
    opened(path).take_over(opened(path.with_name("former.p12")))


OPERATIONS = {
    "make": Operation(lambda directory: directory / "gateway.p12", opened, ((),)),
    "commit": Operation(
        prepare,
        lambda path: opened(path).commit({"first": None, "third": trusted(1)}),
        (("first", "pair"), ("pair", "third")),
    ),
    "change password": Operation(prepare, lambda path: opened(path).change_password(NEXT), (("first", "pair"),)),
    "recover": Operation(prepare_damaged, opened, (("first",),)),
    "move": Operation(prepare_two, move, (("first", "pair"), ("first", "moved", "pair"))),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_end_at_any_action_leaves_the_state_before_or_after(tmp_path: Path, name: str) -> None:
    operation = OPERATIONS[name]
    for number in range(1, MOST_ACTIONS):
        directory = tmp_path / str(number)
        directory.mkdir()
        path = operation.prepare(directory)
        # All later actions fail, too, so that nothing is cleared up: as if the process had ended.
        disk = FailingDisk(errno.EIO, number, for_good=True)
        with disk.mounted(), contextlib.suppress(KeystoreError, OSError):
            operation.perform(path)
        if len(disk.calls) < number:
            assert number > 5
            return
        store = opened(path, PASSWORD, NEXT)
        assert store.aliases() in operation.outcomes
        check_nothing_is_lost(path, store)
        store.set("later", trusted())
        assert "later" in opened(path, PASSWORD, NEXT).aliases()
        assert list(directory.glob(".*.new")) == [], "what was begun is tidied away"
    pytest.fail("the operation has no end")


def check_nothing_is_lost(path: Path, store: Pkcs12Keystore) -> None:
    former = path.with_name("former.p12")
    if former.exists() and "moved" not in store.aliases():
        assert opened(former).aliases() == ("moved",)
    aside = list(path.parent.glob("gateway.p12.damaged-*"))
    assert (store.health().state is HealthState.DEGRADED) == bool(aside)
