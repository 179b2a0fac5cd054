"""The filesystem keystore as a component: a Pkcs12Keystore with its configuration and its events."""

from __future__ import annotations

import functools
import os
import secrets
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from components.keystore.announcements import commit_publisher
from components.keystore.attended import AttendedKeystore
from components.keystore.contract import (
    HealthState,
    KeystoreHealth,
    KeystoreService,
)
from components.keystore.errors import KeystoreUnavailableError, WrongPasswordError
from components.keystore.filesystem.former_file import LeftBehind, Move, see_to_former_file
from components.keystore.filesystem.keystore import Pkcs12Keystore
from components.keystore.filesystem.known_paths import KnownPaths
from components.keystore.log_events import FILE_MADE, FILE_WAS_OPEN, FORMER_FILE
from framework import ConfigurationAdmin, ConfigurationError, Secret, component, reference
from framework.instance_lock import other_state_directory

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from framework import ComponentContext, ConfigurationChange, DeactivationReason
    from framework.configuration import Configuration

_GENERATED_PASSWORD: Final = "generated-password"  # noqa: S105  # the name that the password is kept under
_FILE_PASSWORD: Final = "file-password"  # noqa: S105  # the name that the password is kept under
_NEXT_PASSWORD: Final = "next-password"  # noqa: S105  # the name that the password is kept under
_FILE_PATHS: Final = "file-path"


