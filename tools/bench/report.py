"""From values to a report: what stands for them, ratios, which targets are met and by what margin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tools.bench.measure import typical
from tools.bench.model import OURS, AtMost, Case, FasterThan, Unit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tools.bench.model import Row, Suite, Target
    from tools.bench.rounds import Measured


@dataclass(frozen=True, slots=True)
class ReportedRow:
    """One line of a table.

    Attributes:
        values: What stands for each side's values; a side that has none is not there.
        samples: How many values that is for each side.
        margin: How many times better than the target ours is (1 is just met); None without a target, or without
            the values to tell.
    """

    row: Row
    values: Mapping[str, float]
    samples: Mapping[str, int]
    margin: float | None

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None if that cannot be told."""
        return None if self.margin is None else self.margin >= 1.0

    def ratio(self, side: str) -> float | None:
        """The side's value divided by ours."""
        if side not in self.values or not self.values.get(OURS):
            return None
        return self.values[side] / self.values[OURS]


def report(suite: Suite, measured: Measured) -> tuple[ReportedRow, ...]:
    """The lines of a suite's table; rows that nobody has a value for are left out."""
    found: dict[str, dict[str, float]] = {}
    lines = []
    for row in suite.rows:
        if isinstance(row, Case):
            lists = {side: values[row.key] for side, values in measured.samples.items() if values.get(row.key)}
            values = {side: typical(one, row.percentile) for side, one in lists.items()}
            counts = {side: len(one) for side, one in lists.items()}
        else:
            over = found.get(row.over, {})
            values = {side: value / over[side] for side, value in found.get(row.of, {}).items() if over.get(side)}
            counts = {}
        found[row.key] = values
        if values:
            lines.append(ReportedRow(row, values, counts, _margin(row.target, values)))
    return tuple(lines)


def markdown(suite: Suite, lines: Sequence[ReportedRow], titles: Mapping[str, str]) -> str:
    """One table; a peer's cell has its value and, in brackets, how many times ours that is.

    Args:
        suite: What was measured.
        lines: What `report` made of it.
        titles: The columns: the wanted sides, ours first, and their titles.
    """
    sides = [side for side in suite.sides if side in titles]
    head = [suite.title, *(titles[side] for side in sides), "target", "met", "margin"]
    rows = [[line.row.what, *(_cell(line, side) for side in sides), *_verdict(line, titles)] for line in lines]
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    table = [_line(head, widths), _line(["-" * width for width in widths], widths)]
    table += [_line(row, widths) for row in rows]
    return "\n".join([*table, *(f"\n{note}" for note in suite.notes)])


def as_data(suite: Suite, lines: Sequence[ReportedRow], measured: Measured) -> dict[str, Any]:
    """The same for JSON, with all values."""
    return {
        "suite": suite.name,
        "title": suite.title,
        "absent": measured.absent,
        "rows": [
            {
                "key": line.row.key,
                "what": line.row.what,
                "unit": line.row.unit.value,
                "percentile": line.row.percentile if isinstance(line.row, Case) else None,
                "values": dict(line.values),
                "ratios": {side: line.ratio(side) for side in line.values if side != OURS},
                "target": _target_data(line.row.target),
                "margin": line.margin,
                "met": line.met,
                "samples": {side: values.get(line.row.key, []) for side, values in measured.samples.items()},
            }
            for line in lines
        ],
    }


def in_words(value: float, unit: Unit) -> str:
    """A value with three digits and a unit that suits it."""
    if unit is Unit.TIMES:
        return f"{_three_digits(value)}{_TIMES_SIGN}"
    for factor, name in _SCALES[unit]:
        if value >= factor:
            return f"{_three_digits(value / factor)} {name}"
    factor, name = _SCALES[unit][-1]
    return f"{_three_digits(value / factor)} {name}"


_TIMES_SIGN: Final = "\N{MULTIPLICATION SIGN}"

_SCALES: Final = {
    Unit.SECONDS: ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns")),
    Unit.BYTES: ((2.0**20, "MiB"), (2.0**10, "KiB"), (1.0, "B")),
}


def _three_digits(value: float) -> str:
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _margin(target: Target | None, values: Mapping[str, float]) -> float | None:
    ours = values.get(OURS)
    if not ours:
        return None
    match target:
        case FasterThan(peer, times) if peer in values:
            return values[peer] / ours / times
        case AtMost(limit):
            return limit / ours
    return None


def _cell(line: ReportedRow, side: str) -> str:
    if side not in line.values:
        return ""
    text = in_words(line.values[side], line.row.unit)
    ratio = line.ratio(side)
    if side == OURS or ratio is None or line.row.unit is Unit.TIMES:
        return text
    return f"{text} ({_three_digits(ratio)}{_TIMES_SIGN})"


def _verdict(line: ReportedRow, titles: Mapping[str, str]) -> tuple[str, str, str]:
    match line.row.target:
        case FasterThan(peer, times):
            wanted = f"{titles.get(peer, peer).split()[0]} ≥ {times:,g}{_TIMES_SIGN}"
        case AtMost(limit):
            wanted = f"≤ {in_words(limit, line.row.unit)}"
        case _:
            return "", "", ""
    if line.margin is None:
        return wanted, "not measured", ""
    return wanted, "yes" if line.met else "NO", f"{_three_digits(line.margin)}{_TIMES_SIGN}"


def _target_data(target: Target | None) -> dict[str, Any] | None:
    match target:
        case FasterThan(peer, times):
            return {"faster_than": peer, "times": times}
        case AtMost(limit):
            return {"at_most": limit}
        case _:
            return None


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |"
