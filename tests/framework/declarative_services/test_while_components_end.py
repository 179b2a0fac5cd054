"""What is asked for while a component still ends: the last word counts."""

from __future__ import annotations

import threading

from framework import ComponentContext, DeactivationReason, Kernel, component
from framework.configuration import ConfigurationEvent
from framework.testing import GatewayHarness


def test_an_instance_that_is_made_and_deleted_again_while_it_ends_is_gone() -> None:
    ends, may_end, lives = threading.Event(), threading.Event(), []

    @component("test.Slow", factory=True)
    class Slow:
        def activate(self, context: ComponentContext) -> None:
            lives.append(context.properties.get("n"))

        def deactivate(self, reason: DeactivationReason) -> None:
            ends.set()
            assert may_end.wait(60)

    with GatewayHarness(components=[Slow]) as harness:
        admin = harness.configuration_admin
        admin.update("test.Slow~x", {"n": 1})
        admin.delete("test.Slow~x", timeout=0)
        assert ends.wait(60)
        admin.update("test.Slow~x", {"n": 2}, timeout=0)
        admin.delete("test.Slow~x", timeout=0)
        may_end.set()
        harness.settle()
        assert (harness.state("test.Slow~x"), admin.pids()) == ("unknown", ())
        admin.update("test.Slow~x", {"n": 3})
        assert (harness.state("test.Slow~x"), lives[-1]) == ("active", 3)


def test_components_that_are_added_and_removed_again_while_they_end_are_gone() -> None:
    ends, may_end = threading.Event(), threading.Event()

    @component("test.Slow")
    class Slow:
        def deactivate(self, reason: DeactivationReason) -> None:
            ends.set()
            assert may_end.wait(60)

    with Kernel([]) as kernel:
        runtime = kernel.runtime
        runtime.add_components("plugin", [(Slow, None)])
        runtime.deliver(ConfigurationEvent("test.Slow", None, {}, 1, configured=False))
        kernel.settle()
        assert not runtime.remove_components("plugin", 0)
        assert ends.wait(60)
        runtime.add_components("plugin", [(Slow, None)])
        runtime.remove_components("plugin", 0)
        may_end.set()
        kernel.settle()
        assert kernel.components() == ()
