"""What a benchmark is, as data: cases, targets, suites, and who takes part."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

OURS: Final = "gatewright"

Samples = Mapping[str, Sequence[float]]
"""Measured values by the key of their case."""


class BenchError(Exception):
    """A benchmark could not be run; the message says why and what to do."""


class Unit(enum.Enum):
    """What a value counts."""

    SECONDS = "s"
    BYTES = "B"
    TIMES = "x"


@dataclass(frozen=True, slots=True)
class FasterThan:
    """The peer's value is to be at least `times` ours."""

    peer: str
    times: float


@dataclass(frozen=True, slots=True)
class AtMost:
    """Our value is to be at most `limit`, in the unit of the row."""

    limit: float


Target = FasterThan | AtMost


@dataclass(frozen=True, slots=True)
class Case:
    """Something that is measured.

    Attributes:
        key: The name under which a side gives its values.
        what: What it is, for the table.
        percentile: Which one of all values stands for it: 50 is the median.
    """

    key: str
    what: str
    target: Target | None = None
    unit: Unit = Unit.SECONDS
    percentile: int = 50


@dataclass(frozen=True, slots=True)
class Quotient:
    """A row that is not measured: one case of a side divided by another of the same side, such as a growth."""

    key: str
    what: str
    of: str
    over: str
    target: Target | None = None
    unit: Unit = Unit.TIMES


Row = Case | Quotient


@dataclass(frozen=True, slots=True)
class Assignment:
    """What a worker process is to do.

    Attributes:
        side: Who is measured, such as `OURS` or "ipopo".
        quick: Whether few and small cases are enough.
        scratch: A directory that all workers of one run share, on the disk that is measured.
    """

    side: str
    quick: bool
    scratch: Path

    @property
    def values(self) -> int:
        """How many values are taken of a case in this process."""
        return 2 if self.quick else 5

    @property
    def value_s(self) -> float:
        """How long taking one value lasts at least, in seconds."""
        return 0.005 if self.quick else 0.05

    def sizes(self, *sizes: int) -> tuple[int, ...]:
        """Those of the sizes of a suite that are to be measured."""
        return sizes[:1] if self.quick else sizes


@dataclass(frozen=True, slots=True)
class Suite:
    """Rows that belong together.

    Attributes:
        sides: Who can take part.
        measure: Called in a process of its own for each side and round; a key that is not in its answer has no value.
        rounds: How often each side has its turn.
        programs: What has to be on PATH for it, whoever is measured.
        notes: What a reader of the table has to know, such as where the sides differ.
    """

    name: str
    title: str
    rows: tuple[Row, ...]
    sides: tuple[str, ...]
    measure: Callable[[Assignment], Samples]
    rounds: int = 5
    programs: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
