"""Configuration: durable updates, the way from `update` to the component, and what the disk costs of that."""

from __future__ import annotations

import contextlib
import sqlite3
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from framework import ComponentContext, ConfigurationChange, component
from framework.testing import GatewayHarness
from tools.bench import ipopo
from tools.bench.measure import seconds_of
from tools.bench.model import OURS, AtMost, Case, Quotient, Suite
from tools.bench.peers import IPOPO

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tools.bench.model import Assignment, Samples

PIDS: Final = (1, 100, 1000)
UPDATES: Final = 200


class _Taken:
    """How many changes components have taken."""

    number = 0


@component("bench.Sensor", factory=True)
class Sensor:
    """A component of ours that takes changes in place."""

    def activate(self, _context: ComponentContext) -> None:
        """Be there."""

    def modified(self, _change: ConfigurationChange) -> None:
        """Count."""
        _Taken.number += 1


class _Admin(Protocol):
    """A configuration admin of one of the sides, with so many components configured."""

    def update(self, number: int, value: int) -> None:
        """Change a property of one component; returns when that is durable and the component has taken it."""
        ...


class _Ours:
    def __init__(self, harness: GatewayHarness) -> None:
        self._admin = harness.configuration_admin

    def apply(self, pids: int, value: int) -> None:
        """Change all components in one batch; returns when that is durable and all have taken it."""
        self._admin.apply({f"bench.Sensor~s{one}": _properties(value) for one in range(pids)})

    def update(self, number: int, value: int) -> None:
        outcome = self._admin.update(f"bench.Sensor~s{number}", _properties(value)).outcome
        if outcome != "modified":
            raise AssertionError(f"the update was {outcome}")


class _Ipopo:
    def __init__(self, configurations: list[Any]) -> None:
        self._configurations = configurations

    def update(self, number: int, value: int) -> None:
        self._configurations[number].update(_properties(value))


@contextlib.contextmanager
def _our_admin(pids: int, directory: Path) -> Iterator[_Admin]:
    conf = {f"bench.Sensor~s{one}": _properties(-1) for one in range(pids)}
    with GatewayHarness(components=[Sensor], conf=conf, state_directory=directory / "state") as harness:
        yield _Ours(harness)


@contextlib.contextmanager
def _ipopo_admin(pids: int, directory: Path) -> Iterator[_Admin]:
    from pelix.services import SERVICE_CONFIGADMIN_MANAGED, SERVICE_CONFIGURATION_ADMIN  # noqa: PLC0415  # may be missing

    class Managed:
        def updated(self, properties: dict[str, Any] | None) -> None:
            if properties:
                _Taken.number += 1

    with (
        contextlib.chdir(directory),  # it keeps its files in ./conf
        ipopo.framework(["pelix.ipopo.core", "pelix.services.configadmin"]) as context,
    ):
        admin = context.get_service(context.get_service_reference(SERVICE_CONFIGURATION_ADMIN))
        configurations = []
        for one in range(pids):
            context.register_service(SERVICE_CONFIGADMIN_MANAGED, Managed(), {"service.pid": f"bench.Sensor.{one}"})
            configurations.append(admin.get_configuration(f"bench.Sensor.{one}"))
            configurations[-1].update(_properties(-1))
        yield _Ipopo(configurations)


def _properties(value: int) -> dict[str, Any]:
    return {"rate": value, "unit": "°C", "label": "a sensor in the machine hall", "enabled": True}


def _measure(assignment: Assignment) -> Samples:
    make = _our_admin if assignment.side == OURS else _ipopo_admin
    found: dict[str, list[float]] = {}
    for pids in assignment.sizes(*PIDS):
        with (
            tempfile.TemporaryDirectory(dir=assignment.scratch) as directory,
            make(pids, Path(directory)) as admin,
            _raw_store(Path(directory)) as raw,
        ):
            found |= _push(admin, pids, raw, assignment)
            if isinstance(admin, _Ours):
                found[f"apply-{pids}"] = _apply(admin, pids, assignment)
    return found


def _apply(admin: _Ours, pids: int, assignment: Assignment) -> list[float]:
    """The time for each pid of batches that change all of them."""
    begin = _Taken.number
    values = [
        seconds_of(lambda: admin.apply(pids, 1_000_000 + turn)) / pids  # noqa: B023  # called at once
        for turn in range(assignment.values)
    ]
    if _Taken.number - begin != assignment.values * pids:
        raise AssertionError(f"{_Taken.number - begin} changes were taken instead of {assignment.values * pids}")
    return values


def _push(admin: _Admin, pids: int, raw: sqlite3.Connection, assignment: Assignment) -> dict[str, list[float]]:
    """One update after the other over all pids, and beside each of them a commit of the same size and nothing else."""
    turns = max(1, (20 if assignment.quick else UPDATES) // pids)
    updates, commits, begin = [], [], _Taken.number
    for turn in range(turns):
        for one in range(pids):
            updates.append(seconds_of(lambda: admin.update(one, turn)))  # noqa: B023  # called at once
            if assignment.side == OURS:
                commits.append(seconds_of(lambda: _commit(raw, one, turn)))  # noqa: B023  # called at once
    if _Taken.number - begin != turns * pids:
        raise AssertionError(f"{_Taken.number - begin} changes were taken instead of {turns * pids}")
    found = {f"push-{pids}": updates}
    if pids == 1:
        found |= {"update-p99": updates, "commit-p99": commits}
    if commits:
        found |= {f"commit-{pids}": commits}
    return found


@contextlib.contextmanager
def _raw_store(directory: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(directory / "raw.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE configuration (pid TEXT PRIMARY KEY, revision INTEGER, properties TEXT)")
    try:
        yield connection
    finally:
        connection.close()


def _commit(connection: sqlite3.Connection, number: int, value: int) -> None:
    connection.execute("BEGIN IMMEDIATE")
    row = (f"bench.Sensor~s{number}", value, str(_properties(value)))
    connection.execute("INSERT OR REPLACE INTO configuration VALUES (?, ?, ?)", row)
    connection.execute("COMMIT")


SUITE: Final = Suite(
    name="configuration",
    title="Configuration (time for each update)",
    rows=(
        Case("push-1", "`update` to `modified`, 1 pid", AtMost(0.005)),
        Case("push-100", "`update` to `modified`, each of 100 pids"),
        Case("push-1000", "`update` to `modified`, each of 1,000 pids"),
        Quotient("push-growth", "growth from 1 to 1,000", "push-1000", "push-1", AtMost(1.5)),
        Case("apply-1000", "one batch (`apply`) for 1,000 pids: each of them"),
        Case("commit-1", "of which disk: a raw SQLite commit (WAL, FULL)"),
        Case("commit-1000", "the same among 1,000 rows"),
        Case("update-p99", "99th percentile of `update` to `modified`, 1 pid", percentile=99),
        Case("commit-p99", "99th percentile of a raw SQLite commit", percentile=99),
        Quotient("p99-commit", "99th percentile ÷ median raw commit", "update-p99", "commit-1", AtMost(5)),
        Quotient("p99-p99", "99th percentile ÷ that of a raw commit", "update-p99", "commit-p99"),
    ),
    sides=(OURS, IPOPO),
    measure=_measure,
    notes=(
        (
            "Durable updates per second are 1 over the time for each. iPOPO's admin writes one JSON file for each pid "
            "and syncs the file, not its directory."
        ),
    ),
)
