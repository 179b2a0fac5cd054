"""How a component is written in Python: the `component` decorator and `reference` attributes."""

from __future__ import annotations

import sys
from types import FunctionType, MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, TypeAlias, TypeVar, overload

from framework.declarative_services.description import (
    Cardinality,
    ComponentDescription,
    ConfigurationPolicy,
    PolicyOption,
    ReferenceDescription,
    ReferencePolicy,
)
from framework.declarative_services.errors import DeclarationError, UnboundReferenceError
from framework.filter import Filter, FilterError
from framework.registry import interface_name

if TYPE_CHECKING:
    import enum
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

S = TypeVar("S")
T = TypeVar("T")
C = TypeVar("C")
K = TypeVar("K", bound=type)
E = TypeVar("E", bound="enum.Enum")

ReferenceCallback: TypeAlias = "Callable[[C, S, Mapping[str, Any]], None]"
"""A method that is told of a service and its properties."""

_IDENTITIES: Final = frozenset(
    {"service.pid", "service.factorypid", "kura.service.pid", "component.name", "component.id"}
)
"""What a component cannot declare, in lower case: a declared value would be hidden by the one that is given."""

_NOT_PLAIN: Final = 0x80 | 0x100 | 0x200
"""Flags of the code of coroutines, of generators made awaitable, and of asynchronous generators."""

_DESCRIPTION = "__gatewright_component__"


class Reference(Generic[S, T]):
    """A reference of a component: reads as the bound service (a tuple of them, or None, by cardinality).

    Made with `reference`. A unit test may assign a service to the attribute of an instance. `bind`, `unbind` and
    `updated` decorate methods that want to be told; each takes the service and its properties:

        stores = reference(Store, cardinality="0..n", policy="dynamic")

        @stores.bind
        def _store_came(self, store: Store, properties: Mapping[str, Any]) -> None: ...
    """

    def __init__(
        self,
        interface: object,
        name: str | None,
        target: str | None,
        cardinality: str,
        policy: str,
        policy_option: str,
    ) -> None:
        self._interface = interface
        self._name = name
        self._target = target
        self._cardinality = cardinality
        self._policy = policy
        self._policy_option = policy_option
        self._attribute = ""
        self._callbacks: dict[str, Callable[..., None]] = {}

    def __set_name__(self, owner: type, attribute: str) -> None:
        self._attribute = attribute

    @overload
    def __get__(self, instance: None, owner: type) -> Reference[S, T]: ...

    @overload
    def __get__(self, instance: object, owner: type) -> T: ...

    def __get__(self, instance: object | None, owner: type) -> Reference[S, T] | T:
        if instance is None:
            return self
        try:
            return instance.__dict__[self._attribute]  # type: ignore[no-any-return]  # only T is ever put there
        except KeyError:
            raise UnboundReferenceError(owner.__name__, self._attribute) from None

    def __set__(self, instance: object, value: T) -> None:
        instance.__dict__[self._attribute] = value

    def __delete__(self, instance: object) -> None:
        instance.__dict__.pop(self._attribute, None)

    def bind(self, method: ReferenceCallback[C, S]) -> ReferenceCallback[C, S]:
        """Call the method with each service that is bound, before `activate` for those bound by then.

        What it raises is logged; the service counts as bound all the same (Compendium R8 112.5.7).
        """
        return self._called_back("bind", method)

    def unbind(self, method: ReferenceCallback[C, S]) -> ReferenceCallback[C, S]:
        """Call the method with each service that was bound and is let go; a replacement is bound before."""
        return self._called_back("unbind", method)

    def updated(self, method: ReferenceCallback[C, S]) -> ReferenceCallback[C, S]:
        """Call the method when the properties of a service that is bound, and stays so, have changed."""
        return self._called_back("updated", method)

    def _called_back(self, kind: str, method: ReferenceCallback[C, S]) -> ReferenceCallback[C, S]:
        self._callbacks[kind] = method
        return method

    def describe(self, cls: type) -> ReferenceDescription:
        """The reference as data; DeclarationError where `cls` declares it wrongly."""
        component_name = cls.__name__

        def wrong(message: str) -> DeclarationError:
            return DeclarationError(component_name, self._attribute, message)

        if not isinstance(self._interface, type | str):
            raise wrong(f"the interface must be a class or a name, not {self._interface!r}")
        try:
            target = None if self._target is None else Filter.parse(self._target)
        except FilterError as error:
            raise wrong(f"the target is no valid filter: {error}") from error
        return ReferenceDescription(
            attribute=self._attribute,
            name=self._name or self._attribute,
            interface=interface_name(self._interface),
            target=target,
            cardinality=_member(Cardinality, self._cardinality, wrong),
            policy=_member(ReferencePolicy, self._policy, wrong),
            policy_option=_member(PolicyOption, self._policy_option, wrong),
            **{kind: _reference_callback(cls, method) for kind, method in self._callbacks.items()},
        )


