"""Services are found by interface and filter, whatever their values are, without asking them all."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any

import pytest

from framework.errors import FrameworkError
from framework.filter import Filter, FilterError
from framework.registry import ServiceEvent, ServiceReference, ServiceRegistry, interface_name

if TYPE_CHECKING:
    from collections.abc import Callable


class Store:
    """An interface."""


class Vault(Store):
    """Another."""


@pytest.fixture
def registry() -> ServiceRegistry:
    return ServiceRegistry()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The properties that filters were asked about."""
    found: list[object] = []
    matches = Filter.matches

    def counting(self: Filter, properties: Any) -> bool:
        found.append(properties)
        return matches(self, properties)

    monkeypatch.setattr(Filter, "matches", counting)
    return found


def reference_of(found: ServiceReference | None) -> ServiceReference:
    assert found is not None
    return found


def test_a_service_is_found_by_class_name_and_filter(registry: ServiceRegistry) -> None:
    store = Store()
    reference = registry.register(Store, store, {"kura.service.pid": "A"}).reference
    assert registry.find(Store) is reference
    assert registry.find(interface_name(Store)) is reference
    assert registry.find(Store, "(kura.service.pid=A)") is reference
    assert registry.find(Store, Filter.parse("(Kura.Service.Pid=A)")) is reference
    assert registry.find(filter="(kura.service.pid=A)") is reference
    assert registry.get(reference) is store


def test_what_is_not_there_is_none(registry: ServiceRegistry) -> None:
    registry.register(Store, Store(), {"kura.service.pid": "A"})
    assert registry.find(Vault) is None
    assert registry.find(Store, "(kura.service.pid=B)") is None
    assert registry.find_all(Vault) == ()
    assert registry.find_all(filter="(unheard=of)") == ()


def test_an_interface_is_the_one_that_was_named(registry: ServiceRegistry) -> None:
    # As in OSGi: a subclass does not stand in for an interface that was not stated.
    registry.register(Vault, Vault())
    assert registry.find(Store) is None


def test_a_service_may_have_several_interfaces(registry: ServiceRegistry) -> None:
    reference = registry.register([Store, Vault, "a.third"], Vault()).reference
    assert {registry.find(one) for one in (Store, Vault, "a.third")} == {reference}
    assert reference.interfaces == (interface_name(Store), interface_name(Vault), "a.third")


def test_whoever_listens_for_one_of_several_interfaces_hears_of_the_service(registry: ServiceRegistry) -> None:
    heard: list[tuple[str, str]] = []
    for interface in ("a.first", "a.second", "a.third"):

        def hear(event: ServiceEvent, interface: str = interface) -> None:
            heard.append((interface, event.kind.name))

        registry.listen(hear, interface)
    registry.register(("a.first", "a.second", "a.third"), Store()).unregister()
    kinds = ("REGISTERED", "UNREGISTERING")
    assert heard == [(interface, kind) for kind in kinds for interface in ("a.first", "a.second", "a.third")]


class Role(enum.StrEnum):
    CA = "ca"


def test_a_value_of_an_enumeration_is_found_by_its_text(registry: ServiceRegistry) -> None:
    heard: list[ServiceEvent] = []
    registry.listen(heard.append, Store, "(role=ca)")
    registry.register(Store, Store(), {"role": Role.CA})
    registry.register(Store, Store(), {"role": ["ra", Role.CA]})
    assert len(registry.find_all(Store, "(role=ca)")) == len(heard) == 2


def test_no_filter_means_all_and_no_text_is_an_error(registry: ServiceRegistry) -> None:
    registry.register(Store, Store())
    registry.register(Vault, Vault())
    assert len(registry.find_all()) == 2
    with pytest.raises(FilterError):
        registry.find_all(filter="")


def test_no_interface_or_no_service_is_an_error(registry: ServiceRegistry) -> None:
    with pytest.raises(FrameworkError):
        registry.register((), Store())
    with pytest.raises(FrameworkError):
        registry.register(Store, None)
    assert registry.find_all() == ()


