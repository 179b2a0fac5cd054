"""What type checkers see of the public API. mypy and pyright check this file; nobody runs it."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, assert_type

import metatype
from components.keystore import KeystoreService
from framework import (
    ComponentContext,
    ConfigurationAdmin,
    ConfigurationChange,
    DeactivationReason,
    Filter,
    Gateway,
    Secret,
    ServiceReference,
    ServiceRegistration,
    ServiceRegistry,
    component,
    reference,
)
from framework.testing import FakeClock, GatewayHarness


class Store:
    """A class that a reference may name."""

    def size(self) -> int:
        return 0


class AbstractStore(abc.ABC):
    """An abstract class, as contracts of services are."""

    @abc.abstractmethod
    def size(self) -> int: ...


class StoreProtocol(Protocol):
    """A protocol, for services that share no base class."""

    def size(self) -> int: ...


@component("typing.Component", provides=Store, lazy=True)
class Component(Store):
    one = reference(Store)
    maybe = reference(Store, cardinality="0..1", policy="dynamic", policy_option="greedy")
    some = reference(Store, cardinality="1..n")
    many = reference(AbstractStore, cardinality="0..n")
    protocol = reference(StoreProtocol, target="(x=1)")
    keystore = reference(KeystoreService, name="KeystoreService")

    @many.bind
    def _came(self, service: AbstractStore, properties: Mapping[str, Any]) -> None: ...

    @many.unbind
    def _went(self, service: AbstractStore, properties: Mapping[str, Any]) -> None: ...

    @one.updated
    def _changed(self, service: Store, properties: Mapping[str, Any]) -> None: ...

    def activate(self, context: ComponentContext) -> None:
        assert_type(self.one, Store)
        assert_type(self.maybe, Store | None)
        assert_type(self.some, tuple[Store, ...])
        assert_type(self.many, tuple[AbstractStore, ...])
        assert_type(self.protocol, StoreProtocol)
        assert_type(self.keystore, KeystoreService)
        assert_type(self.many[0].size(), int)
        assert_type(context.properties, Mapping[str, Any])
        assert_type(context.data_directory, Path)
        assert_type(context.secrets.get("name"), Secret | None)
        assert_type(context.register(Store, Store()), ServiceRegistration)

    def modified(self, change: ConfigurationChange) -> None:
        assert_type(change.changed, frozenset[str])

    def deactivate(self, reason: DeactivationReason) -> None: ...


class ACallbackForAnotherService:
    """A callback that takes another service than its reference gives is an error to both checkers."""

    store = reference(Store)

    @store.bind  # type: ignore[arg-type]  # this is the error
    def _came(self, service: Path, properties: Mapping[str, Any]) -> None: ...  # pyright: ignore[reportArgumentType]


def registry(services: ServiceRegistry) -> None:
    registration = services.register(Store, Store(), {"x": 1})
    assert_type(registration, ServiceRegistration)
    assert_type(services.find(Store), ServiceReference | None)
    assert_type(services.find_all(Store, "(x=1)"), tuple[ServiceReference, ...])


def filters() -> None:
    parsed = Filter.parse("(a=b)")
    assert_type(parsed, Filter)
    assert_type(parsed.matches({"a": "b"}), bool)


def configuration(admin: ConfigurationAdmin) -> None:
    assert_type(admin.update("pid", {"a": 1}).outcome, str)
    assert_type(admin.get("pid").properties["a"], Any)


def descriptors(path: Path) -> None:
    metadata = metatype.load(path)
    assert_type(metadata, metatype.MetaData)
    attribute = metadata.object_classes["id"].attributes["id"]
    assert_type(attribute, metatype.Attribute)
    assert_type(attribute.default_value, tuple[str, ...] | None)
    assert_type(metatype.json_schema(metadata.object_classes["id"]), dict[str, Any])


def harness() -> None:
    with GatewayHarness(components=[Component], clock=FakeClock()) as one:
        assert_type(one.gateway, Gateway)
        assert_type(one.registry, ServiceRegistry)
        assert_type(one.state("pid"), str)
