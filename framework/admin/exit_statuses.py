"""Exit statuses that tell of no answer: sysexits(3) has them from 64 on, so no command's own answer is among them.

Scripts rely on what a command answers with, from 0 to 63: 2 is a refusal for `cert status`, an error for `doctor`.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

USAGE: Final = 64
"""The command line is wrong (EX_USAGE)."""

UNAVAILABLE: Final = 69
"""No gateway answers (EX_UNAVAILABLE)."""

INTERNAL: Final = 70
"""The command failed in a way that nobody foresaw (EX_SOFTWARE)."""

OUTPUT: Final = 74
"""The answer cannot be written (EX_IOERR)."""

WITHOUT_ANSWER: Final[Mapping[int, str]] = MappingProxyType(
    {
        USAGE: "the command line is wrong",
        UNAVAILABLE: "no gateway answers: none runs there, it stands still, or it belongs to another user",
        INTERNAL: "the command failed inside the gateway, whose log says why",
        OUTPUT: "the answer cannot be written",
    }
)
"""What they mean, for every command's help."""
