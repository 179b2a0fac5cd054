"""`python -m tools.bench`: measures, prints one table for each suite, and tells which targets are met."""

from __future__ import annotations

import argparse
import importlib.util
import json
import shlex
import signal
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tools.bench.rounds import Measured


def main(argv: Sequence[str] | None = None) -> int:
    """Run the suites; 0 if all could be measured, 1 if one of ours could not, 3 with `--strict` and a missed target."""
    if importlib.util.find_spec("pyperf") is None:
        print("bench: pyperf is not installed: .venv/bin/pip install -e '.[bench]'", file=sys.stderr)
        return 1
    from tools.bench.measure import machine  # noqa: PLC0415  # needs pyperf
    from tools.bench.model import OURS  # noqa: PLC0415  # with it
    from tools.bench.peers import SIDES  # noqa: PLC0415  # with it
    from tools.bench.report import as_data, markdown, report  # noqa: PLC0415  # needs pyperf
    from tools.bench.rounds import measure  # noqa: PLC0415  # with it
    from tools.bench.suites import SUITES  # noqa: PLC0415  # needs pyperf

    options = _parser(list(SUITES), list(SIDES)).parse_args(argv)
    sides = list(dict.fromkeys([OURS, *(options.side or SIDES)]))
    titles = {key: f"{SIDES[key].title} {_version(key)}".strip() for key in sides}
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that workers end, and the scratch directory goes
    found: list[dict[str, Any]] = []
    failed = missed = False
    options.directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="gatewright-bench-", dir=options.directory) as scratch:
        for name in options.suites or SUITES:
            suite = SUITES[name]
            measured = measure(suite, sides, Path(scratch), rounds=options.rounds, quick=options.quick, say=_say)
            lines = report(suite, measured)
            print(f"\n{markdown(suite, lines, titles)}\n{_absences(measured, titles)}", flush=True)
            found.append(as_data(suite, lines, measured))
            failed |= OURS in measured.absent
            missed |= any(line.met is False for line in lines)
    if options.json is not None:
        command = shlex.join(["python", "-m", "tools.bench", *(sys.argv[1:] if argv is None else argv)])
        facts = {"command": command, "machine": machine(), "sides": titles, "suites": found}
        options.json.write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    if failed:
        return 1
    return 3 if missed and options.strict else 0


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _version(side: str) -> str:
    from tools.bench.peers import SIDES  # noqa: PLC0415  # as above

    return "" if SIDES[side].missing() is not None else SIDES[side].version()


def _absences(measured: Measured, titles: dict[str, str]) -> str:
    return "".join(f"\n{titles[side]} has no values: {reason}\n" for side, reason in measured.absent.items())


def _parser(suites: list[str], sides: list[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.bench",
        description="Measure Gatewright beside its peers, in one run, as ratios.",
        epilog="example:\n  .venv/bin/python -m tools.bench registry filters --json bench.json",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("suites", nargs="*", metavar="SUITE", help=f"of {', '.join(suites)} (default: all)")
    parser.add_argument("--side", action="append", choices=sides, help="measure these beside ours (default: all)")
    parser.add_argument("--quick", action="store_true", help="one round of few and small cases, to see that it works")
    parser.add_argument("--rounds", type=int, metavar="N", help="how often each side has its turn (default: by suite)")
    parser.add_argument("--strict", action="store_true", help="exit with status 3 if a target is missed")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all values there")
    parser.add_argument(
        "--directory",
        type=Path,
        default=Path(tempfile.gettempdir()),
        metavar="DIR",
        help="on the disk that is measured (default: %(default)s)",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
