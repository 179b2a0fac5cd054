"""Finds what could match without looking at everything else.

Who reads one bucket takes no lock: what is in it is only ever added to, removed from or replaced by single operations
of a writer who holds the registry's lock. A member may move from one bucket to another, so who reads several holds it,
too. What the index gives are candidates; the whole filter is always applied to them afterwards.
"""

from __future__ import annotations

import bisect
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from framework.filter import keys_of_value

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Sequence


class Ordered(Protocol):
    """Something with a place in an order."""

    @property
    def order(self) -> Any:
        """What to sort by; no two members have the same."""
        ...


T = TypeVar("T", bound=Ordered)


class Bucket(Generic[T]):
    """A set that is kept in order."""

    __slots__ = ("_kept", "_members", "_version")

    def __init__(self) -> None:
        self._members: list[T] = []
        self._version = 0
        self._kept: tuple[int, tuple[T, ...]] = (0, ())

    def __len__(self) -> int:
        return len(self._members)

    def add(self, member: T) -> None:
        """Add a member; only under the owner's lock."""
        members = self._members
        if not members or members[-1].order < member.order:
            members.append(member)
        else:
            bisect.insort(members, member, key=_order)
        self._version += 1

    def remove(self, member: T, order: Any) -> None:
        """Remove the member that was added with this order; only under the owner's lock."""
        members = self._members
        at = bisect.bisect_left(members, order, key=_order)
        if at == len(members) or members[at] is not member:  # its order has changed since
            at = members.index(member)
        del members[at]
        self._version += 1

    def reorder(self, member: T) -> None:
        """A member's order has changed; only under the owner's lock. Readers never miss it meanwhile."""
        members = [other for other in self._members if other is not member]
        bisect.insort(members, member, key=_order)
        self._members = members
        self._version += 1

    def first(self) -> T | None:
        """The first member, without a lock."""
        try:
            return self._members[0]
        except IndexError:
            return None

    def in_order(self) -> tuple[T, ...]:
        """The members in order, without a lock: what is kept is only trusted if nothing has changed since."""
        version = self._version
        kept_version, kept = self._kept
        if kept_version == version:
            return kept
        ordered = tuple(self._members)
        self._kept = (version, ordered)
        return ordered


class EqualityIndex(Generic[T]):
    """Buckets by the keys of one attribute's values."""

    __slots__ = ("_others", "_texts")

    def __init__(self) -> None:
        self._texts: dict[Hashable, Bucket[T]] = {}
        self._others: dict[Hashable, Bucket[T]] = {}

    def add(self, keys: Iterable[Hashable], member: T) -> None:
        """File a member under keys; only under the owner's lock."""
        for key in keys:
            buckets = self._texts if key.__class__ is str else self._others
            bucket = buckets.get(key)
            if bucket is None:
                bucket = buckets[key] = Bucket()
            bucket.add(member)

    def remove(self, keys: Iterable[Hashable], member: T, order: Any) -> None:
        """Take out a member that was filed with this order; only under the owner's lock."""
        for key in keys:
            buckets = self._texts if key.__class__ is str else self._others
            bucket = buckets[key]
            bucket.remove(member, order)
            if not len(bucket):
                del buckets[key]

    def move(self, before: Any, after: Any, member: T, order: Any) -> None:
        """A member's value has changed, and perhaps its order; only under the owner's lock.

        It is filed anew before it is taken out, so that readers never miss it.
        """
        old, new = keys_of_value(before), keys_of_value(after)
        if old != new:
            self.add([key for key in new if key not in old], member)
            self.remove([key for key in old if key not in new], member, order)
        if order != member.order:
            for bucket in self.buckets([key for key in old if key in new]):
                bucket.reorder(member)

    def of_literal(self, keys: Sequence[Hashable]) -> list[Bucket[T]]:
        """Where members are that are filed under one of a literal's keys, of which the first one alone is text."""
        if self._others:
            return self.buckets(keys)
        bucket = self._texts.get(keys[0])
        return [] if bucket is None else [bucket]

    def buckets(self, keys: Iterable[Hashable]) -> list[Bucket[T]]:
        """Where members are that are filed under one of the keys."""
        others = self._others
        found = (self._texts.get(key) if key.__class__ is str else others.get(key) for key in keys)
        return [bucket for bucket in found if bucket is not None]


def _order(member: Ordered) -> Any:
    return member.order
