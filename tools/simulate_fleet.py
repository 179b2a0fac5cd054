"""How evenly a fleet renews: gateways that were born in one hour, minute by minute, and as a picture.

    python -m tools.simulate_fleet [--gateways N] [--seed S] [--output fleet.svg]

Certificates of 90 days, renewed from 240 hours before they expire, as the enrolment spreads them
(`components.scep.enrolment.timing`).
"""

from __future__ import annotations

import argparse
import random
import sys
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from components.scep.enrolment import Configured, IdentityFacts, Validity
from components.scep.enrolment.timing import catch_up_at, renewal_due

BIRTH: Final = datetime(2026, 1, 1, tzinfo=UTC)
LIFE: Final = timedelta(days=90)
MINUTE: Final = timedelta(minutes=1)

_WIDTH, _HEIGHT, _MARGIN = 960, 320, 48


@dataclass(frozen=True, slots=True)
class Load:
    """Renewals for each minute, from the first minute that has one to the last."""

    minutes: tuple[int, ...]

    @property
    def mean(self) -> float:
        """Renewals a minute on average."""
        return sum(self.minutes) / len(self.minutes)

    @property
    def busiest(self) -> int:
        """Renewals in the busiest minute."""
        return max(self.minutes)

    @property
    def ratio(self) -> float:
        """How many times the mean the busiest minute has."""
        return self.busiest / self.mean


def renewals(gateways: int, seed: int) -> Load:
    """The renewals of gateways that were all enrolled within one hour."""
    return _load([due for _, _, due in _fleet(gateways, seed)])


def renewals_after_outage(gateways: int, seed: int) -> Load:
    """The same for gateways that were all off from before their window until two days before they expire."""
    back = BIRTH + LIFE - timedelta(days=2)
    return _load([catch_up_at(identity, configured, back) for identity, configured, _ in _fleet(gateways, seed)])


def picture(load: Load) -> str:
    """The load as an SVG: renewals a minute over time, with the mean and three times the mean."""
    inner_width, inner_height = _WIDTH - 2 * _MARGIN, _HEIGHT - 2 * _MARGIN
    top = max(load.busiest, 3 * load.mean) * 1.05
    columns = [load.minutes[_slice(column, load, inner_width)] for column in range(inner_width)]
    bars = " ".join(
        f"M{_MARGIN + column},{_HEIGHT - _MARGIN}v{-inner_height * max(counts) / top:.1f}"
        for column, counts in enumerate(columns)
        if counts
    )

    def level(value: float, label: str) -> str:
        y = _HEIGHT - _MARGIN - inner_height * value / top
        return (
            f'<path d="M{_MARGIN},{y:.1f}h{inner_width}" stroke="#b33" stroke-dasharray="4 4"/>'
            f'<text x="{_MARGIN + 4}" y="{y - 4:.1f}">{label}</text>'
        )

    title = (
        f"{sum(load.minutes):,} gateways born in one hour: renewals a minute over "
        f"{len(load.minutes) / 1440:.1f} days; busiest minute {load.ratio:.1f} x the mean"
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif" '
        f'font-size="12"><rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>'
        f'<text x="{_MARGIN}" y="24" font-size="14">{title}</text><path d="{bars}" stroke="#357"/>'
        f"{level(load.mean, f'mean {load.mean:.1f}')}{level(3 * load.mean, '3 x mean')}</svg>\n"
    )


def _fleet(gateways: int, seed: int) -> list[tuple[IdentityFacts, Configured, datetime]]:
    randomness = random.Random(seed)  # noqa: S311  # a simulation that can be repeated
    found = []
    for _ in range(gateways):
        born = BIRTH + timedelta(hours=1) * randomness.random()
        identity = IdentityFacts("", "", serial=f"{randomness.getrandbits(64):x}", validity=Validity(born, born + LIFE))
        configured = Configured(
            enabled=True,
            problems=(),
            bootstrap_identity="",
            digest="",
            retry_interval_s=60,
            key_size=2048,
            renew=True,
            device=f"{randomness.getrandbits(64):x}",
        )
        due = renewal_due(identity, configured)
        if due is not None:
            found.append((identity, configured, due))
    return found


def _load(moments: list[datetime]) -> Load:
    counts = Counter((moment - BIRTH) // MINUTE for moment in moments)
    return Load(tuple(counts[minute] for minute in range(min(counts), max(counts) + 1)))


def _slice(column: int, load: Load, columns: int) -> slice:
    return slice(column * len(load.minutes) // columns, (column + 1) * len(load.minutes) // columns)


def main(arguments: list[str] | None = None) -> int:
    """Simulate, say how even it is, and draw it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--gateways", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=Path, help="where the picture goes (SVG)")
    options = parser.parse_args(arguments)
    load = renewals(options.gateways, options.seed)
    sys.stdout.write(
        f"{sum(load.minutes)} renewals in {len(load.minutes)} minutes: mean {load.mean:.1f}, "
        f"busiest minute {load.busiest}, {load.ratio:.2f} times the mean\n"
    )
    if options.output is not None:
        options.output.write_text(picture(load), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
