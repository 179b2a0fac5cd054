"""What happens to a component configuration (events, in) and what is to be done for it (actions, out)."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from framework.declarative_services.description import DeactivationReason
    from framework.declarative_services.lifecycle.state import Bindings, Effect, Phase
    from framework.registry import ServiceReference


@dataclass(frozen=True, slots=True)
class ConfigurationChanged:
    """The configuration is now `properties` (None: there is none), with what it makes of targets and minimums."""

    properties: Mapping[str, Any] | None
    candidates: Bindings
    minimums: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    delivery: object | None = None


@dataclass(frozen=True, slots=True)
class CandidatesChanged:
    """Other services match the references now, or the properties of some of them are others."""

    candidates: Bindings
    modified: frozenset[ServiceReference] = frozenset()


@dataclass(frozen=True, slots=True)
class EnablementChanged:
    """The component is enabled or disabled now (Compendium R8 112.5.1)."""

    enabled: bool


@dataclass(frozen=True, slots=True)
class Demanded:
    """Somebody wants the object of a lazy component's service, and waits for `Supply` with this token."""

    token: object


@dataclass(frozen=True, slots=True)
class Offered:
    """`Offer` was performed; `error` tells why it could not be."""

    error: str | None = None


@dataclass(frozen=True, slots=True)
class Activated:
    """`Activate` succeeded."""


@dataclass(frozen=True, slots=True)
class ActivationFailed:
    """`Activate` failed; nothing is bound and nothing registered."""

    error: str


@dataclass(frozen=True, slots=True)
class Modified:
    """`Modify` was performed; `error` tells what the component raised, if it did."""

    error: str | None = None


@dataclass(frozen=True, slots=True)
class Rebound:
    """`Rebind` was performed: these are bound now, and what was bound before is let go."""

    bindings: Bindings


@dataclass(frozen=True, slots=True)
class Updated:
    """`TellUpdates` was performed."""


@dataclass(frozen=True, slots=True)
class Released:
    """The service is withdrawn and nobody holds it any more."""


@dataclass(frozen=True, slots=True)
class Deactivated:
    """`Deactivate` was performed."""


@dataclass(frozen=True, slots=True)
class RetryDue:
    """The time to retry after failure number `failures` has come."""

    failures: int


@dataclass(frozen=True, slots=True)
class Ended:
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
    | Ended
)


@dataclass(frozen=True, slots=True)
class Activate:
    """Make an instance, bind it, call `activate`, register its service unless it is registered already."""

    properties: Mapping[str, Any]
    bindings: Bindings


@dataclass(frozen=True, slots=True)
class Offer:
    """Register a lazy component's service, or give it these properties if it is registered; make no instance."""

    properties: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Supply:
    """Tell those who wait for a lazy component's object that it is there, or that it will not be."""

    tokens: tuple[object, ...]
    active: bool


@dataclass(frozen=True, slots=True)
class Modify:
    """Call `modified` and set the service's properties."""

    previous: Mapping[str, Any]
    properties: Mapping[str, Any]
    changed: frozenset[str]


@dataclass(frozen=True, slots=True)
class Rebind:
    """Give dynamic references other services, the new before the old are let go."""

    bindings: Bindings


@dataclass(frozen=True, slots=True)
class TellUpdates:
    """Tell the instance that the properties of services that it is bound to have changed."""

    updates: tuple[tuple[str, ServiceReference], ...]


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Take the service out of the registry and wait until those who hold it have let go."""


@dataclass(frozen=True, slots=True)
class Deactivate:
    """Call `deactivate` and unbind all, if there is an instance; let the service go."""

    reason: DeactivationReason


@dataclass(frozen=True, slots=True)
class ScheduleRetry:
    """Send `RetryDue(failures)` in `delay_s` seconds."""

    delay_s: float
    failures: int


@dataclass(frozen=True, slots=True)
class Answer:
    """Tell the senders of configuration what came of it."""

    deliveries: tuple[object, ...]
    phase: Phase
    effect: Effect
    failure: str | None


@dataclass(frozen=True, slots=True)
class Dispose:
    """This component configuration has gone."""


Action = (
    Offer | Activate | Supply | Modify | Rebind | TellUpdates | Withdraw | Deactivate | ScheduleRetry | Answer | Dispose
)
