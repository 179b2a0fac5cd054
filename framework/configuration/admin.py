"""The configuration admin (Compendium R8 104): validates, stores, delivers, and answers what came of it."""

from __future__ import annotations

import concurrent.futures
import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from framework.configuration import planning
from framework.configuration.catalogue import ConfigurationType, factory_pid_of, instance_name_of
from framework.configuration.errors import ConfigurationError
from framework.configuration.files import FileProblem
from framework.configuration.planning import Layers, Origin, Plan, PlannedEffect, Properties
from framework.configuration.store import StoredConfiguration

if TYPE_CHECKING:
    from concurrent.futures import Future

    from framework.configuration.catalogue import DescriptorCatalogue
    from framework.configuration.files import ConfigurationDirectory, FileConfiguration
    from framework.configuration.store import ConfigurationStore
    from metatype import Problem

_log = logging.getLogger("framework.configuration")

DELIVERY_TIMEOUT_S: Final = 10.0
"""How long a call waits, unless told otherwise, until the component has taken what was stored."""


@dataclass(frozen=True, slots=True)
class ConfigurationEvent:
    """A change that is stored and is to be taken by a component.

    Attributes:
        factory_pid: The factory pid if `pid` is an instance's, else None.
        current: All properties as they are now, or None if there is no configuration (any more).
        revision: Grows with every change; of two events for a pid the higher one is the later.
    """

    pid: str
    factory_pid: str | None
    current: Properties | None
    revision: int


@dataclass(frozen=True, slots=True)
class DeliveryOutcome:
    """What a component did with a change; `outcome` as in `UpdateResult`."""

    outcome: str
    error: str | None


@dataclass(frozen=True, slots=True)
class Configuration:
    """A configuration as it is now.

    Attributes:
        name: The instance's name if it is one of a factory, else None.
        revision: The store's revision at its last change; 0 if nothing is stored.
        properties: All properties, typed, defaults filled.
        origins: The layer that each property comes from.
    """

    pid: str
    factory_pid: str | None
    name: str | None
    revision: int
    properties: Properties
    origins: Mapping[str, Origin]


@dataclass(frozen=True, slots=True)
class UpdateResult:
    """What came of an update.

    Attributes:
        outcome: "unchanged" (nothing differed, nothing was stored or delivered), "modified", "activated",
            "reactivated", "bootstrapped", "created", "deleted", "failed" (it is stored, but the component raised),
            or "stored" (it is stored, but no active component has taken it yet).
        error: What the component raised, or why nobody has taken it, or None.
        revision: The store's revision.
    """

    pid: str
    revision: int
    outcome: str
    error: str | None


Delivery = Callable[[ConfigurationEvent], "Future[DeliveryOutcome]"]


