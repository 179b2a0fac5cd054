"""The kernel of Gatewright: filters, registry, components, configuration, events, plugins and the gateway.

The public names below are loaded when they are first asked for (PEP 562), so that a thin client such as the
command line pays only for what it uses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from framework._version import __version__
from metatype.facade import facade

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
    from framework.kernel import Kernel
    from framework.log_events import LogEvent
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
    "framework.kernel": ("Kernel",),
    "framework.log_events": ("LogEvent",),
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
__getattr__, __dir__ = facade(__name__, _HOMES)

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
    "Kernel",
    "LogEvent",
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
