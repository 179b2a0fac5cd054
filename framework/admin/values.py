"""What arguments of commands may be, for shells that complete them; see `Command.values`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from framework.admin.command import GatewayView


def configuration_pids(gateway: GatewayView) -> Iterable[str]:
    """The pids of all configurations."""
    return gateway.configuration_admin.pids()


def component_pids(gateway: GatewayView) -> Iterable[str]:
    """The pids of all component configurations."""
    return [one.pid for one in gateway.components()]


def component_names(gateway: GatewayView) -> Iterable[str]:
    """The names of all components, of a factory once."""
    return {one.name for one in gateway.components()}


def plugin_names(gateway: GatewayView) -> Iterable[str]:
    """The names of all plugins that are loaded or in quarantine."""
    plugins = gateway.plugins
    return [*(one.name for one in plugins.plugins), *(one.name for one in plugins.quarantined)]
