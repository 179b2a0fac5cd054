"""A configuration admin on a real store, with a component that a test controls."""

from __future__ import annotations

from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

import pytest

from framework.configuration import (
    ConfigurationAdmin,
    ConfigurationDirectory,
    ConfigurationEvent,
    ConfigurationStore,
    Credentials,
    DeliveryOutcome,
    DescriptorCatalogue,
)
from framework.execution import Activity
from framework.registry import ServiceRegistry
from framework.sealing import MasterKey
from framework.testing import FakeClock
from metatype import Attribute, AttributeType, ChangePolicy, ObjectClass, Option
from tests.framework.lock_watch import stands_for_framework

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PUMP = ObjectClass(
    "pump",
    "Pump",
    attributes={
        attribute.id: attribute
        for attribute in (
            Attribute("rate", AttributeType.INTEGER, default="5", min="1", max="100"),
            Attribute("enabled", AttributeType.BOOLEAN, default="false", change=ChangePolicy.REACTIVATE),
            Attribute("server", AttributeType.STRING, default="http://one", change=ChangePolicy.BOOTSTRAP),
            Attribute("mode", AttributeType.STRING, default="slow", options=(Option("slow", "S"), Option("fast", "F"))),
            Attribute("limit", AttributeType.DOUBLE, required=False),
            Attribute("tags", AttributeType.STRING, cardinality=3, required=False),
            Attribute("password", AttributeType.PASSWORD, required=False, min="4"),
        )
    },
)
TANK = ObjectClass("tank", "Tank", attributes={"size": Attribute("size", AttributeType.INTEGER)})


class Site:
    """An admin, what it is made of, and what it delivered."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.conf = directory / "conf.d"
        self.conf.mkdir()
        self.path = directory / "configuration.db"
        self.key = MasterKey(b"k" * 32)
        self.registry = ServiceRegistry()
        self.activity = Activity()
        self.environ: dict[str, str] = {}
        self.clock = FakeClock()
        self.catalogue = DescriptorCatalogue()
        self.catalogue.add("test.Pump", factory=False, object_class=PUMP)
        self.catalogue.add("test.Tank", factory=True, object_class=TANK)
        self.catalogue.add("test.Free", factory=False, object_class=None)
        self.delivered: list[ConfigurationEvent] = []
        self.outcome: DeliveryOutcome | None = DeliveryOutcome("modified", None)
        self.open()

    def open(self) -> None:
        self.store = ConfigurationStore(self.path, self.key, self.clock)
        files = ConfigurationDirectory(self.conf, Credentials(self.environ))
        self.admin = ConfigurationAdmin(
            self.store, files, self.catalogue, self.deliver, registry=self.registry, activity=self.activity
        )

    def settle(self) -> None:
        """Wait until plugins and listeners have been called."""
        assert self.activity.wait_idle(60)

    def reopen(self) -> None:
        self.store.close()
        self.open()

    @stands_for_framework
    def deliver(self, event: ConfigurationEvent) -> Future[DeliveryOutcome]:
        self.delivered.append(event)
        outcome: Future[DeliveryOutcome] = Future()
        if self.outcome is not None:
            outcome.set_result(self.outcome)
        return outcome

    def file(self, name: str, text: str) -> None:
        (self.conf / name).write_text(text, encoding="utf-8")

    def value(self, name: str, pid: str = "test.Pump") -> Any:
        return self.admin.get(pid).properties.get(name)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    made.store.close()
