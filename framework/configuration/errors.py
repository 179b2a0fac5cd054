"""Errors of configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from framework.errors import FrameworkError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from metatype import Problem


class ConfigurationError(FrameworkError):
    """A configuration is not accepted; nothing was changed.

    Attributes:
        pid: The configuration's pid; the first one of a batch.
        problems: All that is wrong with the properties; empty if the pid is.
    """

    def __init__(self, pid: str, message: str, problems: tuple[Problem, ...] = ()) -> None:
        lines = "".join(f"\n  {problem}" for problem in problems)
        super().__init__(f"{pid}: {message}{lines}")
        self.pid = pid
        self.problems = problems


class ConfigurationConflictError(ConfigurationError):
    """Somebody else has changed what a change was made for; nothing was changed.

    Attributes:
        expected: The revision that the change was made for.
        actual: The revision that there is.
    """

    def __init__(self, pid: str, expected: int, actual: int) -> None:
        super().__init__(
            pid,
            f"was to be changed from revision {expected}, but is at revision {actual}; read it again, then change it",
        )
        self.expected = expected
        self.actual = actual


class ConfigurationBatchError(ConfigurationError):
    """A batch is not accepted; nothing of it was done.

    Attributes:
        problems_by_pid: All that is wrong, by pid.
    """

    def __init__(self, problems_by_pid: Mapping[str, tuple[Problem, ...]]) -> None:
        pid = next(iter(problems_by_pid))
        every = [(one, problem) for one, problems in problems_by_pid.items() for problem in problems]
        lines = "".join(f"\n  {one}: {problem}" for one, problem in every)
        super().__init__(pid, f"the batch is not accepted, nothing was changed:{lines}")
        self.problems = tuple(problem for _, problem in every)
        self.problems_by_pid = dict(problems_by_pid)


class ConfigurationStoreError(FrameworkError):
    """The store of configurations cannot be used.

    Attributes:
        path: The store's file.
    """

    def __init__(self, path: Path, message: str) -> None:
        super().__init__(f"{path}: {message}")
        self.path = path


class DamagedStoreError(ConfigurationStoreError):
    """The store's file is no store, or has been damaged; `repair.open_store` sets it aside."""


class UnknownRevisionError(FrameworkError):
    """There is no such revision or snapshot (any more).

    Attributes:
        revision: What was asked for.
    """

    def __init__(self, revision: int | str, message: str) -> None:
        super().__init__(f"{revision}: {message}")
        self.revision = revision
