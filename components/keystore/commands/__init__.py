"""The `keystore` commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from components.keystore.commands import changing, exporting, looking, moving, revocation

if TYPE_CHECKING:
    from framework.admin import Command

COMMANDS: tuple[Command, ...] = (
    *looking.COMMANDS,
    *moving.COMMANDS,
    *changing.COMMANDS,
    *revocation.COMMANDS,
    *exporting.COMMANDS,
)
