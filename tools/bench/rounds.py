"""Rounds: in each one every side has its turn, so that what else the machine does meets all of them alike."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tools.bench.peers import SIDES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tools.bench.model import Suite

_ROOT: Final = Path(__file__).resolve().parents[2]
_DEADLINE_S: Final = 900.0


@dataclass(frozen=True, slots=True)
class Measured:
    """All values of one suite.

    Attributes:
        samples: Values by side and case.
        absent: Sides that could not take part, each with the reason.
    """

    samples: dict[str, dict[str, list[float]]]
    absent: dict[str, str]


def measure(
    suite: Suite,
    sides: Sequence[str],
    scratch: Path,
    *,
    say: Callable[[str], None],
    rounds: int | None = None,
    quick: bool = False,
) -> Measured:
    """Measure the wanted sides of a suite; one that fails is left out from then on, and said to be."""
    absent: dict[str, str] = {}
    for key in suite.sides:
        if key in sides and (missing := _missing(suite) or SIDES[key].missing()) is not None:
            absent[key] = missing
            say(f"!! {SIDES[key].title} takes no part: {missing}")
    samples: dict[str, dict[str, list[float]]] = {key: {} for key in suite.sides if key in sides and key not in absent}
    rounds = rounds or (1 if quick else suite.rounds)
    for number in range(rounds):
        # Turned round each time, so that nobody is always the one that comes first.
        for key in list(samples)[:: 1 if number % 2 == 0 else -1]:
            say(f"{suite.name}: round {number + 1} of {rounds}, {SIDES[key].title}")
            try:
                _add(samples[key], _run_worker(suite.name, key, scratch, quick=quick))
            except _WorkerError as error:
                say(f"!! {SIDES[key].title} failed: {error}")
                absent[key] = str(error)
                del samples[key]
    return Measured(samples, absent)


class _WorkerError(Exception):
    pass


def _missing(suite: Suite) -> str | None:
    missing = [program for program in suite.programs if shutil.which(program) is None]
    return f"{', '.join(missing)} not found on PATH" if missing else None


def _run_worker(suite: str, side: str, scratch: Path, *, quick: bool) -> dict[str, list[float]]:
    output = scratch / "values.json"
    output.unlink(missing_ok=True)
    argv = [sys.executable, "-m", "tools.bench.worker", suite, side, "--scratch", str(scratch), "--output", str(output)]
    process = subprocess.Popen(
        [*argv, "--quick"] if quick else argv,
        cwd=_ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    )
    with process:
        try:
            _, errors = process.communicate(timeout=_DEADLINE_S)
        except subprocess.TimeoutExpired:
            raise _WorkerError(f"it did not end within {_DEADLINE_S:g} s") from None
        finally:
            with contextlib.suppress(ProcessLookupError):  # what it started ends with it
                os.killpg(process.pid, signal.SIGKILL)
    if process.returncode != 0 or not output.exists():
        raise _WorkerError(errors.strip()[-2000:] or f"it ended with status {process.returncode}")
    values: dict[str, list[float]] = json.loads(output.read_text())
    return values


def _add(samples: dict[str, list[float]], values: dict[str, list[float]]) -> None:
    for key, more in values.items():
        samples.setdefault(key, []).extend(more)
