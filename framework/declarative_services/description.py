"""What a component declares, as immutable data (Declarative Services, Compendium R8 112.4)."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any

from framework.record import Record

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from framework.filter import Filter


class Cardinality(enum.Enum):
    """How many services a reference takes.

    Attributes:
        minimum: The number of services without which the component is not satisfied.
        multiple: Whether all matching services are bound, or only the best one.
    """

    OPTIONAL = "0..1"
    MANDATORY = "1..1"
    MULTIPLE = "0..n"
    AT_LEAST_ONE = "1..n"

    minimum: int
    multiple: bool

    def __init__(self, text: str) -> None:
        self.minimum = int(text[0])
        self.multiple = text.endswith("n")


class ReferencePolicy(enum.Enum):
    """What happens when what is bound has to change: a new life (static) or a change in place (dynamic)."""

    STATIC = "static"
    DYNAMIC = "dynamic"


class PolicyOption(enum.Enum):
    """Whether a better service replaces one that is bound (greedy) or not (reluctant)."""

    RELUCTANT = "reluctant"
    GREEDY = "greedy"


class ConfigurationPolicy(enum.Enum):
    """Whether a component needs a stored configuration (require), takes one (optional) or never does (ignore)."""

    OPTIONAL = "optional"
    REQUIRE = "require"
    IGNORE = "ignore"


class DeactivationReason(enum.Enum):
    """Why a component was deactivated (Compendium R8 112.5.16)."""

    UNSPECIFIED = "unspecified"
    DISABLED = "disabled"
    REFERENCE = "reference"
    CONFIGURATION_MODIFIED = "configuration modified"
    CONFIGURATION_DELETED = "configuration deleted"
    DISPOSED = "disposed"
    STOPPED = "stopped"


class ReferenceDescription(Record):
    """One reference of a component.

    Attributes:
        attribute: The class attribute that holds the bound service.
        name: The reference's name; `<name>.target` in the configuration overrides `target`.
        interface: The service's interface name, as in `objectClass`.
        target: The filter that a service has to match, or None.
        bind: Name of the method that is told of a service that is bound, or None.
        unbind: Name of the method that is told of a service that is let go, or None.
        updated: Name of the method that is told of changed properties of a bound service, or None.
    """

    attribute: str
    name: str
    interface: str
    target: Filter | None
    cardinality: Cardinality
    policy: ReferencePolicy
    policy_option: PolicyOption
    bind: str | None = None
    unbind: str | None = None
    updated: str | None = None

    @property
    def target_property(self) -> str:
        """The property that overrides the target."""
        return f"{self.name}.target"

    @property
    def minimum_property(self) -> str:
        """The property that raises the minimum (Compendium R8 112.6.2.2)."""
        return f"{self.name}.cardinality.minimum"


class ComponentDescription(Record):
    """One declared component.

    Attributes:
        name: The component's name, which is its pid, or its factory pid if `factory`.
        implementation: The class; called without arguments to make an instance.
        provides: Names of the interfaces that it is registered under.
        properties: Properties that hold where the configuration says nothing.
        descriptor: Path of its metatype descriptor, or None.
        modifiable: Whether it takes changes of configuration in place (it has a `modified` method).
        lazy: Whether its instance is made when its service is first asked for.
        enabled: Whether it is enabled from the start.
    """

    name: str
    implementation: type
    provides: tuple[str, ...]
    references: tuple[ReferenceDescription, ...]
    properties: Mapping[str, Any]
    configuration_policy: ConfigurationPolicy
    factory: bool
    descriptor: Path | None
    modifiable: bool
    lazy: bool = False
    enabled: bool = True
