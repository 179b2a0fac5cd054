"""A component runtime whose every job is run when a seeded chooser says so: one thread, any interleaving, replayable.

A slow callback is one that lets other jobs run before it returns. Everything else is the real thing: registry,
runtime, lifecycle machines.
"""

from __future__ import annotations

import contextlib
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

from framework.background import BackgroundWork
from framework.configuration import ConfigurationEvent
from framework.declarative_services import ComponentRuntime, Facilities, description_of
from framework.event_admin import EventAdmin
from framework.execution import Activity
from framework.fake_clock import FakeClock
from framework.registry import ServiceRegistry
from framework.scheduler import Scheduler

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future

    from framework.configuration import DeliveryOutcome
    from metatype import Secret

DEEPEST = 12
"""So many slow callbacks may be under way at once."""


class Chooser:
    """Runs the jobs of all pools, one after another, in an order that the seed decides."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self._jobs: list[Callable[[], None]] = []
        self._depth = 0

    def add(self, job: Callable[[], None]) -> None:
        self._jobs.append(job)

    def run_one(self) -> bool:
        """Run any of the jobs that wait; False if there is none."""
        if not self._jobs:
            return False
        self._jobs.pop(self.random.randrange(len(self._jobs)))()
        return True

    def run_all(self) -> None:
        while self.run_one():
            pass

    def run_some(self) -> None:
        """What a slow callback does: others go on meanwhile."""
        if self._depth == DEEPEST:
            return
        self._depth += 1
        for _ in range(self.random.randrange(6)):
            self.run_one()
        self._depth -= 1


class ChosenPool:
    """A pool whose jobs the chooser runs."""

    def __init__(self, chooser: Chooser) -> None:
        self._chooser = chooser
        self._closed = False

    def submit(self, job: Callable[[], None]) -> None:
        if not self._closed:
            self._chooser.add(job)

    def wait_for(self, event: threading.Event, timeout_s: float) -> bool:
        """Others run until the event is set; when nobody can run any more, it is as if time had passed."""
        while not event.is_set() and self._chooser.run_one():
            pass
        return event.is_set()

    def lend(self) -> None:
        pass

    def take_back(self) -> None:
        pass

    def close(self) -> None:
        self._closed = True


class SimulatedRuntime:
    """The real runtime on chosen pools, with a fake clock and a configuration admin that forgets nothing."""

    def __init__(self, seed: int, components: tuple[type, ...]) -> None:
        self.chooser = Chooser(seed)
        self.clock = FakeClock()
        self.scheduler = Scheduler(self.clock)
        self.registry = ServiceRegistry()
        self._activity = Activity()
        self._revision = 0
        self.configurations: dict[str, dict[str, Any] | None] = {}
        self.answers: list[Future[DeliveryOutcome]] = []
        facilities = Facilities(
            clock=self.clock,
            scheduler=self.scheduler,
            event_admin=EventAdmin(self.clock),
            background=BackgroundWork(self._pool("background", 1, self._activity), self.scheduler, self.clock),
            state_directory=Path("not used"),
            secrets=lambda pid: _ForgottenSecrets(),
        )
        self.runtime = ComponentRuntime(self.registry, facilities, self._activity, pool=self._pool, turn=1)
        self.runtime.add_components("simulation", [(cls, None) for cls in components])
        for cls in components:
            description = description_of(cls)
            if not description.factory:
                self.configure(description.name, {})

    def configure(self, pid: str, properties: dict[str, Any] | None) -> None:
        self._revision += 1
        self.configurations[pid] = properties
        factory, tilde, _ = pid.partition("~")
        event = ConfigurationEvent(pid, factory if tilde else None, properties, self._revision)
        self.answers.append(self.runtime.deliver(event))

    def let_time_pass(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.scheduler.run_due()

    def settle(self) -> None:
        """Run all jobs, and all that is due meanwhile, until nothing is left to do for some minutes."""
        for _ in range(40):
            self.chooser.run_all()
            self.let_time_pass(30)
        self.chooser.run_all()

    def stop(self) -> bool:
        return self.runtime.stop(60)

    def _pool(self, name: str, size: int, activity: Activity) -> ChosenPool:
        return ChosenPool(self.chooser)


@contextlib.contextmanager
def simulated(seed: int, *components: type) -> Iterator[SimulatedRuntime]:
    """A simulated runtime that is stopped at the end, in which nothing may stay behind."""
    simulation = SimulatedRuntime(seed, components)
    yield simulation
    assert simulation.stop(), "the runtime did not stop"


class _ForgottenSecrets:
    """Secrets of a simulated component; none needs them."""

    def get(self, name: str) -> Secret | None:
        return None

    def set(self, name: str, secret: Secret) -> None:
        pass

    def delete(self, name: str) -> None:
        pass
