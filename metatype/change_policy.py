"""What a change of a property means."""

from __future__ import annotations

import enum


class ChangePolicy(enum.StrEnum):
    """What a change of a property means for a live component, lightest first."""

    MODIFY = "modify"
    REACTIVATE = "reactivate"
    BOOTSTRAP = "bootstrap"
