"""Figures of rooms and plugins: whatever one of their sources does, the others' figures are to be had."""

from __future__ import annotations

import functools
import logging
import threading
from typing import TYPE_CHECKING, Final, NamedTuple

from framework.log_events import METRICS_FAILED
from framework.observation.exposition import exposition
from framework.observation.metrics import MetricSource
from framework.plugins.guard import GuardedCall, GuardError

if TYPE_CHECKING:
    from framework.clock import Clock
    from framework.observation.metrics import Metric
    from framework.registry import ServiceReference, ServiceRegistry

_log = logging.getLogger("framework.observation")

SOURCES_DEADLINE_S: Final = 2.0
"""How long all sources together may take, in seconds; they are asked side by side."""


class FailedSource(NamedTuple):
    """A source whose figures are not to be had.

    Attributes:
        name: Whose it is: the pid of its service, or how the registry calls it.
        reason: What it did, in a line, and where, in those that follow.
    """

    name: str
    reason: str


class ContributedMetrics:
    """Asks all sources; one that is being asked is not asked again.

    Args:
        registry: Where the sources are.
        clock: The source of time.
    """

    def __init__(self, registry: ServiceRegistry, clock: Clock) -> None:
        self._registry = registry
        self._clock = clock
        self._lock = threading.Lock()
        self._calls: dict[ServiceReference, GuardedCall[tuple[Metric, ...]]] = {}
        self._hanging: set[ServiceReference] = set()
        self._told: dict[ServiceReference, str] = {}

    def collect(self) -> tuple[tuple[Metric, ...], int]:
        """The figures that can be had, and how many sources have failed or not answered in time."""
        found: list[Metric] = []
        failed = 0
        deadline = self._clock.monotonic() + SOURCES_DEADLINE_S
        for reference, call in self._ask().items():
            if reference in self._hanging and not call.done:
                failed += 1
                continue
            try:
                found.extend(call.result(deadline, SOURCES_DEADLINE_S))
            except GuardError as error:
                failed += 1
                self._note(reference, error)
            else:
                with self._lock:
                    self._told.pop(reference, None)
        return tuple(found), failed

    @property
    def failed(self) -> tuple[FailedSource, ...]:
        """The sources that failed, or did not answer in time, when they were last asked."""
        sources = self._registry.find_all(MetricSource)
        with self._lock:
            return tuple(FailedSource(_name(one), text) for one, text in self._told.items() if one in sources)

    def _note(self, reference: ServiceReference, error: GuardError) -> None:
        """Say what is wrong with a source, once as long as it stays the same: it is asked every few seconds."""
        # a hang's stack is in its message
        text = str(error) if error.hung else f"{error}\n{error.stack}"
        with self._lock:
            known, self._told[reference] = self._told.get(reference), text
            if error.hung:
                self._hanging.add(reference)
        if known != text:
            _log.error(METRICS_FAILED, {"source": _name(reference), "error": text})

    def _ask(self) -> dict[ServiceReference, GuardedCall[tuple[Metric, ...]]]:
        sources = self._registry.find_all(MetricSource)
        with self._lock:
            asked = {one: call for one, call in self._calls.items() if one in sources and not call.done}
            self._hanging &= asked.keys()
            self._told = {one: text for one, text in self._told.items() if one in sources}
            for reference in sources:
                if reference not in asked:
                    work = functools.partial(self._metrics_of, reference)
                    asked[reference] = GuardedCall(self._clock, f"the asking of {reference!r} for its metrics", work)
            self._calls = asked
            return dict(asked)

    def _metrics_of(self, reference: ServiceReference) -> tuple[Metric, ...]:
        source = self._registry.get(reference)
        metrics = tuple(source.metrics()) if isinstance(source, MetricSource) else ()
        exposition(metrics)  # what cannot be shown is found out here, where it harms no other source
        return metrics


def _name(reference: ServiceReference) -> str:
    properties = reference.properties
    known = (properties.get(key) for key in ("kura.service.pid", "service.pid", "component.name"))
    return next((str(one) for one in known if one), repr(reference))
