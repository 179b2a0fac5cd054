"""Texts that cannot be written as UTF-8, or are another file, are refused wherever configuration comes in."""

from __future__ import annotations

import io
import json
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from framework import component
from framework.admin.command import Answer, CommandError, Invocation
from framework.admin.commands import framework_commands
from framework.admin.parsing import CommandTable
from framework.configuration import ConfigurationError, planning
from framework.configuration.texts import LONGEST_PASSWORD, LONGEST_TEXT
from framework.errors import FrameworkError
from framework.testing import GatewayHarness
from metatype import Secret
from tests.framework.lock_watch import stands_for_framework

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FROM_ARGV = "CN=g\udcff"
"""What Python makes of the bytes `CN=g\\xff`."""

DESCRIPTOR = {
    "objectClasses": [
        {
            "id": "pump",
            "name": "Pump",
            "attributes": [
                {"id": "name", "type": "String", "default": "one"},
                {"id": "names", "type": "String", "cardinality": 5, "required": False},
                {"id": "letter", "type": "Character", "required": False},
                {"id": "password", "type": "Password", "required": False},
            ],
        }
    ],
    "designates": [{"pid": "test.Pump", "ocdref": "pump"}, {"factoryPid": "test.Tank", "ocdref": "pump"}],
}


class Console:
    """Runs command lines in a gateway; a file has whatever content the test lays down."""

    def __init__(self, harness: GatewayHarness) -> None:
        self.harness = harness
        self.content = b""

    def read_input(self, path: str, *, secret: bool = False) -> bytes:
        assert path or secret
        return self.content

    def emit(self, data: Any, text: str) -> None:
        raise AssertionError("no such command answers in pieces")

    def is_gone(self) -> bool:
        return False

    def run(self, *argv: str) -> Answer:
        command, options = CommandTable(framework_commands()).parse(argv)
        return command.run(Invocation(options, self.harness.gateway, self))


@pytest.fixture
def console(tmp_path: Path) -> Iterator[Console]:
    descriptor = tmp_path / "pump.json"
    descriptor.write_text(json.dumps(DESCRIPTOR))

    @component("test.Pump", descriptor=str(descriptor))
    class Pump:
        def modified(self, _: Any) -> None: ...

    @component("test.Tank", factory=True, descriptor=str(descriptor))
    class Tank: ...

    @component("test.Free")
    class Free: ...

    with GatewayHarness(components=[Pump, Tank, Free], conf={}) as harness:
        yield Console(harness)


@dataclass(frozen=True)
class Refusal:
    named: str
    pid: str
    properties: dict[str, Any]
    property: str
    because: str


NO_UTF8 = "cannot be written as UTF-8"
REFUSALS = [
    Refusal("a text", "test.Pump", {"name": FROM_ARGV}, "name", NO_UTF8),
    Refusal("half of a pair", "test.Pump", {"name": "\ud800"}, "name", NO_UTF8),
    Refusal("an element", "test.Pump", {"names": ["a", FROM_ARGV]}, "names", NO_UTF8),
    Refusal("a character", "test.Pump", {"letter": "\ud800"}, "letter", NO_UTF8),
    Refusal("a password", "test.Pump", {"password": FROM_ARGV}, "password", NO_UTF8),
    Refusal("a target", "test.Pump", {"x.target": f"(a={FROM_ARGV})"}, "x.target", NO_UTF8),
    Refusal("a common property", "test.Pump", {"service.note": FROM_ARGV}, "service.note", NO_UTF8),
    Refusal("a property of no descriptor", "test.Free", {"a": FROM_ARGV}, "a", NO_UTF8),
    Refusal("a name", "test.Free", {"a\udcff": "b"}, "a\udcff", NO_UTF8),
    Refusal("the name of an instance", "test.Tank~\udcff", {"name": "b"}, "service.pid", NO_UTF8),
    Refusal("a long text", "test.Pump", {"name": "x" * (LONGEST_TEXT + 1)}, "name", "at most 262144 characters"),
    Refusal("many texts", "test.Pump", {"names": ["x" * LONGEST_TEXT, "y"]}, "names", "at most 262144 characters"),
    Refusal("a long text of no descriptor", "test.Free", {"a": "x" * (LONGEST_TEXT + 1)}, "a", "at most 262144"),
    Refusal("a long password", "test.Pump", {"password": "x" * (LONGEST_PASSWORD + 1)}, "password", "at most 16384"),
    Refusal("a binary password", "test.Pump", {"password": "ab\0cd"}, "password", "without NUL"),
    Refusal("a long secret", "test.Free", {"a": Secret("x" * (LONGEST_PASSWORD + 1))}, "a", "at most 16384"),
]


