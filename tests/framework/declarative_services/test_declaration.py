"""A mistake in a declaration is an error at definition, with the class and the attribute in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from framework import DeclarationError, component, reference
from framework.declarative_services import UnboundReferenceError, description_of

if TYPE_CHECKING:
    from collections.abc import Callable


class Store:
    """An interface."""


def _wrong_target() -> None:
    @component("test.C")
    class C:
        store = reference(Store, target="(a=b")


def _wrong_cardinality() -> None:
    @component("test.C")
    class C:
        store: Any = reference(Store, cardinality="2..3")  # type: ignore[call-overload]  # the mistake under test


def _wrong_callback() -> None:
    @component("test.C")
    class C:
        def activate(self) -> None: ...


def _two_of_a_name() -> None:
    @component("test.C")
    class C:
        a = reference(Store, name="store")
        b = reference(Store, name="store")


def _no_descriptor() -> None:
    @component("test.C", descriptor="absent.xml")
    class C: ...


def _bad_name() -> None:
    @component("a~b")
    class C: ...


@pytest.mark.parametrize(
    ("declare", "attribute", "message"),
    [
        (_wrong_target, "store", "no valid filter"),
        (_wrong_cardinality, "store", "'2..3' is none of"),
        (_wrong_callback, "activate", "one argument"),
        (_two_of_a_name, "b", "another reference named 'store'"),
        (_no_descriptor, None, "does not exist"),
        (_bad_name, None, "without '~'"),
    ],
)
def test_a_mistake_names_the_class_and_the_attribute(
    declare: Callable[[], None], attribute: str | None, message: str
) -> None:
    with pytest.raises(DeclarationError, match=message) as caught:
        declare()
    assert caught.value.component == "C"
    assert caught.value.attribute == attribute


def test_a_subclass_inherits_references_and_may_replace_them() -> None:
    class Base:
        store = reference(Store, target="(a=1)")
        other = reference(Store, cardinality="0..1")

    @component("test.Derived")
    class Derived(Base):
        store = reference(Store, target="(a=2)")

    described = {one.name: str(one.target) for one in description_of(Derived).references}
    assert described == {"store": "(a=2)", "other": "None"}


def test_a_plain_class_is_no_component() -> None:
    with pytest.raises(DeclarationError, match="decorate the class"):
        description_of(Store)


def test_reading_an_unbound_reference_says_when_it_can_be_read() -> None:
    @component("test.C")
    class C:
        store = reference(Store)

    instance = C()
    with pytest.raises(UnboundReferenceError, match=r"C\.store is not bound"):
        _ = instance.store
    double = Store()
    instance.store = double
    assert instance.store is double


def test_a_lazy_component_without_a_service_is_an_error() -> None:
    with pytest.raises(DeclarationError, match=r"Idle: a lazy component must provide a service"):

        @component("test.Idle", lazy=True)
        class Idle:
            pass


@pytest.mark.parametrize("name", ["kura.service.pid", "Service.PID", "component.id"])
def test_an_identity_cannot_be_declared(name: str) -> None:
    with pytest.raises(DeclarationError, match=rf"Roof: {name} is given by the gateway"):

        @component("test.Roof", properties={name: "Roof"})
        class Roof:
            pass


def test_a_component_whose_constructor_needs_arguments_is_an_error() -> None:
    with pytest.raises(DeclarationError, match=r"Demanding\.__init__") as caught:

        @component("test.Demanding")
        class Demanding:
            def __init__(self, something: int) -> None:
                self.something = something

    assert caught.value.attribute == "__init__"


def test_a_reference_callback_that_does_not_take_the_service_and_its_properties_is_an_error() -> None:
    with pytest.raises(DeclarationError, match=r"Short\._came") as caught:

        @component("test.Short")
        class Short:
            store = reference(Store)

            @store.bind  # type: ignore[arg-type]  # this is the error
            def _came(self, service: Store) -> None: ...

    assert caught.value.attribute == "_came"


def test_a_subclass_may_override_what_a_reference_calls_back() -> None:
    class Base:
        store = reference(Store)

        @store.bind
        def _came(self, service: Store, properties: object) -> None: ...

    @component("test.Derived")
    class Derived(Base):
        pass

    (described,) = description_of(Derived).references
    assert (described.bind, described.unbind, described.updated) == ("_came", None, None)
