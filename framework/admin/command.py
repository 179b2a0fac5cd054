"""What a command is: typed, with its help, its JSON answer and its exit status. Light to import."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Protocol

from framework.admin import exit_statuses
from framework.errors import FrameworkError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from framework.admin.schema import AnswerSchema
    from framework.background import BackgroundWork
    from framework.clock import Clock
    from framework.configuration import ConfigurationAdmin
    from framework.declarative_services import ComponentSnapshot, Explanation
    from framework.event_admin import EventAdmin
    from framework.observation.contributed import ContributedMetrics
    from framework.plugins import PluginHost
    from framework.registry import ServiceRegistry


class GatewayView(Protocol):
    """What commands see of the gateway."""

    @property
    def registry(self) -> ServiceRegistry:
        """The service registry."""
        ...

    @property
    def background(self) -> BackgroundWork:
        """What runs in the background."""
        ...

    @property
    def configuration_admin(self) -> ConfigurationAdmin:
        """The configuration admin."""
        ...

    @property
    def event_admin(self) -> EventAdmin:
        """The event admin."""
        ...

    @property
    def clock(self) -> Clock:
        """The source of time."""
        ...

    @property
    def plugins(self) -> PluginHost:
        """The plugins."""
        ...

    @property
    def contributed_metrics(self) -> ContributedMetrics:
        """Figures of rooms and plugins."""
        ...

    @property
    def state_directory(self) -> Path:
        """Where durable state is."""
        ...

    @property
    def conf_directory(self) -> Path | None:
        """Where configuration files are, or None."""

    @property
    def started_at(self) -> datetime:
        """When the gateway was started, by the wall clock of then."""
        ...

    @property
    def uptime_s(self) -> float:
        """How long it runs, in seconds, whatever the wall clock did meanwhile."""
        ...

    @property
    def commands(self) -> Sequence[Command]:
        """The commands that plugins contribute."""
        ...

    def components(self) -> tuple[ComponentSnapshot, ...]:
        """All component configurations."""
        ...

    def undecided(self) -> tuple[str, ...]:
        """The pids of components that are neither active, nor wait for something, nor have failed, nor hang."""
        ...

    def explain(self, pid: str) -> Explanation:
        """Why a component is as it is."""
        ...

    def set_enabled(self, name: str, *, enabled: bool) -> None:
        """Enable or disable a component; UnknownComponentError if there is none of that name."""
        ...

    def rotate_master_key(self) -> None:
        """Make a new master key and seal all stored secrets under it."""
        ...


class CommandError(FrameworkError):
    """A command cannot do what it was asked for.

    Attributes:
        exit_status: What the command line exits with; below 64, which is where `exit_statuses.WITHOUT_ANSWER` begins.
        data: Facts for `--json`.
    """

    def __init__(self, message: str, exit_status: int = 1, data: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.exit_status = exit_status
        self.data = dict(data or {})


class UsageError(CommandError):
    """A command's arguments are wrong, or do not go together."""

    def __init__(self, message: str) -> None:
        super().__init__(message, exit_statuses.USAGE)


@dataclass(frozen=True, slots=True)
class OutputFile:
    """A file that the client is to write on its side; its path must stand in the client's own arguments."""

    path: str
    content: bytes
    mode: int = 0o644

    def __repr__(self) -> str:
        return f"OutputFile({self.path!r}, {len(self.content)} bytes, mode={self.mode:04o})"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command says.

    Attributes:
        data: The answer as JSON data, printed with `--json`.
        text: The answer for people, printed otherwise.
        exit_status: 0 unless the command defines others, below 64.
        files: Files that the client writes.
    """

    data: Any
    text: str
    exit_status: int = 0
    files: tuple[OutputFile, ...] = ()


class ClientSide(Protocol):
    """What a command can ask of the client while it runs."""

    def read_input(self, path: str, *, secret: bool = False) -> bytes:
        """A file on the client's side, `-` for its standard input; a secret is not shown while it is typed."""
        ...

    def emit(self, data: Any, text: str) -> None:
        """Print one piece of a long answer now; raises OSError once the client has gone."""

    def is_gone(self) -> bool:
        """Whether the client has gone, so that nobody waits for the answer any more."""
        ...


