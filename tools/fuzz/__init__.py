"""Fuzzing targets, one file for each part that reads what comes from elsewhere."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def fuzz(check: Callable[[bytes], None]) -> None:
    """Have atheris try inputs, with the arguments of the command line, until it is told to stop or `check` raises."""
    atheris = importlib.import_module("atheris")
    atheris.instrument_all()
    atheris.Setup(sys.argv, check)
    atheris.Fuzz()
