"""What a plugin says of its own health, and of a plugin that is checked."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from framework.plugins.context import PluginContext


class Severity(StrEnum):
    """How much a finding matters."""

    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it should be.

    Attributes:
        severity: How much it matters.
        text: What was found, in a sentence.
        fix: What to do about it, or None if nobody knows.
    """

    severity: Severity
    text: str
    fix: str | None = None

    def as_data(self) -> dict[str, str | None]:
        """The same for JSON."""
        return {"severity": self.severity.value, "text": self.text, "fix": self.fix}

    def __str__(self) -> str:
        return f"{self.severity}: {self.text}{f' ({self.fix})' if self.fix else ''}"


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """A question that a plugin can answer about itself.

    Attributes:
        name: What is checked, in a few words.
        run: Looks and tells; None if all is well. It is called on a thread of its own, and has 5 s.
    """

    name: str
    run: Callable[[PluginContext], Finding | None]


@dataclass(frozen=True, slots=True)
class HealthReport:
    """What came of a health check.

    Attributes:
        plugin: Whose check it is.
        check: Its name.
        finding: What it found, or None if all is well.
    """

    plugin: str
    check: str
    finding: Finding | None
