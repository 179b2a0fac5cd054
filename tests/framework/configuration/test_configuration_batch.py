"""Batches: many pids, instances made and deleted, all or nothing, planned and answered pid by pid."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

import pytest

from framework.configuration import (
    Change,
    ConfigurationAdmin,
    ConfigurationBatchError,
    ConfigurationConflictError,
    ConfigurationError,
    ConfigurationEvent,
    DeliveryOutcome,
    PlannedEffect,
)
from metatype import Secret
from tests.framework.lock_watch import stands_for_framework

PID = "test.Pump"


def test_a_batch_is_one_revision_with_instances_made_and_deleted(site: Any) -> None:
    site.admin.apply({"test.Tank~Old": {"size": 1}})
    site.delivered.clear()
    result = site.admin.apply({PID: {"rate": 6}, "test.Tank~New": {"size": "2"}, "test.Tank~Old": None})
    assert result.revision == 2
    assert [(one.pid, one.revision) for one in result.results] == [(PID, 2), ("test.Tank~New", 2), ("test.Tank~Old", 2)]
    assert [(event.pid, event.current is None) for event in site.delivered] == [
        (PID, False),
        ("test.Tank~New", False),
        ("test.Tank~Old", True),
    ]
    site.reopen()
    assert site.admin.pids() == ("test.Free", PID, "test.Tank~New")
    assert (site.value("rate"), site.value("size", "test.Tank~New")) == (6, 2)


def test_everything_that_is_wrong_in_any_pid_is_said_at_once_and_nothing_is_done(site: Any) -> None:
    with pytest.raises(ConfigurationBatchError) as caught:
        site.admin.apply(
            {
                "test.Free": {"a": 1},
                PID: {"rate": 0, "mode": "x"},
                "test.Nobody": {"a": 1},
                "test.Tank~A": {},
                "test.Tank~B": None,
            }
        )
    found = {pid: [one.rule for one in problems] for pid, problems in caught.value.problems_by_pid.items()}
    assert found == {
        PID: ["min", "option"],
        "test.Nobody": ["unknown"],
        "test.Tank~A": ["required"],
        "test.Tank~B": ["absent"],
    }
    assert all(pid in str(caught.value) for pid in found)
    assert isinstance(caught.value, ConfigurationError)
    assert (site.store.load(), site.delivered, site.admin.revision) == ({}, [], 0)


def test_a_pid_that_is_in_a_batch_twice_is_refused(site: Any) -> None:
    with pytest.raises(ConfigurationBatchError, match="twice"):
        site.admin.apply([Change(PID, {"rate": 6}), Change(PID, {"rate": 7})])


def test_only_what_differs_in_a_batch_is_stored_and_delivered(site: Any) -> None:
    site.admin.apply({PID: {"rate": 6}, "test.Free": {"a": 1}})
    site.delivered.clear()
    result = site.admin.apply({PID: {"rate": "6"}, "test.Free": {"a": 2}})
    assert [(one.outcome, one.revision) for one in result.results] == [("unchanged", 1), ("modified", 2)]
    assert [event.pid for event in site.delivered] == ["test.Free"]
    assert site.admin.apply({PID: {"rate": 6}, "test.Free": {"a": 2}}).revision == 2


def test_a_first_configuration_is_told_to_the_component_though_it_says_what_the_defaults_say(site: Any) -> None:
    assert site.admin.update(PID, {"rate": 5}).outcome == "modified"
    assert [event.configured for event in site.delivered] == [True]
    site.admin.delete(PID)
    assert [event.configured for event in site.delivered] == [True, False]
    site.file("a.json", '{"test.Pump": {}}')
    site.admin.reload()
    assert [event.configured for event in site.delivered] == [True, False, True]


def test_an_empty_batch_does_nothing(site: Any) -> None:
    assert site.admin.apply({}).results == ()
    assert site.admin.revision == 0


def test_a_plan_of_a_batch_says_what_applying_it_does(site: Any) -> None:
    site.admin.apply({"test.Tank~Old": {"size": 1}, PID: {"rate": 6, "mode": "fast"}})
    batch = {
        PID: {"server": "x", "rate": None},
        "test.Tank~New": {"size": 2},
        "test.Tank~Old": None,
        "test.Free": {},
    }
    plan = site.admin.plan_batch(batch)
    assert [(one.pid, one.effect) for one in plan.plans] == [
        (PID, PlannedEffect.BOOTSTRAP),
        ("test.Tank~New", PlannedEffect.CREATE),
        ("test.Tank~Old", PlannedEffect.DELETE),
        ("test.Free", PlannedEffect.UNCHANGED),
    ]
    assert {one.property: (one.old, one.new) for one in plan.plans[0].differences} == {
        "rate": (6, 5),
        "server": ("http://one", "x"),
    }
    assert plan.problems == {}
    assert site.admin.revision == 1
    assert {pid for pid, _ in site.admin.plan_batch({PID: {"rate": 0}, "x": {}}).problems.items()} == {PID, "x"}


def test_deleting_a_singletons_configuration_is_planned_as_the_way_back_to_its_defaults(site: Any) -> None:
    site.admin.update(PID, {"enabled": True})
    (plan,) = site.admin.plan_batch({PID: None}).plans
    assert plan.effect is PlannedEffect.REACTIVATE
    assert [(one.property, one.old, one.new) for one in plan.differences] == [("enabled", True, False)]


class TestRevisionChecks:
    def test_an_update_for_another_revision_is_refused_with_both_numbers(self, site: Any) -> None:
        site.admin.update(PID, {"rate": 6}, if_revision=0)
        site.admin.update("test.Free", {"a": 1})
        with pytest.raises(ConfigurationConflictError) as caught:
            site.admin.update(PID, {"rate": 7}, if_revision=0)
        assert (caught.value.expected, caught.value.actual) == (0, 1)
        assert site.admin.update(PID, {"rate": 7}, if_revision=1).revision == 3
        with pytest.raises(ConfigurationConflictError):
            site.admin.delete(PID, if_revision=1)
        assert site.admin.delete(PID, if_revision=3).revision == 4

    def test_each_change_of_a_batch_may_be_for_a_revision(self, site: Any) -> None:
        site.admin.update(PID, {"rate": 6})
        with pytest.raises(ConfigurationBatchError) as caught:
            site.admin.apply([Change("test.Free", {"a": 1}), Change(PID, {"rate": 7}, if_revision=0)])
        assert [one.rule for one in caught.value.problems] == ["revision"]
        assert site.admin.revision == 1

    def test_a_batch_may_be_for_a_revision_of_the_store(self, site: Any) -> None:
        site.admin.update(PID, {"rate": 6})
        with pytest.raises(ConfigurationConflictError):
            site.admin.apply({PID: {"rate": 7}}, if_revision=0)
        assert site.admin.apply({PID: {"rate": 7}}, if_revision=1).revision == 2


def test_the_answers_wait_for_all_components_together_and_say_who_is_late(site: Any) -> None:
    @stands_for_framework
    def deliver(event: ConfigurationEvent) -> Future[DeliveryOutcome]:
        outcome: Future[DeliveryOutcome] = Future()
        if event.pid == "test.Free":
            outcome.set_result(DeliveryOutcome("failed", "it raised"))
        return outcome

    admin = ConfigurationAdmin(site.store, None, site.catalogue, deliver)
    result = admin.apply({PID: {"rate": 6}, "test.Free": {"a": 1}}, timeout=0)
    assert [(one.pid, one.outcome) for one in result.results] == [(PID, "stored"), ("test.Free", "failed")]
    assert "stored, not yet taken" in str(result.results[0].error)
    assert result.results[1].error == "it raised"


class TestKeysWithoutCase:
    """facts/osgi.md, Configuration Admin 3: keys without case, the descriptor's spelling is kept."""

    def test_another_spelling_is_the_same_property(self, site: Any) -> None:
        site.admin.update(PID, {"RATE": 6})
        assert site.value("rate") == 6
        assert site.admin.update(PID, {"Rate": 6}).outcome == "unchanged"
        site.admin.update(PID, {"rAtE": None})
        assert site.value("rate") == 5

    def test_two_spellings_at_once_are_refused(self, site: Any) -> None:
        for pid, given in ((PID, {"rate": 6, "RATE": 7}), ("test.Free", {"a": 1, "A": 2})):
            with pytest.raises(ConfigurationError, match="only in case"):
                site.admin.update(pid, given)

    def test_without_a_descriptor_the_first_spelling_is_kept(self, site: Any) -> None:
        site.admin.update("test.Free", {"Name": 1})
        site.admin.update("test.Free", {"NAME": 2})
        assert dict(site.admin.stored()["test.Free"]) == {"Name": 2}

    def test_the_order_of_a_collection_is_kept(self, site: Any) -> None:
        site.admin.update(PID, {"tags": ["b", "a"]})
        site.reopen()
        assert site.value("tags") == ["b", "a"]


