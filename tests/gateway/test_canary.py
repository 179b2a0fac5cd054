"""The redaction canary: one secret in every Password property, through every command, seen nowhere.

Every command that the gateway has is run bare and with a pid, in words and as JSON; those that take secrets are run
with them, also where they are refused. Watched are: what the command line prints, the log at DEBUG, events, service
properties, and every file that the gateway writes.
"""

from __future__ import annotations

import base64
import json
import logging
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator

from components.keystore import plugin as keystore_plugin
from components.scep import plugin as scep_plugin
from framework import cli
from framework.admin.commands import framework_commands
from framework.admin.server import AdminServer
from framework.service.line_schema import line_schema
from framework.service.log_lines import JsonLines
from framework.testing import GatewayHarness

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from framework.admin import Command

CANARY = "canary-b1rd-in-the-mine"
SCEP = "gatewright.scep.SCEPEnrollmentService"
KEYSTORE = "gatewright.keystore.FilesystemKeystore~EnrollmentKeystore"
FOLLOWS: frozenset[tuple[str, ...]] = frozenset({("events",)})
"""Commands that do not end of themselves; the events themselves are watched."""

OURS = ("framework", "components", "gatewright")
"""What the names of our loggers begin with."""

MARKS = (CANARY, base64.b64encode(CANARY.encode()).decode()[:-4], CANARY.encode().hex())


def conf() -> dict[str, dict[str, Any]]:
    return {
        KEYSTORE: {"keystore.path": "a.p12", "keystore.password": CANARY},
        SCEP: {"enabled": True, "server.url": "http://127.0.0.1:1", "client.challenge.password": CANARY},
    }


def batches() -> dict[str, Any]:
    return {
        "batch.json": {SCEP: {"client.challenge.password": f"{CANARY}-2", "client.subject.dn": "CN=a"}},
        "bad.json": {SCEP: {"client.challenge.password": [CANARY], "enabled": "maybe", "nope": CANARY}},
        "unknown.json": {"no.such.pid": {"client.challenge.password": CANARY}},
        "wrong.json": {SCEP: {"client.challenge.password": {"value": CANARY}}},
        "torn.json": CANARY,
    }


def command_lines(commands: Sequence[Command]) -> list[list[str]]:
    """Every command bare and with a pid, after those that are given the secret."""
    return [
        ["config", "set", SCEP, "client.challenge.password=@secret"],
        ["config", "plan", SCEP, "client.challenge.password=@batch.json"],
        ["config", "set", SCEP, "client.challenge.password=@secret", "enabled=maybe"],
        ["config", "set", KEYSTORE, "keystore.password=@secret"],
        ["config", "set", "no.such.pid", "password=@secret"],
        *(["config", verb, name] for name in batches() for verb in ("plan", "apply", "import")),
        ["config", "set", KEYSTORE, "keystore.password=@batch.json"],
        ["config", "snapshot", "named"],
        ["config", "rotate-key"],
        ["config", "diff", "0"],
        ["config", "rollback", "1", "--dry-run"],
        ["config", "rollback", "1"],
        ["config", "export", "--effective"],
        ["config", "export", "-o", "exported.json"],
        *(
            [*command.path, *rest]
            for command in commands
            for rest in ([], [SCEP], [KEYSTORE])
            if command.path not in FOLLOWS and command.path != ("config", "delete")
        ),
        ["config", "delete", SCEP],
    ]


def as_programs_read(records: Sequence[logging.LogRecord]) -> list[dict[str, Any]]:
    """Log lines in JSON: each one of ours has a name, and all are as their schema says."""
    lines = [json.loads(JsonLines().format(record)) for record in records]
    for one in lines:
        Draft202012Validator(line_schema()).validate(one)
    assert [one for one in lines if one["event"] is None and one["logger"].startswith(OURS)] == []
    assert "configuration.files-problem" in {one["event"] for one in lines}
    return lines


@pytest.fixture
def harness(tmp_path: Path) -> GatewayHarness:
    return GatewayHarness(plugins=[keystore_plugin, scep_plugin], conf=conf(), state_directory=tmp_path / "state")


def test_no_command_event_log_or_file_shows_a_secret(
    harness: GatewayHarness,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.chdir(tmp_path)
    state = tmp_path / "state"
    (tmp_path / "secret").write_text(f"{CANARY}\n")
    for name, document in batches().items():
        (tmp_path / name).write_text(json.dumps(document))
    with harness:
        seen: list[str] = []
        harness.gateway.event_admin.subscribe("*", lambda event: seen.append(repr(event)))
        commands = [*framework_commands(), *harness.gateway.commands]
        server = AdminServer(harness.gateway, lambda: commands, state)
        server.start()
        for line in command_lines(commands):
            for form in ([], ["--json"]):
                cli.main([*line, *form, "--state-dir", str(state)])
        directory = harness.gateway.conf_directory
        assert directory is not None
        for name in ("bad.json", "unknown.json", "wrong.json"):
            (directory / f"90-{name}").write_bytes((tmp_path / name).read_bytes())
        (directory / "95-torn.json").write_text(json.dumps(conf())[:-9])
        cli.main(["config", "reload", "--state-dir", str(state)])
        cli.main(["status", "--json", "--state-dir", str(state)])
        harness.settle()
        admin = harness.configuration_admin
        assert admin.get(KEYSTORE).properties["keystore.password"].reveal(), "the canary was alive all the time"
        seen += [repr([dict(one.properties) for one in harness.registry.find_all()]), repr(admin.file_problems)]
        server.stop()
    printed = capsys.readouterr()
    assert "client.challenge.password" in printed.out, "something was shown at all"
    watched = {"printed": printed.out + printed.err, "log": caplog.text, "events and services": "\n".join(seen)}
    watched["log in JSON"] = json.dumps(as_programs_read(caplog.records), ensure_ascii=False)
    files = [path for path in (*state.rglob("*"), tmp_path / "exported.json") if path.is_file()]
    assert any(path.name == "configuration.good.db" for path in files)
    for path in files:
        watched[path.name] = path.read_bytes().decode("latin-1")
    assert {place: [mark for mark in MARKS if mark in text] for place, text in watched.items()} == {
        place: [] for place in watched
    }
