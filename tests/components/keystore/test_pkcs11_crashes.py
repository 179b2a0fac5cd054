"""A token keystore whose process ends, or whose session goes, in the middle of a write."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives import hashes
from pkcs11 import ObjectClass
from pkcs11.exceptions import DeviceRemoved, SessionHandleInvalid

from components.keystore import (
    PrivateKeyEntry,
)
from components.keystore.conformance import issued_to, trusted
from components.keystore.pkcs11.module import Module
from tests.components.keystore.opened_token import another_ca, begin_anew, check, objects_of, opened, pair

if TYPE_CHECKING:
    from metatype import Secret
    from tests.components.keystore.soft_hsm import SoftHsm

pytestmark = pytest.mark.peer("softhsm2-util")

SHA256 = hashes.SHA256()
PATIENCE_S = 60.0


class CrashError(BaseException):
    """The process is gone."""


class Crash:
    """Lets a number of writes pass, and none after it."""

    def __init__(self) -> None:
        self.left = 1_000_000

    def step(self) -> None:
        if self.left == 0:
            raise CrashError
        self.left -= 1


class CutObject:
    def __init__(self, inner: Any, crash: Crash) -> None:
        self._inner, self._crash = inner, crash

    def destroy(self) -> None:
        self._crash.step()
        self._inner.destroy()

    def __getitem__(self, name: Any) -> Any:
        return self._inner[name]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class CutSession:
    def __init__(self, inner: Any, crash: Crash) -> None:
        self._inner, self._crash = inner, crash

    def create_object(self, attributes: Any) -> CutObject:
        self._crash.step()
        return CutObject(self._inner.create_object(attributes), self._crash)

    def generate_keypair(self, *arguments: Any, **facts: Any) -> Any:
        self._crash.step()
        public, private = self._inner.generate_keypair(*arguments, **facts)
        return public, CutObject(private, self._crash)

    def get_objects(self, attributes: Any) -> Any:
        return (CutObject(each, self._crash) for each in self._inner.get_objects(attributes))

    def close(self) -> None:
        self._inner.close()


@pytest.fixture
def crash(hsm: SoftHsm, monkeypatch: pytest.MonkeyPatch) -> Crash:
    crash = Crash()
    whole = Module.open

    def cut(self: Module, token: Any, pin: Secret) -> Any:
        session, writes = whole(self, token, pin)
        return CutSession(session, crash), writes

    monkeypatch.setattr(Module, "open", cut)
    return crash


def test_a_crash_at_any_write_leaves_the_old_or_the_new(crash: Crash) -> None:
    keystore = opened()
    pair(keystore)
    keystore.set("old", trusted())
    before = dict(keystore.entries())
    tidy = objects_of(keystore)
    seen = []
    new = another_ca()
    for writes in range(100):
        entry = keystore.get("pair")
        assert isinstance(entry, PrivateKeyEntry)
        enrolled = PrivateKeyEntry(entry.key, (issued_to(entry.key.public_key), new.certificate))
        after = {"enrolled": enrolled, "new": new, "pair": entry}
        crash.left = writes
        try:
            with keystore.edit() as edit:
                edit.set("enrolled", enrolled)
                edit.set("new", new)
                edit.delete("old")
            ended = True
        except CrashError:
            ended = False
        crash.left = 1_000_000
        begin_anew()
        keystore = opened()
        found = dict(keystore.entries())
        assert found in (before, after)
        seen.append(found == after)
        check(found["pair"])
        with keystore.edit() as edit:  # back, for the next round; and nothing of this one is left behind
            edit.set("old", trusted())
            edit.delete("enrolled")
            edit.delete("new")
        assert objects_of(keystore) == tidy
        if ended:
            break
    assert seen == sorted(seen)
    assert seen[0] is False
    assert seen[-1] is True
    assert len(seen) > 4


def test_a_crash_while_a_key_is_made_leaves_nothing_or_the_key(crash: Crash) -> None:
    keystore = opened()
    keystore.aliases()
    for writes in range(10):
        crash.left = writes
        try:
            pair(keystore)
            break
        except CrashError:
            pass
        crash.left = 1_000_000
        begin_anew()
        keystore = opened()
        if keystore.aliases():
            check(keystore.get("pair"))
            keystore.delete("pair")
        assert objects_of(keystore) == [(ObjectClass.DATA, "gatewright keystore index")]
    crash.left = 1_000_000
    check(keystore.get("pair"))


@pytest.mark.parametrize("error", [DeviceRemoved, SessionHandleInvalid])
def test_what_a_session_says_is_void_is_done_again_in_a_new_one(crash: Crash, error: type[Exception]) -> None:
    keystore = opened()
    entry = pair(keystore)
    failing = iter([error()])

    def step() -> None:
        for each in failing:
            raise each

    crash.step = step  # type: ignore[method-assign]  # the seam of these tests
    keystore.set("ca", trusted())
    assert keystore.aliases() == ("ca", "pair")
    check(entry)
