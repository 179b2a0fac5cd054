"""What all tests of the framework share: they fail if foreign code is called with a lock of the framework held."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from framework.registry import uses
from tests.framework.lock_watch import LockWatch

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def lock_watch(monkeypatch: pytest.MonkeyPatch) -> Iterator[LockWatch]:
    """Watches the framework's locks during each test, which fails if its code was called with one of them held."""
    watch = LockWatch()
    watch.install(monkeypatch)
    monkeypatch.setattr(uses, "_WAITS", uses._Waits())  # made at import, before there was a watch
    yield watch
    assert watch.violations == [], "foreign code was called with a lock of the framework held"
