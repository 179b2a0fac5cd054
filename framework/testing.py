"""For tests of components and plugins: a clock to turn, and a gateway that settles deterministically."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from framework.fake_clock import FakeClock
from framework.gateway import Gateway
from framework.plugins import hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from framework.configuration import ConfigurationAdmin
    from framework.declarative_services import ComponentSnapshot, Explanation
    from framework.registry import ServiceRegistry

__all__ = ["FakeClock", "GatewayHarness"]

SETTLE_DEADLINE_S: Final = 60.0


class GatewayHarness:
    """A gateway in this process under a `FakeClock`, for a test.

        with GatewayHarness(components=[MyComponent], conf={"my.pid": {"rate": 5}}) as harness:
            harness.settle()
            assert harness.state("my.pid") == "active"

    Time stands still but for `advance`. `settle` returns when nothing is under way any more: no callback, no
    event, no work in the background.

    Args:
        components: Component classes.
        plugins: Objects or modules with hook implementations.
        conf: What the configuration files say: pid to properties.
        state_directory: Where state is kept; a temporary directory, removed at the end, if None. Give the same one
            to two harnesses after one another to test a restart.
        clock: The clock to use, for a test that goes on with the one of an earlier harness.
    """

    def __init__(
        self,
        *,
        components: Sequence[type] = (),
        plugins: Iterable[object] = (),
        conf: Mapping[str, Mapping[str, Any]] | None = None,
        state_directory: Path | None = None,
        clock: FakeClock | None = None,
    ) -> None:
        self._temporary = tempfile.TemporaryDirectory(prefix="gatewright-test-")
        scratch = Path(self._temporary.name)
        conf_directory = scratch / "conf.d"
        conf_directory.mkdir()
        if conf is not None:
            (conf_directory / "harness.json").write_text(
                json.dumps({pid: dict(properties) for pid, properties in conf.items()}), encoding="utf-8"
            )
        self.clock = clock or FakeClock()
        contributed = _Contribution(tuple(components))
        self.gateway = Gateway(
            state_directory or scratch / "state",
            conf_directory,
            clock=self.clock,
            plugins=[contributed, *plugins],
            discover=False,
            keep_time=False,
            environ={},
        )

    def __enter__(self) -> Self:
        self.gateway.start()
        self.settle()
        return self

    def __exit__(self, *_: object) -> None:
        self.gateway.stop()
        self._temporary.cleanup()

    @property
    def registry(self) -> ServiceRegistry:
        """The gateway's service registry."""
        return self.gateway.registry

    @property
    def configuration_admin(self) -> ConfigurationAdmin:
        """The gateway's configuration admin."""
        return self.gateway.configuration_admin

    def components(self) -> tuple[ComponentSnapshot, ...]:
        """All component configurations."""
        return self.gateway.components()

    def explain(self, pid: str) -> Explanation:
        """Why a component is as it is."""
        return self.gateway.explain(pid)

    def state(self, pid: str) -> str:
        """The state of a component, such as "active"; "unknown" if there is none."""
        return self.gateway.explain(pid).state

    def settle(self) -> None:
        """Wait until nothing is under way; AssertionError if that takes longer than a minute."""
        if not self.gateway.activity.wait_idle(SETTLE_DEADLINE_S):
            raise AssertionError("the gateway did not settle: a callback or background work does not end")

    def advance(self, seconds: float) -> None:
        """Let time pass, step by step: what falls due runs, and the gateway settles, before time goes on."""
        self.settle()
        end = self.clock.monotonic() + seconds
        while (due := self.gateway.scheduler.next_due()) is not None and due <= end:
            self.clock.advance(max(0.0, due - self.clock.monotonic()))
            self.gateway.scheduler.run_due()
            self.settle()
        self.clock.advance(max(0.0, end - self.clock.monotonic()))
        self.gateway.scheduler.run_due()
        self.settle()


class _Contribution:
    """The component classes of a test, as a plugin."""

    def __init__(self, components: tuple[type, ...]) -> None:
        self._components = components

    @hookimpl
    def gatewright_components(self) -> tuple[type, ...]:
        return self._components
