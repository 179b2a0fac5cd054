"""Immutable values with named fields, as frozen dataclasses are, in a fraction of their time.

Making a frozen dataclass takes 0.6 ms at import, and half a hundred of them would take as long as a whole kernel needs
to start; `typing.NamedTuple` takes a quarter of that, and members of different classes with equal contents are equal to
it. Records are for what a kernel loads and makes by the thousand; elsewhere dataclasses do well.
"""

from __future__ import annotations

from collections import namedtuple
from typing import Any, ClassVar, Final, Self, dataclass_transform

_Places = namedtuple("_Places", "a b c d e f g h i j k l m n o p q r s t u v w x")  # noqa: PYI024  # for what reads its fields
_GETTERS: Final = [vars(_Places)[name] for name in _Places._fields]
"""What reads an element of a tuple as an attribute, in C."""

MOST_FIELDS: Final = len(_GETTERS)


@dataclass_transform(frozen_default=True)
class RecordType(type):
    """Makes the annotations of a class body its fields, and values given there their defaults."""

    def __new__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> RecordType:
        """Make a class of records."""
        fields = () if name == "Record" else tuple(namespace.get("__annotations__", ()))
        defaults = tuple(namespace[field] for field in fields if field in namespace)
        if len(fields) > MOST_FIELDS or any(field in namespace for field in fields[: len(fields) - len(defaults)]):
            raise TypeError(f"{name}: at most {MOST_FIELDS} fields, those with defaults last")
        namespace.update(zip(fields, _GETTERS, strict=False))
        places = {field: place for place, field in enumerate(fields)}
        own = {"_places": places, "_defaults": defaults, "__match_args__": fields, "__slots__": ()}
        return super().__new__(cls, name, bases, namespace | own)


class Record(tuple[Any, ...], metaclass=RecordType):
    """The base of all records. They equal only records of the same class with equal fields.

    >>> class Point(Record):
    ...     x: int
    ...     y: int = 0
    >>> Point(1), Point(1, 2).but(x=3)
    (Point(x=1, y=0), Point(x=3, y=2))
    """

    __slots__ = ()
    _places: ClassVar[dict[str, int]]
    _defaults: ClassVar[tuple[Any, ...]]

    def __new__(cls, *values: Any, **named: Any) -> Self:
        """Make one from its fields, by place or by name; TypeError if one is missing or unknown."""
        missing = len(cls._places) - len(values)
        if missing or named:
            if named or not 0 < missing <= len(cls._defaults):
                values = _complete(cls, values, named)
            else:
                values += cls._defaults[-missing:]
        return tuple.__new__(cls, values)

    def but(self, **changes: Any) -> Self:
        """The same with some fields changed."""
        values = list(self)
        for name, value in changes.items():
            values[self._places[name]] = value
        return tuple.__new__(type(self), values)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and tuple.__eq__(self, other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return tuple.__hash__(self)

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={value!r}" for name, value in zip(self._places, self, strict=True))
        return f"{type(self).__qualname__}({fields})"

    def __getnewargs__(self) -> tuple[Any, ...]:
        return tuple(self)


def _complete(cls: type[Record], values: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, ...]:
    """All fields in order, from those that are given and the defaults."""
    fields = tuple(cls._places)
    given = dict(zip(fields, values, strict=False))
    if len(values) > len(fields) or given.keys() & named.keys() or named.keys() - set(fields):
        raise TypeError(f"{cls.__qualname__} has the fields {', '.join(fields) or 'none'}; it got others, or one twice")
    optional = fields[len(fields) - len(cls._defaults) :]
    given = {**dict(zip(optional, cls._defaults, strict=True)), **given, **named}
    missing = [name for name in fields if name not in given]
    if missing:
        raise TypeError(f"{cls.__qualname__} needs {', '.join(missing)}, too")
    return tuple(given[name] for name in fields)
