"""Who is measured beside us, and what is missing if one cannot be."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tools.bench import jvm
from tools.bench.model import OURS

if TYPE_CHECKING:
    from collections.abc import Callable

IPOPO: Final = "ipopo"
FELIX: Final = "felix"
EQUINOX: Final = "equinox"
JVM_PEERS: Final = (FELIX, EQUINOX)


@dataclass(frozen=True, slots=True)
class Side:
    """One that is measured.

    Attributes:
        missing: What is missing so that it cannot take part, and how to get it; None if nothing is.
        version: Which version it is, for the report.
    """

    key: str
    title: str
    missing: Callable[[], str | None]
    version: Callable[[], str]


def _ipopo_missing() -> str | None:
    if importlib.util.find_spec("pelix") is None:
        return "iPOPO is not installed: .venv/bin/pip install -e '.[bench]'"
    return None


SIDES: Final = {
    side.key: side
    for side in (
        Side(OURS, "Gatewright", lambda: None, lambda: importlib.metadata.version("gatewright")),
        Side(IPOPO, "iPOPO", _ipopo_missing, lambda: importlib.metadata.version("iPOPO")),
        Side(FELIX, "Felix", lambda: jvm.missing(FELIX), lambda: jvm.version(FELIX)),
        Side(EQUINOX, "Equinox", lambda: jvm.missing(EQUINOX), lambda: jvm.version(EQUINOX)),
    )
}
