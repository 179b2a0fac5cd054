"""A bundle for whoever is to help: what commands answer, what is configured, the latest log, where threads are.

Every part comes from where secrets are of type `Secret` and show themselves to nobody. What a component or a plugin has
put into a text nevertheless, such as its password into an error, is replaced when the bundle is packed.
"""

from __future__ import annotations

import importlib.metadata
import io
import json
import os
import platform
import stat
import sys
import tarfile
import threading
from typing import TYPE_CHECKING, Any, Final

from framework import stacks
from framework._version import __version__
from metatype.secret import without_secrets

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from pathlib import Path

DEPENDENCIES: Final = ("pluggy", "cryptography", "pyasn1", "pyasn1-modules", "urllib3", "jsonschema", "python-pkcs11")

_READ_ME: Final = """\
Diagnostics of a Gatewright gateway, made for whoever is to help. Each .json file is the answer of the command of its
name; software.json and files.json tell of versions and of the state directory (names and sizes, no contents);
threads.txt tells where each thread was; log.txt has the latest log lines. Of secrets, keys and passwords that the
gateway has, none is in it: **** stands for them. There are subjects, host names and addresses.
"""


def pack(name: str, parts: Mapping[str, bytes], made_at: datetime) -> bytes:
    """A .tar.gz of these files in a folder, readable by its owner only.

    Args:
        name: The folder's name.
        parts: File names and their contents.
        made_at: The time of the files (aware).
    """
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for part, content in sorted({"README.txt": _READ_ME.encode(), **parts}.items()):
            entry = tarfile.TarInfo(f"{name}/{part}")
            entry.size, entry.mode, entry.mtime = len(content), 0o600, int(made_at.timestamp())
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def as_file(data: Any) -> bytes:
    """JSON data as a file's content, without secrets; what UTF-8 cannot carry is escaped as JSON escapes it."""
    return f"{json.dumps(_hidden(data), indent=2, ensure_ascii=False)}\n".encode(errors="backslashreplace")


def as_text_file(text: str) -> bytes:
    """A text as a file's content, without secrets."""
    return without_secrets(text).encode(errors="backslashreplace")


def _hidden(data: Any) -> Any:
    """JSON data with its texts, and nothing else, freed of secrets: a secret of digits must not tear a number."""
    if isinstance(data, str):
        return without_secrets(data)
    if isinstance(data, dict):
        return {_hidden(key): _hidden(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_hidden(element) for element in data]
    return data if data is None or isinstance(data, bool | int | float) else _hidden(str(data))


def software() -> dict[str, Any]:
    """Versions of everything that the gateway is made of."""
    found: dict[str, str | None] = {}
    for name in DEPENDENCIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = None
    return {
        "gatewright": __version__,
        "python": sys.version,
        "platform": platform.platform(),
        "user": os.geteuid(),
        "dependencies": found,
    }


def files_of(directory: Path) -> list[dict[str, Any]]:
    """Names, sizes, modes, owners and times of what is in a state directory."""
    found = []
    for path in sorted(directory.rglob("*")):
        try:
            status = path.lstat()
        except FileNotFoundError:
            continue
        found.append(
            {
                "path": str(path.relative_to(directory)),
                "size": status.st_size,
                "mode": stat.filemode(status.st_mode),
                "owner": status.st_uid,
                "modified_ns": status.st_mtime_ns,
            }
        )
    return found


def threads() -> str:
    """Where each thread is, as Python prints a stack: lines of code, no values."""
    frames = stacks.frames()
    pieces = []
    for thread in sorted(threading.enumerate(), key=lambda one: one.name):
        stack = stacks.stack_at(frames.get(thread.ident or 0))
        pieces.append(f"{thread.name}{' (daemon)' if thread.daemon else ''}\n{stack}")
    return "\n".join(pieces)