class TestReadOnly:
    """facts/osgi.md, Configuration Admin 2: READ_ONLY blocks update and delete."""

    def test_it_blocks_update_delete_and_batch_also_after_a_restart(self, site: Any) -> None:
        site.admin.update(PID, {"rate": 6})
        site.admin.set_read_only(PID, True)
        site.reopen()
        assert site.admin.get(PID).read_only
        with pytest.raises(ConfigurationError, match="read-only"):
            site.admin.update(PID, {"rate": 7})
        with pytest.raises(ConfigurationError, match="read-only"):
            site.admin.delete(PID)
        with pytest.raises(ConfigurationError, match="read-only"):
            site.admin.apply({PID: {"rate": 7}, "test.Free": {"a": 1}})
        with pytest.raises(ConfigurationError, match="read-only"):
            site.admin.rollback(0)
        assert site.admin.revision == 1
        site.admin.set_read_only(PID, False)
        assert site.admin.update(PID, {"rate": 7}).outcome == "modified"

    def test_a_configuration_that_is_not_there_cannot_be_locked(self, site: Any) -> None:
        for pid in ("test.Nobody", "test.Tank~A"):
            with pytest.raises(ConfigurationError):
                site.admin.set_read_only(pid, True)


def test_a_list_of_secrets_that_a_reader_was_shown_can_be_sent_back(site: Any) -> None:
    site.admin.update("test.Free", {"secrets": [Secret("one"), Secret("two")]})
    mark = {"$unchanged": True}
    assert site.admin.update("test.Free", {"secrets": [mark, mark]}).outcome == "unchanged"
    site.admin.update("test.Free", {"secrets": [mark, Secret("new")]})
    assert site.value("secrets", "test.Free") == [Secret("one"), Secret("new")]
    with pytest.raises(ConfigurationError):
        site.admin.update("test.Free", {"secrets": [mark, mark, mark]})


def test_sending_back_the_identities_that_were_shown_stores_nothing(site: Any) -> None:
    site.admin.update("test.Free", {})
    shown = dict(site.admin.get("test.Free").properties)
    assert site.admin.update("test.Free", shown).outcome == "unchanged"
    site.admin.update("test.Free", {**shown, "a": 1})
    assert dict(site.admin.stored()["test.Free"]) == {"a": 1}
