"""A gateway that runs until it is enrolled: `python -m tools.bench.programs.enrolment STATE CONF`."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import components.keystore.plugin
import components.scep.plugin
from framework import Gateway

if TYPE_CHECKING:
    from framework import Event

_DEADLINE_S = 60.0


def main() -> int:
    """Wait for the enrolment that the configuration files ask for; 0 if it came."""
    enrolled = threading.Event()

    def changed(event: Event) -> None:
        if event.properties.get("state") == "enrolled":
            enrolled.set()

    plugins = [components.keystore.plugin, components.scep.plugin]
    gateway = Gateway(Path(sys.argv[1]), Path(sys.argv[2]), plugins=plugins, discover=False)
    with gateway.event_admin.subscribe("gatewright/enrollment/STATE_CHANGED", changed), gateway:
        return 0 if enrolled.wait(_DEADLINE_S) else 1


if __name__ == "__main__":
    sys.exit(main())
