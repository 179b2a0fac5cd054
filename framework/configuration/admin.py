"""The configuration admin (Compendium R8 104): validates, stores, delivers, and answers what came of it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, cast

from framework.configuration import file_layers, planning
from framework.configuration.catalogue import ConfigurationType, factory_pid_of, instance_name_of
from framework.configuration.configurations import Configurations
from framework.configuration.delivery import Deliveries, Delivery
from framework.configuration.errors import (
    ConfigurationBatchError,
    ConfigurationConflictError,
    ConfigurationError,
    ConfigurationStoreError,
)
from framework.configuration.event import ConfigurationEvent, DeliveryOutcome
from framework.configuration.importing import NotTaken, changes_from
from framework.configuration.planning import Plan, PlannedEffect, Properties
from framework.configuration.results import (
    BatchPlan,
    BatchResult,
    Change,
    Configuration,
    ReloadResult,
    UpdateResult,
)
from framework.configuration.store import StoredConfiguration
from framework.configuration.under_way import UnderWay, answers
from framework.log_events import FILES_NOT_REMEMBERED, FILES_PROBLEM, FILES_UNSEALED

if TYPE_CHECKING:
    from concurrent.futures import Future

    from framework.configuration.catalogue import DescriptorCatalogue
    from framework.configuration.file_layers import FileReading, Remembered
    from framework.configuration.files import ConfigurationDirectory, FileProblem
    from framework.configuration.history import Revision
    from framework.configuration.store import ConfigurationStore
    from framework.execution import Activity, MailboxWatch, Pool
    from framework.registry import ServiceRegistry

_log = logging.getLogger("framework.configuration")

DELIVERY_TIMEOUT_S: Final = 10.0
"""How long a call waits, unless told otherwise, until the components have taken what was stored."""


class ConfigurationAdmin:
    """Configurations by pid, in layers: metatype defaults, then files, then what was stored.

    Args:
        store: Keeps what is stored.
        files: The directory of configuration files, or None.
        catalogue: The pids that are known.
        delivery: Hands a change to whoever runs the component; called in the order of the changes.
        registry: Where `ConfigurationPlugin` and `ConfigurationListener` services are looked for, if anywhere.
        activity: Counts what is under way, if somebody wants to know.
        watch: Makes what gives the pool, on which they run, another thread for one that hangs, if anything does.
    """

    def __init__(
        self,
        store: ConfigurationStore,
        files: ConfigurationDirectory | None,
        catalogue: DescriptorCatalogue,
        delivery: Delivery,
        *,
        registry: ServiceRegistry | None = None,
        activity: Activity | None = None,
        watch: Callable[[Pool], MailboxWatch] | None = None,
    ) -> None:
        self._store = store
        self._files = files
        self._catalogue = catalogue
        self._deliveries = Deliveries(delivery, registry, activity, watch)
        self._lock = threading.Lock()
        self._reading_lock = threading.Lock()
        self._now = Configurations(catalogue, store.load(), store.read_only())
        self._last_revision = store.revision
        self._notices = store.notices()
        self._file_problems: tuple[FileProblem, ...] = ()
        self._remembered: Remembered = store.remembered_files() if files is not None else {}

    def close(self) -> None:
        """Let go of the threads for configuration plugins and listeners."""
        self._deliveries.close()

    @property
    def file_problems(self) -> tuple[FileProblem, ...]:
        """What is wrong with configuration files; each names the file and what to do."""
        return self._file_problems

    @property
    def revision(self) -> int:
        """The number of the last change of what is stored; 0 if there was none."""
        return self._last_revision

    def pids(self) -> tuple[str, ...]:
        """The pids of all configurations that there are: every known singleton, and the instances of factories."""
        return self._now.pids()

    def kind_of(self, pid: str) -> ConfigurationType:
        """What a pid's configuration may be.

        Raises:
            ConfigurationError: The pid is not known.
        """
        return self._now.known(pid)

    def get(self, pid: str) -> Configuration:
        """The configuration of a pid.

        Raises:
            ConfigurationError: The pid is not known, or what is configured for it is not valid.
        """
        kind = self._now.known(pid)
        if not self._now.exists(kind, pid):
            raise ConfigurationError(pid, f"there is no such configuration; make it with: config set {pid} KEY=VALUE")
        layers = self._now.layers_of(pid)
        problems = planning.problems_of(kind, layers.merged())
        if problems:
            raise ConfigurationError(pid, "what is configured is not valid:", problems)
        properties = planning.effective(kind, pid, layers)
        return Configuration(
            pid,
            factory_pid_of(pid),
            instance_name_of(pid),
            self._now.revision_of(pid),
            properties,
            MappingProxyType(planning.origins(properties, layers)),
            pid in self._now.read_only,
        )

    def stored(self, revision: int | str | None = None) -> Mapping[str, Properties]:
        """The stored layers by pid, now (None) or at a revision or snapshot.

        Raises:
            UnknownRevisionError: There is no such revision or snapshot (any more).
        """
        state = dict(self._now.stored) if revision is None else self._store.state_at(revision)[1]
        return MappingProxyType({pid: one.properties for pid, one in sorted(state.items())})

    def file_of(self, pid: str, name: str) -> str | None:
        """The name of the configuration file that a property's value in the layer of files comes from, or None."""
        files = self._remembered
        return next((file for file in sorted(files, reverse=True) if name in files[file].get(pid, {})), None)

    def plan(self, pid: str, properties: Properties, *, replace: bool = False) -> Plan:
        """What `update` with the same arguments would do; its `problems` say why it would be refused.

        Raises:
            ConfigurationError: The pid is not known.
        """
        self._now.known(pid)
        return self._now.plan(Change(pid, properties, replace))

    def plan_batch(self, changes: Iterable[Change] | Mapping[str, Properties | None]) -> BatchPlan:
        """What `apply` with the same changes would do; its `problems` say why it would be refused."""
        with self._lock:
            return BatchPlan(self._now.plans(_as_changes(changes)), {})

    def plan_rollback(self, revision: int | str) -> BatchPlan:
        """What `rollback` to the same revision would do.

        Raises:
            UnknownRevisionError: There is no such revision or snapshot (any more).
        """
        with self._lock:
            _, then = self._store.state_at(revision)
            changes, left = self._now.way_back(then)
            return BatchPlan(self._now.plans(changes), left)

    def update(
        self,
        pid: str,
        properties: Properties,
        *,
        replace: bool = False,
        if_revision: int | None = None,
        timeout: float = DELIVERY_TIMEOUT_S,
    ) -> UpdateResult:
        """Store properties and have the component take them; only what differs is stored and delivered.

        The properties are merged into what is stored; None for a value removes it, so that the file's or the
        default value holds again. When this returns, the change is durable.

        Args:
            pid: A singleton's pid, or `factoryPid~name`, which is made if it is not there.
            properties: Texts or typed values; `{"$unchanged": true}` keeps a secret as it is. Keys compare without
                case.
            replace: Store these properties and no others, as OSGi's `update` does.
            if_revision: Refuse unless the configuration is at this revision (0: nothing is stored).
            timeout: How long to wait for the component, in seconds.

        Raises:
            ConfigurationError: The pid is not known, or properties are not valid: `.problems` has everything that is
                wrong. Nothing is stored then.
            ConfigurationConflictError: It is at another revision.
            ConfigurationStoreError: It could not be stored; what was stored before still is.
        """
        self._now.known(pid)
        return self._do_one(Change(pid, properties, replace, if_revision), timeout)

    def delete(self, pid: str, *, if_revision: int | None = None, timeout: float = DELIVERY_TIMEOUT_S) -> UpdateResult:
        """Remove what is stored for a pid; a factory instance that no file has either is gone then.

        Raises:
            ConfigurationError: The pid is not known, or nothing is stored for it.
            ConfigurationConflictError: It is at another revision than `if_revision`.
            ConfigurationStoreError: It could not be stored; what was stored before still is.
        """
        self._now.known(pid)
        return self._do_one(Change(pid, None, if_revision=if_revision), timeout)

    def apply(
        self,
        changes: Iterable[Change] | Mapping[str, Properties | None],
        *,
        if_revision: int | None = None,
        cause: str = "apply",
        timeout: float = DELIVERY_TIMEOUT_S,
    ) -> BatchResult:
        """Do all changes of a batch, or none; factory instances are created and deleted with it.

        Args:
            changes: What to do, or properties by pid (None deletes what is stored for it).
            if_revision: Refuse unless the store is at this revision (`revision`); None: whatever it is.
            cause: What the history says about it.
            timeout: How long to wait for all components together, in seconds.

        Raises:
            ConfigurationBatchError: `.problems_by_pid` has everything that is wrong, of all pids. Nothing was done.
            ConfigurationConflictError: The store is at another revision.
            ConfigurationStoreError: It could not be stored; what was stored before still is.
        """
        wanted = _as_changes(changes)
        with self._lock:
            if if_revision not in (None, self._last_revision):
                raise ConfigurationConflictError("the store", int(if_revision or 0), self._last_revision)
            started = self._start(wanted, cause)
            revision = self._last_revision
        return BatchResult(revision, answers(started, timeout), {})

    def changes_from_kura(
        self, data: bytes, source: str, table: Mapping[str, str | None]
    ) -> tuple[tuple[Change, ...], tuple[NotTaken, ...]]:
        """The batch that a Kura or ESF snapshot means here, and what of it cannot be taken.

        Args:
            data: The snapshot.
            source: What it is called.
            table: Our pid, or factory pid, for one of Kura's; None leaves it out. What is not in it keeps its pid.

        Raises:
            KuraSnapshotError: It is no snapshot.
        """
        from framework.configuration.kura_snapshot import read_snapshot  # noqa: PLC0415  # few gateways ever need it

        changes, not_taken = changes_from(read_snapshot(data, source), table, self._catalogue.get)
        with self._lock:
            refused = {one.pid: one.problems for one in self._now.plans(changes) if one.problems}
        left = [NotTaken(pid, None, "; ".join(map(str, problems))) for pid, problems in refused.items()]
        return tuple(one for one in changes if one.pid not in refused), (*not_taken, *left)

    def rollback(self, revision: int | str, *, timeout: float = DELIVERY_TIMEOUT_S) -> BatchResult:
        """Store again what was stored at a revision or snapshot; only what differs is touched.

        Pids that no component has now are left as they are.

        Raises:
            UnknownRevisionError: There is no such revision or snapshot (any more).
            ConfigurationBatchError: What was stored then is not valid any more, or a pid is read-only.
            ConfigurationStoreError: It could not be stored; what was stored before still is.
        """
        with self._lock:
            number, then = self._store.state_at(revision)
            changes, left = self._now.way_back(then)
            started = self._start(changes, f"rollback to {number}")
            now = self._last_revision
        return BatchResult(now, answers(started, timeout), left)

    def history(self) -> tuple[Revision, ...]:
        """The revisions that one can go back to, newest first."""
        return self._store.history()

    def add_snapshot(self, name: str, revision: int | str | None = None) -> int:
        """Give a revision (None: the last) a name, which keeps it from being pruned; its number.

        Raises:
            UnknownRevisionError: There is no such revision, or the name is none.
        """
        return self._store.add_snapshot(name, revision)

    def remove_snapshot(self, name: str) -> None:
        """Take a name away; UnknownRevisionError if there is none."""
        self._store.remove_snapshot(name)

    def set_read_only(self, pid: str, read_only: bool) -> None:
        """Keep a configuration from being updated and deleted (104.4.1, READ_ONLY), or no more; ConfigurationError."""
        kind = self._now.known(pid)
        if not self._now.exists(kind, pid):
            raise ConfigurationError(pid, "there is no such configuration")
        with self._lock:
            self._store.set_read_only(pid, read_only)
            self._now.read_only = self._now.read_only | {pid} if read_only else self._now.read_only - {pid}

    @property
    def notices(self) -> tuple[str, ...]:
        """What was repaired in the store and not yet acknowledged, oldest first."""
        return self._notices

    def acknowledge(self) -> None:
        """Tell the notices no more."""
        self._store.acknowledge()
        self._notices = ()

    def load_files(self) -> None:
        """Read the configuration files; what is wrong with them is in `file_problems`, and keeps nothing else out."""
        self._read_files(deliver=False)

    def reload(self, *, timeout: float = DELIVERY_TIMEOUT_S) -> ReloadResult:
        """Read the configuration files again and have the components take what differs.

        A file that cannot be used is reported, and what it said before holds.
        """
        started = self._read_files(deliver=True)
        return ReloadResult(answers(started, timeout), self._file_problems)

    def deliver_all(self, only: Collection[str] | None = None) -> Mapping[str, Future[DeliveryOutcome]]:
        """Hand every configuration to its component, as a gateway does when it starts.

        Args:
            only: Pids and factory pids that have just become known, if it is about those alone.

        Returns:
            By pid, what is done when the component has taken it.
        """
        with self._lock:
            pids = [pid for pid in self.pids() if only is None or (factory_pid_of(pid) or pid) in only]
            return {pid: self._deliver(pid, self._now.revision_of(pid)) for pid in pids}

    def _do_one(self, change: Change, timeout: float) -> UpdateResult:
        with self._lock:
            actual = self._now.revision_of(change.pid)
            if change.if_revision not in (None, actual):
                raise ConfigurationConflictError(change.pid, int(change.if_revision or 0), actual)
            try:
                started = self._start((change,), "delete" if change.properties is None else "update")
            except ConfigurationBatchError as error:
                absent = next((one.message for one in error.problems if one.rule == "absent"), None)
                message = absent or "is not accepted, nothing was changed:"
                raise ConfigurationError(change.pid, message, () if absent else error.problems) from None
        return answers(started, timeout)[0]

    def _start(self, changes: tuple[Change, ...], cause: str) -> list[UnderWay]:
        """Store a batch and hand it over; under the lock."""
        plans = self._now.plans(changes)
        problems = {one.pid: one.problems for one in plans if one.problems}
        if problems:
            raise ConfigurationBatchError(problems)
        differing = {
            one.pid: one.stored for one in plans if one.stored is None or not self._now.is_stored(one.pid, one.stored)
        }
        new = {one.pid for one in plans if not self._now.is_configured(one.pid)}
        if differing:
            self._save(differing, cause)
        started = []
        for plan in plans:
            taken = None
            # A component may wait for a configuration, whatever stands in it (112.5.7, policy "require").
            if plan.effect is not PlannedEffect.UNCHANGED or plan.stored is None or plan.pid in new:
                taken = self._deliver(plan.pid, self._last_revision)
            revision = self._last_revision if plan.pid in differing else self._now.revision_of(plan.pid)
            started.append(UnderWay(plan.pid, revision, taken, created=plan.effect is PlannedEffect.CREATE))
        return started

    def _save(
        self,
        changes: Mapping[str, Properties | None],
        cause: str,
        taken: Mapping[tuple[str, str], Any] | None = None,
    ) -> None:
        revision = self._store.commit(changes, cause, taken=taken)
        for pid, properties in changes.items():
            if properties is None:
                self._now.stored.pop(pid, None)
                self._now.read_only -= {pid}
            else:
                self._now.stored[pid] = StoredConfiguration(pid, revision, MappingProxyType(dict(properties)))
        self._last_revision = revision

    def _deliver(self, pid: str, revision: int) -> Future[DeliveryOutcome]:
        current = self._now.current(pid, log=True)
        configured = self._now.is_configured(pid)
        return self._deliveries.hand_over(
            ConfigurationEvent(pid, factory_pid_of(pid), current, revision, configured=configured)
        )

    def _read_files(self, *, deliver: bool) -> list[UnderWay]:
        if self._files is None:
            return []
        with self._reading_lock:
            reading = file_layers.read_layers(self._files, self._catalogue.get, self._remembered)
            with self._lock:
                started = self._take_files(reading, deliver=deliver)
                told, self._file_problems = self._file_problems, tuple(reading.problems)
            if reading.usable != self._remembered:
                self._remember(reading.usable)
        for problem in reading.problems:
            if problem not in told:
                _log.error(FILES_PROBLEM, {"problem": problem})
        return started

    def _take_files(self, reading: FileReading, *, deliver: bool) -> list[UnderWay]:
        """Make what files say the layer of files; under the lock."""
        file_layers.keep_valid(reading, self._now, self._catalogue.get, self._remembered)
        before = self._now.file_layers
        after = file_layers.frozen(reading.layers)
        changed = [pid for pid in sorted(before.keys() | after.keys()) if before.get(pid) != after.get(pid)]
        concerned = {*changed, *(pid for pid, _ in reading.plain_secrets)}
        current = {pid: (self._now.current(pid), self._now.is_configured(pid)) for pid in concerned}
        self._now.file_layers = after
        self._take_secrets(reading)
        if not deliver:
            return []
        started = []
        for pid in sorted(current):
            new = self._now.current(pid)
            was, was_configured = current[pid]
            if was_configured != self._now.is_configured(pid) or planning.difference(was or {}, new or {}):
                created = not was_configured and factory_pid_of(pid) is not None
                taken = self._deliver(pid, self._last_revision)
                started.append(UnderWay(pid, self._now.revision_of(pid), taken, created=created))
        return started

    def _take_secrets(self, reading: FileReading) -> None:
        """Seal secrets that stand in files into the store, once for each time that they change in the file."""
        taken: dict[tuple[str, str], Any] = {}
        changes: dict[str, dict[str, Any]] = {}
        try:
            for (pid, name), value in reading.plain_secrets.items():
                if self._store.taken_secret(pid, name) != value:
                    taken[pid, name] = value
                    changes.setdefault(pid, dict(self._now.layers_of(pid).stored))[name] = value
            if changes:
                self._save(changes, "secrets of configuration files", taken)
        except ConfigurationStoreError as error:
            _log.error(FILES_UNSEALED, {"error": error})  # the cause is in the message

    def _remember(self, usable: Remembered) -> None:
        try:
            self._store.remember_files(usable)
        except ConfigurationStoreError as error:
            _log.error(FILES_NOT_REMEMBERED, {"error": error})  # the cause is in the message
        self._remembered = usable


def _as_changes(changes: Iterable[Change] | Mapping[str, Properties | None]) -> tuple[Change, ...]:
    if isinstance(changes, Mapping):
        by_pid = cast("Mapping[str, Properties | None]", changes)  # no iterable of changes is a mapping
        return tuple(Change(pid, properties) for pid, properties in by_pid.items())
    return tuple(changes)
