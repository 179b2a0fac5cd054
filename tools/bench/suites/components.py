"""Components: each waits for a provider of its own; providers come one by one and leave one by one."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Final, Protocol

from framework import ComponentContext, DeactivationReason, Kernel, component, reference
from tools.bench import ipopo
from tools.bench.measure import seconds_of
from tools.bench.model import OURS, AtMost, Case, FasterThan, Quotient, Suite
from tools.bench.peers import IPOPO

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tools.bench.model import Assignment, Samples

FEW, MANY = 100, 5000
INTERFACE: Final = "tools.bench.suites.components.Provider"


class Provider:
    """What the components use."""


class _Active:
    """How many components are active now."""

    number = 0


@component("bench.Consumer", factory=True)
class Consumer:
    """A component of ours; its target filter, in its configuration, names one provider."""

    provider = reference(Provider)

    def activate(self, _context: ComponentContext) -> None:
        """Count."""
        _Active.number += 1

    def deactivate(self, _reason: DeactivationReason) -> None:
        """Count."""
        _Active.number -= 1


class _Wiring(Protocol):
    """Waiting components of one of the sides."""

    def register(self, number: int) -> Callable[[], None]:
        """Register the provider of a component, and wait until that is active; what undoes it."""
        ...


class _Ours:
    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel

    def register(self, number: int) -> Callable[[], None]:
        registration = self._kernel.registry.register(INTERFACE, Provider(), {"kura.service.pid": f"p{number}"})
        self._kernel.settle()

        def unregister() -> None:
            registration.unregister()
            self._kernel.settle()

        return unregister


class _Ipopo:
    def __init__(self, context: Any) -> None:
        self._context = context

    def register(self, number: int) -> Callable[[], None]:
        registration = self._context.register_service(INTERFACE, Provider(), {"kura.service.pid": f"p{number}"})
        unregister: Callable[[], None] = registration.unregister
        return unregister


@contextlib.contextmanager
def _our_components(number: int) -> Iterator[_Wiring]:
    with Kernel([Consumer]) as kernel:
        for one in range(number):
            kernel.configure(f"bench.Consumer~c{one}", {"provider.target": f"(kura.service.pid=p{one})"})
        yield _Ours(kernel)


@contextlib.contextmanager
def _ipopo_components(number: int) -> Iterator[_Wiring]:
    from pelix.ipopo.constants import use_ipopo  # noqa: PLC0415  # a peer that may be missing
    from pelix.ipopo.decorators import ComponentFactory, Invalidate, Requires, Validate  # noqa: PLC0415  # with it

    class IpopoConsumer:
        def __init__(self) -> None:
            self._provider = None

        def validate(self, _context: object) -> None:
            _Active.number += 1

        def invalidate(self, _context: object) -> None:
            _Active.number -= 1

    Validate(IpopoConsumer.validate)
    Invalidate(IpopoConsumer.invalidate)
    factory = ComponentFactory("bench.Consumer")(Requires("_provider", INTERFACE)(IpopoConsumer))
    with ipopo.framework(["pelix.ipopo.core"]) as context, use_ipopo(context) as service:
        service.register_factory(context, factory)
        for one in range(number):
            filters = {"_provider": f"(kura.service.pid=p{one})"}
            service.instantiate("bench.Consumer", f"c{one}", {"requires.filters": filters})
        yield _Ipopo(context)


def _measure(assignment: Assignment) -> Samples:
    make = _our_components if assignment.side == OURS else _ipopo_components
    found: dict[str, list[float]] = {}
    for number in assignment.sizes(FEW, MANY):
        with contextlib.ExitStack() as stack:
            entered: list[_Wiring] = []
            created = seconds_of(lambda: entered.append(stack.enter_context(make(number))))  # noqa: B023  # called at once
            (wiring,) = entered
            found[f"create-{number}"] = [created / number]
            for _ in range(assignment.values if number == FEW else 1):
                wired, left = _wire_and_leave(wiring, number)
                found.setdefault(f"wire-{number}", []).append(wired)
                found.setdefault(f"leave-{number}", []).append(left)
    return found


def _wire_and_leave(wiring: _Wiring, number: int) -> tuple[float, float]:
    """The time for each component to become active, and to end."""
    undo: list[Callable[[], None]] = []
    wired = seconds_of(lambda: undo.extend(wiring.register(one) for one in range(number)))
    _expect(number)
    left = seconds_of(lambda: [one() for one in undo])
    _expect(0)
    return wired / number, left / number


def _expect(active: int) -> None:
    if _Active.number != active:
        raise AssertionError(f"{_Active.number} components are active instead of {active}")


SUITE: Final = Suite(
    name="components",
    title="Components, each with a provider of its own (time for each)",
    rows=(
        Case(f"create-{FEW}", f"{FEW} are configured and made, and wait"),
        Case(f"create-{MANY}", f"{MANY:,} are configured and made, and wait"),
        Case(f"wire-{FEW}", f"{FEW} wait, providers come one by one"),
        Case(f"wire-{MANY}", f"{MANY:,} wait, providers come one by one", FasterThan(IPOPO, 10)),
        Quotient("wire-growth", f"growth from {FEW} to {MANY:,}", f"wire-{MANY}", f"wire-{FEW}", AtMost(1.5)),
        Case(f"leave-{FEW}", f"{FEW} are active, providers leave one by one"),
        Case(f"leave-{MANY}", f"{MANY:,} are active, providers leave one by one", FasterThan(IPOPO, 10)),
        Quotient("leave-growth", f"growth from {FEW} to {MANY:,}", f"leave-{MANY}", f"leave-{FEW}", AtMost(1.5)),
    ),
    sides=(OURS, IPOPO),
    measure=_measure,
    rounds=3,
    notes=(
        (
            "Each provider is registered, or leaves, only after the one before has had its whole effect. "
            "iPOPO calls components on the caller's thread; here they run on threads of their own, "
            "and the change of threads counts. Ours is a kernel, which has what iPOPO's framework has, and keeps time."
        ),
    ),
)
