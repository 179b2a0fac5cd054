"""The watch over locks finds what it is there to find."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from framework.registry import ServiceRegistry

if TYPE_CHECKING:
    from tests.framework.lock_watch import LockWatch


def callback(*_: object) -> None:
    """Stands for foreign code."""


def framework_lock(kind: str) -> Any:
    """A lock as a module of the framework makes it."""
    namespace: dict[str, Any] = {"__name__": "framework.planted", "threading": threading}
    exec(f"made = threading.{kind}()", namespace)  # a constant, run as that module
    return namespace["made"]


@pytest.mark.parametrize("kind", ["Lock", "RLock", "Condition"])
def test_foreign_code_under_a_lock_is_found(lock_watch: LockWatch, kind: str) -> None:
    lock = framework_lock(kind)
    callback()
    with lock:
        callback()
    callback()
    assert len(lock_watch.violations) == 1
    assert lock_watch.violations[0].startswith("callback at ")
    lock_watch.violations.clear()


def test_a_listener_that_a_registry_calls_under_its_lock_is_found(
    lock_watch: LockWatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = ServiceRegistry()
    registry.listen(callback)
    tell = ServiceRegistry._tell_one  # where the mistake is planted

    def tell_under_a_lock(self: ServiceRegistry, *news: Any) -> None:
        with self._lock:
            tell(self, *news)

    monkeypatch.setattr(ServiceRegistry, "_tell_one", tell_under_a_lock)
    registry.register("x", object())
    assert [one.split(" ")[0] for one in lock_watch.violations] == ["callback"]
    lock_watch.violations.clear()


def test_a_waiting_condition_holds_no_lock(lock_watch: LockWatch) -> None:
    condition = framework_lock("Condition")
    with condition, condition:
        condition.wait(0)
        assert sys.getprofile() is not None
    assert sys.getprofile() is None
    assert lock_watch.violations == []


def test_locks_of_others_are_not_watched(lock_watch: LockWatch) -> None:
    lock = threading.Lock()
    with lock:
        callback()
    assert lock_watch.violations == []