class ConfigurationAdmin:
    """Configurations by pid, in layers: metatype defaults, then files, then what was stored.

    Args:
        store: Keeps what is stored.
        files: The directory of configuration files, or None.
        catalogue: The pids that are known.
        delivery: Hands a change to whoever runs the component; called in the order of the changes.
    """

    def __init__(
        self,
        store: ConfigurationStore,
        files: ConfigurationDirectory | None,
        catalogue: DescriptorCatalogue,
        delivery: Delivery,
    ) -> None:
        self._store = store
        self._files = files
        self._catalogue = catalogue
        self._delivery = delivery
        self._lock = threading.Lock()
        self._stored = store.load()
        self._file_layers: Mapping[str, Properties] = MappingProxyType({})
        self._file_problems: tuple[FileProblem, ...] = ()

    @property
    def file_problems(self) -> tuple[FileProblem, ...]:
        """What is wrong with configuration files; each names the file and what to do."""
        return self._file_problems

    def pids(self) -> tuple[str, ...]:
        """The pids of all configurations that there are: every known singleton, and the instances of factories."""
        configured = self._stored.keys() | self._file_layers.keys()
        instances = {pid for pid in configured if factory_pid_of(pid) and self._catalogue.get(pid)}
        return tuple(sorted(instances.union(self._catalogue.singletons())))

    def kind_of(self, pid: str) -> ConfigurationType:
        """What a pid's configuration may be.

        Raises:
            ConfigurationError: The pid is not known.
        """
        return self._known(pid)

    def get(self, pid: str) -> Configuration:
        """The configuration of a pid.

        Raises:
            ConfigurationError: The pid is not known, or what is configured for it is not valid.
        """
        kind = self._known(pid)
        if pid not in self.pids():
            raise ConfigurationError(pid, f"there is no such configuration; make it with: config set {pid} KEY=VALUE")
        layers = self._layers(pid)
        problems = planning.problems_of(kind, layers.merged())
        if problems:
            raise ConfigurationError(pid, "what is configured is not valid:", problems)
        properties = planning.effective(kind, pid, layers)
        return Configuration(
            pid,
            factory_pid_of(pid),
            instance_name_of(pid),
            self._revision(pid),
            properties,
            MappingProxyType(planning.origins(properties, layers)),
        )

    def plan(self, pid: str, properties: Properties, *, replace: bool = False) -> Plan:
        """What `update` with the same arguments would do; its `problems` say why it would be refused.

        Raises:
            ConfigurationError: The pid is not known.
        """
        kind = self._known(pid)
        exists = pid in self.pids()
        return planning.plan(kind, pid, self._layers(pid), properties, exists=exists, replace=replace)

    def update(
        self,
        pid: str,
        properties: Properties,
        *,
        replace: bool = False,
        timeout: float = DELIVERY_TIMEOUT_S,
    ) -> UpdateResult:
        """Store properties and have the component take them; only what differs is stored and delivered.

        The properties are merged into what is stored; None for a value removes it, so that the file's or the
        default value holds again. When this returns, the change is durable.

        Args:
            pid: A singleton's pid, or `factoryPid~name`, which is made if it is not there.
            properties: Texts or typed values; `{"$unchanged": true}` keeps a secret as it is.
            replace: Store these properties and no others, as OSGi's `update` does.
            timeout: How long to wait for the component, in seconds.

        Raises:
            ConfigurationError: The pid is not known, or properties are not valid: `.problems` has everything that is
                wrong. Nothing is stored then.
        """
        with self._lock:
            planned = self.plan(pid, properties, replace=replace)
            if planned.problems:
                raise ConfigurationError(pid, "is not accepted, nothing was changed:", planned.problems)
            if planned.effect is PlannedEffect.UNCHANGED and planned.stored == self._layers(pid).stored:
                return UpdateResult(pid, self._revision(pid), "unchanged", None)
            revision = self._save(pid, planned.stored)
            if planned.effect is PlannedEffect.UNCHANGED:
                return UpdateResult(pid, revision, "unchanged", None)
            delivered = self._deliver(pid, revision)
        created = planned.effect is PlannedEffect.CREATE
        return _result(pid, revision, delivered, timeout, created=created)

    def delete(self, pid: str, *, timeout: float = DELIVERY_TIMEOUT_S) -> UpdateResult:
        """Remove what is stored for a pid; a factory instance that no file has either is gone then.

        Raises:
            ConfigurationError: The pid is not known, or nothing is stored for it.
        """
        with self._lock:
            self._known(pid)
            if pid not in self._stored:
                raise ConfigurationError(pid, "nothing is stored for it, so there is nothing to delete")
            revision = self._save(pid, None)
            delivered = self._deliver(pid, revision)
        return _result(pid, revision, delivered, timeout, created=False)

    def load_files(self) -> None:
        """Read the configuration files; what is wrong with them is in `file_problems`, and keeps nothing else out."""
        if self._files is None:
            return
        found, problems = self._files.read()
        layers: dict[str, dict[str, Any]] = {}
        for one in found:
            problem = self._file_problem(one)
            if problem is None:
                layers.setdefault(one.pid, {}).update(one.properties)
            else:
                problems.append(problem)
        with self._lock:
            self._file_layers = MappingProxyType(
                {pid: MappingProxyType(self._typed(pid, layer)) for pid, layer in layers.items()}
            )
            self._file_problems = tuple(problems)
        for problem in problems:
            _log.error("%s", problem)

    def deliver_all(self) -> tuple[Future[DeliveryOutcome], ...]:
        """Hand every configuration to its component, as a gateway does when it starts."""
        with self._lock:
            return tuple(self._deliver(pid, self._revision(pid)) for pid in self.pids())

    def _known(self, pid: str) -> ConfigurationType:
        kind = self._catalogue.get(pid)
        if kind is None:
            known = "".join(f"\n  {one}" for one in self._catalogue.known()) or " none"
            raise ConfigurationError(pid, f"no component has this pid; known are:{known}")
        return kind

    def _layers(self, pid: str) -> Layers:
        stored = self._stored.get(pid)
        empty: Properties = MappingProxyType({})
        return Layers(self._file_layers.get(pid, empty), empty if stored is None else stored.properties)

    def _revision(self, pid: str) -> int:
        stored = self._stored.get(pid)
        return 0 if stored is None else stored.revision

    def _save(self, pid: str, properties: Properties | None) -> int:
        revision = self._store.save(pid, properties)
        others = {other: stored for other, stored in self._stored.items() if other != pid}
        if properties is not None:
            others[pid] = StoredConfiguration(pid, revision, MappingProxyType(dict(properties)))
        self._stored = others
        return revision

    def _deliver(self, pid: str, revision: int) -> Future[DeliveryOutcome]:
        kind = self._known(pid)
        layers = self._layers(pid)
        current: Properties | None = None
        problems: tuple[Problem, ...] = ()
        if pid in self.pids():
            problems = planning.problems_of(kind, layers.merged())
            current = None if problems else planning.effective(kind, pid, layers)
        for problem in problems:
            _log.error("%s is not configured as it must be: %s", pid, problem)
        return self._delivery(ConfigurationEvent(pid, factory_pid_of(pid), current, revision))

    def _file_problem(self, one: FileConfiguration) -> FileProblem | None:
        kind = self._catalogue.get(one.pid)
        if kind is None:
            return FileProblem(one.path, one.pid, "no component has this pid; it is kept for when one comes")
        wrong = [problem for problem in planning.problems_of(kind, one.properties) if problem.rule != "required"]
        if not wrong:
            return None
        return FileProblem(one.path, one.pid, "is not used: " + "; ".join(map(str, wrong)))

    def _typed(self, pid: str, layer: Properties) -> Properties:
        kind = self._catalogue.get(pid)
        return layer if kind is None else planning.coerced(kind, layer)


def _result(
    pid: str, revision: int, delivered: Future[DeliveryOutcome], timeout: float, *, created: bool
) -> UpdateResult:
    try:
        taken = delivered.result(timeout)
    except concurrent.futures.TimeoutError:
        return UpdateResult(
            pid,
            revision,
            "stored",
            f"the component has not taken it within {timeout:g} s; it will when it can",
        )
    outcome = "created" if created and taken.outcome == "activated" else taken.outcome
    return UpdateResult(pid, revision, outcome, taken.error)
