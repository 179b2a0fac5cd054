"""Distributions of third parties, made for one test each."""

from __future__ import annotations

import importlib
import sys
import textwrap
from typing import TYPE_CHECKING, Protocol

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


class Install(Protocol):
    """Installs a distribution with one plugin."""

    def __call__(
        self,
        distribution: str,
        source: str,
        *,
        entry_point: str = ...,
        module: str = ...,
        files: Mapping[str, str] = ...,
    ) -> None:
        """`source` is the plugin's module, `files` are others beside it."""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(site)
    installed: list[str] = []

    def write(
        distribution: str,
        source: str,
        *,
        entry_point: str = "plugin",
        module: str = "",
        files: Mapping[str, str] | None = None,
    ) -> None:
        name = module or distribution.replace("-", "_")
        package = site.joinpath(*name.split("."))
        package.mkdir(parents=True, exist_ok=True)
        (package / "__init__.py").write_text(textwrap.dedent(source))
        for file, content in (files or {}).items():
            (package / file).write_text(textwrap.dedent(content))
        info = site / f"{distribution.replace('-', '_')}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[gatewright]\n{entry_point} = {name}\n")
        installed.append(name.partition(".")[0])
        importlib.invalidate_caches()

    yield write
    for name in [one for one in sys.modules if one.partition(".")[0] in installed]:
        del sys.modules[name]
