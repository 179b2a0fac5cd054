"""Starting cold: time and memory until one component is wired, and the budgets of a whole idle gateway."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Final

from tools.bench import jvm
from tools.bench.model import OURS, AtMost, Case, FasterThan, Suite, Unit
from tools.bench.peers import IPOPO, JVM_PEERS
from tools.bench.processes import cost, started

if TYPE_CHECKING:
    from tools.bench.model import Assignment, Samples

KEYSTORE: Final = "gatewright.keystore.FilesystemKeystore~EnrollmentKeystore"


def _measure(assignment: Assignment) -> Samples:
    found: dict[str, list[float]] = {}
    for key, argv in _programs(assignment).items():
        # The first start makes what later ones find: compiled modules, a state directory.
        for turn in range(assignment.values + 1):
            with started(argv, "ready", assignment, assignment.scratch) as (seconds, rss):
                if turn:
                    found.setdefault(key, []).append(seconds)
                    found.setdefault(f"{key}-rss", []).append(rss)
    if assignment.side == OURS:
        found["python"] = [cost([sys.executable, "-c", "pass"], assignment).wall_s for _ in range(assignment.values)]
        found |= _gateway(assignment)
    return found


def _programs(assignment: Assignment) -> dict[str, list[str]]:
    """The programs that say "ready" when their one component is wired, by case."""
    if assignment.side in JVM_PEERS:
        return {"start": jvm.command(assignment, "start")}
    if assignment.side == IPOPO:
        ipopo = [sys.executable, "-m", "tools.bench.programs.ipopo"]
        return {"start": ipopo, "start-all": [*ipopo, "pelix.services.configadmin", "pelix.services.eventadmin"]}
    state = assignment.scratch / "start-state"
    return {
        "start": [sys.executable, "-m", "tools.bench.programs.kernel"],
        "start-all": [sys.executable, "-m", "tools.bench.programs.gateway", str(state)],
    }


def _gateway(assignment: Assignment) -> dict[str, list[float]]:
    """A whole gateway: `gatewright run` with a keystore and the SCEP component, idle, and `gatewright status`."""
    state, conf = assignment.scratch / "gateway-state", assignment.scratch / "gateway-conf.d"
    conf.mkdir(exist_ok=True)
    (conf / "bench.json").write_text(json.dumps({KEYSTORE: {"keystore.path": "enrollment.p12"}}))
    gatewright = [sys.executable, "-m", "framework"]
    run = [*gatewright, "run", "--state-dir", str(state), "--conf-dir", str(conf)]
    found: dict[str, list[float]] = {"gateway": [], "gateway-rss": [], "status": []}
    for turn in range(assignment.values + 1):
        with started(run, " ready", assignment) as (seconds, rss):
            status = [*gatewright, "status", "--state-dir", str(state)]
            if turn:
                found["gateway"].append(seconds)
                found["gateway-rss"].append(rss)
                found["status"].append(cost(status, assignment).wall_s)
            else:
                cost(status, assignment)
    return found


SUITE: Final = Suite(
    name="start",
    title="Cold start",
    rows=(
        Case("python", "bare `python -c pass`, to judge the machine by"),
        Case("start", "a kernel with one component wired: time", FasterThan(IPOPO, 1)),
        Case("start-rss", "a kernel with one component wired: resident memory", FasterThan(IPOPO, 1), Unit.BYTES),
        Case("start-all", "a whole gateway with it, iPOPO with its configuration and event admin: time"),
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
            "A kernel is service registry, component runtime, events and time, as iPOPO's framework is; a whole "
            "gateway has a durable store, sealing, validated configuration and plugins, too. "
            "Felix and Equinox have a service listener in place of a component."
        ),
    ),
)
