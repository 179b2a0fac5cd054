"""A text that must not be seen, and what keeps it out of texts that foreign code makes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NoReturn, final
from weakref import WeakValueDictionary

if TYPE_CHECKING:
    from collections.abc import Iterator

SHORTEST_HIDDEN: Final = 4
"""Secrets of fewer characters are not looked for in texts: they stand in any text by chance."""

HIDDEN: Final = "****"


@final
class Secret:
    """A secret text, such as a password. It shows itself only to those who call `reveal`.

    It compares in constant time, and cannot be pickled; `bool(secret)` is False if it is empty.
    """

    __slots__ = ("__weakref__", "_text")

    def __init__(self, text: str) -> None:
        if not isinstance(text, str):
            raise TypeError(f"a secret is made from text, not {type(text).__name__}")
        self._text = text
        if len(text) >= SHORTEST_HIDDEN:
            _alive[id(self)] = self

    def reveal(self) -> str:
        """The text itself; keep it no longer and take it no farther than needed."""
        return self._text

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        import hmac  # noqa: PLC0415  # hashing comes with it, which few who name this class need

        return hmac.compare_digest(self._bytes(), other._bytes())

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __repr__(self) -> str:
        return "Secret(****)"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, _memo: object) -> Secret:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret cannot be pickled")

    def _bytes(self) -> bytes:
        # A lone surrogate is a legal text, and comparing must not be what fails on it.
        return self._text.encode("utf-8", "surrogatepass")


# By identity: what a secret is equal to, or hashes to, must not decide whether it is known.
_alive: Final[WeakValueDictionary[int, Secret]] = WeakValueDictionary()


def without_secrets(text: str) -> str:
    """A text with stars in place of every secret of this process, as it is, quoted, or escaped for JSON.

    It is for texts that others make, such as the errors of a component that put its password into them. Secrets of
    fewer than `SHORTEST_HIDDEN` characters stay, and so do those that were changed further (cut, encoded).
    """
    known = {secret.reveal() for reference in _alive.valuerefs() if (secret := reference()) is not None}
    # No form is shorter than the secret. Most texts are short, and making the forms of a long secret takes long.
    known = {one for one in known if len(one) <= len(text)}
    found = {form for one in known for form in _forms(one) if form in text}
    for form in sorted(found, key=len, reverse=True):
        text = text.replace(form, HIDDEN)
    return text


def _forms(secret: str) -> Iterator[str]:
    yield secret
    if not secret.isalnum() or not secret.isascii():
        import json  # noqa: PLC0415  # the kernel loads none

        yield repr(secret)[1:-1]
        yield json.dumps(secret)[1:-1]
        yield json.dumps(secret, ensure_ascii=False)[1:-1]
