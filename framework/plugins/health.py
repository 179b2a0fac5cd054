"""What a plugin says of its own health, and of a plugin that is checked."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from metatype.secret import without_secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from framework.plugins.context import PluginContext


class Severity(StrEnum):
    """How much a finding matters."""

    OK = "ok"
    """All is well; the text says how it is."""
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """How something is that was looked at.

    Attributes:
        severity: How much it matters.
        text: What was found, in a sentence.
        fix: What to do about it, or None if there is nothing to do or nobody knows.
        check: What was looked at, where a check looks at more than what its own name says.

    Secrets that stand in its texts, such as in an error of a component, are replaced by stars.
    """

    severity: Severity
    text: str
    fix: str | None = None
    check: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", without_secrets(self.text))
        if self.fix is not None:
            object.__setattr__(self, "fix", without_secrets(self.fix))

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
        run: Looks and tells; None, or nothing, if all is well. It is called on a thread of its own, and has 5 s. Among
            its findings may be further checks, one for each of several things: they are run side by side, each on a
            thread of its own, so that one that hangs hides nothing of the others; all are told under this one's name.
        thorough: It takes its time, or asks the network: only `gatewright doctor` runs it, and it has 30 s.
        fix: What to do if it does not end, or raises; if None, its authors are to be told.
    """

    name: str
    run: Callable[[PluginContext], Finding | Iterable[Finding | HealthCheck] | None]
    thorough: bool = False
    fix: str | None = None


@dataclass(frozen=True, slots=True)
class HealthReport:
    """What came of a health check.

    Attributes:
        plugin: Whose check it is.
        check: What was looked at.
        finding: What it found, or None if all is well and there is nothing to say.
    """

    plugin: str
    check: str
    finding: Finding | None

    @property
    def severity(self) -> Severity:
        """How much it matters."""
        return Severity.OK if self.finding is None else self.finding.severity

    @property
    def problem(self) -> Finding | None:
        """What is not as it should be, or None."""
        return None if self.severity is Severity.OK else self.finding
