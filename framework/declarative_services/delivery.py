"""What the sender of a configuration is told of what came of it."""

from __future__ import annotations

from concurrent.futures import Future
from typing import TYPE_CHECKING, Final

from framework.configuration.event import DeliveryOutcome
from framework.declarative_services.lifecycle import Effect, Phase

if TYPE_CHECKING:
    from framework.declarative_services.lifecycle import Answer

_OUTCOMES: Final = {
    Effect.UNCHANGED: "unchanged",
    Effect.MODIFIED: "modified",
    Effect.ACTIVATED: "activated",
    Effect.REACTIVATED: "reactivated",
    Effect.BOOTSTRAPPED: "bootstrapped",
}


def answer(action: Answer, *, disposed: bool) -> None:
    """Set the futures of all who wait for what came of their change."""
    outcome, error = _OUTCOMES[action.effect], action.failure
    if disposed:
        outcome, error = "deleted", None
    elif action.phase is Phase.FAILED or (action.failure and action.effect is Effect.MODIFIED):
        outcome = "failed"
    elif action.phase is Phase.UNSATISFIED:
        outcome, error = "stored", "the component is not active; `gatewright explain` tells why"
    for delivery in action.deliveries:
        if isinstance(delivery, Future):
            delivery.set_result(DeliveryOutcome(outcome, error))
