"""The filesystem keystore as a component: a Pkcs12Keystore with its configuration and its events."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
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
from components.keystore.filesystem.former_file import LeftBehind, see_to_former_file
from components.keystore.filesystem.keystore import Pkcs12Keystore
from components.keystore.log_events import FILE_MADE, FILE_WAS_OPEN, FORMER_FILE
from framework import ConfigurationAdmin, ConfigurationError, Secret, component, reference

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from framework import ComponentContext, ConfigurationChange
    from framework.configuration import Configuration

_GENERATED_PASSWORD: Final = "generated-password"  # noqa: S105  # the name that the password is kept under
_FILE_PASSWORD: Final = "file-password"  # noqa: S105  # the name that the password is kept under
_NEXT_PASSWORD: Final = "next-password"  # noqa: S105  # the name that the password is kept under
_FILE_PATHS: Final = "file-path"
_BETWEEN_PATHS: Final = "\0"


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

    def activate(self, context: ComponentContext) -> None:
        """Open the file, or make it."""
        self._context = context
        keystore = Pkcs12Keystore(
            context.state_directory / context.properties["keystore.path"], commit_publisher(context)
        )
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
        kept = self._context.secrets.get(_FILE_PATHS)
        former = dict.fromkeys(map(Path, [] if kept is None else kept.reveal().split(_BETWEEN_PATHS)))
        former.pop(keystore.path, None)
        move = properties["keystore.path.change"] == "MOVE"
        others = self._files_of_others() if former else {}
        found = (see_to_former_file(keystore, path, passwords, move=move, of_others=others) for path in former)
        self._left_behind = tuple(left for left in found if left is not None)
        for left in self._left_behind:
            self._context.logger.warning(FORMER_FILE, {"problem": left.text})
        remembered = [left.file for left in self._left_behind if left.open]
        self._remember(_FILE_PATHS, Secret(_BETWEEN_PATHS.join(map(str, (*remembered, keystore.path)))))

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