@overload
def reference(
    interface: Callable[..., T],
    *,
    name: str | None = ...,
    target: str | None = ...,
    cardinality: Literal["1..1"] = ...,
    policy: Literal["static", "dynamic"] = ...,
    policy_option: Literal["reluctant", "greedy"] = ...,
) -> Reference[T, T]: ...


@overload
def reference(
    interface: Callable[..., T],
    *,
    name: str | None = ...,
    target: str | None = ...,
    cardinality: Literal["0..1"],
    policy: Literal["static", "dynamic"] = ...,
    policy_option: Literal["reluctant", "greedy"] = ...,
) -> Reference[T, T | None]: ...


@overload
def reference(
    interface: Callable[..., T],
    *,
    name: str | None = ...,
    target: str | None = ...,
    cardinality: Literal["0..n", "1..n"],
    policy: Literal["static", "dynamic"] = ...,
    policy_option: Literal["reluctant", "greedy"] = ...,
) -> Reference[T, tuple[T, ...]]: ...


def reference(
    interface: Callable[..., Any],
    *,
    name: str | None = None,
    target: str | None = None,
    cardinality: str = "1..1",
    policy: str = "static",
    policy_option: str = "reluctant",
) -> Reference[Any, Any]:
    """Declare that a component uses a service (Compendium R8 112.3).

    Args:
        interface: The class that the service is registered under.
        name: The reference's name, the attribute's name if None. `<name>.target` in the component's
            configuration replaces `target`.
        target: An OSGi filter over the properties of the service, such as "(kura.service.pid=Enrolment)".
        cardinality: "1..1" (the attribute reads as the service), "0..1" (the service or None), "0..n" or
            "1..n" (a tuple of services, best first).
        policy: "static": a change of what is bound deactivates the component and activates a new instance;
            "dynamic": the attribute changes in place.
        policy_option: "reluctant": what is bound stays while it is there; "greedy": the best is bound.

    Returns:
        A descriptor that a type checker reads as the service.
    """
    return Reference(interface, name, target, cardinality, policy, policy_option)


def component(
    name: str,
    *,
    provides: type | str | Sequence[type | str] = (),
    factory: bool = False,
    configuration_policy: Literal["optional", "require", "ignore"] = "optional",
    properties: Mapping[str, Any] | None = None,
    descriptor: str | None = None,
    lazy: bool = False,
    enabled: bool = True,
) -> Callable[[K], K]:
    """Declare a class to be a component (Compendium R8 112.4).

    The class is made without arguments and may have `activate(context)`, `modified(change)` and
    `deactivate(reason)`. All its callbacks run one at a time, so it needs no lock for them.

    Args:
        name: The component's name, which is the pid of its configuration, or the factory pid of its instances.
        provides: Interfaces that an active component is registered under in the service registry.
        factory: Whether each factory configuration `name~instance` makes a component of its own.
        configuration_policy: "optional", "require" (active only with a stored or file configuration) or
            "ignore".
        properties: Properties where the configuration says nothing; not the identities that the gateway gives, such as
            `kura.service.pid` (the pid, or the name of a factory's instance).
        descriptor: The metatype descriptor's file (XML or JSON), relative to the module of the class.
        lazy: Whether an instance is made only when its service is first asked for (OSGi's delayed component);
            without it, one is made as soon as the component is satisfied.
        enabled: Whether it may be active from the start; `gatewright component enable NAME` enables it later.

    Raises:
        DeclarationError: The declaration is wrong; it names the class and the attribute.
    """

    def declare(cls: K) -> K:
        def wrong(message: str) -> DeclarationError:
            return DeclarationError(cls.__name__, None, message)

        if not name or "~" in name or name != name.strip():
            raise wrong(f"the name must be non-empty text without '~' and outer blanks, not {name!r}")
        for callback in ("activate", "modified", "deactivate"):
            _check_callback(cls, callback)
        _check_constructor(cls)
        interfaces = _interfaces(provides, wrong)
        if lazy and not interfaces:
            raise wrong("a lazy component must provide a service, since only asking for it makes an instance")
        description = ComponentDescription(
            name=name,
            implementation=cls,
            provides=interfaces,
            references=_references(cls),
            properties=_declared(properties or {}, wrong),
            configuration_policy=_member(ConfigurationPolicy, configuration_policy, wrong),
            factory=factory,
            descriptor=None if descriptor is None else _beside(cls, descriptor),
            modifiable=callable(getattr(cls, "modified", None)),
            lazy=lazy,
            enabled=enabled,
        )
        setattr(cls, _DESCRIPTION, description)
        return cls

    return declare


