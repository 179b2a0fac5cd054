"""The kernel alone: components in a program of one's own, configured, explained and stopped without a gateway."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from framework import (
    ComponentContext,
    ConfigurationChange,
    ConfigurationError,
    DeactivationReason,
    Kernel,
    Secret,
    component,
    reference,
)
from framework.testing import FakeClock

HEAVY = {"dataclasses", "inspect", "json", "sqlite3", "hashlib", "tempfile", "pluggy", "cryptography", "metatype.model"}


class Provider:
    pass


@component("example.Consumer")
class Consumer:
    provider = reference(Provider)
    log: list[object] = []  # noqa: RUF012  # what all instances did, for the tests

    def activate(self, context: ComponentContext) -> None:
        self.log.append(("activate", context.properties.get("unit"), self.provider))

    def modified(self, change: ConfigurationChange) -> None:
        self.log.append(("modified", change.properties.get("unit")))

    def deactivate(self, reason: DeactivationReason) -> None:
        self.log.append(("deactivate", reason))


@component("example.Instance", factory=True)
class Instance:
    def activate(self, context: ComponentContext) -> None:
        context.secrets.set("pin", Secret("1234"))
        assert context.secrets.get("pin") == Secret("1234")


@component("example.Filed")
class Filed:
    def activate(self, context: ComponentContext) -> None:
        (context.data_directory / "kept").write_text("here")


@pytest.fixture(autouse=True)
def fresh() -> None:
    Consumer.log.clear()


def test_a_component_is_wired_configured_and_stopped() -> None:
    provider = Provider()
    with Kernel([Consumer]) as kernel:
        assert kernel.settle()
        assert kernel.explain("example.Consumer").state == "unsatisfied"
        kernel.registry.register(Provider, provider)
        assert kernel.settle()
        assert kernel.configure("example.Consumer", {"unit": "K"}).outcome == "modified"
        assert [one.state for one in kernel.components()] == ["active"]
    assert Consumer.log == [
        ("activate", None, provider),
        ("modified", "K"),
        ("deactivate", DeactivationReason.STOPPED),
    ]


def test_factory_instances_come_and_go_with_their_configurations() -> None:
    with Kernel([Instance]) as kernel:
        assert kernel.configure("example.Instance~one", {}).outcome == "activated"
        assert [one.service_pid for one in kernel.components()] == ["one"]
        assert kernel.configure("example.Instance~one", None).outcome == "deleted"
        assert kernel.components() == ()


@pytest.mark.parametrize("pid", ["example.Unknown", "example.Instance", "example.Consumer~one"])
def test_a_pid_that_is_none_is_an_error_that_names_those_there_are(pid: str) -> None:
    with Kernel([Consumer, Instance]) as kernel, pytest.raises(ConfigurationError, match=r"example\.Consumer"):
        kernel.configure(pid, {})


def test_properties_are_checked_and_nothing_is_changed_if_they_are_wrong() -> None:
    with Kernel([Consumer]) as kernel:
        with pytest.raises(ConfigurationError) as raised:
            kernel.configure("example.Consumer", {"unit": object(), "provider.target": "(("})
        assert {problem.property for problem in raised.value.problems} == {"unit", "provider.target"}


def test_a_component_that_keeps_files_needs_a_state_directory(tmp_path: Path) -> None:
    with Kernel([Filed]) as kernel:
        kernel.settle()
        assert "no state directory" in "\n".join(kernel.explain("example.Filed").sentences)
    with Kernel([Filed], state_directory=tmp_path) as kernel:
        kernel.settle()
        assert kernel.explain("example.Filed").state == "active"
    assert [path.read_text() for path in tmp_path.rglob("kept")] == ["here"]


def test_a_clock_may_be_given_and_stands_still() -> None:
    clock = FakeClock()
    with Kernel(clock=clock, keep_time=False) as kernel:
        assert kernel.clock is clock
        assert kernel.scheduler.next_due() is None


def test_it_loads_nothing_that_only_a_gateway_needs() -> None:
    source = "import sys; from framework import Kernel, component, reference; Kernel; print(*sorted(sys.modules))"
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True, cwd=root)
    assert HEAVY & set(done.stdout.split()) == set()


def test_consumers_of_each_interface_of_a_component_are_wired_with_it() -> None:
    class First:
        pass

    class Second:
        pass

    @component("example.Two", provides=(First, Second))
    class Two:
        pass

    @component("example.UsesFirst")
    class UsesFirst:
        service = reference(First)

    @component("example.UsesSecond")
    class UsesSecond:
        service = reference(Second)

    with Kernel([UsesFirst, UsesSecond, Two]) as kernel:
        kernel.settle()
        assert [kernel.explain(f"example.{name}").state for name in ("UsesFirst", "UsesSecond")] == ["active"] * 2
