"""The plugin of the Acme keystore: imports nothing but what Gatewright shows in public."""

from __future__ import annotations

from framework import hookimpl

GATEWRIGHT_API = 1


@hookimpl
def gatewright_components() -> tuple[type, ...]:
    """The keystore."""
    from .keystore import AcmeKeystore  # noqa: PLC0415  # a gateway's help does not need it

    return (AcmeKeystore,)


@hookimpl
def gatewright_conformance_tests() -> tuple[str, ...]:
    """The kit, on this keystore: `gatewright plugin check acme-keystore`."""
    return ("acme_keystore.conformance",)
