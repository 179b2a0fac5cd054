"""A plugin of a gateway whose one component never ends its `deactivate`."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from framework import DeactivationReason, component, hookimpl

if TYPE_CHECKING:
    from pathlib import Path

GATEWRIGHT_API = 1


@component("bench.Stuck")
class Stuck:
    """Is active at once, and stays."""

    def deactivate(self, _reason: DeactivationReason) -> None:
        """Wait for what does not come."""
        threading.Event().wait()


@hookimpl
def gatewright_components() -> tuple[type, ...]:
    """The component."""
    return (Stuck,)


def install(directory: Path) -> None:
    """Make this module a distribution's plugin, for programs that find modules in this directory."""
    information = directory / "bench_stuck-1.dist-info"
    information.mkdir(parents=True, exist_ok=True)
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: bench-stuck\nVersion: 1\n")
    (information / "entry_points.txt").write_text(f"[gatewright]\nstuck = {__name__}\n")
