"""Plugins before, listeners after (facts/osgi.md, Configuration Admin 1, 4 and 5; Compendium R8 104.7, 104.9)."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

import pytest

from framework.configuration import (
    ChangeKind,
    ConfigurationAdmin,
    ConfigurationEvent,
    ConfigurationListener,
    ConfigurationNotice,
    ConfigurationPlugin,
    DeliveryOutcome,
)
from tests.framework.lock_watch import stands_for_framework

if TYPE_CHECKING:
    from collections.abc import MutableMapping

PID = "test.Pump"


class Appending(ConfigurationPlugin):
    """Writes its name behind the mode."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.seen: list[dict[str, Any]] = []

    def modify_configuration(self, pid: str, properties: MutableMapping[str, Any]) -> None:
        self.seen.append({**properties, "pid": pid})
        properties["mode"] = f"{properties['mode']}+{self.name}"


class Noting(ConfigurationListener):
    def __init__(self, log: list[Any]) -> None:
        self.log = log

    def configuration_changed(self, notice: ConfigurationNotice) -> None:
        self.log.append(notice)


def delivered_mode(site: Any) -> Any:
    return site.delivered[-1].current["mode"]


class TestPlugins:
    """Rule 4: plugins see properties after persisting and before delivery, their changes are never stored."""

    def test_they_change_what_is_delivered_and_not_what_is_stored(self, site: Any) -> None:
        plugin = Appending("a")
        site.registry.register(ConfigurationPlugin, plugin, {})
        assert site.admin.update(PID, {"mode": "fast"}).outcome == "modified"
        assert delivered_mode(site) == "fast+a"
        assert site.value("mode") == "fast"
        assert site.store.load()[PID].properties["mode"] == "fast"
        assert plugin.seen[0]["pid"] == PID

    def test_they_are_asked_by_ranking(self, site: Any) -> None:
        for name, ranking in (("c", 900), ("a", 1), ("b", 500)):
            site.registry.register(ConfigurationPlugin, Appending(name), {"service.cmRanking": ranking})
        site.admin.update(PID, {"rate": 6})
        assert delivered_mode(site) == "slow+a+b+c"

    @pytest.mark.parametrize("ranking", [-1, 1001])
    def test_below_0_and_above_1000_they_may_only_look(self, site: Any, ranking: int) -> None:
        looking = Appending("x")
        site.registry.register(ConfigurationPlugin, looking, {"service.cmRanking": ranking})
        site.admin.update(PID, {"rate": 6})
        assert delivered_mode(site) == "slow"
        assert looking.seen[0]["rate"] == 6

    @pytest.mark.parametrize("ranking", [0, 1000])
    def test_from_0_to_1000_they_may_change(self, site: Any, ranking: int) -> None:
        site.registry.register(ConfigurationPlugin, Appending("x"), {"service.cmRanking": ranking})
        site.admin.update(PID, {"rate": 6})
        assert delivered_mode(site) == "slow+x"

    def test_they_are_asked_only_for_their_targets(self, site: Any) -> None:
        plugin = Appending("x")
        site.registry.register(ConfigurationPlugin, plugin, {"cm.target": ["test.Tank", "test.Other"]})
        site.admin.update(PID, {"rate": 6})
        assert (delivered_mode(site), plugin.seen) == ("slow", [])
        site.admin.update("test.Tank~A", {"size": 1, "kura.x": 1})
        assert [seen["pid"] for seen in plugin.seen] == ["test.Tank~A"]

    def test_one_that_fails_changes_nothing_and_keeps_no_other_from_being_asked(self, site: Any) -> None:
        class Failing(Appending):
            def modify_configuration(self, pid: str, properties: MutableMapping[str, Any]) -> None:
                super().modify_configuration(pid, properties)
                raise ValueError("no")

        site.registry.register(ConfigurationPlugin, Failing("x"), {"service.cmRanking": 1})
        site.registry.register(ConfigurationPlugin, Appending("b"), {"service.cmRanking": 2})
        site.admin.update(PID, {"rate": 6})
        assert delivered_mode(site) == "slow+b"

    def test_the_identities_stay_the_admins(self, site: Any) -> None:
        class Renaming(ConfigurationPlugin):
            def modify_configuration(self, pid: str, properties: MutableMapping[str, Any]) -> None:
                properties["service.pid"] = f"not {pid}"

        site.registry.register(ConfigurationPlugin, Renaming(), {})
        site.admin.update(PID, {"rate": 6})
        assert site.delivered[-1].current["service.pid"] == PID

    def test_one_that_hangs_stalls_its_pid_alone_and_no_change_overtakes_another(self, site: Any) -> None:
        entered, go_on = threading.Event(), threading.Event()

        class Hanging(ConfigurationPlugin):
            def modify_configuration(self, pid: str, properties: MutableMapping[str, Any]) -> None:
                entered.set()
                go_on.wait()

        registration = site.registry.register(ConfigurationPlugin, Hanging(), {"cm.target": PID})
        assert site.admin.update(PID, {"rate": 6}, timeout=0).outcome == "stored"
        entered.wait()
        registration.unregister()
        assert site.admin.update(PID, {"rate": 7}, timeout=0).outcome == "stored"
        assert site.admin.update("test.Free", {"a": 1}).outcome == "modified"
        assert [event.pid for event in site.delivered] == ["test.Free"]
        go_on.set()
        site.settle()
        assert [event.current["rate"] for event in site.delivered if event.pid == PID] == [6, 7]


