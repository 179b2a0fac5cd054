"""iPOPO's framework, made and ended for a measurement."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@contextlib.contextmanager
def framework(bundles: Sequence[str] = ()) -> Iterator[Any]:
    """The bundle context of a started framework with these bundles; it ends with the block."""
    from pelix.framework import FrameworkFactory, create_framework  # noqa: PLC0415  # a peer that may be missing

    made = create_framework(list(bundles))
    made.start()
    try:
        yield made.get_bundle_context()
    finally:
        FrameworkFactory.delete_framework(made)
