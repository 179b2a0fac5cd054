"""Figures that rooms and plugins contribute: a service `MetricSource` for each that has some."""

from __future__ import annotations

import abc
import enum
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from framework.errors import FrameworkError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_NAME: Final = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


class MetricError(FrameworkError, ValueError):
    """A metric is none.

    Attributes:
        name: Its name, or that of its label.
    """

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"the metric {name!r} {reason}")
        self.name = name


class MetricKind(enum.StrEnum):
    """What a figure does."""

    GAUGE = "gauge"
    """It goes up and down."""
    COUNTER = "counter"
    """It only grows, until the gateway starts again; its name ends in `_total`."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One figure.

    Attributes:
        labels: What it is of; never a secret.
    """

    value: float
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Metric:
    """Figures of one name.

    Attributes:
        name: In Prometheus' form, with its unit at the end: `gatewright_certificate_not_after_seconds`.
        help: What it means, in a sentence.

    Raises:
        MetricError: A name is none, or one of them is there twice.
    """

    name: str
    kind: MetricKind
    help: str
    samples: tuple[Sample, ...]

    def __post_init__(self) -> None:
        if _NAME.fullmatch(self.name) is None:
            raise MetricError(self.name, "has no name of letters, digits, '_' and ':'")
        if (self.kind is MetricKind.COUNTER) != self.name.endswith("_total"):
            raise MetricError(self.name, "ends in _total if it is a counter, and only then")
        for sample in self.samples:
            for label in sample.labels:
                if _LABEL.fullmatch(label) is None:
                    raise MetricError(label, "is no label of letters, digits and '_'")


class MetricSource(abc.ABC):
    """Has figures to show; register it as a service under this interface."""

    @abc.abstractmethod
    def metrics(self) -> Iterable[Metric]:
        """The figures now. It is called on a thread of its own, and must be quick: after 2 s it is done without."""