@pytest.mark.parametrize("one", REFUSALS, ids=lambda one: one.named)
def test_an_update_that_is_no_text_is_refused_and_the_property_named(one: Refusal, console: Console) -> None:
    admin = console.harness.configuration_admin
    with pytest.raises(ConfigurationError, match=one.because) as caught:
        admin.update(one.pid, one.properties)
    assert [problem.property for problem in caught.value.problems] == [one.property]
    assert admin.stored() == {}


@pytest.mark.parametrize("command", ["apply", "import"])
def test_a_file_with_an_escaped_half_of_a_pair_is_refused(command: str, console: Console) -> None:
    console.content = b'{"test.Pump": {"name": "CN=\\ud800"}}'
    with pytest.raises(CommandError, match="name: cannot be written as UTF-8") as caught:
        console.run("config", command, "changes.json")
    assert caught.value.exit_status == 4
    assert console.harness.configuration_admin.stored() == {}


@pytest.mark.parametrize(
    "setting", [f"name={FROM_ARGV}", "password=@secret.txt"], ids=["in the command line", "in a file"]
)
def test_a_setting_that_is_no_text_is_refused(setting: str, console: Console) -> None:
    console.content = b"\0" * 1000
    with pytest.raises(CommandError) as caught:
        console.run("config", "set", "test.Pump", setting)
    assert caught.value.exit_status == 4
    assert [one["property"] for one in caught.value.data["problems"]] == [setting.partition("=")[0]]


def test_a_configuration_file_with_half_of_a_pair_is_not_used_and_told_of(console: Console) -> None:
    gateway = console.harness.gateway
    assert gateway.conf_directory is not None
    (gateway.conf_directory / "bad.json").write_text('{"test.Pump": {"name": "CN=\\ud800"}}')
    gateway.configuration_admin.reload()
    (problem,) = gateway.configuration_admin.file_problems
    assert "name: cannot be written as UTF-8" in problem.message
    assert gateway.configuration_admin.get("test.Pump").properties["name"] == "one"


def test_a_chain_of_certificates_and_a_private_key_fit(console: Console) -> None:
    chain, key = "-----BEGIN CERTIFICATE-----\n" + "MIID" * 55_000, "-----BEGIN PRIVATE KEY-----\n" + "MIIJ" * 3_200
    assert console.harness.configuration_admin.update("test.Pump", {"name": chain, "password": key}).revision == 1


def test_a_store_that_has_such_a_text_already_is_exported_and_diagnosed(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as earlier_version:
        earlier_version.setattr(planning, "text_problems", stands_for_framework(lambda *_: ()))
        console.run("config", "set", "test.Pump", f"name={FROM_ARGV}")
    (exported,) = console.run("config", "export", "-o", "backup.json").files
    assert json.loads(exported.content) == {"test.Pump": {"name": FROM_ARGV}}
    assert b"CN=g\\udcff" in exported.content
    (bundle,) = console.run("diagnostics", "-o", "bundle.tar.gz").files
    with tarfile.open(fileobj=io.BytesIO(bundle.content)) as archive:
        (name,) = (one for one in archive.getnames() if one.endswith("/config-export.json"))
        part = archive.extractfile(name)
        assert part is not None
        assert b"CN=g\\udcff" in part.read()
    console.run("config", "set", "test.Pump", "name=two")
    assert console.harness.configuration_admin.get("test.Pump").properties["name"] == "two"


def test_the_history_takes_any_name_of_a_file_and_knows_no_snapshot_of_such_a_name(console: Console) -> None:
    console.content = b'{"test.Pump": {"name": "two"}}'
    console.run("config", "import", "caf\udce9.json")
    assert console.harness.configuration_admin.history()[0].cause == "import of caf\\udce9.json"
    for argv in (("rollback", "\udcff"), ("snapshot", "\udcff"), ("snapshot", "\udcff", "--delete")):
        with pytest.raises(FrameworkError):
            console.run("config", *argv)
