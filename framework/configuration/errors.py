"""Errors of configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from framework.errors import FrameworkError

if TYPE_CHECKING:
    from pathlib import Path

    from metatype import Problem


class ConfigurationError(FrameworkError):
    """A configuration is not accepted; nothing was changed.

    Attributes:
        pid: The configuration's pid.
        problems: All that is wrong with the properties; empty if the pid is.
    """

    def __init__(self, pid: str, message: str, problems: tuple[Problem, ...] = ()) -> None:
        lines = "".join(f"\n  {problem}" for problem in problems)
        super().__init__(f"{pid}: {message}{lines}")
        self.pid = pid
        self.problems = problems


class ConfigurationStoreError(FrameworkError):
    """The store of configurations cannot be used.

    Attributes:
        path: The store's file.
    """

    def __init__(self, path: Path, message: str) -> None:
        super().__init__(f"{path}: {message}")
        self.path = path
