"""The `config` commands, as the admin interface runs them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from framework import component
from framework.admin.command import Answer, CommandError, Invocation
from framework.admin.commands import framework_commands
from framework.admin.parsing import CommandTable
from framework.configuration import ConfigurationStore, ConfigurationStoreError
from framework.errors import FrameworkError
from framework.testing import GatewayHarness
from tests.framework.lock_watch import stands_for_framework

if TYPE_CHECKING:
    from collections.abc import Iterator

CANARY = "canary-9a41"
DESCRIPTOR = {
    "objectClasses": [
        {
            "id": "pump",
            "name": "Pump",
            "attributes": [
                {"id": "rate", "type": "Integer", "default": "5", "min": "1"},
                {"id": "server", "type": "String", "default": "one", "change": "bootstrap"},
                {"id": "password", "type": "Password", "required": False},
            ],
        },
        {"id": "tank", "name": "Tank", "attributes": [{"id": "size", "type": "Integer"}]},
    ],
    "designates": [{"pid": "test.Pump", "ocdref": "pump"}, {"factoryPid": "test.Tank", "ocdref": "tank"}],
}


class Console:
    """Runs command lines in a gateway; files are those that a test lays down."""

    def __init__(self, harness: GatewayHarness) -> None:
        self.harness = harness
        self.files: dict[str, bytes] = {}
        self.asked: list[tuple[str, bool]] = []
        self._table = CommandTable(framework_commands())

    def read_input(self, path: str, *, secret: bool = False) -> bytes:
        self.asked.append((path, secret))
        if path not in self.files:
            raise CommandError(f"{path}: No such file or directory")
        return self.files[path]

    def emit(self, data: Any, text: str) -> None:
        raise AssertionError("no config command answers in pieces")

    def is_gone(self) -> bool:
        return False

    def run(self, *argv: str) -> Answer:
        command, options = self._table.parse(argv)
        return command.run(Invocation(options, self.harness.gateway, self))

    def refused(self, *argv: str) -> CommandError:
        with pytest.raises(CommandError) as caught:
            self.run(*argv)
        return caught.value

    def write(self, path: str, document: Any) -> None:
        self.files[path] = json.dumps(document).encode()


@pytest.fixture
def console(tmp_path: Path) -> Iterator[Console]:
    descriptor = tmp_path / "pump.json"
    descriptor.write_text(json.dumps(DESCRIPTOR))

    @component("test.Pump", descriptor=str(descriptor))
    class Pump:
        def modified(self, _: Any) -> None: ...

    @component("test.Tank", factory=True, descriptor=str(descriptor))
    class Tank: ...

    with GatewayHarness(components=[Pump, Tank], conf={"test.Pump": {"server": "two"}}) as harness:
        yield Console(harness)


def test_a_file_is_planned_then_applied_and_answered_pid_by_pid(console: Console) -> None:
    console.write("batch.json", {"test.Pump": {"rate": 7, "server": "three"}, "test.Tank~A": {"size": 1}})
    for planned in (
        console.run("config", "plan", "batch.json"),
        console.run("config", "apply", "batch.json", "--dry-run"),
    ):
        assert {one["pid"]: one["effect"] for one in planned.data["plans"]} == {
            "test.Pump": "bootstrap",
            "test.Tank~A": "create",
        }
        assert "test.Tank~A would be created" in planned.text
    assert console.run("config", "list").data == ["test.Pump"]
    done = console.run("config", "apply", "batch.json")
    assert {one["pid"]: one["outcome"] for one in done.data["results"]} == {
        "test.Pump": "bootstrapped",
        "test.Tank~A": "created",
    }
    assert (done.data["revision"], done.exit_status) == (1, 0)
    console.write("batch.json", {"test.Tank~A": None})
    assert console.run("config", "apply", "batch.json").data["results"][0]["outcome"] == "deleted"


def test_a_batch_that_is_not_accepted_is_refused_with_every_problem(console: Console) -> None:
    console.write("batch.json", {"test.Pump": {"rate": 0, "nope": 1}, "test.Nobody": {}})
    refused = console.refused("config", "apply", "batch.json")
    assert refused.exit_status == 4
    assert {pid: {one["property"] for one in found} for pid, found in refused.data["problems"].items()} == {
        "test.Pump": {"rate", "nope"},
        "test.Nobody": {"service.pid"},
    }
    assert console.run("config", "plan", "batch.json").exit_status == 4


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b'{"test.Pump": 5}',
        b'{"test.Pump": {"$replace": "yes"}}',
        b'{"test.Pump": {"$if_revision": true}}',
        b'{"a": {}, "a": {}}',
    ],
)
def test_a_file_that_is_no_batch_is_named(console: Console, content: bytes) -> None:
    console.files["batch.json"] = content
    for argv in (("apply", "batch.json"), ("import", "batch.json"), ("plan", "batch.json")):
        refused = console.refused("config", *argv)
        assert ("batch.json" in str(refused), refused.exit_status) == (True, 4)


@dataclass(frozen=True)
class NotDone:
    """A change that is not made, and what the answer calls the error."""

    argv: tuple[str, ...]
    kind: str | None


@pytest.mark.parametrize(
    "case",
    [
        NotDone(("set", "test.Nobody", "a=b"), "ConfigurationError"),
        NotDone(("plan", "test.Nobody", "a=b"), "ConfigurationError"),
        NotDone(("set", "test.Pump", "password=@nofile"), None),
        NotDone(("set", "test.Pump", "server=@latin"), None),
        NotDone(("apply", "nofile"), None),
        NotDone(("import", "nofile"), None),
        NotDone(("apply", "batch.json", "--if-revision", "5"), "ConfigurationConflictError"),
        NotDone(("rollback", "99"), "UnknownRevisionError"),
    ],
    ids=lambda case: " ".join(case.argv),
)
def test_what_was_not_done_never_ends_as_what_is_stored_and_failed(console: Console, case: NotDone) -> None:
    console.write("batch.json", {"test.Pump": {"rate": 6}})
    console.files["latin"] = b"\xe9"
    refused = console.refused("config", *case.argv)
    assert (refused.exit_status, refused.data.get("kind")) == (4, case.kind)


def test_a_full_disk_is_no_component_that_failed(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    @stands_for_framework
    def full(*_: object, **__: object) -> None:
        raise ConfigurationStoreError(Path("configuration.db"), "database or disk is full")

    monkeypatch.setattr(ConfigurationStore, "commit", full)
    assert console.refused("config", "set", "test.Pump", "rate=6").exit_status == 4


def test_an_option_may_stand_anywhere(console: Console) -> None:
    console.run("config", "set", "test.Pump", "--if-revision", "0", "rate=6")
    console.run("config", "set", "test.Pump", "rate=7", "--unset", "server", "password=")
    assert console.harness.configuration_admin.get("test.Pump").properties["rate"] == 7
    refused = console.refused("config", "set", "test.Pump", "--nope", "rate=6")
    assert (refused.exit_status, "--nope" in str(refused)) == (64, True)


@pytest.mark.parametrize("content", [b"", b"\n"])
def test_a_pipe_that_nothing_came_through_clears_no_secret(console: Console, content: bytes) -> None:
    console.files |= {"secret": CANARY.encode(), "-": content}
    console.run("config", "set", "test.Pump", "password=@secret")
    refused = console.refused("config", "set", "test.Pump", "password=-")
    assert (refused.exit_status, "password=" in str(refused)) == (4, True)
    admin = console.harness.configuration_admin
    assert admin.get("test.Pump").properties["password"].reveal() == CANARY
    console.run("config", "set", "test.Pump", "password=")
    assert not admin.get("test.Pump").properties["password"]


def test_what_is_stored_for_a_component_that_is_away_is_listed(console: Console) -> None:
    console.run("config", "set", "test.Tank~A", "size=1")
    (plugin,) = console.harness.gateway.plugins.plugins
    console.harness.gateway.plugins.remove(plugin.name)
    listed = console.run("config", "list")
    assert listed.data == ["test.Tank~A"]
    assert "test.Tank~A (stored; no component has this pid now)" in listed.text


def test_changes_can_be_for_a_revision_only(console: Console) -> None:
    console.run("config", "set", "test.Pump", "rate=6", "--if-revision", "0")
    assert console.refused("config", "set", "test.Pump", "rate=7", "--if-revision", "0").exit_status == 4
    console.write("batch.json", {"test.Pump": {"rate": 8, "$if_revision": 0}})
    assert console.refused("config", "apply", "batch.json").exit_status == 4
    console.write("batch.json", {"test.Pump": {"rate": 8}})
    with pytest.raises(FrameworkError, match="revision"):
        console.run("config", "apply", "batch.json", "--if-revision", "0")
    assert console.run("config", "apply", "batch.json", "--if-revision", "1").data["revision"] == 2


def test_get_shows_the_origin_down_to_the_file_and_the_revision(console: Console) -> None:
    console.run("config", "set", "test.Pump", "rate=6")
    shown = console.run("config", "get", "test.Pump", "--show-origin")
    assert {name: shown.data["places"][name] for name in ("rate", "server", "service.pid")} == {
        "rate": "stored, revision 1",
        "server": "file harness.json",
        "service.pid": "default",
    }
    assert "file harness.json" in shown.text
    assert console.run("config", "get", "test.Pump").data["origins"]["server"] == "file"


def test_history_diff_and_rollback_tell_the_same_story(console: Console) -> None:
    console.run("config", "set", "test.Pump", "rate=6")
    console.run("config", "snapshot", "good")
    console.run("config", "set", "test.Pump", "rate=7")
    console.run("config", "set", "test.Tank~A", "size=1")
    history = console.run("config", "history")
    assert [(one["revision"], one["pids"], one["snapshots"]) for one in history.data] == [
        (3, ["test.Tank~A"], []),
        (2, ["test.Pump"], []),
        (1, ["test.Pump"], ["good"]),
        (0, [], []),
    ]
    assert len(console.run("config", "history", "-n", "1").data) == 1
    last = console.run("config", "diff")
    assert [(one["pid"], one["what"]) for one in last.data["pids"]] == [("test.Tank~A", "created")]
    changes = {one["pid"]: one["changes"] for one in console.run("config", "diff", "good", "2").data["pids"]}
    assert changes == {"test.Pump": [{"property": "rate", "old": 6, "new": 7}]}
    assert "rate: 7 -> 6" in console.run("config", "diff", "2", "1").text
    planned = console.run("config", "rollback", "good", "--dry-run")
    assert {one["pid"]: one["effect"] for one in planned.data["plans"]} == {
        "test.Pump": "modify",
        "test.Tank~A": "delete",
    }
    done = console.run("config", "rollback", "good")
    assert {one["pid"]: one["outcome"] for one in done.data["results"]} == {
        "test.Pump": "modified",
        "test.Tank~A": "deleted",
    }
    assert console.run("config", "rollback", "good").text == "nothing was changed"
    assert console.run("config", "diff", "good").text == "nothing differs"


def test_snapshots_are_listed_and_removed(console: Console) -> None:
    assert console.run("config", "snapshot").text == "no snapshots"
    console.run("config", "set", "test.Pump", "rate=6")
    console.run("config", "snapshot", "first", "--revision", "0")
    assert console.run("config", "snapshot").data == [{"name": "first", "revision": 0}]
    console.run("config", "snapshot", "first", "--delete")
    assert console.run("config", "snapshot").data == []


def test_what_is_exported_can_be_imported(console: Console) -> None:
    console.files["secret"] = f"{CANARY}\n".encode()
    console.run("config", "set", "test.Pump", "rate=6", "password=@secret")
    console.run("config", "set", "test.Tank~A", "size=1")
    exported = console.run("config", "export", "-o", "all.json")
    (file,) = exported.files
    assert CANARY.encode() not in file.content
    assert file.mode == 0o600
    console.files["all.json"] = file.content
    assert console.run("config", "import", "all.json").text.count("unchanged") == 2
    console.run("config", "set", "test.Pump", "rate=7", "server=elsewhere")
    console.run("config", "delete", "test.Tank~A")
    assert "rate: 7 -> 6" in console.run("config", "import", "--dry-run", "all.json").text
    console.run("config", "import", "all.json")
    pump = console.harness.configuration_admin.get("test.Pump").properties
    assert (pump["rate"], pump["server"], pump["password"].reveal()) == (6, "two", CANARY)
    effective = console.run("config", "export", "--effective", "test.Pump").data
    assert effective["test.Pump"]["server"] == "two"
    assert effective["test.Pump"]["password"] == {"$unchanged": True}


@pytest.mark.parametrize("before", [None, ""])
def test_an_export_of_another_gateway_is_refused_without_its_secrets(console: Console, before: str | None) -> None:
    if before is not None:
        console.run("config", "set", "test.Pump", f"password={before}")
    exported = {"test.Pump": {"rate": 6, "Password": {"$unchanged": True}}}
    console.write("full.json", exported)
    assert console.run("config", "import", "--dry-run", "full.json").exit_status == 4
    refused = console.refused("config", "import", "full.json")
    assert refused.exit_status == 4
    assert [one["rule"] for one in refused.data["problems"]["test.Pump"]] == ["unchanged"]
    assert "gatewright config set test.Pump password=@FILE" in str(refused)
    assert console.harness.configuration_admin.get("test.Pump").properties["rate"] == 5
    console.files["secret"] = CANARY.encode()
    console.run("config", "set", "test.Pump", "password=@secret")
    assert console.run("config", "import", "full.json").exit_status == 0
    pump = console.harness.configuration_admin.get("test.Pump").properties
    assert (pump["rate"], pump["password"].reveal()) == (6, CANARY)


def test_a_secret_that_a_file_has_is_kept_there_when_its_mark_is_sent_back(console: Console) -> None:
    conf = console.harness.gateway.conf_directory
    assert conf is not None
    (conf / "20.json").write_text(json.dumps({"test.Pump": {"password": CANARY}}))
    console.run("config", "reload")
    console.run("config", "delete", "test.Pump")
    console.write("full.json", {"test.Pump": {"password": {"$unchanged": True}}})
    assert console.run("config", "import", "full.json").exit_status == 0
    assert console.harness.configuration_admin.get("test.Pump").origins["password"] == "file"


def test_files_are_read_again(console: Console, tmp_path: Path) -> None:
    assert console.run("config", "reload").text == "nothing differs"
    directory = console.harness.gateway.conf_directory
    assert directory is not None
    (directory / "20.json").write_text('{"test.Pump": {"rate": 9}, "test.Tank~A": {"size": 2}}')
    (directory / "30.json").write_text("{")
    done = console.run("config", "reload")
    assert {one["pid"]: one["outcome"] for one in done.data["results"]} == {
        "test.Pump": "modified",
        "test.Tank~A": "created",
    }
    assert [one["file"] for one in done.data["problems"]] == [str(directory / "30.json")]
    assert done.exit_status == 1


def test_a_directory_of_files_that_is_gone_is_told_once_wherever_one_looks(console: Console) -> None:
    conf = console.harness.gateway.conf_directory
    assert conf is not None
    conf.rename(conf.with_name("away"))
    reloaded = console.run("config", "reload")
    assert reloaded.exit_status == 1
    assert [(one["file"], one["pid"]) for one in reloaded.data["problems"]] == [(str(conf), None)]
    assert console.harness.configuration_admin.get("test.Pump").properties["server"] == "two"
    doctor = console.run("doctor", "--problems").data["checks"]
    (finding,) = [one["finding"] for one in doctor if one["check"] == "configuration files"]
    assert "still used" in finding
    assert finding in console.run("status").text


def test_a_locked_configuration_is_left_alone_until_it_is_unlocked(console: Console) -> None:
    console.run("config", "lock", "test.Pump")
    assert console.run("config", "get", "test.Pump").data["read_only"] is True
    assert "config unlock test.Pump" in str(console.refused("config", "set", "test.Pump", "rate=6"))
    console.run("config", "unlock", "test.Pump")
    assert console.run("config", "set", "test.Pump", "rate=6").data["outcome"] == "modified"


def test_a_password_comes_from_a_file_or_standard_input_whatever_the_case_of_its_key(console: Console) -> None:
    console.files["-"] = b"typed\n"
    console.run("config", "set", "test.Pump", "PASSWORD=-")
    assert console.asked == [("-", True)]
    assert console.harness.configuration_admin.get("test.Pump").properties["password"].reveal() == "typed"
    assert console.refused("config", "set", "test.Pump", f"PassWord={CANARY}").exit_status == 64


def test_no_answer_shows_a_secret(console: Console) -> None:
    console.files["-"] = CANARY.encode()
    console.write("batch.json", {"test.Pump": {"password": CANARY, "rate": 7}})
    console.write("bad.json", {"test.Pump": {"password": [CANARY, CANARY], "rate": 0}})
    console.run("config", "set", "test.Pump", "rate=6")
    answers = [
        console.run("config", "plan", "test.Pump", "password=-"),
        console.run("config", "set", "test.Pump", "password=-"),
        console.run("config", "get", "test.Pump", "--show-origin"),
        console.run("config", "apply", "batch.json"),
        console.run("config", "plan", "bad.json"),
        console.run("config", "diff", "1"),
        console.run("config", "history"),
        console.run("config", "export"),
        console.run("config", "rollback", "0", "--dry-run"),
        console.run("config", "rollback", "0"),
    ]
    refused = console.refused("config", "apply", "bad.json")
    texts = [*(f"{one.text}{json.dumps(one.data)}{one!r}" for one in answers), str(refused), json.dumps(refused.data)]
    assert all(CANARY not in text for text in texts)
    assert "password: **** -> (absent)" in answers[-2].text


def test_a_snapshot_of_kura_is_shown_then_taken_over_with_a_report(console: Console) -> None:
    console.files["snapshot.xml"] = b"""
        <esf:configurations xmlns:esf="http://eurotech.com/esf/2.0">
          <esf:configuration pid="org.kura.Pump"><esf:properties>
            <esf:property name="rate" type="Integer"><esf:value>8</esf:value></esf:property>
            <esf:property name="old" type="String"><esf:value>x</esf:value></esf:property>
          </esf:properties></esf:configuration>
          <esf:configuration pid="org.kura.Other"><esf:properties/></esf:configuration>
        </esf:configurations>"""
    console.write("pids.json", {"org.kura.Pump": "test.Pump"})
    planned = console.run("config", "import", "--dry-run", "--map", "pids.json", "snapshot.xml")
    assert [(one["pid"], one["effect"]) for one in planned.data["plans"]] == [("test.Pump", "modify")]
    assert [(one["pid"], one["property"]) for one in planned.data["not_taken"]] == [
        ("org.kura.Pump", "old"),
        ("org.kura.Other", None),
    ]
    assert "org.kura.Other: not taken" in planned.text
    done = console.run("config", "import", "--map", "pids.json", "snapshot.xml")
    assert [one["outcome"] for one in done.data["results"]] == ["modified"]
    assert console.run("config", "history").data[0]["cause"] == "import of snapshot.xml"
    console.write("pids.json", {"org.kura.Pump": 5})
    assert "pids.json" in str(console.refused("config", "import", "--map", "pids.json", "snapshot.xml"))
