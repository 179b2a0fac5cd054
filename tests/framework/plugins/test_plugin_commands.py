"""`plugin list|check|add|remove`, through the socket of a gateway and without one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from framework.admin.commands import framework_commands
from framework.admin.server import AdminServer
from framework.cli import main
from framework.testing import GatewayHarness

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.framework.plugins.conftest import Install

ODOMETER = """
    from framework import component, hookimpl
    from framework.admin import Answer, Command

    @component("acme.Odometer", descriptor="odometer.xml")
    class Odometer: ...

    @hookimpl
    def gatewright_components():
        return [Odometer]

    @hookimpl
    def gatewright_commands():
        return [Command(path=("odometer", "show"), help="mine", run=lambda _: Answer({"km": 5}, "5 km"))]

    @hookimpl
    def gatewright_conformance_tests():
        return ["acme_odometer.conformance"]
"""

DESCRIPTOR = """\
    <metatype:MetaData xmlns:metatype="http://www.osgi.org/xmlns/metatype/v1.4.0">
      <OCD id="o" name="Odometer"><AD id="wheels" type="Integer" default="{wheels}" max="8"/></OCD>
      <Designate pid="acme.Odometer"><Object ocdref="o"/></Designate>
    </metatype:MetaData>
"""


@pytest.fixture
def running(tmp_path: Path) -> Iterator[list[str]]:
    state_directory = tmp_path / "state"
    with GatewayHarness(state_directory=state_directory) as harness:
        gateway = harness.gateway
        server = AdminServer(gateway, lambda: [*framework_commands(), *gateway.commands], state_directory)
        server.start()
        yield ["--state-dir", str(state_directory)]
        server.stop()


def answer(capsys: pytest.CaptureFixture[str], *argv: str, exit_status: int = 0) -> Any:
    assert main([*argv, "--json"]) == exit_status
    return json.loads(capsys.readouterr().out)


def install_odometer(install: Install, *, wheels: int = 4, test: str = "def test(): pass") -> None:
    files = {"odometer.xml": DESCRIPTOR.format(wheels=wheels), "conformance.py": test}
    install("acme-odometer", ODOMETER, files=files)


def test_commands_come_and_go_with_their_plugin(
    install: Install, running: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    install_odometer(install)
    assert main(["odometer", "show", *running]) == 64
    capsys.readouterr()
    added = answer(capsys, "plugin", "add", "acme-odometer", *running)
    assert added["components"] == ["acme.Odometer"]
    assert answer(capsys, "odometer", "show", *running) == {"km": 5}
    listed = answer(capsys, "plugin", "list", *running)
    assert added in listed
    assert answer(capsys, "plugin", "remove", "acme-odometer", *running)["left_behind"] == []
    assert main(["odometer", "show", *running]) == 64
    capsys.readouterr()
    assert main(["plugin", "remove", "acme-odometer", *running]) == 1
    assert "there is no such plugin" in capsys.readouterr().err


def test_plugins_are_listed_without_a_gateway_and_those_in_quarantine_with_the_reason(
    install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    install("acme-broken", "raise RuntimeError('no\\nway')")
    listed = {one["name"]: one for one in answer(capsys, "plugin", "list")}
    assert listed["scep"]["components"] == ["gatewright.scep.SCEPEnrollmentService"]
    assert (listed["acme-broken:plugin"]["state"], listed["acme-broken:plugin"]["version"]) == ("quarantined", "1.0")
    assert "RuntimeError: no\nway" in listed["acme-broken:plugin"]["reason"]
    assert main(["plugin", "list"]) == 0
    assert "RuntimeError: no" in capsys.readouterr().out


def test_check_says_what_is_odd_about_a_plugin_without_a_gateway(
    install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    install_odometer(install, wheels=9)
    (checked,) = answer(capsys, "plugin", "check", "acme-odometer", exit_status=3)
    assert [one["severity"] for one in checked["findings"]] == ["warning"] * 4
    assert "which version of the plugin interface" in checked["findings"][0]["text"]
    assert "wheels" in checked["findings"][1]["text"]
    assert "the help of the command odometer show has no example" in checked["findings"][2]["text"]
    assert "odometer show does not say what it answers with --json" in checked["findings"][3]["text"]
    assert "AnswerSchema" in checked["findings"][3]["fix"]


@pytest.mark.parametrize(
    ("declared", "found"),
    [
        ("lambda: AnswerSchema({'type': 'object'})", None),
        ("lambda: AnswerSchema({'type': 'thing'})", "is none: 'thing' is not valid"),
        ("lambda: {'type': 'object'}", "is none: dict is no AnswerSchema"),
        ("lambda: 1 / 0", "failed: ZeroDivisionError"),
    ],
)
def test_check_looks_at_the_schemas_of_commands(
    install: Install, declared: str, found: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    source = f"""
        from framework import hookimpl
        from framework.admin import Answer, Command
        from framework.admin.schema import AnswerSchema

        GATEWRIGHT_API = 1

        @hookimpl
        def gatewright_commands():
            return [
                Command(
                    path=("odometer", "show"),
                    help="mine",
                    run=lambda _: Answer({{}}, ""),
                    examples=("gatewright odometer show",),
                    schema={declared},
                )
            ]
    """
    install("acme-odometer", source)
    (checked,) = answer(capsys, "plugin", "check", "acme-odometer", exit_status=0 if found is None else 1)
    assert [one["severity"] for one in checked["findings"]] == ([] if found is None else ["error"])
    assert found is None or found in checked["findings"][0]["text"]


def test_check_refuses_exit_statuses_that_are_not_a_commands_own(
    install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    refused = {64: "means that the command line is wrong", 0: "means that it is done"}
    refused |= dict.fromkeys((130, -1, 300), "is none of a command's own")
    declared = dict.fromkeys((1, 63, *refused), "it is broken")
    source = ODOMETER.replace('help="mine"', f'help="mine", exit_statuses={declared}')
    install("acme-odometer", source, files={"odometer.xml": DESCRIPTOR.format(wheels=4)})
    (checked,) = answer(capsys, "plugin", "check", "acme-odometer", "--no-tests", exit_status=1)
    errors = [one["text"] for one in checked["findings"] if one["severity"] == "error"]
    assert errors == [
        f"the command odometer show answers with exit status {status}, which {why}" for status, why in refused.items()
    ]


def test_check_warns_of_an_example_that_is_of_no_command_of_the_plugin(
    install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    well = ("gatewright odometer show", "gatewright --state-dir /a odometer show --json")
    odd = ("gatewright nosuch --bogus", "odometer show", "gatewright config list", "gatewright odometer 'show")
    source = ODOMETER.replace('help="mine"', f'help="mine", examples={(*well, *odd)}')
    install("acme-odometer", source, files={"odometer.xml": DESCRIPTOR.format(wheels=4)})
    (checked,) = answer(capsys, "plugin", "check", "acme-odometer", "--no-tests", exit_status=3)
    told = [one["text"] for one in checked["findings"] if one["text"].startswith("the example")]
    assert [example for example in odd if any(f"the example {example!r} of" in one for one in told)] == list(odd)
    assert len(told) == len(odd)


def test_check_runs_the_conformance_tests_of_a_plugin(install: Install, capsys: pytest.CaptureFixture[str]) -> None:
    install_odometer(install, test="def test_distance(): assert 5 == 6")
    (checked,) = answer(capsys, "plugin", "check", "acme-odometer", exit_status=1)
    failed = checked["findings"][-1]
    assert failed["severity"] == "error"
    assert "test_distance" in failed["text"]


def test_check_reports_a_plugin_in_quarantine_and_one_that_is_not_there(
    install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    install("acme-broken", "raise RuntimeError('broken')")
    (checked,) = answer(capsys, "plugin", "check", "acme-broken", exit_status=1)
    assert "RuntimeError: broken" in checked["findings"][0]["text"]
    assert main(["plugin", "check", "nobody"]) == 1
    assert "there is no plugin nobody" in capsys.readouterr().err


def test_the_plugins_of_gatewright_itself_are_as_they_should_be(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("keystore", "scep"):
        (checked,) = answer(capsys, "plugin", "check", name)
        assert checked["findings"] == []


def test_a_plugin_is_checked_as_it_is_installed_before_a_gateway_that_runs_has_it_and_after(
    install: Install, running: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    install_odometer(install)
    (before,) = answer(capsys, "plugin", "check", "acme-odometer", "--no-tests", *running, exit_status=3)
    answer(capsys, "plugin", "add", "acme-odometer", *running)
    (checked,) = answer(capsys, "plugin", "check", "acme-odometer", "--no-tests", *running, exit_status=3)
    assert checked == before
    assert checked["name"] == "acme-odometer:plugin"


def test_events_can_be_followed_by_filter(
    install: Install, running: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["events", "--filter", "(", *running]) == 1
    assert "^" in capsys.readouterr().err


HEALTH = """
    from framework import hookimpl
    from framework.plugins import Finding, HealthCheck, Severity

    def broken(gateway):
        raise ValueError("no idea")

    @hookimpl
    def gatewright_health_checks():
        return [
            HealthCheck("fine", lambda gateway: None),
            HealthCheck("cold", lambda gateway: Finding(Severity.WARNING, "too cold", "heat it")),
            HealthCheck("broken", broken),
        ]

    def fail(event):
        raise KeyError("oh")

    @hookimpl
    def gatewright_started(gateway):
        gateway.subscribe("acme/*", fail)
        gateway.publish("acme/ALARM", {})
"""


def test_status_shows_what_health_checks_find_and_which_handlers_were_denied(
    install: Install, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    install("acme-health", HEALTH)
    with GatewayHarness(state_directory=tmp_path / "state") as harness:
        server = AdminServer(harness.gateway, framework_commands, tmp_path / "state")
        server.start()
        harness.gateway.plugins.add("acme-health")
        harness.settle()
        status = answer(capsys, "status", "--state-dir", str(tmp_path / "state"))
        server.stop()
    problems = "\n".join(status["problems"])
    assert "plugin acme-health:plugin: warning: too cold (heat it)" in problems
    assert "ValueError: no idea" in problems
    assert "a handler of events of acme-health:plugin gets none: KeyError: 'oh'" in problems
    assert [one["check"] for one in status["health"] if one["finding"] is None] == ["metric sources", "fine"]
