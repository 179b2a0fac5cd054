"""Finds what could match an equality without looking at everything else.

Readers take no lock: they look into dictionaries whose entries are only ever added, removed or replaced as a
whole by a writer that holds the registry's lock. What the index gives are candidates; the whole filter is
always applied to them afterwards.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Ordered(Protocol):
    """Something with a place in an order."""

    @property
    def order(self) -> Any:
        """What to sort by."""


T = TypeVar("T", bound=Ordered)

NOT_TEXT: Final = object()
"""Stands for all values that are no text: a literal may equal them in ways that no index foresees."""


class Bucket(Generic[T]):
    """A set that is read in order; the order is made when it is first asked for."""

    __slots__ = ("_members", "_sorted", "_version")

    def __init__(self) -> None:
        self._members: dict[int, T] = {}
        self._version = 0
        self._sorted: tuple[int, tuple[T, ...]] = (0, ())

    def __len__(self) -> int:
        return len(self._members)

    def add(self, member: T) -> None:
        """Add a member; only under the owner's lock."""
        self._members[id(member)] = member
        self._version += 1

    def remove(self, member: T) -> None:
        """Remove a member; only under the owner's lock."""
        self._members.pop(id(member), None)
        self._version += 1

    def touch(self) -> None:
        """The order of members has changed; only under the owner's lock."""
        self._version += 1

    def in_order(self) -> tuple[T, ...]:
        """The members in order, without a lock: what is kept is only trusted if nothing has changed since."""
        version = self._version
        kept_version, kept = self._sorted
        if kept_version == version:
            return kept
        ordered = tuple(sorted(self._members.values(), key=lambda member: member.order))
        self._sorted = (version, ordered)
        return ordered


def texts_of(value: Any) -> set[object]:
    """The keys under which a property's value is found: its texts, and `NOT_TEXT` if it has anything else."""
    elements = value if isinstance(value, tuple | list | set | frozenset) else (value,)
    return {element if isinstance(element, str) else NOT_TEXT for element in elements if element is not None}


class EqualityIndex(Generic[T]):
    """Buckets by one attribute's values."""

    def __init__(self) -> None:
        self._buckets: dict[object, Bucket[T]] = {}

    def add(self, keys: Iterable[object], member: T) -> None:
        """File a member under keys; only under the owner's lock."""
        for key in keys:
            self._buckets.setdefault(key, Bucket()).add(member)

    def remove(self, keys: Iterable[object], member: T) -> None:
        """Take a member out; only under the owner's lock."""
        for key in keys:
            bucket = self._buckets.get(key)
            if bucket is not None:
                bucket.remove(member)
                if not len(bucket):
                    del self._buckets[key]

    def move(self, before: Mapping[str, Any], after: Mapping[str, Any], attribute: str, member: T) -> None:
        """A member's properties have changed; only under the owner's lock."""
        old, new = texts_of(before.get(attribute)), texts_of(after.get(attribute))
        self.remove(old - new, member)
        self.add(new - old, member)
        for key in old & new:
            self._buckets[key].touch()

    def buckets(self, text: str) -> tuple[Bucket[T], ...]:
        """Where members that could equal `text` are."""
        found = (self._buckets.get(text), self._buckets.get(NOT_TEXT))
        return tuple(bucket for bucket in found if bucket is not None)

    def of_value(self, value: Any) -> tuple[Bucket[T], ...]:
        """All buckets that a property of this value could concern; all of them if it is not wholly text."""
        keys = texts_of(value)
        if NOT_TEXT in keys:
            return tuple(self._buckets.values())
        return tuple(bucket for key in keys if (bucket := self._buckets.get(key)) is not None)
