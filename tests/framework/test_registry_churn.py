"""Whatever eight threads do to a registry at once, what is found and what is heard of make sense."""

from __future__ import annotations

import contextlib
import functools
import random
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from framework.filter import Filter
from framework.registry import ServiceEvent, ServiceEventKind, ServiceRegistry, UnregisteredServiceError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from framework.registry import ServiceRegistration

FILTERS = (None, "(x=1)", "(&(x=1)(y=2))", "(|(x=2)(y=1))", "(!(x=1))", "(y>=2)", "(late=3)")
THREADS, TURNS, KEPT = 8, 150, 5


class Store:
    """A service."""


class Listener:
    """Follows which services match, and complains of what cannot be."""

    def __init__(self) -> None:
        self.matching: set[int] = set()
        self.complaints: list[ServiceEvent] = []
        self._lock = threading.Lock()

    def hear(self, event: ServiceEvent) -> None:
        with self._lock:
            known = event.reference.id in self.matching
            if event.kind in (ServiceEventKind.MODIFIED_ENDMATCH, ServiceEventKind.UNREGISTERING):
                self.matching.discard(event.reference.id)
                fits = known
            else:
                self.matching.add(event.reference.id)
                fits = not known or event.kind is ServiceEventKind.MODIFIED
            if not fits:
                self.complaints.append(event)


def some(chooser: random.Random) -> dict[str, Any]:
    return {key: chooser.randrange(4) for key in ("x", "y", "late", "service.ranking") if chooser.random() < 0.7}


def churn(registry: ServiceRegistry, everybodys: list[ServiceRegistration], seed: int) -> None:
    """Register and unregister services of one's own, change anybody's, look up and listen."""
    chooser = random.Random(seed)
    own: list[ServiceRegistration] = []
    for _ in range(TURNS):
        own.append(registry.register(Store, Store(), some(chooser)))
        everybodys.append(own[-1])
        with contextlib.suppress(UnregisteredServiceError):
            chooser.choice(everybodys[-50:]).set_properties(some(chooser))
        text = chooser.choice(FILTERS)
        with registry.listen(lambda _: None, Store, text):
            found = registry.find_all(Store, text)
        assert len(set(found)) == len(found)
        if len(own) > KEPT:
            own.pop(chooser.randrange(len(own))).unregister()


@pytest.fixture
def hasty_threads() -> Iterator[None]:
    """Threads take turns a thousand times as often as usual."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(usual / 1000)
    yield
    sys.setswitchinterval(usual)


@pytest.mark.usefixtures("hasty_threads")
def test_lookups_and_listeners_are_right_after_mixed_changes_from_many_threads() -> None:
    registry = ServiceRegistry()
    listeners = {text: Listener() for text in FILTERS}
    for text, listener in listeners.items():
        registry.listen(listener.hear, Store, text)
    everybodys: list[ServiceRegistration] = []
    errors: list[BaseException] = []

    def guarded(work: functools.partial[None]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001  # whatever it is, the test's own thread reports it
            errors.append(error)

    works = [functools.partial(churn, registry, everybodys, seed) for seed in range(THREADS)]
    threads = [threading.Thread(target=guarded, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []
    everything = registry.find_all(Store)
    assert len(everything) == THREADS * KEPT
    for text, listener in listeners.items():
        condition = None if text is None else Filter.parse(text)
        matching = tuple(one for one in everything if condition is None or condition.matches(one.properties))
        assert registry.find_all(Store, text) == matching
        assert (listener.matching, listener.complaints) == ({one.id for one in matching}, [])
