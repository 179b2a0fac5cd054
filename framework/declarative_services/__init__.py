"""Components as OSGi's Declarative Services know them (Compendium R8 112): declared, wired, configured, explained."""

from framework.declarative_services.context import (
    BackgroundResult,
    ComponentContext,
    ComponentSecrets,
    ConfigurationChange,
    Facilities,
)
from framework.declarative_services.declaration import Reference, component, description_of, reference
from framework.declarative_services.description import (
    Cardinality,
    ComponentDescription,
    ConfigurationPolicy,
    DeactivationReason,
    PolicyOption,
    ReferenceDescription,
    ReferencePolicy,
)
from framework.declarative_services.errors import (
    ActivationError,
    DeclarationError,
    MailboxFullError,
    UnboundReferenceError,
    UnknownComponentError,
)
from framework.declarative_services.explanation import (
    CandidateVerdict,
    ComponentSnapshot,
    Explanation,
    ReferenceSnapshot,
)
from framework.declarative_services.runtime import ComponentRuntime

__all__ = [
    "ActivationError",
    "BackgroundResult",
    "CandidateVerdict",
    "Cardinality",
    "ComponentContext",
    "ComponentDescription",
    "ComponentRuntime",
    "ComponentSecrets",
    "ComponentSnapshot",
    "ConfigurationChange",
    "ConfigurationPolicy",
    "DeactivationReason",
    "DeclarationError",
    "Explanation",
    "Facilities",
    "MailboxFullError",
    "PolicyOption",
    "Reference",
    "ReferenceDescription",
    "ReferencePolicy",
    "ReferenceSnapshot",
    "UnboundReferenceError",
    "UnknownComponentError",
    "component",
    "description_of",
    "reference",
]
