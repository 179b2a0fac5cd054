"""What all tests share: how a missing foreign program is treated."""

from __future__ import annotations

import os
import shutil

import pytest


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose foreign programs are missing, loudly; in CI that is a failure."""
    for marker in item.iter_markers("peer"):
        missing = [program for program in marker.args if shutil.which(program) is None]
        if not missing:
            continue
        message = f"{', '.join(missing)} not found on PATH: run tools/test, or install it by hand"
        if os.environ.get("CI"):
            pytest.fail(message, pytrace=False)
        pytest.skip(message)
