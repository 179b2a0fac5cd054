"""Changes that are stored and on their way to their components, and what came of them."""

from __future__ import annotations

import concurrent.futures
import contextlib
from typing import TYPE_CHECKING

from framework.configuration.results import UpdateResult
from framework.execution import Mailbox

if TYPE_CHECKING:
    from concurrent.futures import Future

    from framework.configuration.event import DeliveryOutcome


class UnderWay:
    """A change that is stored.

    Args:
        pid: Whose configuration it is.
        revision: The store's revision of that configuration.
        taken: Done when the component has taken it; None where nothing differs, so that nothing is handed over.
        created: Whether there was no such configuration before.
    """

    __slots__ = ("created", "pid", "revision", "taken")

    def __init__(self, pid: str, revision: int, taken: Future[DeliveryOutcome] | None, *, created: bool) -> None:
        self.pid = pid
        self.revision = revision
        self.taken = taken
        self.created = created


def answers(started: list[UnderWay], timeout: float) -> tuple[UpdateResult, ...]:
    """What the components did, as far as they have done it within `timeout` seconds, for all together.

    A component that asks in a callback is not waited for: it takes nothing before that callback has returned.
    """
    asking = Mailbox.current()
    own = None if asking is None else asking.name
    with contextlib.nullcontext() if asking is None else asking.awaiting_others():
        concurrent.futures.wait([one.taken for one in started if one.taken is not None and one.pid != own], timeout)
    return tuple(_answer(one, timeout, own) for one in started)


def _answer(one: UnderWay, timeout: float, own: str | None) -> UpdateResult:
    if one.taken is None:
        return UpdateResult(one.pid, one.revision, "unchanged", None)
    if not one.taken.done():
        late = f"the component has not taken it within {timeout:g} s; it will when it can"
        if one.pid == own:
            late = "the component takes it when the callback that changed it has returned"
        return UpdateResult(one.pid, one.revision, "stored", f"stored, not yet taken: {late}")
    taken = one.taken.result()
    outcome = "created" if one.created and taken.outcome == "activated" else taken.outcome
    return UpdateResult(one.pid, one.revision, outcome, taken.error)