@dataclass(frozen=True, slots=True)
class Invocation:
    """One call of a command.

    Attributes:
        options: What `Command.arguments` declared, parsed.
        gateway: The gateway that it runs in.
        columns: How wide the terminal is that shows the answer; None if it is no terminal.
    """

    options: argparse.Namespace
    gateway: GatewayView
    client: ClientSide
    columns: int | None = None

    def read_input(self, path: str, *, secret: bool = False) -> bytes:
        """The content of a file on the client's side, `-` for its standard input.

        Only files whose path stands in the client's own arguments are given. From a terminal, a secret is asked for
        with a prompt and not shown.
        """
        return self.client.read_input(path, secret=secret)

    def emit(self, data: Any, text: str) -> None:
        """Print one piece of a long answer now."""
        self.client.emit(data, text)


@dataclass(frozen=True, slots=True)
class OfflineInvocation:
    """One call of a command in the client's own process, where no gateway runs.

    Attributes:
        options: What `Command.arguments` declared, parsed.
        state_directory: The state directory that is named and that no gateway runs on, or None.
    """

    options: argparse.Namespace
    state_directory: Path | None = None

    def read_input(self, path: str) -> bytes:
        """The content of a file, `-` for standard input; CommandError if it cannot be read."""
        try:
            return sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
        except OSError as error:
            raise CommandError(f"{path}: {error.strerror or error}") from None


@dataclass(frozen=True, slots=True)
class Completing:
    """A word of a command line that a shell is to complete.

    Attributes:
        gateway: The gateway that runs.
        word: What there is of it, perhaps nothing.
        given: The arguments before it, by the names that `Command.arguments` gave them.
    """

    gateway: GatewayView
    word: str
    given: Mapping[str, tuple[str, ...]]


COMMON_EXIT_STATUSES: Final[Mapping[int, str]] = MappingProxyType(
    {0: "done", 1: "not done; a message on standard error says why", **exit_statuses.WITHOUT_ANSWER}
)


@dataclass(frozen=True, slots=True)
class Command:
    """A command of the admin interface.

    Attributes:
        path: Its words, such as ("config", "get").
        help: One line.
        run: What it does; runs on a thread of the admin interface.
        arguments: Declares its arguments on a parser, or None if it has none.
        examples: Whole command lines.
        exit_statuses: What exit statuses mean, where it is more than `COMMON_EXIT_STATUSES` tells.
        offline: What it does in the client's process when no gateway runs, or None if it needs one.
        values: What a shell may complete an argument to, by the argument's name; asked where a gateway runs. What does
            not begin as the word does is left out.
        diagnostic: Arguments with which its JSON answer helps to understand a gateway, so that `diagnostics` takes
            it along; None if it does not.
        schema: Makes the JSON Schema of what it prints with `--json`, which `gatewright schema` shows.
    """

    path: tuple[str, ...]
    help: str
    run: Callable[[Invocation], Answer]
    arguments: Callable[[argparse.ArgumentParser], None] | None = None
    examples: tuple[str, ...] = ()
    exit_statuses: Mapping[int, str] = field(default_factory=lambda: MappingProxyType({}))
    offline: Callable[[OfflineInvocation], Answer] | None = None
    values: Mapping[str, Callable[[Completing], Iterable[str]]] = field(default_factory=lambda: MappingProxyType({}))
    diagnostic: tuple[str, ...] | None = None
    schema: Callable[[], AnswerSchema] | None = None

    def all_exit_statuses(self) -> Mapping[int, str]:
        """What each of its exit statuses means, ascending."""
        return dict(sorted({**COMMON_EXIT_STATUSES, **self.exit_statuses}.items()))
