"""A plugin whose keystores break the contract, and which has them checked."""

from __future__ import annotations

from framework import hookimpl

GATEWRIGHT_API = 1


@hookimpl
def gatewright_conformance_tests() -> tuple[str, ...]:
    """The kit, on its keystores."""
    return ("faulty_keystore.conformance",)
