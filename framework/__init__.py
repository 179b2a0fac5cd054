"""The kernel of Gatewright: filters, registry, components, configuration, events, plugins and the gateway.

The public names below are loaded when they are first asked for (PEP 562), so that a thin client such as the
command line pays only for what it uses.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from framework._version import __version__

if TYPE_CHECKING:
    from framework.configuration import ConfigurationAdmin, ConfigurationError
    from framework.declarative_services import (
        BackgroundResult,
        ComponentContext,
        ComponentSnapshot,
        ConfigurationChange,
        ConfigurationPolicy,
        DeactivationReason,
        DeclarationError,
        Explanation,
        component,
        reference,
    )
    from framework.errors import FrameworkError
    from framework.event_admin import Event, EventAdmin
    from framework.filter import Filter, FilterError
    from framework.gateway import Gateway
    from framework.plugins import hookimpl, hookspec
    from framework.registry import ServiceEvent, ServiceFactory, ServiceReference, ServiceRegistration, ServiceRegistry
    from metatype import Secret

_HOMES = {
    "framework.declarative_services": (
        "BackgroundResult",
        "ComponentContext",
        "ComponentSnapshot",
        "ConfigurationChange",
        "ConfigurationPolicy",
        "DeactivationReason",
        "DeclarationError",
        "Explanation",
        "component",
        "reference",
    ),
    "framework.configuration": ("ConfigurationAdmin", "ConfigurationError"),
    "framework.errors": ("FrameworkError",),
    "framework.event_admin": ("Event", "EventAdmin"),
    "framework.filter": ("Filter", "FilterError"),
    "framework.gateway": ("Gateway",),
    "framework.plugins": ("hookimpl", "hookspec"),
    "framework.registry": (
        "ServiceEvent",
        "ServiceFactory",
        "ServiceReference",
        "ServiceRegistration",
        "ServiceRegistry",
    ),
    "metatype": ("Secret",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> object:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'framework' has no attribute {name!r}")
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)


__all__ = [
    "BackgroundResult",
    "ComponentContext",
    "ComponentSnapshot",
    "ConfigurationAdmin",
    "ConfigurationChange",
    "ConfigurationError",
    "ConfigurationPolicy",
    "DeactivationReason",
    "DeclarationError",
    "Event",
    "EventAdmin",
    "Explanation",
    "Filter",
    "FilterError",
    "FrameworkError",
    "Gateway",
    "Secret",
    "ServiceEvent",
    "ServiceFactory",
    "ServiceReference",
    "ServiceRegistration",
    "ServiceRegistry",
    "__version__",
    "component",
    "hookimpl",
    "hookspec",
    "reference",
]
