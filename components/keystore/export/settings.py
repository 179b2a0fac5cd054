"""What a keystore's configuration says of its export."""

from __future__ import annotations

import grp
import pwd
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

from components.keystore.export.errors import ExportError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

_NOT_FOR_KEYS: Final = 0o137
"""What the mode of a key must not have: anything for others, writing for the group, execution."""


@dataclass(frozen=True, slots=True)
class Rights:
    """Owner, group and mode of exported files.

    Attributes:
        owner: The user's number; None for the gateway's own.
        group: The group's number; None for the one that new files in the directory are given.
        key_mode: The mode of files with a private key.
        certificate_mode: The mode of the others.
    """

    owner: int | None = None
    group: int | None = None
    key_mode: int = 0o600
    certificate_mode: int = 0o644


@dataclass(frozen=True, slots=True)
class ExportSettings:
    """The properties `keystore.export.…`.

    Attributes:
        path: The directory.
        aliases: Which entries; `*` stands for any characters. Empty: all.
        owner: A user's name or number, or empty.
        group: A group's name or number, or empty.
        key_mode: The mode of files with a private key, in octal digits.
        certificate_mode: The mode of the others, in octal digits.
    """

    path: Path
    aliases: tuple[str, ...] = ()
    owner: str = ""
    group: str = ""
    key_mode: str = "0600"
    certificate_mode: str = "0644"

    @classmethod
    def of(cls, properties: Mapping[str, Any], base: Callable[[], Path]) -> Self | None:
        """Read properties; None if nothing is to be exported. A relative path is relative to `base()`."""
        path = str(properties.get("keystore.export.path") or "").strip()
        if not path:
            return None
        aliases = (alias.strip() for alias in properties.get("keystore.export.aliases") or ())
        return cls(
            base() / path,
            tuple(alias for alias in aliases if alias),
            str(properties.get("keystore.export.owner") or "").strip(),
            str(properties.get("keystore.export.group") or "").strip(),
            str(properties.get("keystore.export.key.mode") or "0600"),
            str(properties.get("keystore.export.certificate.mode") or "0644"),
        )

    def rights(self) -> Rights:
        """Look up names and read modes.

        Raises:
            ExportError: There is no such user or group, or a private key would be open to everyone.
        """
        rights = Rights(
            self._number("owner", "user", self.owner, lambda name: pwd.getpwnam(name).pw_uid),
            self._number("group", "group", self.group, lambda name: grp.getgrnam(name).gr_gid),
            self._mode("key.mode", self.key_mode),
            self._mode("certificate.mode", self.certificate_mode),
        )
        if rights.key_mode & _NOT_FOR_KEYS:
            raise ExportError(
                self.path,
                f"a private key of mode {self.key_mode} would be open to others than its owner and a reading group; "
                "set keystore.export.key.mode to 0600 or 0640",
            )
        return rights

    def chooses(self, alias: str) -> bool:
        """Whether the entry of this alias is to be exported."""
        return not self.aliases or any(_pattern(one).fullmatch(alias) for one in self.aliases)

    def _number(self, prop: str, kind: str, name: str, look_up: Callable[[str], int]) -> int | None:
        if not name:
            return None
        if name.isascii() and name.isdigit():
            return int(name)
        try:
            return look_up(name)
        except KeyError:
            raise ExportError(
                self.path, f"there is no {kind} {name} on this machine; make it, or change keystore.export.{prop}"
            ) from None

    def _mode(self, prop: str, digits: str) -> int:
        if re.fullmatch("0?[0-7]{3}", digits) is None:
            raise ExportError(self.path, f"{digits} is no mode such as 0640; change keystore.export.{prop}")
        return int(digits, 8)


def _pattern(alias: str) -> re.Pattern[str]:
    return re.compile(".*".join(re.escape(part) for part in alias.split("*")), re.DOTALL)
