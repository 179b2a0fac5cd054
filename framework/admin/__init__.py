"""The admin interface: commands contributed by the rooms, served to thin clients over a socket."""

from framework.admin.command import (
    Answer,
    ClientSide,
    Command,
    CommandError,
    GatewayView,
    Invocation,
    OfflineInvocation,
    OutputFile,
)

__all__ = [
    "Answer",
    "ClientSide",
    "Command",
    "CommandError",
    "GatewayView",
    "Invocation",
    "OfflineInvocation",
    "OutputFile",
]
