"""Starting cold: time and memory until one component is wired, and the budgets of a whole idle gateway."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pyperf

from tools.bench import jvm
from tools.bench.measure import seconds_of
from tools.bench.model import OURS, AtMost, BenchError, Case, FasterThan, Suite, Unit
from tools.bench.peers import IPOPO, JVM_PEERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tools.bench.model import Assignment, Samples

_ROOT: Final = Path(__file__).resolve().parents[3]
_END_DEADLINE_S: Final = 20.0

KEYSTORE: Final = "gatewright.keystore.FilesystemKeystore~EnrollmentKeystore"


def _measure(assignment: Assignment) -> Samples:
    found: dict[str, list[float]] = {"start": [], "start-rss": []}
    if assignment.side in JVM_PEERS:
        argv = jvm.command(assignment, "start")
    elif assignment.side == IPOPO:
        argv = [sys.executable, "-m", "tools.bench.programs.ipopo", "-"]
        found |= {"start-all": [], "start-all-rss": []}
    else:
        argv = [sys.executable, "-m", "tools.bench.programs.gateway", str(assignment.scratch / "start-state")]
        found |= {"start-all": [], "start-all-rss": []}
    # The first start makes what later ones find: compiled modules, a state directory.
    for turn in range(assignment.values + 1):
        with _started(argv, "ready") as (seconds, rss):
            if turn:
                found["start"].append(seconds)
                found["start-rss"].append(rss)
                if assignment.side == OURS:
                    found["start-all"].append(seconds)
                    found["start-all-rss"].append(rss)
        if turn and assignment.side == IPOPO:
            services = ["pelix.services.configadmin", "pelix.services.eventadmin"]
            with contextlib.chdir(assignment.scratch), _started([*argv, *services], "ready") as (seconds, rss):
                found["start-all"].append(seconds)
                found["start-all-rss"].append(rss)
    return found | _gateway(assignment) if assignment.side == OURS else found


def _gateway(assignment: Assignment) -> dict[str, list[float]]:
    """A whole gateway: `gatewright run` with a keystore and the SCEP component, idle, and `gatewright status`."""
    state, conf = assignment.scratch / "gateway-state", assignment.scratch / "gateway-conf.d"
    conf.mkdir(exist_ok=True)
    (conf / "bench.json").write_text(json.dumps({KEYSTORE: {"keystore.path": "enrollment.p12"}}))
    gatewright = [sys.executable, "-m", "framework"]
    run = [*gatewright, "run", "--state-dir", str(state), "--conf-dir", str(conf)]
    found: dict[str, list[float]] = {"gateway": [], "gateway-rss": [], "status": []}
    for turn in range(assignment.values + 1):
        with _started(run, " ready") as (seconds, rss):
            status = [*gatewright, "status", "--state-dir", str(state)]
            if turn:
                found["gateway"].append(seconds)
                found["gateway-rss"].append(rss)
                found["status"].append(seconds_of(lambda: _run(status)))  # noqa: B023  # called at once
            else:
                _run(status)
    return found


def _run(argv: list[str]) -> None:
    done = subprocess.run(argv, cwd=_ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BenchError(f"{' '.join(argv)} ended with status {done.returncode}: {done.stderr}")


@contextlib.contextmanager
def _started(argv: list[str], ready: str) -> Iterator[tuple[float, float]]:
    """A started program: the seconds until it said `ready`, and its resident memory then, in bytes."""
    begin = pyperf.perf_counter()
    process = subprocess.Popen(
        argv,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=None,
        cwd=_ROOT,
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
            process.communicate(timeout=_END_DEADLINE_S)


def _resident(process_id: int) -> float:
    status = Path(f"/proc/{process_id}/status").read_text(encoding="ascii")
    (kib,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:"))
    return float(kib) * 1024


SUITE: Final = Suite(
    name="start",
    title="Cold start",
    rows=(
        Case("start", "one component wired: time", FasterThan(IPOPO, 1)),
        Case("start-rss", "one component wired: resident memory", FasterThan(IPOPO, 1), Unit.BYTES),
        Case("start-all", "the same, iPOPO with its configuration and event admin: time"),
        Case("start-all-rss", "the same: resident memory", unit=Unit.BYTES),
        Case("gateway", "`gatewright run` with keystore and SCEP: time to ready", AtMost(0.6)),
        Case("gateway-rss", "`gatewright run` with keystore and SCEP: resident memory", AtMost(50 * 2**20), Unit.BYTES),
        Case("status", "`gatewright status`, the whole command", AtMost(0.08)),
    ),
    sides=(OURS, IPOPO, *JVM_PEERS),
    measure=_measure,
    rounds=3,
    notes=(
        (
            "From the start of the process; the state directory is there already. "
            "Ours is a whole gateway with its store, sealing, configuration and event admin. "
            "Felix and Equinox have a service listener in place of a component."
        ),
    ),
)
