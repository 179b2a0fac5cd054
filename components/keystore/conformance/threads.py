"""Threads that edit at once lose nothing of one another, and see whole commits."""
# ruff: noqa: S101, D102 - these are tests: they assert, and each one's rule says what.

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from components.keystore.conformance.making import KeystoreUnderTest
from components.keystore.conformance.rules import rule
from components.keystore.conformance.samples import trusted
from components.keystore.entries import PrivateKeyEntry

if TYPE_CHECKING:
    from components.keystore.contract import KeystoreService

_WORKERS: Final = 8
_ROUNDS: Final = 3
_PATIENCE_S: Final = 300.0
"""How long a thread may take; a slow token on a busy machine does."""


class Threads(KeystoreUnderTest):
    """Eight threads of mixed edits. What they leave is compared as sets: none of them comes before another."""

    @rule("commits of several threads lose nothing of one another, and each is seen whole")
    def test_threads_do_not_lose_each_others_changes(self, writable: KeystoreService, pair: PrivateKeyEntry) -> None:
        writable.set("left", trusted())
        writable.set("right", trusted())
        barrier = threading.Barrier(_WORKERS, timeout=_PATIENCE_S)
        torn: list[str] = []

        def work(worker: int) -> None:
            barrier.wait()
            for number in range(_ROUNDS):
                with writable.edit() as edit:  # one goes, one comes, and two that are contested change together
                    edit.set(f"{worker}-{number}", trusted(worker))
                    edit.delete(f"{worker}-{number - 1}")
                    edit.set("left", trusted(worker))
                    edit.set("right", trusted(worker))
                if writable.get(f"{worker}-{number}") != trusted(worker):
                    torn.append(f"{worker}-{number} is not there after its commit")
                mine = {alias for alias in writable.aliases() if alias.startswith(f"{worker}-")}
                if mine != {f"{worker}-{number}"}:
                    torn.append(f"{mine} where {worker}-{number} alone was committed")
                theirs = [alias for alias in writable.aliases() if alias.startswith(f"{(worker + 1) % _WORKERS}-")]
                if len(theirs) > 1:
                    torn.append(f"half of a commit is seen: {theirs}")
            if worker % 2:
                writable.delete(f"{worker}-{_ROUNDS - 1}")
            else:
                writable.set(f"key-{worker}", PrivateKeyEntry(pair.key, pair.chain))

        with ThreadPoolExecutor(_WORKERS) as pool:
            for done in [pool.submit(work, worker) for worker in range(_WORKERS)]:
                done.result(_PATIENCE_S)
        assert not torn
        expected = {"pair", "left", "right"}
        for worker in range(0, _WORKERS, 2):
            expected |= {f"{worker}-{_ROUNDS - 1}", f"key-{worker}"}
        assert set(writable.aliases()) == expected
        assert set(writable.entries()) == expected
        assert writable.get("left") == writable.get("right"), "two entries that always changed together differ"
