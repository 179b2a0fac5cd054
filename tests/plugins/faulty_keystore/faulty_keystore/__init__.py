"""A plugin whose keystore breaks the contract, and which has it checked."""

from __future__ import annotations

from framework import hookimpl

GATEWRIGHT_API = 1


@hookimpl
def gatewright_conformance_tests() -> tuple[str, ...]:
    """The kit, on its keystore."""
    return ("faulty_keystore.conformance",)
