"""What form a text has, where any text of the right length would say too little."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping


class TextFormat(StrEnum):
    """A form by its name in descriptors (`gw:format`, JSON's `format`)."""

    HTTP_ENDPOINT = "http-endpoint"
    """An http or https server: `http://host:8080`, with a path or not; `http:host:8080` means the same.

    A user and a password in it are refused: they would be seen wherever the property is.
    """

    @property
    def pattern(self) -> str:
        """What the whole text matches, in what Python and ECMAScript mean alike."""
        return _PATTERNS[self]

    @property
    def accepted(self) -> str:
        """What is accepted, in words."""
        return _ACCEPTED[self]


_HOST: Final = r"(?:[^\s/?#@:\[\]\\]+|\[[0-9A-Fa-f:.]+\])"

_PATTERNS: Final[Mapping[TextFormat, str]] = {
    TextFormat.HTTP_ENDPOINT: rf"\s*[hH][tT][tT][pP][sS]?:(?://)?{_HOST}(?::[0-9]{{1,5}})?(?:/[^\s?#]*)?\s*",
}
_ACCEPTED: Final[Mapping[TextFormat, str]] = {
    TextFormat.HTTP_ENDPOINT: "an http:// or https:// URL with a host, and without user, password, query and fragment",
}
