"""The admin interface: commands contributed by the rooms, served to thin clients over a socket."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metatype.facade import facade

if TYPE_CHECKING:
    from framework.admin.command import (
        Answer,
        ClientSide,
        Command,
        CommandError,
        Completing,
        GatewayView,
        Invocation,
        OfflineInvocation,
        OutputFile,
        UsageError,
    )

__all__ = [
    "Answer",
    "ClientSide",
    "Command",
    "CommandError",
    "Completing",
    "GatewayView",
    "Invocation",
    "OfflineInvocation",
    "OutputFile",
    "UsageError",
]

# A client of the command line loads this package for its socket only.
__getattr__, __dir__ = facade(__name__, {"framework.admin.command": tuple(__all__)})
