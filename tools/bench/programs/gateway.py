"""A gateway of ours with one component that is wired to one service."""

from __future__ import annotations

import sys
from pathlib import Path

from framework import ComponentContext, Gateway, component, hookimpl, reference


class Provider:
    """What the component uses."""


@component("bench.Consumer")
class Consumer:
    """Says that it is wired."""

    provider = reference(Provider)

    def activate(self, _context: ComponentContext) -> None:
        """Say so."""
        print("ready", flush=True)


class _Plugin:
    @hookimpl
    def gatewright_components(self) -> tuple[type, ...]:
        return (Consumer,)


def main() -> None:
    """Run until the input ends."""
    with Gateway(Path(sys.argv[1]), plugins=[_Plugin()], discover=False) as gateway:
        gateway.registry.register(Provider, Provider(), {"kura.service.pid": "Provider"})
        sys.stdin.read()


if __name__ == "__main__":
    main()
