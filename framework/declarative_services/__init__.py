"""Components as OSGi's Declarative Services know them (Compendium R8 112): declared, wired, configured, explained."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metatype.facade import facade

if TYPE_CHECKING:
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

_HOMES = {
    "framework.declarative_services.context": (
        "BackgroundResult",
        "ComponentContext",
        "ComponentSecrets",
        "ConfigurationChange",
        "Facilities",
    ),
    "framework.declarative_services.declaration": ("Reference", "component", "description_of", "reference"),
    "framework.declarative_services.description": (
        "Cardinality",
        "ComponentDescription",
        "ConfigurationPolicy",
        "DeactivationReason",
        "PolicyOption",
        "ReferenceDescription",
        "ReferencePolicy",
    ),
    "framework.declarative_services.errors": (
        "ActivationError",
        "DeclarationError",
        "MailboxFullError",
        "UnboundReferenceError",
        "UnknownComponentError",
    ),
    "framework.declarative_services.explanation": (
        "CandidateVerdict",
        "ComponentSnapshot",
        "Explanation",
        "ReferenceSnapshot",
    ),
    "framework.declarative_services.runtime": ("ComponentRuntime",),
}

__getattr__, __dir__ = facade(__name__, _HOMES)

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
