"""Factories and scopes: rule 6 of the service registry by name."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from framework import ServiceRegistry
from framework.registry import RegistryError, ServiceEvent, ServiceFactory, ServiceRegistration

if TYPE_CHECKING:
    from collections.abc import Callable

SCOPES = ("singleton", "bundle", "prototype")


class Store:
    """An interface."""


@dataclass(eq=False)
class Stores(ServiceFactory):
    """Makes stores, and keeps what it was asked for."""

    make: Callable[[ServiceRegistration], object | None] = lambda _: Store()
    made: list[str] = field(default_factory=list)
    given_back: list[tuple[str, object]] = field(default_factory=list)

    def get_service(self, bundle: str, registration: ServiceRegistration) -> object | None:
        self.made.append(bundle)
        return self.make(registration)

    def unget_service(self, bundle: str, registration: ServiceRegistration, service: object) -> None:
        del registration
        self.given_back.append((bundle, service))


@pytest.fixture
def registry() -> ServiceRegistry:
    return ServiceRegistry()


@pytest.mark.parametrize("scope", SCOPES)
def test_registry_6_the_scope_is_a_property(registry: ServiceRegistry, scope: str) -> None:
    reference = registry.register(Store, Stores(), {"service.scope": "mine"}, scope=scope, bundle="acme").reference
    assert reference.properties["service.scope"] == scope
    assert reference.bundle == "acme"
    assert registry.find(Store, f"(service.scope={scope})") is reference


@pytest.mark.parametrize(("service", "scope"), [(Stores(), "thread"), (Store(), "bundle"), (Store(), "prototype")])
def test_registry_6_a_scope_that_cannot_be_is_an_error(registry: ServiceRegistry, service: object, scope: str) -> None:
    with pytest.raises(RegistryError, match=scope):
        registry.register(Store, service, scope=scope)
    assert registry.find(Store) is None


def test_registry_6_a_singleton_is_one_for_all(registry: ServiceRegistry) -> None:
    stores = Stores()
    reference = registry.register(Store, stores).reference
    assert stores.made == []
    assert registry.get(reference, "a") is registry.get(reference, "b")
    assert stores.made == ["a"]


def test_registry_6_each_bundle_has_an_object_of_its_own(registry: ServiceRegistry) -> None:
    stores = Stores()
    reference = registry.register(Store, stores, scope="bundle").reference
    first, second = registry.get(reference, "a"), registry.get(reference, "b")
    assert first is not second
    assert registry.get(reference, "a") is first
    assert list(reference.using_bundles) == ["a", "b"]
    assert registry.unget(reference, "a")
    assert stores.given_back == []
    assert registry.unget(reference, "a")
    assert stores.given_back == [("a", first)]
    assert not registry.unget(reference, "a")
    assert list(reference.using_bundles) == ["b"]
    assert registry.get(reference, "a") is not first


def test_registry_6_each_asking_has_a_prototype_of_its_own(registry: ServiceRegistry) -> None:
    stores = Stores()
    reference = registry.register(Store, stores, scope="prototype").reference
    objects = registry.service_objects(reference, "a")
    first, second = objects.get(), objects.get()
    assert first is not second
    assert objects.unget(first)
    assert not objects.unget(first)
    assert not registry.service_objects(reference, "b").unget(second)
    assert stores.given_back == [("a", first)]
    assert registry.get(reference, "a") is registry.get(reference, "a")


@pytest.mark.parametrize("scope", SCOPES)
def test_registry_6_what_is_unregistered_is_released(registry: ServiceRegistry, scope: str) -> None:
    stores = Stores()
    registration = registry.register(Store, stores, scope=scope)
    reference = registration.reference
    objects = registry.service_objects(reference, "a")
    service = objects.get()
    used_while_leaving: list[object] = []
    registry.listen(lambda _: used_while_leaving.append(tuple(stores.given_back)))
    registration.unregister()
    assert used_while_leaving == [()]
    assert stores.given_back == [("a", service)]
    assert registry.get(reference, "a") is None
    assert registry.service_objects(reference, "a").get() is None
    assert not registry.unget(reference, "a")
    assert reference.using_bundles == ()


def _raise(_: ServiceRegistration) -> object:
    raise OSError("disk on fire")


@pytest.mark.parametrize("make", [_raise, lambda _: None, lambda _: object()], ids=["raises", "none", "wrong type"])
@pytest.mark.parametrize("scope", SCOPES)
def test_registry_6_a_factory_that_fails_yields_none_and_is_logged(
    registry: ServiceRegistry,
    caplog: pytest.LogCaptureFixture,
    make: Callable[[ServiceRegistration], object | None],
    scope: str,
) -> None:
    stores = Stores(make)
    reference = registry.register(Store, stores, scope=scope).reference
    with caplog.at_level(logging.ERROR, "framework.registry"):
        assert registry.get(reference, "a") is None
        assert registry.service_objects(reference, "a").get() is None
    assert "Stores" in caplog.text
    assert reference.using_bundles == ()
    stores.make = lambda _: Store()
    assert isinstance(registry.get(reference, "a"), Store)


@pytest.mark.parametrize("scope", ["singleton", "bundle"])
def test_registry_6_a_factory_that_asks_for_its_own_service_yields_none(
    registry: ServiceRegistry, caplog: pytest.LogCaptureFixture, scope: str
) -> None:
    inner: list[object] = []

    def recurse(registration: ServiceRegistration) -> object:
        inner.append(registry.get(registration.reference, "a"))
        return Store()

    reference = registry.register(Store, Stores(recurse), scope=scope).reference
    assert isinstance(registry.get(reference, "a"), Store)
    assert inner == [None]
    assert "its own service" in caplog.text


def test_registry_6_a_factory_that_cannot_take_back_is_logged(
    registry: ServiceRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    class Clinging(Stores):
        def unget_service(self, bundle: str, registration: ServiceRegistration, service: object) -> None:
            raise OSError("mine")

    registration = registry.register(Store, Clinging(), scope="bundle")
    registry.get(registration.reference, "a")
    registration.unregister()
    assert "could not take back" in caplog.text
    assert registry.get(registration.reference, "a") is None


def test_registry_6_many_threads_of_one_bundle_get_one_object(registry: ServiceRegistry) -> None:
    start, entered = threading.Barrier(8), threading.Event()

    def slowly(_: ServiceRegistration) -> object:
        entered.wait(10)
        return Store()

    stores = Stores(slowly)
    reference = registry.register(Store, stores, scope="bundle").reference
    got: list[object] = []

    def ask() -> None:
        if start.wait(10) == 0:
            entered.set()
        got.append(registry.get(reference, "a"))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(got) == 8
    assert len(set(map(id, got))) == 1
    assert stores.made == ["a"]


def test_registry_6_no_other_thread_waits_for_a_factory(registry: ServiceRegistry) -> None:
    done = threading.Event()

    def elsewhere(registration: ServiceRegistration) -> object:
        def use() -> None:
            registry.register("other", object()).unregister()
            registration.set_properties({"x": 1})
            assert registration.reference.using_bundles == ("a",)
            done.set()

        other = threading.Thread(target=use)
        other.start()
        other.join(10)
        return Store()

    reference = registry.register(Store, Stores(elsewhere), scope="bundle").reference
    assert registry.get(reference, "a") is not None
    assert done.is_set()


def test_registry_4_changes_by_several_threads_are_heard_in_their_order(registry: ServiceRegistry) -> None:
    heard: list[tuple[str, object]] = []
    registration = registry.register(Store, Store(), {"turn": -1})

    def listener(event: ServiceEvent) -> None:
        heard.append((event.kind.name, event.reference.id))

    registry.listen(listener, Store)
    start = threading.Barrier(4)

    def change(number: int) -> None:
        start.wait(10)
        for turn in range(50):
            registration.set_properties({"turn": number * 50 + turn})

    threads = [threading.Thread(target=change, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    registration.unregister()
    assert [kind for kind, _ in heard] == ["MODIFIED"] * 200 + ["UNREGISTERING"]


def test_registry_2_what_the_owner_does_to_a_collection_later_changes_nothing(registry: ServiceRegistry) -> None:
    listed, chosen = ["a"], {"a"}
    assert registry.find(Store, "(|(listed=a)(chosen=a))") is None
    registration = registry.register(Store, Store(), {"listed": listed, "chosen": chosen})
    registry.register(Store, Store(), {"listed": "x", "chosen": "x"})
    listed.append("b")
    chosen.add("b")
    for text in ("(listed=b)", "(chosen=b)"):
        assert registry.find(Store, text) is None
    for text in ("(listed=a)", "(chosen=a)"):
        assert registry.find(Store, text) is registration.reference
    registration.unregister()
    assert registry.find(Store, "(chosen=a)") is None
