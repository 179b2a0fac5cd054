"""A token that SoftHSM 2 keeps, and a gateway that exports its keystore."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.components.keystore.exporting import harness
from tests.components.keystore.opened_token import begin_anew
from tests.components.keystore.soft_hsm import SoftHsm

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from framework.testing import GatewayHarness


@pytest.fixture
def hsm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SoftHsm:
    hsm = SoftHsm(tmp_path / "hsm")
    hsm.make_token()
    monkeypatch.setenv("SOFTHSM2_CONF", str(hsm.configuration))
    begin_anew()
    return hsm


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "export"


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def gateway(state: Path, target: Path) -> Iterator[GatewayHarness]:
    with harness(state, **{"keystore.export.path": str(target)}) as running:
        running.settle()
        yield running
