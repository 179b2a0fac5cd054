"""The service registry: registering, finding by pid, and telling of one event among many listeners."""

from __future__ import annotations

import contextlib
import itertools
from typing import TYPE_CHECKING, Any, Final, Protocol

from framework import ServiceRegistry
from tools.bench import ipopo, jvm
from tools.bench.measure import per_call, seconds_of
from tools.bench.model import OURS, AtMost, Case, FasterThan, Quotient, Suite
from tools.bench.peers import IPOPO, JVM_PEERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tools.bench.model import Assignment, Samples

INTERFACE: Final = "example.Service"
REGISTERED: Final = 1000
SERVICES: Final = (10, 1000, 100_000)
LISTENERS: Final = (10, 10_000)


class _Services(Protocol):
    """A registry of one of the sides."""

    def register(self, properties: dict[str, Any]) -> Any: ...

    def set_properties(self, registration: Any, properties: dict[str, Any]) -> None: ...

    def find(self, filter: str) -> object | None: ...

    def listen(self, filter: str, callback: Callable[[], object]) -> None: ...


class _Ours:
    def __init__(self) -> None:
        self._registry = ServiceRegistry()

    def register(self, properties: dict[str, Any]) -> Any:
        return self._registry.register(INTERFACE, self, properties)

    def set_properties(self, registration: Any, properties: dict[str, Any]) -> None:
        registration.set_properties(properties)

    def find(self, filter: str) -> object | None:
        return self._registry.find(INTERFACE, filter)

    def listen(self, filter: str, callback: Callable[[], object]) -> None:
        def told(_event: object) -> None:
            callback()

        self._registry.listen(told, INTERFACE, filter)


class _Ipopo:
    def __init__(self, context: Any) -> None:
        self._context = context

    def register(self, properties: dict[str, Any]) -> Any:
        return self._context.register_service(INTERFACE, self, properties)

    def set_properties(self, registration: Any, properties: dict[str, Any]) -> None:
        registration.set_properties(properties)

    def find(self, filter: str) -> object | None:
        found: object | None = self._context.get_service_reference(INTERFACE, filter)
        return found

    def listen(self, filter: str, callback: Callable[[], object]) -> None:
        class Listener:
            def service_changed(self, _event: object) -> None:
                callback()

        self._context.add_service_listener(Listener(), filter, INTERFACE)


def _measure(assignment: Assignment) -> Samples:
    if assignment.side in JVM_PEERS:
        return jvm.samples(assignment, "registry")
    found: dict[str, list[float]] = {"register": []}
    for _ in range(assignment.values):
        with _empty(assignment.side) as services:
            found["register"].append(_register(services))
    for number in assignment.sizes(*SERVICES):
        with _empty(assignment.side) as services:
            for one in range(number):
                services.register(_properties(one))
            found |= _find(services, number, assignment)
    for number in assignment.sizes(*LISTENERS):
        with _empty(assignment.side) as services:
            found[f"event-{number}"] = _event(services, number, assignment)
    return found


@contextlib.contextmanager
def _empty(side: str) -> Iterator[_Services]:
    """An empty registry of that side."""
    if side == OURS:
        yield _Ours()
        return
    with ipopo.framework() as context:
        yield _Ipopo(context)


def _properties(number: int) -> dict[str, Any]:
    return {"kura.service.pid": f"service-{number}", "service.ranking": 0, "location": "hall"}


def _register(services: _Services) -> float:
    """The time of one registration, where as many services are already and have been looked for by pid."""
    for one in range(REGISTERED):
        services.register(_properties(one))
    services.find("(kura.service.pid=service-1)")
    new = [_properties(REGISTERED + one) for one in range(REGISTERED)]

    def register_all() -> None:
        for properties in new:
            services.register(properties)

    return seconds_of(register_all) / REGISTERED


def _find(services: _Services, number: int, assignment: Assignment) -> dict[str, list[float]]:
    # Those asked for lie evenly among all, since a side that looks at one after the other finds the first soonest.
    wanted = [f"(kura.service.pid=service-{one})" for one in range(number // 20, number, max(1, number // 10))]
    turns = itertools.cycle(wanted)
    if any(services.find(one) is None for one in wanted) or services.find("(kura.service.pid=nobody)") is not None:
        raise AssertionError("what is registered is to be found, and nothing else")
    return {
        f"hit-{number}": per_call(lambda: services.find(next(turns)), assignment),
        f"miss-{number}": per_call(lambda: services.find("(kura.service.pid=nobody)"), assignment),
    }


def _event(services: _Services, number: int, assignment: Assignment) -> list[float]:
    """The time of changing a property of a service that one listener of many is interested in."""
    told = itertools.count()
    for one in range(number):
        services.listen(f"(kura.service.pid=service-{one})", lambda: next(told))
    registration = services.register(_properties(number // 2))
    changes = itertools.count(1)
    values = per_call(
        lambda: services.set_properties(registration, {**_properties(number // 2), "change": next(changes)}), assignment
    )
    if next(told) != next(changes):
        raise AssertionError("one listener is to be told of each event")
    return values


SUITE: Final = Suite(
    name="registry",
    title="Service registry",
    rows=(
        Case("register", f"register one service more among {REGISTERED:,}", FasterThan(IPOPO, 1)),
        Case("hit-10", "find by pid among 10, hit", FasterThan(IPOPO, 4)),
        Case("miss-10", "find by pid among 10, miss", FasterThan(IPOPO, 4)),
        Case("hit-1000", "find by pid among 1,000, hit", FasterThan(IPOPO, 150)),
        Case("miss-1000", "find by pid among 1,000, miss", FasterThan(IPOPO, 150)),
        Case("hit-100000", "find by pid among 100,000, hit", FasterThan(IPOPO, 2000)),
        Case("miss-100000", "find by pid among 100,000, miss", FasterThan(IPOPO, 2000)),
        Quotient("hit-growth", "hit, growth from 10 to 100,000", "hit-100000", "hit-10", AtMost(3)),
        Quotient("miss-growth", "miss, growth from 10 to 100,000", "miss-100000", "miss-10", AtMost(3)),
        Case("event-10", "one event among 10 filtered listeners"),
        Case("event-10000", "one event among 10,000 filtered listeners", FasterThan(IPOPO, 400)),
        Quotient("event-growth", "event, growth from 10 to 10,000", "event-10000", "event-10", AtMost(2)),
    ),
    sides=(OURS, IPOPO, *JVM_PEERS),
    measure=_measure,
    notes=(
        "Filters are given as text each time, the same few texts again and again, as code with fixed targets does.",
    ),
)