def description_of(cls: type) -> ComponentDescription:
    """What `cls` declares; DeclarationError if it is not a component class."""
    description = cls.__dict__.get(_DESCRIPTION)
    if not isinstance(description, ComponentDescription):
        raise DeclarationError(cls.__name__, None, "is not a component: decorate the class with @component(...)")
    return description


def _declared(properties: Mapping[str, Any], wrong: Callable[[str], DeclarationError]) -> Mapping[str, Any]:
    """Properties of a declaration, none of which the gateway gives."""
    for name in properties:
        if str(name).lower() in _IDENTITIES:
            raise wrong(f"{name} is given by the gateway, from the pid or the configuration: leave it out")
    return MappingProxyType(dict(properties))


def _interfaces(
    provides: type | str | Sequence[type | str], wrong: Callable[[str], DeclarationError]
) -> tuple[str, ...]:
    given: Sequence[Any] = (provides,) if isinstance(provides, type | str) else tuple(provides)
    for interface in given:
        if not isinstance(interface, type | str) or not interface:
            raise wrong(f"provides must name classes or interfaces, not {interface!r}")
    return tuple(dict.fromkeys(map(interface_name, given)))


def _references(cls: type) -> tuple[ReferenceDescription, ...]:
    found: dict[str, ReferenceDescription] = {}
    for base in reversed(cls.__mro__):
        for attribute, value in vars(base).items():
            if isinstance(value, Reference):
                found[attribute] = value.describe(cls)
            else:
                found.pop(attribute, None)
    names: set[str] = set()
    for described in found.values():
        if described.name in names:
            raise DeclarationError(
                cls.__name__, described.attribute, f"there is another reference named {described.name!r}"
            )
        names.add(described.name)
    return tuple(found.values())


def _check_callback(cls: type, name: str) -> None:
    method = getattr(cls, name, None)
    if method is not None:
        _check_takes(method, 2, cls, name, "must be a plain method", "must take self and one argument")


def _check_constructor(cls: type) -> None:
    if not _defines(cls, "__init__") and not _defines(cls, "__new__"):
        return
    import inspect  # noqa: PLC0415  # costs a tenth of a start; most constructors are not there

    try:
        inspect.signature(cls).bind()
    except TypeError as error:
        raise DeclarationError(cls.__name__, "__init__", f"must need no argument: {error}") from error
    except ValueError:  # some classes written in C tell no signature; the first activation will tell
        return


def _defines(cls: type, name: str) -> bool:
    return any(name in vars(each) for each in cls.__mro__ if each is not object)


def _reference_callback(cls: type, method: Callable[..., None]) -> str:
    """The name of a `bind`, `unbind` or `updated` method, by which a subclass may override it."""
    name = getattr(method, "__name__", repr(method))
    what = "must take self, the service and its properties"
    _check_takes(getattr(cls, name, None), 3, cls, name, "must be a plain method of the class", what)
    return name


def _check_takes(method: object, number: int, cls: type, name: str, plain: str, what: str) -> None:
    """Whether a method can be called with so many arguments; DeclarationError if not."""
    if isinstance(method, FunctionType) and _plainly_takes(method, number):
        return
    import inspect  # noqa: PLC0415  # costs a tenth of a start; it is for what is not plain, and for the message

    if not callable(method) or inspect.iscoroutinefunction(method):
        raise DeclarationError(cls.__name__, name, plain)
    try:
        inspect.signature(method).bind(*[None] * number)
    except TypeError as error:
        raise DeclarationError(cls.__name__, name, f"{what}: {error}") from error


def _plainly_takes(function: FunctionType, number: int) -> bool:
    """Whether it is a function of so many positional arguments, without anything that would need a closer look."""
    code = function.__code__
    return (
        code.co_argcount == number
        and not code.co_kwonlyargcount
        and not code.co_flags & _NOT_PLAIN
        and not hasattr(function, "__wrapped__")
    )


def _beside(cls: type, descriptor: str) -> Path:
    from pathlib import Path  # noqa: PLC0415  # only for components with a descriptor

    module = sys.modules.get(cls.__module__)
    file = getattr(module, "__file__", None)
    if file is None:
        raise DeclarationError(
            cls.__name__,
            None,
            f"the module {cls.__module__} has no file that {descriptor!r} could stand beside",
        )
    path = Path(file).parent / descriptor
    if not path.is_file():
        raise DeclarationError(cls.__name__, None, f"the descriptor {path} does not exist")
    return path


def _member(kind: type[E], value: str, wrong: Callable[[str], DeclarationError]) -> E:
    try:
        return kind(value)
    except ValueError:
        choices = ", ".join(repr(member.value) for member in kind)
        raise wrong(f"{value!r} is none of {choices}") from None
