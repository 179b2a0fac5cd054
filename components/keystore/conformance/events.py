"""The event that follows each commit: whose, what changed, in the order of commits, and not before."""
# ruff: noqa: S101, D102 - these are tests: they assert, and each one's rule says what.

from __future__ import annotations

import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

import pytest

from components.keystore.conformance.making import KeystoreUnderTest, store_pair
from components.keystore.conformance.rules import rule
from components.keystore.conformance.samples import trusted, unmovable_pair
from components.keystore.contract import CHANGED_TOPIC, KeystoreService
from components.keystore.entries import PrivateKeyEntry
from components.keystore.errors import UnsupportedOperationError
from framework import EventAdmin
from framework.declarative_services import description_of
from framework.testing import GatewayHarness

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

_NAME: Final = "Conformance"
_PATIENCE_S: Final = 60.0
_HELD_S: Final = 1.0
"""How long a listener holds a publisher back, to see whether another overtakes it; only who waits for it pays it."""
_WORKERS: Final = 8


class PublishedEvents:
    """The context that a keystore publishes by: keeps the events of commits in the order in which they came.

    Attributes:
        service_pid: The keystore's `kura.service.pid`.
        hold: Called before an event counts as published; a keystore must be able to go on meanwhile, or wait.
    """

    def __init__(self, service_pid: str) -> None:
        self.service_pid = service_pid
        self.hold: Callable[[Mapping[str, Any]], None] = lambda _: None
        self._told: list[dict[str, Any]] = []
        self._news = threading.Condition()

    def publish(self, topic: str, properties: Mapping[str, Any]) -> None:
        """Take an event; other topics than that of commits are the keystore's own affair."""
        if topic != CHANGED_TOPIC:
            return
        told = dict(properties)
        self.hold(told)
        with self._news:
            self._told.append(told)
            self._news.notify_all()

    def of_commits(self, number: int) -> list[dict[str, Any]]:
        """All events since the last call, as soon as they are so many."""
        with self._news:
            came = self._news.wait_for(lambda: len(self._told) >= number, _PATIENCE_S)
            told, self._told = self._told, []
        assert came, f"{number} commits were made, and these events published: {told}"
        return told


