"""The plugin host: third-party components and commands through pluggy, each loaded under guard."""

from framework.plugins.hooks import API_VERSION, PROJECT, Hooks, hookimpl, hookspec
from framework.plugins.host import Plugin, PluginHost, QuarantinedPlugin

__all__ = [
    "API_VERSION",
    "PROJECT",
    "Hooks",
    "Plugin",
    "PluginHost",
    "QuarantinedPlugin",
    "hookimpl",
    "hookspec",
]
