"""A gateway that has nothing to enrol does not pay for what enrolling needs."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("urllib3", "http.client", "pyasn1", "pyasn1_modules", "jsonschema")

LOAD = """
import sys
from components.scep import plugin
plugin.gatewright_components()
plugin.gatewright_commands()
print("\\n".join(sys.modules))
"""


@pytest.fixture(scope="module")
def loaded() -> set[str]:
    return set(subprocess.run([sys.executable, "-c", LOAD], capture_output=True, text=True, check=True).stdout.split())


@pytest.mark.parametrize("module", HEAVY)
def test_what_is_costly_is_loaded_when_it_is_used(loaded: set[str], module: str) -> None:
    assert "components.scep.component" in loaded
    assert module not in loaded
