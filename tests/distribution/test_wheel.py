"""What the wheel holds, and that it works in an environment that has nothing else of ours."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
WHEELHOUSE = ROOT / ".venv" / "wheelhouse"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"),
            *("--no-index", "--wheel-dir", str(directory), str(ROOT)),
        ],
        check=True,
    )
    (built,) = directory.glob("gatewright-*.whl")
    return built


def test_the_wheel_holds_the_three_rooms_and_their_descriptors_and_nothing_else(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"framework", "components", "metatype"}
    tracked = subprocess.run(
        ["git", "ls-files", "framework", "components", "metatype"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert {name for name in names if ".dist-info/" not in name} >= set(tracked)
    assert {"components/scep/scep.xml", "components/scep/scep.json", "framework/py.typed"} <= names
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


def test_the_wheel_needs_the_six_packages_and_no_more(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        lines = archive.read(metadata).decode().splitlines()
    needs = {
        line.split(":")[1].split(">")[0].strip()
        for line in lines
        if line.startswith("Requires-Dist") and "extra" not in line
    }
    assert needs == {"pluggy", "cryptography", "pyasn1", "pyasn1-modules", "urllib3", "jsonschema"}


def test_the_command_runs_in_a_clean_environment(wheel: Path, tmp_path: Path) -> None:
    if not WHEELHOUSE.is_dir():
        message = f"{WHEELHOUSE} is missing: run tools/test once, which fills it"
        if os.environ.get("CI"):
            pytest.fail(message, pytrace=False)
        pytest.skip(message)
    environment = tmp_path / "env"
    venv.create(environment, with_pip=True)
    subprocess.run(
        [
            *(str(environment / "bin" / "python"), "-m", "pip", "install", "--quiet", "--no-index"),
            *("--find-links", str(WHEELHOUSE), str(wheel)),
        ],
        check=True,
    )
    done = subprocess.run(
        [str(environment / "bin" / "gatewright"), "--version"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("gatewright 0.")
