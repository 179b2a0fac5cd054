"""The configuration admin: what it accepts, stores, delivers and answers."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from framework.configuration import (
    ConfigurationAdmin,
    ConfigurationError,
    ConfigurationEvent,
    ConfigurationStore,
    DeliveryOutcome,
    DescriptorCatalogue,
    Origin,
    PlannedEffect,
    UpdateResult,
)
from metatype import Secret
from tests.framework.lock_watch import stands_for_framework

if TYPE_CHECKING:
    from pathlib import Path

    from framework.sealing import MasterKey

PID = "test.Pump"


class Site(Protocol):
    """What the fixture of this folder gives."""

    admin: ConfigurationAdmin
    store: ConfigurationStore
    catalogue: DescriptorCatalogue
    delivered: list[ConfigurationEvent]
    outcome: DeliveryOutcome | None
    path: Path
    key: MasterKey

    def reopen(self) -> None: ...
    def deliver(self, event: ConfigurationEvent) -> Future[DeliveryOutcome]: ...
    def file(self, name: str, text: str) -> None: ...
    def value(self, name: str, pid: str = PID) -> Any: ...


class TestReading:
    def test_a_singleton_has_its_defaults_before_anything_is_stored(self, site: Site) -> None:
        configuration = site.admin.get(PID)
        assert dict(configuration.properties) == {
            "rate": 5,
            "enabled": False,
            "server": "http://one",
            "mode": "slow",
            "service.pid": PID,
            "kura.service.pid": PID,
        }
        assert (configuration.revision, configuration.factory_pid, configuration.name) == (0, None, None)
        assert set(configuration.origins.values()) == {Origin.DEFAULT}

    def test_pids_are_the_singletons_and_the_instances_that_there_are(self, site: Site) -> None:
        site.admin.update("test.Tank~A", {"size": 1})
        assert site.admin.pids() == ("test.Free", PID, "test.Tank~A")

    @pytest.mark.parametrize("pid", ["", "test.Nobody", "test.Tank", "test.Tank~", "~A", "test.Pump~A", "test.pump"])
    def test_a_pid_that_is_not_known_is_an_error_that_names_those_that_are(self, site: Site, pid: str) -> None:
        for ask in (site.admin.get, site.admin.kind_of, lambda pid: site.admin.update(pid, {}), site.admin.delete):
            with pytest.raises(ConfigurationError, match="no component has this pid") as caught:
                ask(pid)
            assert caught.value.pid == pid
            assert "test.Tank~NAME" in str(caught.value)

    def test_an_instance_that_is_not_there_is_an_error_that_says_how_to_make_it(self, site: Site) -> None:
        with pytest.raises(ConfigurationError, match=r"config set test\.Tank~A"):
            site.admin.get("test.Tank~A")

    def test_what_is_read_cannot_be_changed(self, site: Site) -> None:
        configuration = site.admin.get(PID)
        with pytest.raises(TypeError):
            configuration.properties["rate"] = 6  # type: ignore[index]  # the point of the test
        with pytest.raises(TypeError):
            configuration.origins["rate"] = Origin.STORED  # type: ignore[index]  # the point of the test


class TestUpdating:
    def test_properties_are_merged_typed_and_have_their_origin(self, site: Site) -> None:
        site.admin.update(PID, {"rate": "7"})
        result = site.admin.update(PID, {"tags": "a, b", "limit": 2})
        assert result == UpdateResult(PID, 2, "modified", None)
        configuration = site.admin.get(PID)
        assert (site.value("rate"), site.value("tags"), site.value("limit")) == (7, ["a", "b"], 2.0)
        assert isinstance(site.value("limit"), float)
        assert configuration.revision == 2
        assert {name for name, origin in configuration.origins.items() if origin is Origin.STORED} == {
            "rate",
            "tags",
            "limit",
        }

    def test_none_removes_so_that_the_lower_layer_holds_again(self, site: Site) -> None:
        site.admin.update(PID, {"rate": 7, "mode": "fast"})
        site.admin.update(PID, {"rate": None})
        assert (site.value("rate"), site.value("mode")) == (5, "fast")
        assert site.admin.get(PID).origins["rate"] is Origin.DEFAULT

    def test_replacing_forgets_what_is_not_named(self, site: Site) -> None:
        site.admin.update(PID, {"rate": 7, "mode": "fast"})
        site.admin.update(PID, {"rate": 8}, replace=True)
        assert (site.value("rate"), site.value("mode")) == (8, "slow")

    def test_identities_are_the_admins_to_set(self, site: Site) -> None:
        site.admin.update("test.Tank~A", {"size": 1, "service.pid": "mine", "service.factoryPid": "mine"})
        properties = site.admin.get("test.Tank~A").properties
        assert properties["service.pid"] == "test.Tank~A"
        assert properties["service.factoryPid"] == "test.Tank"
        assert properties["kura.service.pid"] == "A"

    def test_the_stable_id_is_the_name_unless_the_properties_say_otherwise(self, site: Site) -> None:
        site.admin.update("test.Tank~A", {"size": 1, "kura.service.pid": "Main"})
        assert site.value("kura.service.pid", "test.Tank~A") == "Main"

    def test_an_instances_name_may_hold_the_separator(self, site: Site) -> None:
        site.admin.update("test.Tank~A~B", {"size": 1})
        assert site.value("kura.service.pid", "test.Tank~A~B") == "A~B"
        assert site.admin.get("test.Tank~A~B").factory_pid == "test.Tank"

    def test_without_a_descriptor_simple_values_are_taken_as_they_are(self, site: Site) -> None:
        given = {"text": "1", "number": 1, "truth": True, "fraction": 1.5, "list": ["a", 2]}
        site.admin.update("test.Free", given)
        site.reopen()
        properties = site.admin.get("test.Free").properties
        assert {name: properties[name] for name in given} == given
        assert properties["truth"] is True

    def test_without_a_descriptor_nested_values_are_refused(self, site: Site) -> None:
        with pytest.raises(ConfigurationError) as caught:
            site.admin.update("test.Free", {"a": {"b": 1}, "c": [["d"]], "e": [None], "fine": 1})
        assert [problem.property for problem in caught.value.problems] == ["a", "c", "e"]


class TestRefusing:
    def test_everything_that_is_wrong_is_said_at_once_and_nothing_is_changed(self, site: Site) -> None:
        wrong = {
            "rate": 1000,
            "enabled": "perhaps",
            "mode": "medium",
            "limit": "much",
            "tags": ["a", "b", "c", "d"],
            "password": "abc",
            "unheard": 1,
            "Store.target": "(a=",
        }
        with pytest.raises(ConfigurationError) as caught:
            site.admin.update(PID, {**wrong, "server": "http://two"})
        assert {problem.property for problem in caught.value.problems} == wrong.keys()
        assert all(problem.property in str(caught.value) for problem in caught.value.problems)
        assert site.value("server") == "http://one"
        assert site.store.load() == {}
        assert site.delivered == []

    def test_a_required_property_without_default_is_asked_for(self, site: Site) -> None:
        with pytest.raises(ConfigurationError, match="size"):
            site.admin.update("test.Tank~A", {})
        assert "test.Tank~A" not in site.admin.pids()

    def test_a_valid_filter_is_a_target_and_an_empty_one_is_none(self, site: Site) -> None:
        site.admin.update(PID, {"Store.target": "(kura.service.pid=A)"})
        site.admin.update(PID, {"Store.target": ""})
        assert site.value("Store.target") == ""


class TestRealDifferences:
    @dataclass(frozen=True)
    class Case:
        name: str
        given: dict[str, Any]
        stored: dict[str, Any] = field(default_factory=lambda: {"rate": 7, "tags": ["a"], "password": "secret"})

    CASES = (
        Case("nothing", {}),
        Case("the stored value", {"rate": 7}),
        Case("the same as text", {"rate": " 7 "}),
        Case("the default", {"server": "http://one", "enabled": "FALSE"}),
        Case("a list as text", {"tags": "a"}),
        Case("a secret", {"password": Secret("secret")}),
        Case("an unchanged secret", {"password": {"$unchanged": True}}),
        Case("removing what is not there", {"limit": None}),
    )

    @pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
    def test_setting_what_is_there_does_nothing(self, site: Site, case: Case) -> None:
        site.admin.update(PID, case.stored)
        site.delivered.clear()
        assert site.admin.update(PID, case.given).outcome == "unchanged"
        assert site.delivered == []
        site.reopen()
        assert site.admin.update(PID, case.given).outcome == "unchanged"
        assert site.delivered == []

    def test_storing_a_default_keeps_it_through_a_later_default(self, site: Site) -> None:
        site.admin.update(PID, {"rate": 5})
        assert site.admin.get(PID).origins["rate"] is Origin.STORED
        site.file("later.json", '{"test.Pump": {"rate": 9}}')
        site.admin.load_files()
        assert site.value("rate") == 5

    def test_a_type_is_a_difference(self, site: Site) -> None:
        site.admin.update("test.Free", {"value": 1})
        for value in (True, 1.0, "1", [1]):
            site.delivered.clear()
            site.admin.update("test.Free", {"value": value})
            assert [type(event.current["value"]) for event in site.delivered if event.current] == [type(value)]

    def test_the_order_of_a_list_is_a_difference(self, site: Site) -> None:
        site.admin.update(PID, {"tags": ["a", "b"]})
        assert site.admin.update(PID, {"tags": ["b", "a"]}).outcome == "modified"


class TestPlanning:
    @dataclass(frozen=True)
    class Case:
        given: dict[str, Any]
        effect: PlannedEffect
        changed: tuple[str, ...]

    CASES = (
        Case({}, PlannedEffect.UNCHANGED, ()),
        Case({"rate": 6}, PlannedEffect.MODIFY, ("rate",)),
        Case({"Store.target": "(a=b)"}, PlannedEffect.MODIFY, ("Store.target",)),
        Case({"enabled": True, "rate": 6}, PlannedEffect.REACTIVATE, ("enabled", "rate")),
        Case({"server": "x", "enabled": True}, PlannedEffect.BOOTSTRAP, ("enabled", "server")),
        Case({"server": "http://one", "rate": 6}, PlannedEffect.MODIFY, ("rate",)),
    )

    @pytest.mark.parametrize("case", CASES, ids=lambda case: str(case.given))
    def test_the_heaviest_difference_decides_and_nothing_is_done(self, site: Site, case: Case) -> None:
        plan = site.admin.plan(PID, case.given)
        assert (plan.effect, plan.problems) == (case.effect, ())
        assert tuple(one.property for one in plan.differences) == case.changed
        assert site.store.load() == {}
        assert site.delivered == []

    def test_old_and_new_are_shown_typed(self, site: Site) -> None:
        (difference,) = site.admin.plan(PID, {"rate": "6"}).differences
        assert (difference.old, difference.new) == (5, 6)

    def test_a_new_instance_is_created(self, site: Site) -> None:
        assert site.admin.plan("test.Tank~A", {"size": 1}).effect is PlannedEffect.CREATE

    def test_problems_are_in_the_plan(self, site: Site) -> None:
        plan = site.admin.plan(PID, {"rate": 0, "mode": "x"})
        assert [problem.property for problem in plan.problems] == ["rate", "mode"]
        assert plan.differences == ()

    def test_a_plan_and_the_update_agree(self, site: Site) -> None:
        site.admin.update(PID, {"rate": 7, "tags": ["a"], "limit": 1})
        given = {"rate": None, "tags": "b", "limit": {"$unchanged": True}}
        planned = {one.property: one.new for one in site.admin.plan(PID, given).differences}
        before = site.admin.get(PID).properties
        site.admin.update(PID, given)
        after = site.admin.get(PID).properties
        assert planned == {name: after.get(name) for name in after if before.get(name) != after.get(name)}


class TestDelivering:
    def test_all_properties_are_delivered_after_they_are_durable(self, site: Site) -> None:
        seen: list[Any] = []

        @stands_for_framework
        def look_into_the_store(event: ConfigurationEvent) -> Future[DeliveryOutcome]:
            seen.append(site.store.load()[PID].properties["rate"])
            return site.deliver(event)

        admin = ConfigurationAdmin(site.store, None, site.catalogue, look_into_the_store)
        admin.update(PID, {"rate": 6})
        assert seen == [6]
        (event,) = site.delivered
        assert (event.pid, event.factory_pid, event.revision) == (PID, None, 1)
        assert event.current is not None
        assert (event.current["rate"], event.current["server"]) == (6, "http://one")

    @pytest.mark.parametrize("outcome", ["modified", "reactivated", "bootstrapped", "failed", "stored", "unchanged"])
    def test_the_answer_is_what_the_component_did(self, site: Site, outcome: str) -> None:
        site.outcome = DeliveryOutcome(outcome, "why")
        assert site.admin.update(PID, {"rate": 6}) == UpdateResult(PID, 1, outcome, "why")

    def test_a_component_that_does_not_take_it_in_time_is_said_to_be_late(self, site: Site) -> None:
        site.outcome = None
        result = site.admin.update(PID, {"rate": 6}, timeout=0)
        assert result.outcome == "stored"
        assert "it will when it can" in str(result.error)
        site.reopen()
        assert site.value("rate") == 6

    def test_an_instance_is_created_and_deleted(self, site: Site) -> None:
        site.outcome = DeliveryOutcome("activated", None)
        assert site.admin.update("test.Tank~A", {"size": 1}).outcome == "created"
        site.outcome = DeliveryOutcome("deleted", None)
        assert site.admin.delete("test.Tank~A").outcome == "deleted"
        assert site.delivered[-1].current is None
        assert site.delivered[-1].factory_pid == "test.Tank"
        assert "test.Tank~A" not in site.admin.pids()
        site.reopen()
        assert "test.Tank~A" not in site.admin.pids()

    def test_deleting_what_a_file_has_too_goes_back_to_the_file(self, site: Site) -> None:
        site.file("a.json", '{"test.Tank~A": {"size": 3}}')
        site.admin.load_files()
        site.admin.update("test.Tank~A", {"size": 4})
        site.admin.delete("test.Tank~A")
        assert site.delivered[-1].current is not None
        assert site.value("size", "test.Tank~A") == 3

    def test_deleting_a_singleton_goes_back_to_its_defaults(self, site: Site) -> None:
        site.admin.update(PID, {"rate": 6})
        site.admin.delete(PID)
        assert site.value("rate") == 5
        assert site.delivered[-1].current is not None

    def test_deleting_what_is_not_stored_is_an_error(self, site: Site) -> None:
        with pytest.raises(ConfigurationError, match="nothing to delete"):
            site.admin.delete(PID)

    def test_at_the_start_every_configuration_is_delivered_once(self, site: Site) -> None:
        site.admin.update("test.Tank~A", {"size": 1})
        site.reopen()
        site.delivered.clear()
        for delivered in site.admin.deliver_all().values():
            assert delivered.done()
        assert [event.pid for event in site.delivered] == ["test.Free", PID, "test.Tank~A"]

    def test_what_is_not_valid_any_more_is_not_delivered_but_can_be_mended(self, site: Site) -> None:
        site.store.save(PID, {"rate": 1000, "mode": "fast"})
        site.reopen()
        site.admin.deliver_all()
        assert {event.pid: event.current for event in site.delivered}[PID] is None
        with pytest.raises(ConfigurationError) as caught:
            site.admin.get(PID)
        assert [problem.property for problem in caught.value.problems] == ["rate"]
        assert site.admin.update(PID, {"rate": 10}).outcome == "modified"
        assert (site.value("rate"), site.value("mode")) == (10, "fast")


class TestManyThreads:
    THREADS = 8
    ROUNDS = 12

    def run(self, work: Any) -> None:
        failures: list[BaseException] = []
        start = threading.Barrier(self.THREADS)

        def guarded(number: int) -> None:
            try:
                start.wait()
                work(number)
            except BaseException as error:  # noqa: BLE001  # handed to the test below
                failures.append(error)

        threads = [threading.Thread(target=guarded, args=(number,)) for number in range(self.THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []

    def test_no_update_of_one_pid_is_lost_and_deliveries_come_in_the_order_of_storing(self, site: Site) -> None:
        def work(number: int) -> None:
            for turn in range(self.ROUNDS):
                site.admin.update("test.Free", {f"own-{number}": turn, "shared": f"{number}-{turn}"})
                assert site.value(f"own-{number}", "test.Free") == turn

        self.run(work)
        revisions = [event.revision for event in site.delivered]
        assert revisions == sorted(revisions)
        assert len(set(revisions)) == self.THREADS * self.ROUNDS
        last = site.delivered[-1].current
        assert last is not None
        assert last == site.admin.get("test.Free").properties
        assert all(last[f"own-{number}"] == self.ROUNDS - 1 for number in range(self.THREADS))
        site.reopen()
        assert site.admin.get("test.Free").properties == last

    def test_an_instance_is_made_once_however_many_ask(self, site: Site) -> None:
        site.outcome = DeliveryOutcome("activated", None)
        outcomes: list[str] = []
        self.run(lambda _: outcomes.append(site.admin.update("test.Tank~A", {"size": 1}).outcome))
        assert sorted(outcomes) == ["created"] + ["unchanged"] * (self.THREADS - 1)
        assert len(site.delivered) == 1

    def test_updates_and_deletes_never_race(self, site: Site) -> None:
        def work(number: int) -> None:
            for turn in range(self.ROUNDS):
                if number % 2:
                    site.admin.update("test.Tank~A", {"size": number * 100 + turn})
                else:
                    try:
                        site.admin.delete("test.Tank~A")
                    except ConfigurationError as error:
                        assert "nothing to delete" in str(error)  # noqa: PT017  # another thread deleted it first

        self.run(work)
        last = site.delivered[-1].current
        assert (last is None) == ("test.Tank~A" not in site.admin.pids())
        if last is not None:
            assert last == site.admin.get("test.Tank~A").properties
        site.reopen()
        assert (last is None) == ("test.Tank~A" not in site.admin.pids())

    def test_waiting_for_one_component_keeps_nobody_else_waiting(self, site: Site) -> None:
        late: Future[DeliveryOutcome] = Future()
        waiting = threading.Event()

        @stands_for_framework
        def deliver(event: ConfigurationEvent) -> Future[DeliveryOutcome]:
            if event.pid == PID:
                waiting.set()
                return late
            return site.deliver(event)

        admin = ConfigurationAdmin(site.store, None, site.catalogue, deliver)
        results: list[UpdateResult] = []
        slow = threading.Thread(target=lambda: results.append(admin.update(PID, {"rate": 6}, timeout=60)))
        slow.start()
        waiting.wait()
        assert admin.update("test.Free", {"a": 1}).outcome == "modified"
        assert admin.get(PID).properties["rate"] == 6
        late.set_result(DeliveryOutcome("modified", None))
        slow.join()
        assert [result.outcome for result in results] == ["modified"]
