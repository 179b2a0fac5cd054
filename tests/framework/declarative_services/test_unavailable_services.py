"""A service that gives no object when it is to be bound is as if it were not there, until it gives one."""

from __future__ import annotations

from typing import Any

import pytest

from framework import DeactivationReason, ServiceFactory, ServiceRegistration
from framework.testing import GatewayHarness
from tests.framework.declarative_services.test_component_rules import Store, offer, reader


class Reluctant(ServiceFactory):
    """Makes its store only when it likes to."""

    def __init__(self, *, likes_to: bool = False) -> None:
        self.likes_to = likes_to

    def get_service(self, bundle: str, registration: ServiceRegistration) -> Store:
        if not self.likes_to:
            raise RuntimeError("not now")
        return Store("better")

    def unget_service(self, bundle: str, registration: ServiceRegistration, service: object) -> None:
        pass


@pytest.mark.parametrize(
    ("cardinality", "policy", "without", "then"),
    [
        ("1..1", "dynamic", [], [("bind", "better"), ("unbind", "good")]),
        ("0..1", "dynamic", [], [("bind", "better"), ("unbind", "good")]),
        ("0..n", "dynamic", [], [("bind", "better")]),
        (
            "1..1",
            "static",
            [("deactivate", DeactivationReason.REFERENCE), ("unbind", "good"), ("bind", "good"), ("activate",)],
            [("deactivate", DeactivationReason.REFERENCE), ("unbind", "good"), ("bind", "better"), ("activate",)],
        ),
    ],
)
def test_a_better_service_that_gives_no_object_is_as_if_it_were_not_there_until_it_gives_one(
    cardinality: str, policy: str, without: list[Any], then: list[Any]
) -> None:
    told: list[tuple[Any, ...]] = []
    with GatewayHarness(components=[reader(told, cardinality, policy, "greedy")]) as harness:
        offer(harness, "good")
        told.clear()
        factory = Reluctant()
        harness.registry.register(Store, factory, {"service.ranking": 9})
        harness.advance(100)
        assert (harness.state("test.Reader"), told) == ("active", without)
        told.clear()
        factory.likes_to = True
        harness.advance(300)
        assert told == then


def test_a_component_begins_with_the_next_best_service_where_the_best_gives_no_object() -> None:
    told: list[tuple[Any, ...]] = []
    with GatewayHarness(components=[reader(told, "0..1")]) as harness:
        harness.gateway.runtime.disable("test.Reader")
        offer(harness, "good")
        harness.registry.register(Store, Reluctant(), {"service.ranking": 9})
        told.clear()
        harness.gateway.runtime.enable("test.Reader")
        harness.settle()
        assert told == [("bind", "good"), ("activate",)]
