"""A token that SoftHSM 2 keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.components.keystore.opened_token import begin_anew
from tests.components.keystore.soft_hsm import SoftHsm

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def hsm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SoftHsm:
    hsm = SoftHsm(tmp_path / "hsm")
    hsm.make_token()
    monkeypatch.setenv("SOFTHSM2_CONF", str(hsm.configuration))
    begin_anew()
    return hsm