@pytest.mark.parametrize(
    ("filter_text", "found"),
    [
        ("(n=1)", {"int", "text", "list", "mixed"}),
        ("(n=2)", {"list"}),
        ("(n=x)", {"mixed"}),
        ("(&(n=1)(kind=list))", {"list"}),
        ("(|(kind=int)(kind=text))", {"int", "text"}),
        ("(!(n=*))", {"none"}),
        ("(&(n=1)(!(kind=int)))", {"text", "list", "mixed"}),
    ],
)
def test_lookups_are_right_whatever_the_types_of_values(
    registry: ServiceRegistry, filter_text: str, found: set[str]
) -> None:
    values: dict[str, Any] = {"int": 1, "text": "1", "list": [1, 2], "mixed": ["x", None, 1.0, 1]}
    for kind, value in values.items():
        registry.register(Store, Store(), {"kind": kind, "n": value})
    registry.register(Store, Store(), {"kind": "none"})
    for _ in range(2):
        assert {one.properties["kind"] for one in registry.find_all(Store, filter_text)} == found


def test_an_attribute_that_is_asked_for_late_is_found_too(registry: ServiceRegistry) -> None:
    first = registry.register(Store, Store(), {"x": "1"})
    assert registry.find(filter="(x=1)") is first.reference
    second = registry.register(Store, Store(), {"x": "2"})
    assert registry.find(filter="(x=2)") is second.reference
    first.set_properties({"x": "2"})
    assert registry.find(filter="(x=1)") is None
    assert registry.find_all(filter="(x=2)") == (first.reference, second.reference)
    second.unregister()
    assert registry.find_all(filter="(x=2)") == (first.reference,)


def pids(number: int) -> dict[str, Any]:
    return {
        "kura.service.pid": f"pid{number}",
        "number": number,
        "ratio": number / 2,
        "even": number == 250,
        "tags": [f"tag{number}", number],
    }


@pytest.mark.parametrize(
    ("text", "most"),
    [
        ("(kura.service.pid=pid250)", 1),
        ("(number=250)", 1),
        ("(ratio=125.0)", 1),
        ("(even=true)", 1),
        ("(tags=tag250)", 1),
        ("(tags=250)", 1),
        ("(|(kura.service.pid=pid250)(number=250))", 1),
        ("(|(number=250)(number=999999)(kura.service.pid=none))", 1),
        ("(&(objectClass=*)(|(kura.service.pid=pid250)(&(number=250)(ratio>=1))))", 1),
        ("(kura.service.pid=none)", 0),
    ],
)
def test_what_is_required_is_looked_up_and_the_others_are_not_asked(
    registry: ServiceRegistry, asked: list[object], text: str, most: int
) -> None:
    registrations = [registry.register(Store, Store(), pids(number)) for number in range(500)]
    found = registry.find(Store, text)
    assert found is (registrations[250].reference if most else None)
    assert len(asked) == most


@pytest.mark.parametrize("text", ["(number={})", "(|(kura.service.pid=pid{0})(ratio=no))", "(&(tags={0})(number>=0))"])
def test_of_many_listeners_only_those_are_asked_who_could_want_to_know(
    registry: ServiceRegistry, asked: list[object], text: str
) -> None:
    heard: list[int] = []

    def listener(number: int) -> Callable[[object], None]:
        return lambda _: heard.append(number)

    for number in range(500):
        registry.listen(listener(number), Store, text.format(number))
    registration = registry.register(Store, Store(), pids(7))
    registration.set_properties(pids(8))
    assert heard == [7, 7, 8]
    assert len(asked) <= 6


def test_a_changed_order_is_seen_whatever_is_asked_for(registry: ServiceRegistry) -> None:
    registrations = [registry.register(Store, Store(), {"x": 1}) for _ in range(5)]
    for place, registration in enumerate(registrations):
        registration.set_properties({"x": 1, "service.ranking": place})
    best_first = tuple(registration.reference for registration in reversed(registrations))
    for text in (None, "(x=1)", "(|(x=1)(y=2))"):
        assert registry.find_all(Store, text) == best_first
        assert registry.find(Store, text) is best_first[0]


def test_filters_from_outside_make_only_so_many_indexes(registry: ServiceRegistry) -> None:
    registration = registry.register(Store, Store(), {f"a{number}": "x" for number in range(1000)})
    for number in range(1000):
        assert registry.find(filter=f"(a{number}=x)") is registration.reference
        assert registry.find(filter=f"(a{number}=y)") is None
