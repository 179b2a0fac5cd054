"""Errors of declaring and running components."""

from __future__ import annotations

from typing import TYPE_CHECKING

from framework.errors import FrameworkError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from framework.registry import ServiceReference


class DeclarationError(FrameworkError, TypeError):
    """A component class is declared wrongly; raised when the class is defined.

    Attributes:
        component: The component's class name.
        attribute: The attribute at fault, or None if the declaration as a whole is.
    """

    def __init__(self, component: str, attribute: str | None, message: str) -> None:
        where = component if attribute is None else f"{component}.{attribute}"
        super().__init__(f"{where}: {message}")
        self.component = component
        self.attribute = attribute


class UnboundReferenceError(FrameworkError, AttributeError):
    """A reference was read while nothing is bound to it.

    Attributes:
        component: The component's class name.
        attribute: The reference's attribute.
    """

    def __init__(self, component: str, attribute: str) -> None:
        super().__init__(
            f"{component}.{attribute} is not bound: references can be read from activate() to deactivate(). "
            "In a unit test, assign a service to the attribute first."
        )
        self.component = component
        self.attribute = attribute


class ActivationError(FrameworkError):
    """A component could not be given what its activation needs.

    Attributes:
        pid: The component configuration's pid.
        unavailable: The services that could not be had.
    """

    def __init__(self, pid: str, message: str, unavailable: Iterable[ServiceReference] = ()) -> None:
        super().__init__(f"{pid}: {message}")
        self.pid = pid
        self.unavailable = frozenset(unavailable)


class MailboxFullError(FrameworkError):
    """A component was given more work than it does; the work was refused.

    Attributes:
        pid: The component configuration's pid.
        waiting: How many callbacks of it wait.
    """

    def __init__(self, pid: str, waiting: int) -> None:
        super().__init__(f"{pid}: {waiting} callbacks wait already; whoever posts them must wait or drop some")
        self.pid = pid
        self.waiting = waiting


class UnknownComponentError(FrameworkError, LookupError):
    """There is no component of that name.

    Attributes:
        name: What was asked for.
        known: The names of the components that there are.
    """

    def __init__(self, name: str, known: tuple[str, ...]) -> None:
        super().__init__(f"there is no component {name}; known components: {', '.join(known) or 'none'}")
        self.name = name
        self.known = known
