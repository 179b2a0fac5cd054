"""Secrets that configuration files only name: `{"$credential": "name"}`.

The secret `name` is the content of the file `name` in `$CREDENTIALS_DIRECTORY` (systemd's `LoadCredential=`), or else
of the file whose path is in the environment variable `GATEWRIGHT_CREDENTIAL_` + the name in capitals with `_` for
every `.` and `-`. One line end at the end of the file is not part of the secret.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from framework.errors import FrameworkError
from metatype import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

CREDENTIAL: Final = "$credential"
DIRECTORY: Final = "CREDENTIALS_DIRECTORY"
VARIABLE: Final = "GATEWRIGHT_CREDENTIAL_"
LARGEST: Final = 64 * 1024
"""Bytes in a credential."""

_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,254}")


class CredentialError(FrameworkError):
    """A secret that a file names cannot be had.

    Attributes:
        name: Its name.
    """

    def __init__(self, name: str, message: str) -> None:
        super().__init__(f"the credential {name!r} {message}")
        self.name = name


class Credentials:
    """Finds credentials by name.

    Args:
        environ: The environment that says where they are.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def get(self, name: str) -> Secret:
        """The secret of that name.

        Raises:
            CredentialError: There is none, or it cannot be read.
        """
        if _NAME.fullmatch(name) is None:
            raise CredentialError(name[:60], "has no name of letters, digits, '.', '_' and '-'")
        path = self._path(name)
        try:
            with path.open("rb") as file:
                data = file.read(LARGEST + 1)
        except OSError as error:
            raise CredentialError(name, f"cannot be read from {path}: {error.strerror}") from None
        if len(data) > LARGEST:
            raise CredentialError(name, f"is larger than {LARGEST} bytes")
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError:
            raise CredentialError(name, "is not encoded in UTF-8") from None
        if not text.rstrip("\r\n"):
            raise CredentialError(name, f"is empty in {path}; put the secret there, then: systemctl restart gatewright")
        return Secret(text.removesuffix("\n").removesuffix("\r"))

    def resolved(self, value: Any) -> Any:
        """A property's value with the secrets that it names, alone or in a list; CredentialError."""
        if isinstance(value, list):
            return [self.resolved(element) for element in value]
        if isinstance(value, dict) and value.keys() == {CREDENTIAL} and isinstance(value[CREDENTIAL], str):
            return self.get(value[CREDENTIAL])
        return value

    def _path(self, name: str) -> Path:
        directory = self._environ.get(DIRECTORY)
        if directory and (path := Path(directory) / name).is_file():
            return path
        variable = VARIABLE + name.upper().replace(".", "_").replace("-", "_")
        named = self._environ.get(variable)
        if named:
            return Path(named)
        raise CredentialError(
            name,
            f"is neither in ${DIRECTORY} ({directory or 'not set'}) nor a file that ${variable} names; "
            "once it is, it is read by gatewright config reload, and what the unit hands over (LoadCredential=) by "
            "systemctl restart gatewright",
        )
