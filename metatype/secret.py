"""A text that must not be seen."""

from __future__ import annotations

from typing import NoReturn, final


@final
class Secret:
    """A secret text, such as a password. It shows itself only to those who call `reveal`.

    It compares in constant time, and cannot be pickled; `bool(secret)` is False if it is empty.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        if not isinstance(text, str):
            raise TypeError(f"a secret is made from text, not {type(text).__name__}")
        self._text = text

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
