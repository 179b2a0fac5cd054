"""The plugin host: third parties' contributions through pluggy, each loaded under guard and removed without a trace."""

from framework.plugins.context import PluginContext
from framework.plugins.guard import GuardedCall, GuardError
from framework.plugins.health import Finding, HealthCheck, HealthReport, Severity
from framework.plugins.hooks import API_VERSION, PROJECT, Hooks, hookimpl, hookspec
from framework.plugins.host import PluginHost
from framework.plugins.plugin import Plugin, PluginError, QuarantinedPlugin, Removal

__all__ = [
    "API_VERSION",
    "PROJECT",
    "Finding",
    "GuardError",
    "GuardedCall",
    "HealthCheck",
    "HealthReport",
    "Hooks",
    "Plugin",
    "PluginContext",
    "PluginError",
    "PluginHost",
    "QuarantinedPlugin",
    "Removal",
    "Severity",
    "hookimpl",
    "hookspec",
]
