"""Whole processes: what they cost from start to end, or until they say that they are ready."""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pyperf

from tools.bench.model import BenchError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tools.bench.model import Assignment

_ROOT: Final = Path(__file__).resolve().parents[2]
_END_DEADLINE_S: Final = 20.0


@dataclass(frozen=True, slots=True)
class Cost:
    """What a process took, in seconds of the wall and of the processor."""

    wall_s: float
    cpu_s: float


def cost(argv: list[str], assignment: Assignment, directory: Path = _ROOT) -> Cost:
    """Run a process to its end; BenchError if it fails."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begin = pyperf.perf_counter()
    done = subprocess.run(
        argv, cwd=directory, env=_environment(assignment), capture_output=True, text=True, check=False
    )
    wall_s = float(pyperf.perf_counter() - begin)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        raise BenchError(f"{' '.join(argv)} ended with status {done.returncode}: {done.stdout}{done.stderr}")
    return Cost(wall_s, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


@contextlib.contextmanager
def started(
    argv: list[str], ready: str, assignment: Assignment, directory: Path = _ROOT, *, modules: Path | None = None
) -> Iterator[tuple[float, float]]:
    """A started program: the seconds until it said `ready`, and its resident memory then, in bytes.

    Args:
        argv: The program; it is told to end by SIGTERM when the `with` block ends, which waits for it.
        ready: What stands in the line that it prints then.
        assignment: Whose environment it runs in.
        directory: Where it runs.
        modules: One more directory in which it finds modules.
    """
    begin = pyperf.perf_counter()
    process = subprocess.Popen(
        argv,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=_environment(assignment, modules),
        cwd=directory,
    )
    with process:
        lines = []
        for line in process.stdout or ():
            lines.append(line)
            if ready in line:
                break
        else:
            raise BenchError(f"{' '.join(argv)} did not start: {''.join(lines)[-2000:]}")
        seconds = float(pyperf.perf_counter() - begin)
        try:
            yield seconds, _resident(process.pid)
        finally:
            process.terminate()
            try:
                process.communicate(timeout=_END_DEADLINE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                raise BenchError(f"{' '.join(argv)} did not stop within {_END_DEADLINE_S:g} s") from None


def _resident(process_id: int) -> float:
    status = Path(f"/proc/{process_id}/status").read_text(encoding="ascii")
    (kib,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:"))
    return float(kib) * 1024


def _environment(assignment: Assignment, modules: Path | None = None) -> dict[str, str]:
    """An environment in which every module is compiled once, by the first process, whoever installed it."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    path = os.pathsep.join(str(one) for one in (_ROOT, modules) if one is not None)
    return {**environment, "PYTHONPATH": path, "PYTHONPYCACHEPREFIX": str(assignment.scratch / "pycache")}
