"""The configuration admin: all problems at once, only real differences, durable before delivered, per pid."""

from __future__ import annotations

import json
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

import pytest

from framework.configuration import (
    ConfigurationAdmin,
    ConfigurationDirectory,
    ConfigurationError,
    ConfigurationEvent,
    ConfigurationStore,
    DeliveryOutcome,
    DescriptorCatalogue,
    Origin,
)
from framework.sealing import MasterKey
from metatype import Attribute, AttributeType, ChangePolicy, ObjectClass, Secret

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEY = MasterKey(bytes(32))

ATTRIBUTES = (
    Attribute("rate", AttributeType.INTEGER, default="5", min="1"),
    Attribute("url", AttributeType.STRING, default="http://a", change=ChangePolicy.BOOTSTRAP),
    Attribute("on", AttributeType.BOOLEAN, default="false", change=ChangePolicy.REACTIVATE),
    Attribute("password", AttributeType.PASSWORD, required=False),
    Attribute("names", AttributeType.STRING, cardinality=-10, required=False),
    Attribute("path", AttributeType.STRING, required=True),
)
WORKER = ObjectClass("worker", "Worker", attributes={one.id: one for one in ATTRIBUTES})
SENSOR = ObjectClass("sensor", "Sensor", attributes={one.id: one for one in ATTRIBUTES[:5]})


class Component:
    """Whoever takes configurations; answers what the test tells it to."""

    def __init__(self) -> None:
        self.events: list[ConfigurationEvent] = []
        self.outcome: DeliveryOutcome | None = DeliveryOutcome("modified", None)

    def deliver(self, event: ConfigurationEvent) -> Future[DeliveryOutcome]:
        self.events.append(event)
        answer: Future[DeliveryOutcome] = Future()
        if self.outcome is not None:
            answer.set_result(self.outcome)
        return answer


