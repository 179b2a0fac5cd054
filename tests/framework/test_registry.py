"""The service registry: rules 1 to 5 by name; rule 6 stands in test_service_scopes."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, field
from typing import Any

import pytest

from framework.errors import FrameworkError
from framework.registry import (
    ServiceEvent,
    ServiceEventKind,
    ServiceReference,
    ServiceRegistry,
    interface_name,
)

REGISTERED = ServiceEventKind.REGISTERED
MODIFIED = ServiceEventKind.MODIFIED
MODIFIED_ENDMATCH = ServiceEventKind.MODIFIED_ENDMATCH
UNREGISTERING = ServiceEventKind.UNREGISTERING


class Store:
    """An interface."""


class Vault(Store):
    """Another."""


@dataclass
class Listener:
    """Keeps what it was told."""

    events: list[ServiceEvent] = field(default_factory=list)

    def __call__(self, event: ServiceEvent) -> None:
        self.events.append(event)

    __hash__ = object.__hash__

    @property
    def kinds(self) -> list[ServiceEventKind]:
        return [event.kind for event in self.events]


@pytest.fixture
def registry() -> ServiceRegistry:
    return ServiceRegistry()


def reference_of(found: ServiceReference | None) -> ServiceReference:
    assert found is not None
    return found


def test_rule_1_the_higher_ranking_comes_first_then_the_lower_id(registry: ServiceRegistry) -> None:
    made = [registry.register(Store, Store(), {"service.ranking": ranking}).reference for ranking in (0, 5, -1, 5, 0)]
    expected = (made[1], made[3], made[0], made[4], made[2])
    assert registry.find_all(Store) == expected
    assert tuple(sorted(made)) == expected
    assert registry.find(Store) is made[1]


@pytest.mark.parametrize("ranking", ["99", 7.0, True, None, [9]])
def test_rule_1_only_an_integer_ranks(registry: ServiceRegistry, ranking: object) -> None:
    first = registry.register(Store, Store()).reference
    other = registry.register(Store, Store(), {"service.ranking": ranking}).reference
    assert other.ranking == 0
    assert registry.find_all(Store) == (first, other)


def test_rule_1_a_changed_ranking_changes_the_order(registry: ServiceRegistry) -> None:
    one = registry.register(Store, Store(), {"pid": "x"})
    other = registry.register(Store, Store(), {"pid": "x"})
    for lookup in ({"interface": Store}, {"filter": "(pid=x)"}, {}):
        assert registry.find(**lookup) is one.reference
    other.set_properties({"pid": "x", "Service.Ranking": 1})
    for lookup in ({"interface": Store}, {"filter": "(pid=x)"}, {}):
        assert registry.find(**lookup) is other.reference


def test_rule_2_the_frameworks_properties_cannot_be_overridden(registry: ServiceRegistry) -> None:
    forged = {"Service.ID": -1, "OBJECTCLASS": "forged", "service.scope": "prototype", "mine": 1}
    registration = registry.register(Store, Store(), forged)
    for _ in range(2):
        properties = registration.reference.properties
        assert properties["service.id"] == registration.reference.id != -1
        assert list(properties["objectClass"]) == [interface_name(Store)]
        assert properties["service.scope"] == "singleton"
        assert properties["mine"] == 1
        assert registry.find("forged") is None
        registration.set_properties(forged)


def test_rule_2_ids_grow_and_are_never_used_again(registry: ServiceRegistry) -> None:
    ids = []
    for _ in range(5):
        registration = registry.register(Store, Store())
        ids.append(registration.reference.id)
        registration.unregister()
    assert ids == sorted(set(ids))


def test_rule_2_keys_compare_without_case_and_keep_it(registry: ServiceRegistry) -> None:
    properties = registry.register(Store, Store(), {"Kura.Service.PID": "A"}).reference.properties
    assert properties["kura.service.pid"] == properties["KURA.SERVICE.PID"] == "A"
    assert "kura.SERVICE.pid" in properties
    assert properties.get("absent") is None
    assert "Kura.Service.PID" in list(properties)
    assert "kura.service.pid" not in list(properties)


def test_rule_2_two_keys_that_differ_only_in_case_are_an_error(registry: ServiceRegistry) -> None:
    with pytest.raises(FrameworkError, match="case"):
        registry.register(Store, Store(), {"a": 1, "A": 2})
    assert registry.find_all() == ()
    registration = registry.register(Store, Store(), {"a": 1})
    with pytest.raises(FrameworkError, match="case"):
        registration.set_properties({"b": 1, "B": 2})
    assert registration.reference.properties["a"] == 1


def test_rule_2_a_snapshot_of_properties_does_not_change(registry: ServiceRegistry) -> None:
    given: dict[str, Any] = {"a": 1, "many": ["x"]}
    registration = registry.register(Store, Store(), given)
    before = registration.reference.properties
    given["a"] = 2
    given["many"].append("y")
    registration.set_properties({"a": 3})
    assert before["a"] == 1
    assert list(before["many"]) == ["x"]
    assert registration.reference.properties["a"] == 3
    with pytest.raises(TypeError):
        before["a"] = 4  # type: ignore[index]  # what an untyped caller may try


def test_rule_3_setting_properties_replaces_them(registry: ServiceRegistry) -> None:
    registration = registry.register(Store, Store(), {"a": 1, "b": 2})
    registration.set_properties({"b": 3})
    assert "a" not in registration.reference.properties
    assert registration.reference.properties["b"] == 3


def test_rule_3_a_listener_is_told_of_the_change_it_was_called_for(registry: ServiceRegistry) -> None:
    # The first listener changes the service again; the second still hears of 1 -> 2, which ends its match.
    registration = registry.register(Store, Store(), {"x": "1"})

    def change_again(event: ServiceEvent) -> None:
        if event.reference.properties["x"] == "2":
            registration.set_properties({"x": "3"})

    listener = Listener()
    registry.listen(change_again)
    registry.listen(listener, filter="(x=1)")
    registration.set_properties({"x": "2"})
    assert listener.kinds == [MODIFIED_ENDMATCH]


@pytest.mark.parametrize("text", [True, False], ids=["text", "number"])
def test_rule_3_what_a_listener_is_told_of_changes(registry: ServiceRegistry, *, text: bool) -> None:
    registration = registry.register(Store, Store(), {"x": "0"})
    listener = Listener()
    registry.listen(listener, Store, "(x=1)")
    told: list[list[ServiceEventKind]] = []
    for value in (1, 1, 2, 3, 1):
        listener.events.clear()
        registration.set_properties({"x": str(value) if text else value})
        told.append(listener.kinds)
    assert told == [[MODIFIED], [MODIFIED], [MODIFIED_ENDMATCH], [], [MODIFIED]]


def test_rule_3_a_listener_without_filter_is_told_of_every_change(registry: ServiceRegistry) -> None:
    listener = Listener()
    registry.listen(listener)
    registration = registry.register(Store, Store(), {"x": 1})
    registration.set_properties({"x": 1})
    registration.set_properties({})
    registration.unregister()
    assert listener.kinds == [REGISTERED, MODIFIED, MODIFIED, UNREGISTERING]


def test_rule_4_a_listener_is_told_of_its_interface_and_filter_only(registry: ServiceRegistry) -> None:
    listener = Listener()
    registry.listen(listener, Store, "(x=1)")
    registry.register(Vault, Vault(), {"x": "1"})
    registry.register(Store, Store(), {"x": "2"})
    registry.register(Store, Store())
    wanted = registry.register([Vault, Store], Vault(), {"X": ["0", "1"]})
    assert [event.reference for event in listener.events] == [wanted.reference]


def test_rule_4_delivery_is_in_the_order_of_listening(registry: ServiceRegistry) -> None:
    told: list[str] = []
    registry.listen(lambda _: told.append("all"))
    registry.listen(lambda _: told.append("number"), filter="(x>=1)")
    registry.listen(lambda _: told.append("interface"), Store)
    registry.listen(lambda _: told.append("equality"), filter="(x=1)")
    registry.listen(lambda _: told.append("both"), Store, "(x=1)")
    registry.listen(lambda _: told.append("last"))
    registry.register(Store, Store(), {"x": 1})
    assert told == ["all", "number", "interface", "equality", "both", "last"]


def test_rule_4_a_listener_that_raises_does_not_stop_the_others(
    registry: ServiceRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(event: ServiceEvent) -> None:
        raise RuntimeError(f"no {event.kind.name} today")

    listener = Listener()
    registry.listen(broken)
    registry.listen(listener)
    with caplog.at_level(logging.ERROR, "framework.registry"):
        registry.register(Store, Store())
    assert listener.kinds == [REGISTERED]
    assert "no REGISTERED today" in caplog.text


def test_rule_4_listening_again_replaces_the_filter(registry: ServiceRegistry) -> None:
    listener = Listener()
    first = registry.listen(listener, filter="(x=1)")
    registry.listen(listener, filter="(x=2)")
    registry.register(Store, Store(), {"x": "1"})
    assert listener.kinds == []
    registry.register(Store, Store(), {"x": "2"})
    assert listener.kinds == [REGISTERED]
    first.close()
    registry.register(Store, Store(), {"x": "2"})
    assert listener.kinds == [REGISTERED, REGISTERED]


def test_rule_4_a_closed_subscription_is_told_nothing(registry: ServiceRegistry) -> None:
    listener = Listener()
    with registry.listen(listener, Store):
        registry.register(Store, Store())
    subscription = registry.listen(listener, filter="(x=1)")
    subscription.close()
    subscription.close()
    registry.register(Store, Store(), {"x": "1"})
    assert listener.kinds == [REGISTERED]


def test_rule_4_a_listener_may_close_itself(registry: ServiceRegistry) -> None:
    told: list[ServiceEventKind] = []

    def once(event: ServiceEvent) -> None:
        told.append(event.kind)
        subscription.close()

    subscription = registry.listen(once)
    registry.register(Store, Store())
    registry.register(Store, Store())
    assert told == [REGISTERED]


def test_rule_4_a_listener_that_was_closed_by_an_earlier_one_is_told_nothing(registry: ServiceRegistry) -> None:
    registry.listen(lambda _: subscription.close())
    listener = Listener()
    subscription = registry.listen(listener)
    registry.register(Store, Store())
    assert listener.kinds == []


def test_rule_4_a_listener_may_use_the_registry(registry: ServiceRegistry) -> None:
    # No lock is held while it is called: with one, this would never end or raise.
    seen: list[ServiceReference | None] = []

    def register_vault(event: ServiceEvent) -> None:
        seen.append(registry.find(Store))
        if event.kind is REGISTERED:
            registry.register(Vault, Vault())

    registry.listen(register_vault, Store)
    reference = registry.register(Store, Store()).reference
    assert seen == [reference]
    assert registry.find(Vault) is not None


def test_rule_4_another_thread_is_not_kept_waiting_by_a_listener(registry: ServiceRegistry) -> None:
    done = threading.Event()

    def register_elsewhere(_: ServiceEvent) -> None:
        def register() -> None:
            registry.register(Vault, Vault())
            done.set()

        other = threading.Thread(target=register)
        other.start()
        other.join(10)

    registry.listen(register_elsewhere, Store)
    registry.register(Store, Store())
    assert done.is_set()


def test_rule_5_a_leaving_service_is_found_no_more_but_its_holders_use_it(registry: ServiceRegistry) -> None:
    store = Store()
    registration = registry.register(Store, store, {"x": "1"})
    seen: list[tuple[ServiceReference | None, object]] = []
    registry.listen(lambda event: seen.append((registry.find(Store, "(x=1)"), registry.get(event.reference))))
    registration.unregister()
    assert seen == [(None, store)]


def test_rule_5_what_has_gone_gives_none_and_keeps_its_properties(registry: ServiceRegistry) -> None:
    registration = registry.register(Store, Store(), {"x": 1})
    registration.unregister()
    assert registry.get(registration.reference) is None
    assert registration.reference.properties["x"] == 1
    assert registration.reference.interfaces == (interface_name(Store),)
    with pytest.raises(FrameworkError, match="unregistered"):
        registration.set_properties({"x": 2})
    assert registration.reference.properties["x"] == 1


def test_rule_5_withdrawing_is_the_first_half_of_leaving(registry: ServiceRegistry) -> None:
    store = Store()
    registration = registry.register(Store, store)
    listener = Listener()
    registry.listen(listener)
    registration.withdraw()
    assert registry.find(Store) is None
    assert registry.get(registration.reference) is store
    with pytest.raises(FrameworkError):
        registration.set_properties({})
    registration.withdraw()
    registration.unregister()
    assert registry.get(registration.reference) is None
    assert listener.kinds == [UNREGISTERING]


def test_rule_5_of_listeners_only_those_that_wanted_it_are_told(registry: ServiceRegistry) -> None:
    wanting, other = Listener(), Listener()
    registry.listen(wanting, filter="(x=1)")
    registry.listen(other, filter="(x=2)")
    registration = registry.register(Store, Store(), {"x": 1})
    registration.unregister()
    assert wanting.kinds == [REGISTERED, UNREGISTERING]
    assert other.kinds == []


def test_rule_5_who_unregisters_second_does_not_take_the_service_from_those_being_told(
    registry: ServiceRegistry,
) -> None:
    store = Store()
    registration = registry.register(Store, store)
    seen: list[object] = []

    def unregister_elsewhere(event: ServiceEvent) -> None:
        other = threading.Thread(target=registration.unregister)
        other.start()
        other.join(10)
        seen.append(registry.get(event.reference))

    registry.listen(unregister_elsewhere)
    registration.unregister()
    assert seen == [store]
    assert registry.get(registration.reference) is None


def test_services_come_and_go_from_many_threads(registry: ServiceRegistry) -> None:
    rounds, errors = 60, []
    listener = Listener()
    registry.listen(listener, Store, "(pid=3)")
    start = threading.Barrier(8)

    def churn(number: int) -> None:
        try:
            start.wait(10)
            for turn in range(rounds):
                registration = registry.register(Store, Store(), {"pid": str(number), "service.ranking": turn})
                assert registration.reference in registry.find_all(Store, f"(pid={number})")
                registration.set_properties({"pid": str(number), "turn": turn})
                assert registry.find(Store, f"(&(pid={number})(turn={turn}))") is registration.reference
                registration.unregister()
                assert registry.find(Store, f"(pid={number})") is None
        except BaseException as error:  # noqa: BLE001  # whatever it is, the test's own thread reports it
            errors.append(error)

    threads = [threading.Thread(target=churn, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []
    assert registry.find_all() == ()
    assert listener.kinds == [REGISTERED, MODIFIED, UNREGISTERING] * rounds
