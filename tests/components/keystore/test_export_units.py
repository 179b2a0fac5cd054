"""The systemd units that have other programs reloaded when an export changes."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from components.keystore.export.directory import MANIFEST
from components.keystore.export.units import export_units
from framework.service import installation

if TYPE_CHECKING:
    from pathlib import Path

    from framework.service import Installation

DIRECTORY = "/var/lib/gatewright-export"


def written(plan: Installation) -> dict[str, str]:
    for one in plan.files:
        one.path.parent.mkdir(parents=True, exist_ok=True)
        one.path.write_text(one.content)
    return {one.path.name: one.content for one in plan.files}


def test_the_path_unit_watches_what_an_export_replaces_last_and_the_service_may_write_there(tmp_path: Path) -> None:
    files = written(export_units(tmp_path, DIRECTORY, ["nginx.service", "mosquitto"], group="ssl-cert"))
    assert f"PathChanged={DIRECTORY}/{MANIFEST}" in files["gatewright-export.path"]
    assert "try-reload-or-restart nginx.service mosquitto\n" in files["gatewright-export.service"]
    assert f"ReadWritePaths={DIRECTORY}" in files["export.conf"]
    assert files["gatewright-export.conf"] == f"d {DIRECTORY} 2750 gatewright ssl-cert -\n"


def test_without_a_group_the_directory_gives_nothing_away(tmp_path: Path) -> None:
    plan = export_units(tmp_path, DIRECTORY, ["nginx.service"])
    assert f"d {DIRECTORY} 0755 gatewright gatewright -\n" in written(plan).values()
    assert not any("0640" in step for step in plan.next_steps)


@pytest.mark.parametrize("directory", ["relative", "/", "/a b", "/a/../b", "/a\nExecStart=/bin/sh", "/a%n", "", "/a/"])
def test_what_a_unit_cannot_hold_is_no_directory(tmp_path: Path, directory: str) -> None:
    with pytest.raises(ValueError, match="no absolute path"):
        export_units(tmp_path, directory, ["nginx.service"])


@pytest.mark.parametrize("unit", ["", "--force", "a b", "a;b", "nginx\nUser=root", "%n"])
def test_what_is_no_unit_is_not_reloaded(tmp_path: Path, unit: str) -> None:
    with pytest.raises(ValueError, match="no name of a unit"):
        export_units(tmp_path, DIRECTORY, [unit])


@pytest.mark.parametrize("group", ["a b", "a\nb", "-x"])
def test_what_is_no_group_is_given_nothing(tmp_path: Path, group: str) -> None:
    with pytest.raises(ValueError, match="no name of a user or a group"):
        export_units(tmp_path, DIRECTORY, ["nginx.service"], group=group)


@pytest.mark.peer("systemd-analyze")
def test_systemd_finds_nothing_wrong_with_them(tmp_path: Path) -> None:
    written(installation(tmp_path, "/bin/true"))
    written(export_units(tmp_path, DIRECTORY, ["nginx.service"], group="ssl-cert"))
    units = [str(tmp_path / "etc/systemd/system" / f"gatewright{end}") for end in (".service", "-export.path")]
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *units],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "SYSTEMD_LOG_LEVEL": "warning"},
    )
    assert "gatewright" not in done.stderr, done.stderr
