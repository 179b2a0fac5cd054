"""Texts in which configuration files leave a place for the device: `{"$device": "CN={hostname},O=Example"}`.

So one file serves a whole fleet. There are two places: `{hostname}`, and `{machine-id}`, which stands for 32 hex digits
that are made of the machine's id (machine-id(5)) and do not give it away.
"""

from __future__ import annotations

import hmac
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from framework.errors import FrameworkError

if TYPE_CHECKING:
    from collections.abc import Callable

DEVICE: Final = "$device"
MACHINE_ID: Final = Path("/etc/machine-id")

_PLACE: Final = re.compile(r"\{([^{}]*)\}")
_APPLICATION: Final = b"gatewright"


class DeviceTextError(FrameworkError):
    """What stands for the device cannot be had.

    Attributes:
        place: The name between the braces.
    """

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(f"the place {{{place}}} in a text for the device {reason}")
        self.place = place


def hostname() -> str:
    """The name that the machine has now."""
    return os.uname().nodename


def machine_id() -> str:
    """What is made of the machine's id: the same at each start, and no other machine's."""
    try:
        known = MACHINE_ID.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is damaged"
        raise DeviceTextError("machine-id", f"has nothing to stand for: {MACHINE_ID}: {reason}") from None
    if re.fullmatch(r"[0-9a-f]{32}", known) is None:
        raise DeviceTextError("machine-id", f"has nothing to stand for: {MACHINE_ID} holds no id (yet)")
    return hmac.digest(bytes.fromhex(known), _APPLICATION, "sha256")[:16].hex()


_PLACES: Final[dict[str, Callable[[], str]]] = {"hostname": hostname, "machine-id": machine_id}


def for_device(value: Any) -> Any:
    """A property's value with the texts for the device in it, alone or in a list; DeviceTextError."""
    if isinstance(value, list):
        return [for_device(element) for element in value]
    if isinstance(value, dict) and value.keys() == {DEVICE} and isinstance(value[DEVICE], str):
        return _PLACE.sub(lambda found: _stands_for(found[1]), value[DEVICE])
    return value


def _stands_for(place: str) -> str:
    if place not in _PLACES:
        raise DeviceTextError(place, f"is unknown: there are {', '.join(_PLACES)}")
    return _PLACES[place]()
