"""What passes between the configuration admin and whoever runs the components."""

from __future__ import annotations

from typing import TYPE_CHECKING

from framework.record import Record

if TYPE_CHECKING:
    from framework.configuration.planning import Properties


class ConfigurationEvent(Record):
    """A change that is stored and is to be taken by a component.

    Attributes:
        factory_pid: The factory pid if `pid` is an instance's, else None.
        current: All properties as they are now, or None if there is no configuration (any more).
        revision: Grows with every change; of two events for a pid the higher one is the later.
        configured: Whether a file or the store has a configuration, be it empty; otherwise `current` is what defaults
            say.
    """

    pid: str
    factory_pid: str | None
    current: Properties | None
    revision: int
    configured: bool = True


class DeliveryOutcome(Record):
    """What a component did with a change; `outcome` as in `UpdateResult`."""

    outcome: str
    error: str | None
