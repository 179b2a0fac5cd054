"""Properties as the store keeps them: JSON text, secrets sealed, each bound to its pid and property."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from metatype import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

    from framework.sealing import MasterKey

SEALED: Final = "$sealed"
DECIMAL: Final = "$decimal"


def context(*parts: str) -> str:
    """The place that a secret is sealed for."""
    return "\0".join(parts)


def encode(key: MasterKey, pid: str, properties: Mapping[str, Any]) -> str:
    """The text of properties."""

    def plain(name: str, value: Any) -> Any:
        if isinstance(value, Secret):
            return {SEALED: key.seal(value, context("configuration", pid, name))}
        if isinstance(value, Decimal):
            return {DECIMAL: str(value)}
        if isinstance(value, list | tuple):
            return [plain(name, element) for element in value]
        return value

    return json.dumps({name: plain(name, value) for name, value in properties.items()})


def decode(key: MasterKey, pid: str, text: str) -> dict[str, Any]:
    """The properties of a text; SealingError if a secret cannot be opened."""

    def typed(name: str, value: Any) -> Any:
        if isinstance(value, dict):
            if SEALED in value:
                return key.unseal(value[SEALED], context("configuration", pid, name))
            return Decimal(value[DECIMAL])
        if isinstance(value, list):
            return [typed(name, element) for element in value]
        return value

    return {name: typed(name, value) for name, value in json.loads(text).items()}
