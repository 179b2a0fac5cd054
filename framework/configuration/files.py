"""The layer of configuration files: `*.json` in one directory, later names over earlier ones."""

from __future__ import annotations

import json
import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NoReturn

from framework.configuration.credentials import Credentials

if TYPE_CHECKING:
    from pathlib import Path

LARGEST: Final = 1024 * 1024
"""A larger file is refused, in bytes."""


@dataclass(frozen=True, slots=True)
class FileProblem:
    """Something in a configuration file that is not used, and why.

    Attributes:
        path: The file, or the directory of all of them.
        pid: The configuration at fault, or None if the whole file, or the directory, is.
        message: What is wrong and what to do.
    """

    path: Path
    pid: str | None
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {'' if self.pid is None else self.pid + ': '}{self.message}"


@dataclass(frozen=True, slots=True)
class FileConfiguration:
    """What one file says about one pid."""

    path: Path
    pid: str
    properties: dict[str, Any]


class ConfigurationDirectory:
    """A directory of configuration files, each an object of pid to properties.

    Args:
        directory: The directory; it need not be there.
        credentials: Where the secrets are that files only name; none if None.

    Attributes:
        path: The directory.
    """

    def __init__(self, directory: Path, credentials: Credentials | None = None) -> None:
        self.path = directory
        self.credentials = credentials or Credentials({})

    def signature(self) -> tuple[tuple[str, int, int, int], ...]:
        """Something that differs when files come, go or change: names, sizes, times and inodes.

        A directory, or a file, that cannot be looked at differs from one that is empty, or is not there.
        """
        try:
            with os.scandir(self.path) as entries:
                return tuple(sorted(_signature(entry) for entry in entries if entry.name.endswith(".json")))
        except OSError as error:
            return (("", error.errno or 0, 0, 0),)

    def read(self) -> tuple[list[FileConfiguration], list[FileProblem]]:
        """What all files say, in the order in which they count, and what is wrong with those that say nothing.

        Raises:
            OSError: What files there are cannot be told; a FileNotFoundError if there is no directory.
        """
        found: list[FileConfiguration] = []
        problems: list[FileProblem] = []
        for path in sorted(path for path in self.path.iterdir() if path.name.endswith(".json")):
            shown = path.name.encode(errors="surrogateescape").decode(errors="backslashreplace")
            if shown != path.name:
                message = "has a name that is not encoded in UTF-8; the file is not used: rename it"
                problems.append(FileProblem(path.with_name(shown), None, message))
                continue
            try:
                found.extend(_read_file(path))
            except OSError as error:
                problems.append(FileProblem(path, None, f"cannot be read: {error.strerror}"))
            except FileContentError as error:
                problems.append(FileProblem(path, None, f"{error}; the file is not used"))
        return found, problems


def _signature(entry: os.DirEntry[str]) -> tuple[str, int, int, int]:
    try:
        status = entry.stat()
    except OSError:
        return entry.name, 0, 0, 0
    return entry.name, status.st_mtime_ns, status.st_size, status.st_ino


class FileContentError(ValueError):
    """A file is no configuration file; the message says why."""


def read_document(data: bytes) -> dict[str, Any]:
    """The object of pid to properties in a file's content; FileContentError if it is none."""
    if len(data) > LARGEST:
        raise FileContentError(f"is larger than {LARGEST} bytes")
    try:
        document = json.loads(data.decode("utf-8-sig"), object_pairs_hook=_unique, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        raise FileContentError(f"is no JSON: {error.msg} in line {error.lineno}, column {error.colno}") from None
    except UnicodeDecodeError:
        raise FileContentError("is not encoded in UTF-8") from None
    except FileContentError:
        raise
    except ValueError:
        # Python reads no integer of more than some 4,300 digits, and json lets that error through as it is.
        raise FileContentError("has a number of too many digits") from None
    except RecursionError:
        raise FileContentError("nests too deeply") from None
    if not isinstance(document, dict):
        raise FileContentError('must be an object of pid to properties: {"some.pid": {"key": "value"}}')
    return document


def _read_file(path: Path) -> list[FileConfiguration]:
    with open(path, "rb", opener=_open_at_once) as file:  # Path.open takes no opener
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise FileContentError("is no regular file")
        document = read_document(file.read(LARGEST + 1))
    for pid, properties in document.items():
        if not isinstance(properties, dict):
            raise FileContentError(f"the properties of {pid!r} must be an object")
    return [FileConfiguration(path, pid, properties) for pid, properties in document.items()]


def _open_at_once(path: str, flags: int) -> int:
    """Open a file, or a pipe that nobody writes to, without waiting for anybody."""
    return os.open(path, flags | os.O_NONBLOCK)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise FileContentError(f"has the key {key!r} twice in one object")
        found[key] = value
    return found


def _refuse(constant: str) -> NoReturn:
    raise FileContentError(f"has {constant}, which is no JSON")
