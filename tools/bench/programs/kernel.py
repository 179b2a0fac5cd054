"""A kernel of ours with one component that is wired to one service."""

from __future__ import annotations

import sys

from framework import ComponentContext, Kernel, component, reference


class Provider:
    """What the component uses."""


@component("bench.Consumer")
class Consumer:
    """Says that it is wired."""

    provider = reference(Provider)

    def activate(self, _context: ComponentContext) -> None:
        """Say so."""
        print("ready", flush=True)


def main() -> None:
    """Run until the input ends."""
    with Kernel([Consumer]) as kernel:
        kernel.registry.register(Provider, Provider(), {"kura.service.pid": "Provider"})
        sys.stdin.read()


if __name__ == "__main__":
    main()
