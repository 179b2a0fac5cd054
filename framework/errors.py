"""The base of the kernel's errors."""

from __future__ import annotations


class FrameworkError(Exception):
    """Base of all errors that the kernel raises.

    The message says what happened, why, and what to do next; the facts are attributes of the subclasses.
    """
