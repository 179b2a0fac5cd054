"""The benchmarks' report: its arithmetic, its table; and that a quick run works."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tools.bench.model import OURS, Assignment, AtMost, Case, FasterThan, Quotient, Samples, Suite, Unit
from tools.bench.report import as_data, in_words, markdown, report
from tools.bench.rounds import Measured

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tools.bench.model import Row
    from tools.bench.report import ReportedRow

ROOT = Path(__file__).resolve().parents[2]
PEER = "ipopo"
TITLES = {OURS: "Gatewright 1", PEER: "iPOPO 3"}


def _nothing(_: Assignment) -> Samples:
    return {}


def suite_of(*rows: Row) -> Suite:
    return Suite("example", "Example", rows, (OURS, PEER), _nothing)


def lines_of(samples: Mapping[str, Mapping[str, Sequence[float]]], *rows: Row) -> tuple[ReportedRow, ...]:
    return report(suite_of(*rows), measured_of(samples))


def measured_of(samples: Mapping[str, Mapping[str, Sequence[float]]]) -> Measured:
    return Measured({side: {key: list(one) for key, one in values.items()} for side, values in samples.items()}, {})


def test_the_median_of_all_rounds_stands_for_a_case() -> None:
    (line,) = lines_of({OURS: {"find": [1.0, 9.0, 2.0]}, PEER: {"find": [8.0, 8.0, 80.0]}}, Case("find", "find"))
    assert line.values == {OURS: 2.0, PEER: 8.0}
    assert line.ratio(PEER) == 4.0
    assert line.samples == {OURS: 3, PEER: 3}


def test_a_percentile_stands_for_a_case_that_asks_for_one() -> None:
    values = [float(number) for number in range(1, 102)]
    (line,) = lines_of({OURS: {"update": values}}, Case("update", "update", percentile=99))
    assert line.values[OURS] == pytest.approx(100.0)


@pytest.mark.parametrize(
    ("target", "margin", "met"),
    [
        (FasterThan(PEER, 4), 1.0, True),
        (FasterThan(PEER, 8), 0.5, False),
        (AtMost(4.0), 2.0, True),
        (AtMost(1.0), 0.5, False),
        (FasterThan("felix", 1), None, None),
        (None, None, None),
    ],
)
def test_a_target_is_met_from_a_margin_of_one(
    target: FasterThan | AtMost | None, margin: float | None, met: bool | None
) -> None:
    (line,) = lines_of({OURS: {"find": [2.0]}, PEER: {"find": [8.0]}}, Case("find", "find", target))
    assert (line.margin, line.met) == (margin, met)


def test_a_growth_is_reckoned_for_each_side_that_has_both_values() -> None:
    few, many = Case("few", "few"), Case("many", "many")
    growth = Quotient("growth", "growth", "many", "few", AtMost(3))
    samples = {OURS: {"few": [2.0], "many": [4.0]}, PEER: {"many": [4.0]}}
    assert lines_of(samples, few, many, growth)[-1].values == {OURS: 2.0}
    assert lines_of(samples, few, many, growth)[-1].margin == 1.5


def test_rows_without_values_are_left_out_and_a_side_without_values_has_an_empty_cell() -> None:
    rows = (Case("find", "find", FasterThan(PEER, 2)), Case("hit", "hit"))
    suite, measured = suite_of(*rows), measured_of({OURS: {"find": [2e-6]}, PEER: {}})
    table = markdown(suite, report(suite, measured), TITLES).splitlines()
    assert [cell.strip() for cell in table[0].split("|")[1:-1]] == [
        *("Example", "Gatewright 1", "iPOPO 3", "target", "met", "margin"),
    ]
    assert [cell.strip() for cell in table[2].split("|")[1:-1]] == [
        *("find", "2.00 µs", "", "iPOPO ≥ 2\N{MULTIPLICATION SIGN}", "not measured", ""),
    ]
    assert len(table) == 3


def test_a_table_shows_values_ratios_and_whether_the_target_is_met() -> None:
    suite = suite_of(Case("rss", "memory", FasterThan(PEER, 1), Unit.BYTES))
    lines = report(suite, measured_of({OURS: {"rss": [40 * 2.0**20]}, PEER: {"rss": [20 * 2.0**20]}}))
    row = markdown(suite, lines, TITLES).splitlines()[2]
    assert [cell.strip() for cell in row.split("|")[1:-1]] == [
        *("memory", "40.0 MiB", "20.0 MiB (0.50\N{MULTIPLICATION SIGN})"),
        *("iPOPO ≥ 1\N{MULTIPLICATION SIGN}", "NO", "0.50\N{MULTIPLICATION SIGN}"),
    ]


def test_the_data_has_every_value_and_who_was_absent() -> None:
    suite = suite_of(Case("find", "find", FasterThan(PEER, 2)))
    measured = Measured({OURS: {"find": [1.0, 2.0, 3.0]}}, {PEER: "not installed"})
    data = as_data(suite, report(suite, measured), measured)
    assert data["absent"] == {PEER: "not installed"}
    assert data["rows"][0]["samples"] == {OURS: [1.0, 2.0, 3.0]}
    assert data["rows"][0]["met"] is None


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (1.5, Unit.SECONDS, "1.50 s"),
        (0.0123, Unit.SECONDS, "12.3 ms"),
        (1.234e-7, Unit.SECONDS, "123 ns"),
        (1e-11, Unit.SECONDS, "0.01 ns"),
        (1536.0, Unit.BYTES, "1.50 KiB"),
        (12345.6, Unit.TIMES, "12,346\N{MULTIPLICATION SIGN}"),
    ],
)
def test_values_are_told_with_three_digits(value: float, unit: Unit, text: str) -> None:
    assert in_words(value, unit) == text


def test_a_quick_run_prints_a_table_and_writes_json(tmp_path: Path) -> None:
    output = tmp_path / "bench.json"
    argv = [sys.executable, "-m", "tools.bench", "filters", "--quick", "--side", PEER]
    done = subprocess.run(
        [*argv, "--json", str(output), "--directory", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "| Filters" in done.stdout
    (suite,) = json.loads(output.read_text())["suites"]
    assert {row["key"] for row in suite["rows"]} == {"parse", "parse-again", "match", "match-service"}
    assert all(OURS in row["values"] for row in suite["rows"])


def test_what_hostile_input_costs_is_told_for_each_parser_with_its_margin(tmp_path: Path) -> None:
    output = tmp_path / "bench.json"
    argv = [sys.executable, "-m", "tools.bench", "hostile", "--quick", "--json", str(output)]
    done = subprocess.run([*argv, "--directory", str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (suite,) = json.loads(output.read_text())["suites"]
    rows = {row["key"]: row for row in suite["rows"]}
    parsers = {"filter", "descriptor", "configuration", "snapshot", "message", "certificates", "keystore"}
    assert {*parsers, *(f"{name}-memory" for name in parsers)} <= set(rows)
    assert all(rows[f"{name}-memory"]["met"] for name in parsers)
    assert "margin" in done.stdout


def test_a_peer_that_is_missing_is_said_loudly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    done = subprocess.run(
        [
            *(sys.executable, "-m", "tools.bench", "filters", "--quick", "--side", "felix"),
            *("--directory", str(tmp_path)),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "!! Felix takes no part: on Debian: apt-get install" in done.stderr
    assert "Felix has no values: on Debian: apt-get install" in done.stdout
