"""Files that change under a running gateway: what is good is taken, what was good holds, secrets are sealed."""

from __future__ import annotations

import json
import logging
import threading
from typing import TYPE_CHECKING, Any

import pytest

from framework import Gateway, component, hookimpl
from framework.configuration import ConfigurationDirectory, DirectoryWatch, Origin
from framework.configuration.watching import PAUSE_S
from framework.scheduler import Scheduler
from framework.testing import FakeClock
from metatype import Secret
from tests.framework.lock_watch import stands_for_framework

if TYPE_CHECKING:
    from framework.plugins import PluginContext

PID = "test.Pump"
CANARY = "canary-77ab"


class TestTakingChanges:
    def test_only_what_differs_is_delivered_and_instances_come_and_go(self, site: Any) -> None:
        site.file("a.json", '{"test.Pump": {"rate": 6}, "test.Tank~A": {"size": 1}, "test.Free": {"a": 1}}')
        site.admin.load_files()
        site.file("a.json", '{"test.Pump": {"rate": "6"}, "test.Tank~B": {"size": 1}, "test.Free": {"a": 2}}')
        result = site.admin.reload()
        assert [(event.pid, event.current is None) for event in site.delivered] == [
            ("test.Free", False),
            ("test.Tank~A", True),
            ("test.Tank~B", False),
        ]
        assert [one.pid for one in result.results] == ["test.Free", "test.Tank~A", "test.Tank~B"]
        assert result.problems == ()
        assert site.admin.reload().results == ()

    def test_what_is_stored_over_it_hides_a_change_of_a_file(self, site: Any) -> None:
        site.admin.update(PID, {"rate": 7})
        site.delivered.clear()
        site.file("a.json", '{"test.Pump": {"rate": 6}}')
        assert site.admin.reload().results == ()
        assert site.admin.get(PID).origins["rate"] is Origin.STORED

    def test_a_change_of_a_file_after_a_delete_is_a_later_one(self, site: Any) -> None:
        site.admin.update(PID, {"rate": 7})
        site.admin.delete(PID)
        site.file("a.json", '{"test.Pump": {"rate": 6}}')
        site.admin.reload()
        revisions = [event.revision for event in site.delivered]
        assert revisions == sorted(revisions), "a component takes no event that is older than its last"


