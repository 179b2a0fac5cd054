"""Whatever eight threads do to a registry at once, what is found and what is heard of make sense."""

from __future__ import annotations

import contextlib
import enum
import functools
import random
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from framework.filter import Filter
from framework.registry import (
    ServiceEvent,
    ServiceEventKind,
    ServiceRegistry,
    UnregisteredServiceError,
    interface_name,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from framework.registry import ServiceRegistration

FILTERS = (None, "(x=1)", "(&(x=1)(y=2))", "(|(x=2)(y=1))", "(!(x=1))", "(y>=2)", "(late=3)", "(word=b)")
OTHERS = ("test.Second", "test.Third")
INTERESTS = tuple((interface, text) for interface in ("Store", *OTHERS) for text in FILTERS)
THREADS, TURNS, KEPT = 8, 150, 5


class Store:
    """A service."""


class Word(enum.StrEnum):
    A = "a"
    B = "b"


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
    numbers = {key: chooser.randrange(4) for key in ("x", "y", "late", "service.ranking") if chooser.random() < 0.7}
    return numbers | {"word": chooser.choice(("b", *Word))}


def interface_of(name: str) -> type | str:
    return Store if name == "Store" else name


def churn(registry: ServiceRegistry, everybodys: list[ServiceRegistration], seed: int) -> None:
    """Register and unregister services of one's own, change anybody's, look up and listen."""
    chooser = random.Random(seed)
    own: list[ServiceRegistration] = []
    for _ in range(TURNS):
        interfaces: list[type | str] = [Store, *chooser.sample(OTHERS, chooser.randrange(3))]
        own.append(registry.register(interfaces, Store(), some(chooser)))
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
    listeners = {interest: Listener() for interest in INTERESTS}
    for (interface, text), listener in listeners.items():
        registry.listen(listener.hear, interface_of(interface), text)
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
    for (interface, text), listener in listeners.items():
        condition, name = None if text is None else Filter.parse(text), interface_name(interface_of(interface))
        offered = [one for one in everything if name in one.interfaces]
        matching = tuple(one for one in offered if condition is None or condition.matches(one.properties))
        assert registry.find_all(name, text) == matching
        assert (listener.matching, listener.complaints) == ({one.id for one in matching}, [])


@pytest.mark.usefixtures("hasty_threads")
def test_a_service_that_fits_all_the_time_is_found_while_what_makes_it_fit_changes() -> None:
    registry = ServiceRegistry()
    for _ in range(5):
        registry.register(Store, Store(), {"x": "3"})
    registration = registry.register(Store, Store(), {"x": "1"})
    ended = threading.Event()

    def change() -> None:
        while not ended.is_set():
            for value in "21":
                registration.set_properties({"x": value})

    def look() -> None:
        missed.append(sum(registry.find(Store, "(|(x=1)(x=2))") is None for _ in range(30_000)))

    missed: list[int] = []
    writer, *readers = (threading.Thread(target=work) for work in (change, look, look))
    for thread in (writer, *readers):
        thread.start()
    for reader in readers:
        reader.join()
    ended.set()
    writer.join()
    assert missed == [0, 0]