class TestListeners:
    """Rule 5: listeners: updated, deleted, in order, after the target's own callback."""

    def test_they_hear_of_updates_and_deletes_in_order(self, site: Any) -> None:
        heard: list[ConfigurationNotice] = []
        site.registry.register(ConfigurationListener, Noting(heard), {})
        site.admin.update(PID, {"rate": 6})
        site.admin.update("test.Tank~A", {"size": 1})
        site.outcome = DeliveryOutcome("deleted", None)
        site.admin.delete("test.Tank~A")
        site.settle()
        assert [(one.kind, one.pid, one.factory_pid, one.revision, one.outcome) for one in heard] == [
            (ChangeKind.UPDATED, PID, None, 1, "modified"),
            (ChangeKind.UPDATED, "test.Tank~A", "test.Tank", 2, "modified"),
            (ChangeKind.DELETED, "test.Tank~A", "test.Tank", 3, "deleted"),
        ]

    def test_they_hear_after_the_component_has_taken_it(self, site: Any) -> None:
        heard: list[Any] = []
        site.registry.register(ConfigurationListener, Noting(heard), {})
        taken: list[Future[DeliveryOutcome]] = []

        @stands_for_framework
        def deliver(_: ConfigurationEvent) -> Future[DeliveryOutcome]:
            taken.append(Future())
            return taken[-1]

        admin = ConfigurationAdmin(
            site.store, None, site.catalogue, deliver, registry=site.registry, activity=site.activity
        )
        admin.update(PID, {"rate": 6}, timeout=0)
        admin.update(PID, {"rate": 7}, timeout=0)
        site.settle()
        assert heard == []
        taken[1].set_result(DeliveryOutcome("modified", None))
        site.settle()
        assert heard == [], "the first change of a pid is told first"
        taken[0].set_result(DeliveryOutcome("failed", "no"))
        site.settle()
        assert [(one.revision, one.outcome) for one in heard] == [(1, "failed"), (2, "modified")]

    def test_one_that_fails_keeps_no_other_from_hearing(self, site: Any) -> None:
        class Failing(ConfigurationListener):
            def configuration_changed(self, notice: ConfigurationNotice) -> None:
                raise ValueError(str(notice))

        heard: list[Any] = []
        site.registry.register(ConfigurationListener, Failing(), {"service.ranking": 1})
        site.registry.register(ConfigurationListener, Noting(heard), {})
        site.admin.update(PID, {"rate": 6})
        site.settle()
        assert len(heard) == 1

    def test_what_changes_nothing_is_told_to_nobody(self, site: Any) -> None:
        heard: list[Any] = []
        site.admin.update(PID, {})
        site.settle()
        site.delivered.clear()
        site.registry.register(ConfigurationListener, Noting(heard), {})
        site.admin.update(PID, {"rate": 5})
        site.admin.update(PID, {"rate": "5"})
        site.settle()
        assert heard == []
        assert site.delivered == []

    def test_a_listener_may_change_a_configuration_itself(self, site: Any) -> None:
        class Following(ConfigurationListener):
            def configuration_changed(self, notice: ConfigurationNotice) -> None:
                if notice.pid == PID:
                    site.admin.update("test.Free", {"follows": notice.revision})

        site.registry.register(ConfigurationListener, Following(), {})
        site.admin.update(PID, {"rate": 6})
        site.settle()
        assert site.value("follows", "test.Free") == 1