class TestWhatWasGoodHolds:
    @pytest.mark.parametrize(
        "bad",
        [
            "{",
            "",
            '{"test.Pump": {"rate": 0}, "test.Tank~A": {"size": "x"}}',
            '{"test.Pump": {"nope": 1}, "test.Tank~A": {"size": null, "x": 1}}',
            '{"test.Pump": {"rate": {"$credential": "missing"}}, "test.Tank~A": {"size": {"$credential": "x"}}}',
        ],
    )
    @pytest.mark.parametrize("restart", [False, True])
    def test_a_file_that_turns_bad_takes_nothing_away(self, site: Any, bad: str, restart: bool) -> None:
        site.file("10.json", '{"test.Pump": {"mode": "fast"}}')
        site.file("20.json", '{"test.Pump": {"rate": 6, "password": "secret"}, "test.Tank~A": {"size": 1}}')
        site.admin.load_files()
        site.file("10.json", '{"test.Pump": {"limit": 1}}')
        site.file("20.json", bad)
        site.delivered.clear()
        if restart:
            site.reopen()
            site.admin.load_files()
        else:
            site.admin.reload()
            assert [event.pid for event in site.delivered] == [PID]
        assert (site.value("rate"), site.value("size", "test.Tank~A"), site.value("limit")) == (6, 1, 1.0)
        assert (site.value("mode"), site.value("password")) == ("slow", Secret("secret"))
        problems = [one for one in site.admin.file_problems if one.path.name == "20.json"]
        assert problems
        assert all("still used" in str(one) for one in problems)

    def test_a_file_that_is_gone_is_gone(self, site: Any) -> None:
        site.file("a.json", '{"test.Tank~A": {"size": 1}}')
        site.admin.load_files()
        (site.conf / "a.json").unlink()
        site.admin.reload()
        assert "test.Tank~A" not in site.admin.pids()
        site.reopen()
        site.admin.load_files()
        assert "test.Tank~A" not in site.admin.pids()

    @pytest.mark.parametrize("restarts", [0, 1, 2])
    def test_parts_that_are_valid_but_not_together_change_nothing(self, site: Any, restarts: int) -> None:
        site.file("a.json", '{"test.Tank~A": {"size": 1}}')
        site.admin.load_files()
        site.file("a.json", '{"test.Tank~A": {"kura.service.pid": "x"}}')
        result = site.admin.reload()
        for _ in range(restarts):
            site.reopen()
            result = site.admin.reload()
        assert site.value("size", "test.Tank~A") == 1
        assert "size" in str(result.problems[0])
        assert result.problems[0].path.name == "a.json"

    @pytest.mark.parametrize("restart", [False, True])
    @pytest.mark.parametrize("fault", ["gone", "no directory"])
    def test_a_directory_that_cannot_be_read_takes_nothing_away(self, site: Any, fault: str, restart: bool) -> None:
        site.file("a.json", '{"test.Pump": {"rate": 6}, "test.Tank~A": {"size": 1}}')
        site.admin.load_files()
        aside = site.conf.rename(site.conf.with_name("aside"))
        if fault == "no directory":
            site.conf.write_text("")
        if restart:
            site.reopen()
        result = site.admin.reload()
        assert (site.value("rate"), site.value("size", "test.Tank~A")) == (6, 1)
        (problem,) = result.problems
        assert problem.path == site.conf
        assert "what the files said before is still used" in str(problem)
        site.conf.unlink(missing_ok=True)
        aside.rename(site.conf)
        assert site.admin.reload().problems == ()
        (site.conf / "a.json").unlink()
        site.admin.reload()
        assert (site.value("rate"), site.admin.pids()) == (5, ("test.Free", "test.Pump"))

    def test_what_a_file_said_of_a_plugin_that_is_away_holds_when_it_is_back(self, site: Any) -> None:
        site.file("a.json", '{"test.Tank~A": {"size": 1}}')
        site.admin.load_files()
        kind = site.catalogue.get("test.Tank~A")
        site.catalogue.remove("test.Tank")
        site.admin.reload()
        site.file("a.json", '{"test.Tank~A": {"size": "x"}}')
        site.catalogue.add("test.Tank", factory=True, object_class=kind.object_class)
        site.admin.reload()
        assert site.value("size", "test.Tank~A") == 1

    def test_a_store_that_is_full_does_not_keep_files_from_counting(
        self, site: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from framework.configuration import ConfigurationStoreError  # noqa: PLC0415  # used here alone

        @stands_for_framework
        def full(*_: object, **__: object) -> Any:
            raise ConfigurationStoreError(site.path, "database or disk is full")

        monkeypatch.setattr(site.store, "remember_files", full)
        monkeypatch.setattr(site.store, "commit", full)
        site.file("a.json", '{"test.Pump": {"rate": 6, "password": "secret"}}')
        site.admin.reload()
        assert (site.value("rate"), site.value("password")) == (6, Secret("secret"))


class TestCredentials:
    def test_a_secret_is_read_from_the_credentials_directory(self, site: Any, tmp_path: Any) -> None:
        (tmp_path / "credentials").mkdir()
        (tmp_path / "credentials" / "pump.password").write_text("from systemd\n")
        site.environ["CREDENTIALS_DIRECTORY"] = str(tmp_path / "credentials")
        site.file("a.json", '{"test.Pump": {"password": {"$credential": "pump.password"}}}')
        site.admin.load_files()
        assert site.value("password") == Secret("from systemd")
        assert site.admin.file_problems == ()
        assert site.admin.revision == 0, "what stands elsewhere safely is not stored"

    def test_or_from_the_file_that_an_environment_variable_names(self, site: Any, tmp_path: Any) -> None:
        (tmp_path / "secret").write_text("from a file\r\n")
        site.environ["GATEWRIGHT_CREDENTIAL_PUMP_PASS_WORD"] = str(tmp_path / "secret")
        site.file("a.json", '{"test.Pump": {"password": {"$credential": "pump.pass-word"}}}')
        site.admin.load_files()
        assert site.value("password") == Secret("from a file")

    @pytest.mark.parametrize("name", ["missing", "../secret", ".hidden", "a/b", "", "x" * 300, "a\0b"])
    def test_one_that_cannot_be_had_is_reported(self, site: Any, tmp_path: Any, name: str) -> None:
        site.environ["CREDENTIALS_DIRECTORY"] = str(tmp_path / "conf.d")
        (tmp_path / "secret").write_text("not to be reached")
        site.file("a.json", json.dumps({PID: {"password": {"$credential": name}, "rate": 6}}))
        site.admin.load_files()
        (problem,) = site.admin.file_problems
        assert "credential" in str(problem)
        assert (site.value("rate"), site.value("password")) == (5, None)

    def test_one_that_is_no_text_or_too_large_is_reported(self, site: Any, tmp_path: Any) -> None:
        site.environ["GATEWRIGHT_CREDENTIAL_X"] = str(tmp_path / "secret")
        site.file("a.json", '{"test.Pump": {"password": {"$credential": "x"}}}')
        for content in (b"\xff\xfe", b"x" * 70_000):
            (tmp_path / "secret").write_bytes(content)
            site.admin.load_files()
            assert len(site.admin.file_problems) == 1

    def test_a_credential_is_for_passwords_alone(self, site: Any, tmp_path: Any) -> None:
        (tmp_path / "secret").write_text(CANARY)
        site.environ["GATEWRIGHT_CREDENTIAL_X"] = str(tmp_path / "secret")
        site.file("a.json", '{"test.Pump": {"server": {"$credential": "x"}}}')
        site.admin.load_files()
        assert CANARY not in str(site.admin.file_problems)
        assert site.value("server") == "http://one"


class TestPlainSecrets:
    def test_one_is_used_sealed_into_the_store_and_reported(self, site: Any, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        site.file("a.json", json.dumps({PID: {"password": CANARY}}))
        site.admin.load_files()
        (problem,) = site.admin.file_problems
        assert (problem.path.name, problem.pid) == ("a.json", PID)
        assert "password" in problem.message
        assert "take it out of the file" in problem.message
        assert site.admin.get(PID).origins["password"] is Origin.STORED
        site.file("a.json", "{}")
        site.reopen()
        site.admin.load_files()
        assert (site.value("password"), site.admin.file_problems) == (Secret(CANARY), ())
        assert CANARY not in caplog.text + str(problem)
        site.store.close()
        assert all(CANARY.encode() not in one.read_bytes() for one in site.directory.iterdir() if one.is_file())

    def test_it_is_taken_once_and_again_when_the_file_changes(self, site: Any) -> None:
        site.file("a.json", '{"test.Pump": {"password": "first"}}')
        site.admin.load_files()
        site.admin.update(PID, {"password": "set by hand"})
        for _ in range(2):
            site.reopen()
            site.admin.load_files()
            assert site.value("password") == Secret("set by hand")
        site.file("a.json", '{"test.Pump": {"password": "second"}}')
        site.delivered.clear()
        site.admin.reload()
        assert site.value("password") == Secret("second")
        assert [event.pid for event in site.delivered] == [PID]

    def test_without_what_is_stored_the_file_holds_again(self, site: Any) -> None:
        site.file("a.json", '{"test.Pump": {"password": "first"}}')
        site.admin.load_files()
        site.admin.delete(PID)
        assert site.value("password") == Secret("first")
        site.admin.reload()
        assert site.admin.get(PID).origins["password"] is Origin.FILE


class TestWatching:
    class Setting:
        def __init__(self, directory: Any, clock: FakeClock) -> None:
            self.clock = clock
            self.scheduler = Scheduler(clock)
            self.changes = 0
            self.watch = DirectoryWatch(
                ConfigurationDirectory(directory), self.scheduler, lambda job: job(), self.changed
            )
            self.watch.start()

        def changed(self) -> None:
            self.changes += 1
            if self.changes == 1:
                raise OSError("the first one fails")

        def look(self, times: int = 1) -> int:
            for _ in range(times):
                self.clock.advance(PAUSE_S)
                self.scheduler.run_due()
            return self.changes

    def test_a_change_is_noticed_once_it_rests_and_a_failure_ends_nothing(self, tmp_path: Any) -> None:
        (tmp_path / "a.json").write_text("{}")
        setting = self.Setting(tmp_path, FakeClock())
        assert setting.look(3) == 0
        (tmp_path / "b.json").write_text("{")
        assert setting.look() == 0, "it may still be being written"
        (tmp_path / "b.json").write_text("{}")
        assert setting.look() == 0
        assert setting.look() == 1
        assert setting.look(3) == 1
        (tmp_path / "a.json").unlink()
        assert setting.look(2) == 2
        (tmp_path / "README").write_text("not ours")
        assert setting.look(3) == 2

    def test_a_directory_that_goes_is_noticed_and_that_it_comes_back_empty_too(self, tmp_path: Any) -> None:
        directory = tmp_path / "conf.d"
        directory.mkdir()
        setting = self.Setting(directory, FakeClock())
        directory.rmdir()
        assert setting.look(3) == 1
        directory.mkdir()
        assert setting.look(3) == 2

    def test_a_file_that_cannot_be_looked_at_is_noticed(self, tmp_path: Any) -> None:
        setting = self.Setting(tmp_path, FakeClock())
        (tmp_path / "a.json").symlink_to(tmp_path / "nowhere")
        assert setting.look(3) == 1

    def test_what_comes_while_the_gateway_starts_is_noticed(self, tmp_path: Any) -> None:
        conf, taken = tmp_path / "conf.d", threading.Event()

        @component("test.Late")
        class Late:
            def modified(self, _: object) -> None:
                taken.set()

        class Plugin:
            @hookimpl
            def gatewright_components(self) -> tuple[type, ...]:
                return (Late,)

            @hookimpl
            def gatewright_started(self, gateway: PluginContext) -> None:
                conf.mkdir()  # as a disk that is mounted late
                (conf / "a.json").write_text('{"test.Late": {"a": 1}}')

        clock = FakeClock()
        gateway = Gateway(tmp_path / "state", conf, clock=clock, plugins=[Plugin()], discover=False, environ={})
        gateway.start()
        try:
            for _ in range(100):  # the scheduler's thread looks again after each
                clock.advance(PAUSE_S)
                if taken.wait(0.05):
                    break
            assert taken.is_set()
        finally:
            gateway.stop()
