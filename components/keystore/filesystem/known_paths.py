"""Which files a keystore has and had, as it is remembered from one start to the next."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

_BETWEEN_PATHS: Final = "\0"
"""What stood between absolute paths before there was JSON; the first is no `{`."""


@dataclass(frozen=True, slots=True)
class KnownPaths:
    """The files that entries of a keystore may be in.

    Those below the state directory are remembered relative to it, so that a state directory that was moved, or the
    copy of one, has its own files in mind and no others.

    Attributes:
        paths: The files, links resolved; the present one is the last.
        moving: Those of them that entries have begun to move away from.
    """

    paths: tuple[Path, ...] = ()
    moving: frozenset[Path] = frozenset()

    def to_text(self, home: Path) -> str:
        """What `from_text` reads.

        Args:
            home: The state directory, links resolved.
        """
        return json.dumps({"paths": _names(self.paths, home), "moving": _names(sorted(self.moving), home)})

    @classmethod
    def from_text(cls, text: str, home: Path) -> KnownPaths:
        """Those that were remembered, by this release or by one that remembered all paths as absolute ones."""
        if not text.startswith("{"):
            return cls(tuple(_resolved(text.split(_BETWEEN_PATHS), home)))
        told = json.loads(text)
        return cls(tuple(_resolved(told["paths"], home)), frozenset(_resolved(told["moving"], home)))


def _names(paths: Iterable[Path], home: Path) -> list[str]:
    return [str(path.relative_to(home) if path.is_relative_to(home) else path) for path in paths]


def _resolved(names: Iterable[str], home: Path) -> Iterable[Path]:
    return (Path(os.path.realpath(home / name)) for name in names)
