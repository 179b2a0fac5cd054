"""Service properties: an immutable snapshot whose keys compare without case and keep their case."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from framework.registry.errors import PropertyKeysError

SERVICE_ID: Final = "service.id"
OBJECT_CLASS: Final = "objectClass"
SERVICE_SCOPE: Final = "service.scope"
SERVICE_RANKING: Final = "service.ranking"

FOLDED_OBJECT_CLASS: Final = OBJECT_CLASS.lower()
_FRAMEWORKS: Final = frozenset({SERVICE_ID, FOLDED_OBJECT_CLASS, SERVICE_SCOPE})


class ServiceProperties(Mapping[str, Any]):
    """Properties of a service at one moment.

    Args:
        properties: What its owner says. The framework's own keys are passed over.
        framework: What the framework says: `service.id`, `objectClass`, `service.scope`.

    Attributes:
        folded: The values by key in lower case.
    """

    __slots__ = ("_keys", "folded")

    def __init__(self, properties: Mapping[str, Any], framework: Mapping[str, Any]) -> None:
        keys: dict[str, str] = {}
        folded: dict[str, Any] = {}
        for key, value in properties.items():
            if not isinstance(key, str):
                raise PropertyKeysError(key, "is no text")
            low = key.lower()
            if low in keys:
                raise PropertyKeysError(key, f"differs from {keys[low]!r} only in case")
            if low not in _FRAMEWORKS:
                keys[low] = key
                folded[low] = _frozen(value)
        for key, value in framework.items():
            low = FOLDED_OBJECT_CLASS if key == OBJECT_CLASS else key
            keys[low] = key
            folded[low] = value
        self._keys = keys
        self.folded: dict[str, Any] = folded

    @property
    def framework(self) -> dict[str, Any]:
        """What the framework says, as it is handed to the next snapshot."""
        folded = self.folded
        return {
            SERVICE_ID: folded[SERVICE_ID],
            OBJECT_CLASS: folded[FOLDED_OBJECT_CLASS],
            SERVICE_SCOPE: folded[SERVICE_SCOPE],
        }

    def __getitem__(self, key: str) -> Any:
        return self.folded[key.lower()]

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and key.lower() in self.folded

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys.values())

    def __len__(self) -> int:
        return len(self._keys)

    def __repr__(self) -> str:
        return f"ServiceProperties({dict(self)!r})"


def _frozen(value: Any) -> Any:
    """The value as it is now, whatever its owner does to a collection later: indexes rely on that."""
    if isinstance(value, list):
        return tuple(value)
    return frozenset(value) if isinstance(value, set) else value
