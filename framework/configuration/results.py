"""What the configuration admin is told and answers."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from framework.configuration.files import FileProblem
    from framework.configuration.planning import Origin, Plan, Properties
    from metatype import Problem


class ChangeKind(enum.StrEnum):
    """What happened to a configuration (Compendium R8 104.5.3.2)."""

    UPDATED = "CM_UPDATED"
    DELETED = "CM_DELETED"


@dataclass(frozen=True, slots=True)
class ConfigurationNotice:
    """What listeners are told after the component has taken a change.

    Attributes:
        kind: Whether there is a configuration now, or none (any more).
        factory_pid: The factory pid if `pid` is an instance's, else None.
        revision: The store's revision of the change.
        outcome: What the component did, as in `UpdateResult`.
    """

    kind: ChangeKind
    pid: str
    factory_pid: str | None
    revision: int
    outcome: str


@dataclass(frozen=True, slots=True)
class Configuration:
    """A configuration as it is now.

    Attributes:
        name: The instance's name if it is one of a factory, else None.
        revision: The store's revision at its last change; 0 if nothing is stored.
        properties: All properties, typed, defaults filled.
        origins: The layer that each property comes from.
        read_only: Whether it can be neither updated nor deleted.
    """

    pid: str
    factory_pid: str | None
    name: str | None
    revision: int
    properties: Properties
    origins: Mapping[str, Origin]
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """What a batch is to do with one configuration.

    Attributes:
        properties: As for `ConfigurationAdmin.update`; None deletes what is stored.
        replace: Store these properties and no others.
        if_revision: Refuse unless the configuration is at this revision (0: nothing is stored); None: whatever it is.
    """

    pid: str
    properties: Properties | None
    replace: bool = False
    if_revision: int | None = None


@dataclass(frozen=True, slots=True)
class BatchPlan:
    """What a batch would do.

    Attributes:
        plans: One for each pid, in the batch's order.
        left: Pids that are left as they are, each with the reason.
    """

    plans: tuple[Plan, ...]
    left: Mapping[str, str]

    @property
    def problems(self) -> Mapping[str, tuple[Problem, ...]]:
        """Why it would be refused, by pid; empty if it would not."""
        return {one.pid: one.problems for one in self.plans if one.problems}


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


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What came of a batch.

    Attributes:
        revision: The store's revision; all changes of the batch have the same.
        results: One for each pid, in the batch's order.
        left: Pids that were left as they are, each with the reason.
    """

    revision: int
    results: tuple[UpdateResult, ...]
    left: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ReloadResult:
    """What came of reading the configuration files again.

    Attributes:
        results: One for each configuration that differs now.
        problems: What is wrong with the files.
    """

    results: tuple[UpdateResult, ...]
    problems: tuple[FileProblem, ...]
