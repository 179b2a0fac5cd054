"""Errors of declaring and running components."""

from __future__ import annotations

from framework.errors import FrameworkError


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
    """

    def __init__(self, pid: str, message: str) -> None:
        super().__init__(f"{pid}: {message}")
        self.pid = pid
