"""`status` fits one screen, however much there is to tell."""

from __future__ import annotations

import threading
from argparse import Namespace
from typing import TYPE_CHECKING, cast

import pytest

from framework import component, reference
from framework.admin.command import ClientSide, Invocation
from framework.admin.commands import framework_commands
from framework.admin.rendering import paint
from framework.testing import GatewayHarness

if TYPE_CHECKING:
    from collections.abc import Iterator


class Missing:
    pass


BEGUN, GATE = threading.Event(), threading.Event()


@component("example.Slow", enabled=False)
class Slow:
    def activate(self, _context: object) -> None:
        BEGUN.set()
        GATE.wait(60)


@component("example.Waiting")
class Waiting:
    missing = reference(Missing, target="(purpose=a service of a purpose that nobody here has ever heard of)")


def waiting(number: int) -> type:
    made: type = component(f"example.Waiting{number}")(type("Waiting", (), {"missing": reference(Missing)}))
    return made


def shown(harness: GatewayHarness, command: str, columns: int | None = 80, *, everything: bool = False) -> list[str]:
    (found,) = (one for one in framework_commands() if one.path == (command,))
    options = Namespace(all=everything, problems=False)
    answer = found.run(Invocation(options, harness.gateway, cast("ClientSide", None), columns))
    return paint(answer.text, colour=False).splitlines()


@pytest.fixture
def slow() -> Iterator[GatewayHarness]:
    """A gateway with a component that is being activated, and is not done."""
    BEGUN.clear()
    GATE.clear()
    with GatewayHarness(components=[Slow, Waiting]) as harness:
        harness.gateway.set_enabled("example.Slow", enabled=True)
        try:
            assert BEGUN.wait(60)
            yield harness
        finally:
            GATE.set()


def test_a_component_that_is_being_activated_needs_nobody(slow: GatewayHarness) -> None:
    lines = shown(slow, "status")
    needs = lines[lines.index("needs you:") :]
    assert not any("example.Slow" in line for line in needs)
    assert any(line.split() == ["example.Slow", "activating"] for line in lines)


def test_a_component_that_hangs_is_told_in_one_line_without_its_stack(slow: GatewayHarness) -> None:
    slow.clock.advance(11)
    slow.gateway.scheduler.run_due()
    for command in ("status", "doctor"):
        (line,) = (line for line in shown(slow, command, None) if "has not ended" in line)
        assert "example.Slow: a callback of it has not ended for 11 s" in line
        assert "GATE.wait" not in "\n".join(shown(slow, command, None))
    assert "gatewright explain example.Slow" in "\n".join(shown(slow, "status"))


def test_many_components_fit_one_screen() -> None:
    with GatewayHarness(components=[*map(waiting, range(60)), Waiting]) as harness:
        lines = shown(harness, "status")
        assert len(lines) <= 24
        assert max(map(len, lines)) <= 80
        assert any("more: gatewright component list" in line for line in lines)
        assert any("more: gatewright doctor --problems" in line for line in lines)
        assert all("gatewright explain" in line for line in lines if "•" in line), "what to do is cut last"
        assert len(shown(harness, "status", everything=True)) > 120
