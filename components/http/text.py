"""What a peer wrote, made fit to be shown to a person."""

from __future__ import annotations

from typing import Final

_LONGEST: Final = 300


def printable(text: str, longest: int = _LONGEST) -> str:
    """`text` on one line without control characters, so that it cannot steer a terminal or forge a log line.

    Runs of white space become one blank, other characters that are not printable become escapes, and what is
    longer than `longest` characters is cut.
    """
    line = " ".join(text[: 4 * longest].split())
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in line)
    return shown if len(shown) <= longest else shown[: longest - 1] + "…"