class Bench:
    """An admin on a directory, which can be closed and opened again."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.conf = directory / "conf.d"
        self.conf.mkdir()
        self.component = Component()
        self.catalogue = DescriptorCatalogue()
        self.catalogue.add("sensor", factory=False, object_class=SENSOR)
        self.catalogue.add("worker", factory=True, object_class=WORKER)
        self.catalogue.add("plain", factory=False, object_class=None)
        self.open()

    def open(self) -> None:
        self.store = ConfigurationStore(self.directory / "configuration.db", KEY)
        files = ConfigurationDirectory(self.conf)
        self.admin = ConfigurationAdmin(self.store, files, self.catalogue, self.component.deliver)
        self.admin.load_files()

    def reopen(self) -> None:
        self.store.close()
        self.open()

    def write(self, name: str, document: Any) -> None:
        (self.conf / name).write_text(document if isinstance(document, str) else json.dumps(document))


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.store.close()


def test_a_singleton_has_its_defaults_from_the_start(bench: Bench) -> None:
    found = bench.admin.get("sensor")
    assert found.properties["rate"] == 5
    assert found.origins["rate"] is Origin.DEFAULT
    assert found.properties["kura.service.pid"] == found.properties["service.pid"] == "sensor"
    assert found.revision == 0


def test_an_update_is_merged_typed_durable_and_delivered(bench: Bench) -> None:
    result = bench.admin.update("sensor", {"rate": "7"})
    assert (result.outcome, result.error) == ("modified", None)
    assert bench.component.events[-1].current is not None
    assert bench.component.events[-1].current["rate"] == 7
    bench.admin.update("sensor", {"on": True})
    bench.reopen()
    found = bench.admin.get("sensor")
    assert (found.properties["rate"], found.properties["on"]) == (7, True)
    assert found.origins["rate"] is Origin.STORED


def test_replace_stores_these_and_no_others(bench: Bench) -> None:
    bench.admin.update("sensor", {"rate": 7, "on": True})
    bench.admin.update("sensor", {"rate": 8}, replace=True)
    assert bench.admin.get("sensor").properties["on"] is False


def test_none_gives_the_lower_layer_its_say_again(bench: Bench) -> None:
    bench.admin.update("sensor", {"rate": 7})
    assert bench.admin.update("sensor", {"rate": None}).outcome == "modified"
    assert bench.admin.get("sensor").properties["rate"] == 5


@pytest.mark.parametrize("value", [5, "5", " 5 "])
def test_an_equal_value_is_not_delivered(bench: Bench, value: object) -> None:
    assert bench.admin.update("sensor", {"rate": value}).outcome == "unchanged"
    assert bench.component.events == []


def test_all_problems_are_told_and_nothing_is_stored(bench: Bench) -> None:
    with pytest.raises(ConfigurationError) as caught:
        bench.admin.update("sensor", {"rate": 0, "on": "maybe", "nope": 1, "X.target": "(a=b"})
    assert {problem.property for problem in caught.value.problems} == {"rate", "on", "nope", "X.target"}
    assert caught.value.pid == "sensor"
    assert bench.component.events == []
    assert bench.store.load() == {}


@pytest.mark.parametrize("pid", ["nobody", "worker", "worker~", "sensor~x", ""])
def test_an_unknown_pid_is_an_error_that_names_the_known_ones(bench: Bench, pid: str) -> None:
    with pytest.raises(ConfigurationError, match="worker~NAME"):
        bench.admin.update(pid, {"rate": 7})


def test_a_factory_instance_is_made_named_and_deleted(bench: Bench) -> None:
    bench.component.outcome = DeliveryOutcome("activated", None)
    assert bench.admin.update("worker~one", {"path": "p"}).outcome == "created"
    found = bench.admin.get("worker~one")
    assert (found.factory_pid, found.name) == ("worker", "one")
    assert found.properties["kura.service.pid"] == "one"
    assert found.properties["service.factoryPid"] == "worker"
    assert "worker~one" in bench.admin.pids()
    bench.component.outcome = DeliveryOutcome("deleted", None)
    assert bench.admin.delete("worker~one").outcome == "deleted"
    assert bench.component.events[-1].current is None
    assert "worker~one" not in bench.admin.pids()
    with pytest.raises(ConfigurationError, match="no such configuration"):
        bench.admin.get("worker~one")


def test_a_factory_instance_without_what_it_requires_is_refused(bench: Bench) -> None:
    with pytest.raises(ConfigurationError, match="path: is required"):
        bench.admin.update("worker~one", {"rate": 7})
    assert "worker~one" not in bench.admin.pids()


@pytest.mark.parametrize(
    ("changes", "effect"),
    [
        ({}, "unchanged"),
        ({"rate": 5}, "unchanged"),
        ({"rate": 6}, "modify"),
        ({"rate": 6, "on": True}, "reactivate"),
        ({"rate": 6, "on": True, "url": "http://b"}, "bootstrap"),
        ({"X.target": "(a=b)"}, "modify"),
    ],
)
def test_a_plan_tells_the_heaviest_effect_and_does_nothing(bench: Bench, changes: dict[str, Any], effect: str) -> None:
    plan = bench.admin.plan("sensor", changes)
    assert plan.effect == effect
    assert bench.component.events == []
    assert bench.store.load() == {}


def test_a_component_that_takes_too_long_is_told_of_and_the_change_is_stored(bench: Bench) -> None:
    bench.component.outcome = None
    result = bench.admin.update("sensor", {"rate": 7}, timeout=0)
    assert result.outcome == "stored"
    bench.reopen()
    assert bench.admin.get("sensor").properties["rate"] == 7


def test_what_the_component_raised_comes_back(bench: Bench) -> None:
    bench.component.outcome = DeliveryOutcome("failed", "ValueError: no")
    result = bench.admin.update("sensor", {"rate": 7})
    assert (result.outcome, result.error) == ("failed", "ValueError: no")


def test_files_stand_between_defaults_and_what_is_stored_in_the_order_of_their_names(bench: Bench) -> None:
    bench.write("20-b.json", {"sensor": {"rate": 20}})
    bench.write("10-a.json", {"sensor": {"rate": 10, "url": "http://file"}, "worker~w": {"path": "p"}})
    bench.admin.load_files()
    found = bench.admin.get("sensor")
    assert (found.properties["rate"], found.properties["url"]) == (20, "http://file")
    assert found.origins["rate"] is Origin.FILE
    assert "worker~w" in bench.admin.pids()
    bench.admin.update("sensor", {"rate": 30})
    assert bench.admin.get("sensor").properties["rate"] == 30


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{", "is no JSON"),
        ("[]", "must be an object"),
        ('{"sensor": 5}', "must be an object"),
        ('{"sensor": {"rate": 1, "rate": 2}}', "twice"),
        ('{"sensor": {"rate": NaN}}', "NaN"),
        ('{"sensor": {"rate": 0}}', "at least 1"),
        ('{"sensor": {"nope": 1}}', "nope"),
        ('{"nobody": {}}', "no component has this pid"),
        ("[" * 100_000, ""),
    ],
)
def test_a_bad_file_is_told_and_keeps_no_other_out(bench: Bench, content: str, told: str) -> None:
    bench.write("10-bad.json", content)
    bench.write("20-good.json", {"plain": {"x": 1}})
    bench.admin.load_files()
    (problem,) = bench.admin.file_problems
    assert problem.path.name == "10-bad.json"
    assert told in str(problem)
    assert bench.admin.get("plain").properties["x"] == 1
    assert bench.admin.get("sensor").properties["rate"] == 5


def test_a_secret_is_sealed_kept_and_never_shown(bench: Bench) -> None:
    bench.admin.update("sensor", {"password": "canary-77"})
    assert bench.admin.get("sensor").properties["password"] == Secret("canary-77")
    bench.admin.update("sensor", {"password": {"$unchanged": True}, "rate": 9})
    plan = bench.admin.plan("sensor", {"password": "canary-88"})
    with pytest.raises(ConfigurationError) as caught:
        bench.admin.update("sensor", {"password": ["canary-99"]})
    bench.reopen()
    assert bench.admin.get("sensor").properties["password"] == Secret("canary-77")
    shown = repr(bench.admin.get("sensor")) + repr(plan) + str(caught.value) + repr(caught.value.problems)
    assert "canary" not in shown
    bench.store.close()
    assert b"canary" not in b"".join(path.read_bytes() for path in bench.directory.glob("configuration.db*"))
    bench.open()


def test_without_a_descriptor_simple_values_are_taken_as_they_are(bench: Bench) -> None:
    bench.admin.update("plain", {"text": "a", "number": 1, "list": ["x", "y"]})
    assert bench.admin.get("plain").properties["list"] == ["x", "y"]
    with pytest.raises(ConfigurationError, match="nested"):
        bench.admin.update("plain", {"nested": {"a": 1}})


def test_every_configuration_is_delivered_at_the_start(bench: Bench) -> None:
    bench.admin.update("worker~one", {"path": "p"})
    bench.reopen()
    bench.component.events.clear()
    bench.admin.deliver_all()
    assert {event.pid for event in bench.component.events} == {"sensor", "plain", "worker~one"}


def test_eight_threads_lose_no_update_and_deliver_in_the_order_of_revisions(bench: Bench) -> None:
    def push(thread: int) -> None:
        for number in range(20):
            bench.admin.update("plain", {f"t{thread}": number})

    threads = [threading.Thread(target=push, args=(thread,)) for thread in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expected = {f"t{thread}": 19 for thread in range(8)}
    assert bench.admin.get("plain").properties.items() >= expected.items()
    revisions = [event.revision for event in bench.component.events]
    assert revisions == sorted(revisions)
    bench.reopen()
    assert bench.admin.get("plain").properties.items() >= expected.items()
