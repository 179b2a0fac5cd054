"""What happens to a component configuration (events, in) and what is to be done for it (actions, out)."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from framework.record import Record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from framework.declarative_services.description import DeactivationReason
    from framework.declarative_services.lifecycle.state import Bindings, Effect, Phase
    from framework.registry import ServiceReference

_NOTHING: Final[Mapping[str, int]] = MappingProxyType({})


class ConfigurationChanged(Record):
    """The configuration is now `properties` (None: there is none), with what it makes of targets and minimums."""

    properties: Mapping[str, Any] | None
    candidates: Bindings
    minimums: Mapping[str, int] = _NOTHING
    delivery: object | None = None


class CandidatesChanged(Record):
    """Other services match the references now, or the properties of some of them are others."""

    candidates: Bindings
    modified: frozenset[ServiceReference] = frozenset()


class EnablementChanged(Record):
    """The component is enabled or disabled now (Compendium R8 112.5.1)."""

    enabled: bool


class Demanded(Record):
    """Somebody wants the object of a lazy component's service, and waits for `Supply` with this token."""

    token: object


class Offered(Record):
    """`Offer` was performed; `error` tells why it could not be."""

    error: str | None = None


class Activated(Record):
    """`Activate` succeeded, though these services could not be had."""

    unavailable: frozenset[ServiceReference] = frozenset()


class ActivationFailed(Record):
    """`Activate` failed, perhaps since services could not be had; nothing is bound and nothing registered."""

    error: str
    unavailable: frozenset[ServiceReference] = frozenset()


class Modified(Record):
    """`Modify` was performed; `error` tells what the component raised, if it did."""

    error: str | None = None


class Rebound(Record):
    """`Rebind` was performed as far as services could be had: these are bound now, and others are let go."""

    bindings: Bindings
    unavailable: frozenset[ServiceReference] = frozenset()


class Updated(Record):
    """`TellUpdates` was performed."""


class Released(Record):
    """The service is withdrawn and nobody holds it any more."""


class Deactivated(Record):
    """`Deactivate` was performed."""


class RetryDue(Record):
    """The time to retry after failure number `failures` has come."""

    failures: int


class LookDue(Record):
    """The time to ask again for services that could not be had, after miss number `misses`, has come."""

    misses: int


class Looked(Record):
    """`Look` was performed: these services can be had now."""

    found: frozenset[ServiceReference]


class Ended(Record):
    """This component configuration is to go for good."""

    reason: DeactivationReason
    delivery: object | None = None


Event = (
    ConfigurationChanged
    | CandidatesChanged
    | EnablementChanged
    | Demanded
    | Offered
    | Activated
    | ActivationFailed
    | Modified
    | Rebound
    | Updated
    | Released
    | Deactivated
    | RetryDue
    | LookDue
    | Looked
    | Ended
)


class Activate(Record):
    """Make an instance, bind it, call `activate`, register its service unless it is registered already."""

    properties: Mapping[str, Any]
    bindings: Bindings


class Offer(Record):
    """Register a lazy component's service, or give it these properties if it is registered; make no instance."""

    properties: Mapping[str, Any]


class Supply(Record):
    """Tell those who wait for a lazy component's object that it is there, or that it will not be."""

    tokens: tuple[object, ...]
    active: bool


class Modify(Record):
    """Call `modified` and set the service's properties."""

    previous: Mapping[str, Any]
    properties: Mapping[str, Any]
    changed: frozenset[str]


class Rebind(Record):
    """Give dynamic references other services, the new before the old are let go."""

    bindings: Bindings


class TellUpdates(Record):
    """Tell the instance that the properties of services that it is bound to have changed."""

    updates: tuple[tuple[str, ServiceReference], ...]


class Withdraw(Record):
    """Take the service out of the registry and wait until those who hold it have let go."""


class Deactivate(Record):
    """Call `deactivate` and unbind all, if there is an instance; let the service go."""

    reason: DeactivationReason


class ScheduleRetry(Record):
    """Send `RetryDue(failures)` in `delay_s` seconds."""

    delay_s: float
    failures: int


class ScheduleLook(Record):
    """Send `LookDue(misses)` in `delay_s` seconds."""

    delay_s: float
    misses: int


class Look(Record):
    """Ask for the objects of services that could not be had, and give them back at once."""

    services: frozenset[ServiceReference]


class Answer(Record):
    """Tell the senders of configuration what came of it."""

    deliveries: tuple[object, ...]
    phase: Phase
    effect: Effect
    failure: str | None


class Dispose(Record):
    """This component configuration has gone."""


Action = (
    Offer
    | Activate
    | Supply
    | Modify
    | Rebind
    | TellUpdates
    | Withdraw
    | Deactivate
    | ScheduleRetry
    | ScheduleLook
    | Look
    | Answer
    | Dispose
)