class CommitEvents(KeystoreUnderTest):
    """The events on `CHANGED_TOPIC`. They are asked for if the subclass says how a keystore is made that tells them."""

    @pytest.fixture
    def told(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> Iterator[tuple[KeystoreService, PublishedEvents]]:
        """A keystore that tells of its commits, and what it has told."""
        self.directory = tmp_path
        if self.component_class is None:
            events = PublishedEvents(_NAME)
            keystore = self.make_publishing_keystore(events)
            if keystore is None:
                pytest.skip("how it tells of its commits is not said: name component_class")
            if keystore.capabilities.read_only:
                pytest.skip("the keystore is read-only")
            yield keystore, events
            self.close(keystore)
            return
        description = description_of(self.component_class)
        pid = f"{description.name}~{_NAME}" if description.factory else description.name
        events = PublishedEvents(_NAME)
        properties = {"kura.service.pid": _NAME, **self.configuration}
        with GatewayHarness(
            components=[self.component_class], conf={pid: properties}, state_directory=tmp_path / "state"
        ) as harness:
            reference = harness.registry.find(KeystoreService, f"(kura.service.pid={_NAME})")
            assert reference is not None, "; ".join(harness.explain(pid).sentences)
            keystore = harness.registry.get(reference)
            assert isinstance(keystore, KeystoreService)
            if keystore.capabilities.read_only:
                pytest.skip("the keystore is read-only")
            # Where it enters the event admin: how the admin delivers an event further is not the keystore's affair.
            for name in ("publish", "send"):
                monkeypatch.setattr(EventAdmin, name, lambda _, topic, properties: events.publish(topic, properties))
            yield keystore, events
            monkeypatch.undo()

    @rule(
        f"each commit is followed by one event on {CHANGED_TOPIC}, made by changed_properties(): the keystore's pid, "
        "and the aliases that changed, sorted, each with the kind of what is there now"
    )
    def test_each_commit_is_told_with_pid_aliases_and_kinds(
        self, told: tuple[KeystoreService, PublishedEvents]
    ) -> None:
        keystore, events = told
        with keystore.edit() as edit:
            edit.set("b", trusted())
            edit.set("a", trusted(1))
        keystore.delete("a")
        expected: list[tuple[tuple[str, ...], tuple[str, ...]]] = [
            (("a", "b"), ("trusted-certificate",) * 2),
            (("a",), ("deleted",)),
        ]
        if pair := store_pair(keystore, "pair"):
            with keystore.edit() as edit:
                edit.set("renamed", PrivateKeyEntry(pair.key, (*pair.chain, trusted().certificate)))
                edit.delete("pair")
            expected.append((("pair",), ("private-key",)))
            expected.append((("pair", "renamed"), ("deleted", "private-key")))
        published = events.of_commits(len(expected))
        assert [(tuple(one["aliases"]), tuple(one["kinds"])) for one in published] == expected
        assert {one["keystore"] for one in published} == {events.service_pid}

    @rule("the event comes after the commit: a listener that looks finds what it tells of")
    def test_a_listener_that_looks_sees_what_was_committed(self, told: tuple[KeystoreService, PublishedEvents]) -> None:
        keystore, events = told
        seen: list[tuple[tuple[str, ...], tuple[str, ...]]] = []
        looking: list[threading.Thread] = []

        def look(properties: Mapping[str, Any]) -> None:
            def compare() -> None:
                seen.append((tuple(properties["aliases"]), keystore.aliases()))

            looking.append(threading.Thread(target=compare, daemon=True))
            looking[-1].start()
            looking[-1].join(_HELD_S)  # a keystore that publishes under its lock shows the state after it

        events.hold = look
        keystore.set("a", trusted())
        events.of_commits(1)
        with keystore.edit() as edit:
            edit.set("b", trusted(1))
            edit.delete("a")
        events.of_commits(1)
        for one in looking:
            one.join(_PATIENCE_S)
        assert seen == [(("a",), ("a",)), (("a", "b"), ("b",))]

    @rule("what was not committed is not told: neither an edit that failed nor a commit that was refused")
    def test_what_was_not_committed_is_not_told(self, told: tuple[KeystoreService, PublishedEvents]) -> None:
        keystore, events = told
        with contextlib.suppress(LookupError), keystore.edit() as edit:
            edit.set("failed", trusted())
            raise LookupError
        refused = True
        with contextlib.suppress(UnsupportedOperationError), keystore.edit() as edit:
            edit.set("a", trusted())
            edit.set("b", unmovable_pair())
            refused = False
        keystore.set("last", trusted())
        aliases = [tuple(one["aliases"]) for one in events.of_commits(1)]
        assert ("failed",) not in aliases
        assert aliases[-1] == ("last",)
        assert ("b" in keystore.aliases()) == (("a", "b") in aliases), f"refused: {refused}; told: {aliases}"

    @rule(
        "events come in the order of commits, also if publishing one takes long: take `Announcements`, add() under the "
        "lock that orders commits, and deliver() after it"
    )
    def test_a_later_commit_does_not_overtake_the_event_of_an_earlier_one(
        self, told: tuple[KeystoreService, PublishedEvents]
    ) -> None:
        keystore, events = told
        second_made = threading.Event()
        first_published = threading.Event()

        def dawdle(properties: Mapping[str, Any]) -> None:
            if tuple(properties["kinds"]) == ("trusted-certificate",) and not first_published.is_set():
                first_published.set()
                second_made.wait(_HELD_S)

        events.hold = dawdle
        with ThreadPoolExecutor(1) as pool:
            first = pool.submit(keystore.set, "a", trusted())
            assert first_published.wait(_PATIENCE_S), "no event came of a commit"
            keystore.delete("a")
            second_made.set()
            first.result(_PATIENCE_S)
        assert [tuple(one["kinds"]) for one in events.of_commits(2)] == [("trusted-certificate",), ("deleted",)]

    @rule("the events of threads that commit at once, read in their order, tell what is in the keystore in the end")
    def test_events_of_many_threads_add_up_to_the_state(self, told: tuple[KeystoreService, PublishedEvents]) -> None:
        keystore, events = told
        barrier = threading.Barrier(_WORKERS, timeout=_PATIENCE_S)

        def work(worker: int) -> None:
            barrier.wait()
            for alias in (f"{worker}-first", f"{worker}-second"):
                with keystore.edit() as edit:
                    edit.set(alias, trusted(worker))
                    edit.set("contested", trusted(worker))
            with keystore.edit() as edit:
                edit.delete(f"{worker}-first")
                edit.delete("contested")

        with ThreadPoolExecutor(_WORKERS) as pool:
            for done in [pool.submit(work, worker) for worker in range(_WORKERS)]:
                done.result(_PATIENCE_S)
        there: set[str] = set()
        order: dict[str, int] = {}
        for number, one in enumerate(events.of_commits(3 * _WORKERS)):
            for alias, kind in zip(one["aliases"], one["kinds"], strict=True):
                (there.discard if kind == "deleted" else there.add)(alias)
                order.setdefault(alias, number)
        assert there == set(keystore.aliases())
        assert all(order[f"{worker}-first"] < order[f"{worker}-second"] for worker in range(_WORKERS))
