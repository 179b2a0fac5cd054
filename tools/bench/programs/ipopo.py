"""An iPOPO framework with one component that is wired to one service; further bundles are named as arguments."""

from __future__ import annotations

import sys

from pelix.framework import FrameworkFactory, create_framework
from pelix.ipopo.constants import use_ipopo
from pelix.ipopo.decorators import ComponentFactory, Requires, Validate


class Consumer:
    """Says that it is wired."""

    def __init__(self) -> None:
        self._provider = None

    def validate(self, _context: object) -> None:
        """Say so."""
        print("ready", flush=True)


Validate(Consumer.validate)


def main() -> None:
    """Run until the input ends."""
    framework = create_framework(["pelix.ipopo.core", *sys.argv[1:]])
    framework.start()
    context = framework.get_bundle_context()
    context.register_service("bench.Provider", object(), {"kura.service.pid": "Provider"})
    with use_ipopo(context) as service:
        service.register_factory(
            context, ComponentFactory("bench.Consumer")(Requires("_p", "bench.Provider")(Consumer))
        )
        service.instantiate("bench.Consumer", "consumer")
    sys.stdin.read()
    FrameworkFactory.delete_framework(framework)


if __name__ == "__main__":
    main()
