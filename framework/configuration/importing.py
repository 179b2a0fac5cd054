"""From a Kura snapshot to changes of ours: pids by a table, and a report of what could not be taken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from framework.configuration import planning
from framework.configuration.catalogue import INSTANCE_SEPARATOR, STABLE_ID
from framework.configuration.results import Change

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from framework.configuration.catalogue import ConfigurationType
    from framework.configuration.kura_snapshot import KuraConfiguration

FACTORY_PID: Final = "service.factoryPid"


@dataclass(frozen=True, slots=True)
class NotTaken:
    """Something of a snapshot that is not imported.

    Attributes:
        pid: As the snapshot has it.
        property: The property, or None if it is the whole configuration.
        reason: Why; never shows a secret.
    """

    pid: str
    property: str | None
    reason: str

    def __str__(self) -> str:
        return f"{self.pid}{'' if self.property is None else f' {self.property}'}: not taken: {self.reason}"


def changes_from(
    snapshot: Iterable[KuraConfiguration],
    table: Mapping[str, str | None],
    kind_of: Callable[[str], ConfigurationType | None],
) -> tuple[tuple[Change, ...], tuple[NotTaken, ...]]:
    """What importing a snapshot would change, and what of it cannot be taken.

    Args:
        snapshot: The configurations.
        table: Our pid, or factory pid, for one of Kura's; None leaves it out. What is not in it keeps its pid.
        kind_of: What a pid's configuration may be; None if it is not known.
    """
    changes: dict[str, Change] = {}
    not_taken: list[NotTaken] = []
    for one in snapshot:
        pid = _our_pid(one, table)
        kind = None if pid is None else kind_of(pid)
        if pid is None:
            not_taken.append(NotTaken(one.pid, None, "the table leaves it out"))
        elif kind is None:
            not_taken.append(NotTaken(one.pid, None, f"no component has the pid {pid}"))
        elif pid in changes:
            not_taken.append(NotTaken(one.pid, None, f"another configuration became {pid} already"))
        else:
            not_taken.extend(NotTaken(one.pid, name, reason) for name, reason in one.unread.items())
            properties = dict(one.properties)
            for name in (FACTORY_PID, "service.pid"):
                properties.pop(name, None)
            wrong = [found for found in planning.problems_of(kind, properties) if found.property in properties]
            not_taken.extend(NotTaken(one.pid, problem.property, problem.message) for problem in wrong)
            for problem in wrong:
                properties.pop(problem.property, None)
            changes[pid] = Change(pid, properties)
    return tuple(changes.values()), tuple(not_taken)


def _our_pid(one: KuraConfiguration, table: Mapping[str, str | None]) -> str | None:
    if one.pid in table:
        return table[one.pid]
    factory_pid: Any = one.properties.get(FACTORY_PID)
    if not isinstance(factory_pid, str):
        return one.pid
    ours = table.get(factory_pid, factory_pid)
    return None if ours is None else f"{ours}{INSTANCE_SEPARATOR}{one.properties.get(STABLE_ID, one.pid)}"