@component(
    "gatewright.keystore.FilesystemKeystore",
    provides=(KeystoreService,),
    descriptor="FilesystemKeystore.xml",
    factory=True,
)
class FilesystemKeystore(AttendedKeystore[Pkcs12Keystore]):
    """One PKCS #12 file per configuration.

    The password that the file was last encrypted under is kept sealed in the gateway's store, and so is the next
    one before it is used. So the configured one may change at any time, also while the gateway is off, and a crash
    in between is made good at the next start. Where the file was is kept too, so that a change of path, whenever it
    is made, does with the entries what the configuration says.
    """

    configuration_admin = reference(ConfigurationAdmin, cardinality="0..1")

    def __init__(self) -> None:
        super().__init__()
        self._left_behind: tuple[LeftBehind, ...] = ()
        self._in_use = ExitStack()

    def activate(self, context: ComponentContext) -> None:
        """Open the file, or make it; while this is active, no other keystore takes it over."""
        with ExitStack() as in_use:
            self._open(context, in_use)
            self._in_use = in_use.pop_all()

    def deactivate(self, reason: DeactivationReason) -> None:
        """Let go of the file."""
        with self._in_use:
            super().deactivate(reason)

    def _open(self, context: ComponentContext, in_use: ExitStack) -> None:
        self._context = context
        keystore = Pkcs12Keystore(
            context.state_directory / context.properties["keystore.path"], commit_publisher(context)
        )
        in_use.enter_context(keystore.in_use())
        password = self._wanted_password(context.properties)
        others = self._other_passwords(context.properties)
        try:
            made = keystore.open(password, others)
        except WrongPasswordError as error:
            if (shared := self._shared(keystore.path)) is not None:
                raise KeystoreUnavailableError(str(keystore.path), f"no known password opens it; {shared}") from error
            raise
        if made:
            context.logger.info(FILE_MADE, {"path": keystore.path})
        elif keystore.restrict():
            context.logger.warning(FILE_WAS_OPEN, {"path": keystore.path})
        self._keystore = keystore
        self._see_to_former_files(context.properties, (password, *others))
        self._remember(_FILE_PASSWORD, password)
        self._attend(context, keystore.path.with_name(f"{keystore.path.name}.crl"))

    def modified(self, change: ConfigurationChange) -> None:
        """Encrypt the file under the new password; look after CRLs and export as is now configured."""
        self._attend_otherwise(change)
        if change.changed & {"keystore.password", "randomize.password"}:
            password = self._wanted_password(change.properties)
            # A crash, or a configuration that is taken back, may leave the file under either.
            self._remember(_NEXT_PASSWORD, password)
            others = self._other_passwords(change.properties)
            self._opened().change_password(password)
            self._remember(_FILE_PASSWORD, password)
            if any(left.open for left in self._left_behind):
                self._see_to_former_files(change.properties, (password, *others))

    @property
    def path(self) -> Path | None:
        """Where its file is, or None while it is not active."""
        return None if self._keystore is None else self._keystore.path

    def health(self) -> KeystoreHealth:
        """See `KeystoreService`."""
        if self._keystore is None:
            return KeystoreHealth(HealthState.UNAVAILABLE, ("the component is not active",))
        found = self._keystore.health()
        shared = self._shared(self._keystore.path)
        told = (*(() if shared is None else (shared,)), *(left.text for left in self._left_behind))
        if told:
            state = HealthState.DEGRADED if found.state is HealthState.OK else found.state
            found = KeystoreHealth(state, (*found.problems, *told))
        return self._with_export(found)

    def _wanted_password(self, properties: Mapping[str, object]) -> Secret:
        """The configured password, or the random one that is made once."""
        configured = _configured_password(properties)
        if configured is not None and not properties.get("randomize.password"):
            return configured
        generated = self._context.secrets.get(_GENERATED_PASSWORD)
        if generated is None:
            generated = Secret(secrets.token_urlsafe(32))
            # Kept before it is used: a crash in between must not leave a file that nothing opens.
            self._context.secrets.set(_GENERATED_PASSWORD, generated)
        return generated

    def _other_passwords(self, properties: Mapping[str, object]) -> tuple[Secret, ...]:
        """What the file may be under besides the wanted password, likeliest first."""
        kept = (self._context.secrets.get(name) for name in (_FILE_PASSWORD, _NEXT_PASSWORD, _GENERATED_PASSWORD))
        return tuple(one for one in (*kept, _configured_password(properties)) if one is not None)

    def _see_to_former_files(self, properties: Mapping[str, object], passwords: Sequence[Secret]) -> None:
        """Have entries of files at paths before move or stay, and remember the paths that are to be looked at again.

        Each step can be done again: the present path is remembered last, when entries are stored.
        """
        keystore = self._opened()
        known = self._known_paths()
        former = [path for path in known.paths if path != keystore.path and not self._is_copied_from(path)]
        moving = set(known.moving)

        def begin(path: Path) -> None:
            # With the present path: where entries are by then must not be forgotten if it changes before they all are.
            moving.add(path)
            self._remember_paths((*former, keystore.path), moving)

        files = (*former, keystore.path)
        others = {**self._files_of_other_gateways(files), **self._files_of_others()} if former else {}
        left_behind: list[LeftBehind] = []
        for path in former:
            move = None
            if properties["keystore.path.change"] == "MOVE":
                move = Move(others, None if path in moving else functools.partial(begin, path))
            if (left := see_to_former_file(keystore, path, passwords, move)) is not None:
                left_behind.append(left)
        self._left_behind = tuple(left_behind)
        still = [left.file for left in left_behind if left.open]
        self._remember_paths((*still, keystore.path), moving.intersection(still))
        for left in left_behind:
            self._context.logger.warning(FORMER_FILE, {"problem": left.text})

    def _is_copied_from(self, former: Path) -> bool:
        """Whether the former file is that of another gateway, whose state directory this one is a copy of.

        Releases that remembered all paths as absolute ones have left them in such copies.
        """
        home, keystore = self._home(), self._opened()
        other = other_state_directory(former, home)
        if other is None or not keystore.path.is_relative_to(home) or not keystore.aliases():
            return False
        return former.relative_to(other) == keystore.path.relative_to(home)

    def _home(self) -> Path:
        return Path(os.path.realpath(self._context.state_directory))

    def _known_paths(self) -> KnownPaths:
        kept = self._context.secrets.get(_FILE_PATHS)
        return KnownPaths() if kept is None else KnownPaths.from_text(kept.reveal(), self._home())

    def _remember_paths(self, paths: Sequence[Path], moving: Collection[Path]) -> None:
        self._remember(_FILE_PATHS, Secret(KnownPaths(tuple(paths), frozenset(moving)).to_text(self._home())))

    def _files_of_other_gateways(self, files: Iterable[Path]) -> Mapping[Path, str]:
        """Those of some files that lie in state directories of other gateways, each with whose it is."""
        found = ((file, other_state_directory(file, self._home())) for file in files)
        return {file: f"the gateway with state directory {other}" for file, other in found if other is not None}

    def _files_of_others(self) -> Mapping[Path, str]:
        """The files that other configurations of this factory name, each with the pid of one of them."""
        if self.configuration_admin is None:
            return {}
        stored = self._context.state_directory
        return {
            Path(os.path.realpath(stored / configuration.properties["keystore.path"])): configuration.pid
            for configuration in _configurations(self.configuration_admin, self._context.name)
            if configuration.pid != self._context.pid
        }

    def _shared(self, path: Path) -> str | None:
        """What is wrong where another keystore is configured with the same file, and what to do; None if none is."""
        other = self._files_of_others().get(path)
        if other is None:
            return None
        return (
            f"{path} is the file of {other}, too: what either deletes, or encrypts under a new password, is so for "
            "both; set another keystore.path for one of them, or delete one of the configurations"
        )

    def _remember(self, name: str, value: Secret) -> None:
        if self._context.secrets.get(name) != value:
            self._context.secrets.set(name, value)


def _configurations(admin: ConfigurationAdmin, factory_pid: str) -> Iterator[Configuration]:
    """The instances of a factory, as far as what is configured for them is valid."""
    for pid in admin.pids():
        if pid.startswith(f"{factory_pid}~"):
            with suppress(ConfigurationError):
                yield admin.get(pid)


def _configured_password(properties: Mapping[str, object]) -> Secret | None:
    configured = properties.get("keystore.password")
    return configured if isinstance(configured, Secret) and configured else None
