"""All configurations as they are now, and what changes would make of them; nothing is changed or stored here."""

from __future__ import annotations

import logging
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from framework.configuration import planning
from framework.configuration.catalogue import ConfigurationType, factory_pid_of
from framework.configuration.errors import ConfigurationError
from framework.configuration.planning import Layers, Plan, PlannedEffect, Properties
from framework.configuration.results import Change
from framework.log_events import CONFIGURATION_INVALID
from metatype import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from framework.configuration.catalogue import DescriptorCatalogue
    from framework.configuration.store import StoredConfiguration

_log = logging.getLogger("framework.configuration")

NOTHING: Final[Properties] = MappingProxyType({})
_READ_ONLY: Final = "is read-only; allow changes first, with: gatewright config unlock"


class Configurations:
    """The stored and the file layers of all pids, and the rules that say what they mean.

    The admin owns one and changes it under its lock; single pids are read without.

    Args:
        catalogue: The pids that are known.
        stored: The stored layers by pid.
        read_only: The pids that cannot be changed.
    """

    def __init__(
        self, catalogue: DescriptorCatalogue, stored: dict[str, StoredConfiguration], read_only: frozenset[str]
    ) -> None:
        self._catalogue = catalogue
        self.stored = stored
        self.file_layers: Mapping[str, Properties] = NOTHING
        self.read_only = read_only

    def pids(self) -> tuple[str, ...]:
        """Every known singleton, and the instances of factories."""
        configured = dict(self.stored).keys() | self.file_layers.keys()
        instances = {pid for pid in configured if factory_pid_of(pid) and self._catalogue.get(pid)}
        return tuple(sorted(instances.union(self._catalogue.singletons())))

    def known(self, pid: str) -> ConfigurationType:
        """What a pid's configuration may be; ConfigurationError if it is not known."""
        kind = self._catalogue.get(pid)
        if kind is None:
            raise ConfigurationError(pid, self._unknown_message())
        return kind

    def _unknown_message(self) -> str:
        known = "".join(f"\n  {one}" for one in self._catalogue.known()) or " none"
        return f"no component has this pid; known are:{known}"

    def exists(self, kind: ConfigurationType, pid: str) -> bool:
        """Whether there is such a configuration; of a singleton there always is."""
        return not kind.factory or pid in self.stored or pid in self.file_layers

    def layers_of(self, pid: str) -> Layers:
        """What files and the store say about a pid."""
        stored = self.stored.get(pid)
        return Layers(self.file_layers.get(pid, NOTHING), NOTHING if stored is None else stored.properties)

    def revision_of(self, pid: str) -> int:
        """The revision of the last change of what is stored for a pid; 0 if nothing is."""
        stored = self.stored.get(pid)
        return 0 if stored is None else stored.revision

    def is_configured(self, pid: str) -> bool:
        """Whether a file or the store has a configuration, be it empty."""
        return pid in self.stored or pid in self.file_layers

    def is_stored(self, pid: str, properties: Properties) -> bool:
        """Whether exactly these properties are stored."""
        return pid in self.stored and not planning.difference(self.stored[pid].properties, properties)

    def current(self, pid: str, *, log: bool = False) -> Properties | None:
        """All properties of a pid, or None if there is no configuration, or none that is valid."""
        kind = self._catalogue.get(pid)
        if kind is None or not self.exists(kind, pid):
            return None
        layers = self.layers_of(pid)
        problems = planning.problems_of(kind, layers.merged())
        for problem in problems if log else ():
            _log.error(CONFIGURATION_INVALID, {"pid": pid, "problem": problem})
        return None if problems else planning.effective(kind, pid, layers)

    def plans(self, changes: tuple[Change, ...]) -> tuple[Plan, ...]:
        """What each change of a batch would do."""
        found: dict[str, Plan] = {}
        for change in changes:
            plan = self.plan(change)
            if change.pid in found:
                message = "is in the batch twice; put its changes together"
                plan = _refused(change.pid, (*found[change.pid].problems, Problem("service.pid", "unique", message)))
            found[change.pid] = plan
        return tuple(found.values())

    def plan(self, change: Change) -> Plan:
        """What a change would do, or why it would be refused."""
        pid = change.pid
        kind = self._catalogue.get(pid)
        if kind is None:
            return _refused(pid, (Problem("service.pid", "unknown", self._unknown_message()),))
        blocks = tuple(self._blocks(change))
        if change.properties is None:
            if blocks:
                return _refused(pid, blocks)
            return planning.plan_delete(kind, pid, self.layers_of(pid), in_files=pid in self.file_layers)
        exists = self.exists(kind, pid)
        plan = planning.plan(kind, pid, self.layers_of(pid), change.properties, exists=exists, replace=change.replace)
        return _refused(pid, (*blocks, *plan.problems)) if blocks else plan

    def _blocks(self, change: Change) -> Iterable[Problem]:
        """What keeps a change from being made, whatever it is."""
        actual = self.revision_of(change.pid)
        if change.if_revision not in (None, actual):
            message = f"was to be changed from revision {change.if_revision}, but is at revision {actual}"
            yield Problem("service.pid", "revision", message, change.if_revision, str(actual))
        if change.pid in self.read_only:
            yield Problem("service.pid", "read-only", f"{_READ_ONLY} {change.pid}")
        if change.properties is None and change.pid not in self.stored:
            yield Problem("service.pid", "absent", "nothing is stored for it, so there is nothing to delete")

    def way_back(self, then: Mapping[str, StoredConfiguration]) -> tuple[tuple[Change, ...], dict[str, str]]:
        """The changes after which the store holds what it held then, and which pids cannot be changed, with reasons."""
        changes: list[Change] = []
        left: dict[str, str] = {}
        for pid in sorted(then.keys() | self.stored.keys()):
            if pid in then and self.is_stored(pid, then[pid].properties):
                continue
            if self._catalogue.get(pid) is None:
                left[pid] = "no component has this pid now"
            else:
                changes.append(Change(pid, then[pid].properties if pid in then else None, replace=True))
        return tuple(changes), left


def _refused(pid: str, problems: tuple[Problem, ...]) -> Plan:
    return Plan(pid, problems, (), PlannedEffect.UNCHANGED, None)
