"""What a plugin may do when it is loaded without harming anybody else."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from framework import hookimpl
from framework.fake_clock import FakeClock
from framework.plugins import (
    Finding,
    GuardedCall,
    GuardError,
    HealthCheck,
    HealthReport,
    PluginContext,
    PluginHost,
    Severity,
)
from framework.plugins.host import HEALTH_DEADLINE_S
from framework.plugins.loading import IMPORT_DEADLINE_S
from framework.testing import GatewayHarness
from tests.framework.plugins.hanging import health_while_one_hangs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.framework.plugins.conftest import Install

_PATIENCE_S = 30


def test_a_guarded_call_that_hangs_is_given_up_at_the_deadline_with_its_stack() -> None:
    clock, release = FakeClock(), threading.Event()

    def never_ends() -> None:
        release.wait(_PATIENCE_S)

    call = GuardedCall(clock, "its import", never_ends)
    clock.advance(5)
    with pytest.raises(GuardError, match="did not end within 5 s") as caught:
        call.result(5, 5)
    assert caught.value.hung
    assert "never_ends" in str(caught.value)
    release.set()
    call.thread.join(_PATIENCE_S)
    assert call.done


HANGING = """
    import builtins, threading
    builtins.acme_reached.set()
    builtins.acme_release.wait(30)
"""


def test_an_import_that_hangs_is_quarantined_with_its_stack(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    reached, release = threading.Event(), threading.Event()
    monkeypatch.setattr("builtins.acme_reached", reached, raising=False)
    monkeypatch.setattr("builtins.acme_release", release, raising=False)
    install("acme-hanging", HANGING)
    clock = FakeClock()
    begun: list[str] = []
    host = PluginHost(clock, begins=begun.append)
    loader = threading.Thread(target=host.load_entry_points)
    loader.start()
    assert reached.wait(_PATIENCE_S)
    assert begun[-1] == "loading plugin acme-hanging:plugin", "who waits for the start hears of it before it hangs"
    clock.advance(IMPORT_DEADLINE_S)
    loader.join(_PATIENCE_S)
    (quarantined,) = host.quarantined
    assert "did not end within 30 s" in quarantined.reason
    assert "builtins.acme_release.wait" in quarantined.reason
    assert {one.name for one in host.plugins} >= {"keystore", "scep"}
    release.set()


def test_two_distributions_may_have_an_entry_point_of_one_name(install: Install) -> None:
    install("acme-one", "", entry_point="same")
    install("acme-two", "", entry_point="same")
    host = PluginHost()
    host.load_entry_points()
    assert host.quarantined == ()
    assert {one.name for one in host.plugins} >= {"acme-one:same", "acme-two:same"}


def test_two_distributions_with_the_same_module_are_one_plugin(install: Install) -> None:
    install("acme-one", "")
    install("acme-two", "", module="acme_one")
    host = PluginHost()
    host.load_entry_points()
    (quarantined,) = host.quarantined
    assert quarantined.name == "acme-two:plugin"
    assert "the same plugin as acme-one:plugin" in quarantined.reason


COMMANDING = """
    from framework.admin import Answer, Command
    from framework import hookimpl

    @hookimpl
    def gatewright_commands():
        return [Command(path=("status",), help="mine", run=lambda _: Answer(None, ""))]
"""


def test_a_plugin_cannot_take_a_command_of_the_framework(install: Install) -> None:
    install("acme-commands", COMMANDING)
    host = PluginHost()
    host.load_entry_points()
    (quarantined,) = host.quarantined
    assert "`status` is already a command of the framework" in quarantined.reason


NOT_STARTING = """
    from framework import component, hookimpl

    @component("acme.Unlucky")
    class Unlucky: ...

    @hookimpl
    def gatewright_components():
        return [Unlucky]

    @hookimpl
    def gatewright_started(gateway):
        raise SystemExit("not today")
"""


def test_a_plugin_that_fails_when_the_gateway_has_started_is_taken_out_again(install: Install) -> None:
    install("acme-unlucky", NOT_STARTING)
    with GatewayHarness() as harness:
        with pytest.raises(Exception, match="SystemExit: not today"):
            harness.gateway.plugins.add("acme-unlucky")
        harness.settle()
        assert harness.state("acme.Unlucky") == "unknown"
        assert harness.gateway.plugins.quarantined[0].name == "acme-unlucky:plugin"


def test_of_checks_side_by_side_one_that_hangs_hides_nothing_of_the_others() -> None:
    release, reached = threading.Event(), threading.Event()
    calls: list[str] = []

    def hang(_context: PluginContext) -> None:
        calls.append("hang")
        reached.set()
        release.wait(_PATIENCE_S)

    def each(_context: PluginContext) -> Iterator[Finding | HealthCheck]:
        yield HealthCheck("first", hang, fix="look at the first")
        yield HealthCheck("second", lambda _: Finding(Severity.WARNING, "second: is cold"))
        yield HealthCheck("third", lambda _: None)

    class Several:
        @hookimpl
        def gatewright_health_checks(self) -> list[HealthCheck]:
            return [HealthCheck("vaults", each)]

    with GatewayHarness() as harness:
        harness.gateway.plugins.add_object("several", Several())
        try:
            for _ in range(2):
                reports = health_while_one_hangs(harness, reached)
                assert [one.check for one in reports] == ["vaults", "vaults"]
                hung, cold = [one.finding for one in reports if one.finding]
                assert hung.text.startswith("the health check 'vaults' of 'first' of several did not end within 5 s")
                assert (hung.severity, hung.fix) == (Severity.ERROR, "look at the first")
                assert cold.text == "second: is cold"
            assert calls == ["hang"], "it is not begun again while it hangs"
        finally:
            release.set()


def test_a_health_check_that_hangs_is_reported_and_not_started_again_until_it_ends() -> None:
    release, reached = threading.Event(), threading.Event()
    calls: list[str] = []

    def hang(context: PluginContext) -> Finding | None:
        calls.append(context.plugin)
        reached.set()
        release.wait(_PATIENCE_S)
        return None

    class Hanging:
        @hookimpl
        def gatewright_health_checks(self) -> list[HealthCheck]:
            return [HealthCheck("hangs", hang), HealthCheck("ends", lambda _: None)]

    with GatewayHarness() as harness:
        host = harness.gateway.plugins
        host.add_object("hanging", Hanging())
        for _ in range(2):
            reports: list[HealthReport] = []
            asker = threading.Thread(target=lambda found=reports: found.extend(host.check_health()))
            asker.start()
            assert reached.wait(_PATIENCE_S)
            while asker.is_alive():
                harness.clock.advance(HEALTH_DEADLINE_S)
                asker.join(0.01)
            hung, ended = reports
            assert ended.finding is None
            assert hung.finding is not None
            assert "did not end within 5 s" in hung.finding.text
        assert calls == ["hanging"]
        release.set()
