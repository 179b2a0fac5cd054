"""A keystore of another vendor, installed from wheels into a fresh environment, chosen by the filter."""

from __future__ import annotations

import ast
import importlib
import json
import os
import subprocess
import sys
import venv
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[3]
DISTRIBUTION = ROOT / "tests" / "plugins" / "acme_keystore"
WHEELHOUSE = ROOT / ".venv" / "wheelhouse"
SCEP = "gatewright.scep.SCEPEnrollmentService"
OURS = "gatewright.keystore.FilesystemKeystore~EnrollmentKeystore"


def pip(*arguments: str | Path) -> None:
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment with the gateway and the plugin, and nothing that the checkout has."""
    if not WHEELHOUSE.is_dir():
        message = f"{WHEELHOUSE} is missing: run tools/test once, which fills it"
        if os.environ.get("CI"):
            pytest.fail(message, pytrace=False)
        pytest.skip(message)
    directory = tmp_path_factory.mktemp("fresh")
    wheels = directory / "wheels"
    for source in (ROOT, DISTRIBUTION):
        pip("wheel", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", wheels, source)
    venv.create(directory / "env", with_pip=False)
    programs = directory / "env" / "bin"
    pip(
        *("--python", programs / "python", "install", "--no-index", "--find-links", WHEELHOUSE),
        *sorted(wheels.glob("*.whl")),
    )
    return programs


def test_the_plugin_imports_only_what_is_public() -> None:
    for source in (DISTRIBUTION / "acme_keystore").glob("*.py"):
        for node in ast.walk(ast.parse(source.read_text())):
            if isinstance(node, ast.Import):
                assert not any(name.name.startswith(("components", "framework")) for name in node.names)
            if not isinstance(node, ast.ImportFrom) or node.level:
                continue
            home = node.module or ""
            if home.split(".")[0] not in ("components", "framework", "metatype"):
                continue
            public = getattr(importlib.import_module(home), "__all__", None)
            for name in node.names:
                assert not name.name.startswith("_")
                assert public is None or name.name in public, f"{source.name}: {home}.{name.name}"


class Installed:
    """A gateway of the fresh environment, driven as an operator does."""

    def __init__(self, programs: Path, directory: Path) -> None:
        self._command = str(programs / "gatewright")
        self._directory = directory
        # Nothing of the checkout: neither its path nor its virtual environment.
        self._environment = {"PATH": "/usr/bin:/bin", "GATEWRIGHT_STATE_DIR": str(directory / "state")}

    @contextmanager
    def running(self) -> Iterator[None]:
        command = [self._command, "run", "--conf-dir", str(self._directory / "conf.d")]
        with subprocess.Popen(
            command, cwd=self._directory, env=self._environment, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stderr is not None
            seen = []
            for line in process.stderr:
                seen.append(line)
                if "ready" in line:
                    break
            else:
                pytest.fail("".join(seen))
            try:
                yield
            finally:
                process.terminate()
                process.communicate(timeout=30)
        assert process.returncode == 0

    def ask(self, *arguments: str) -> Any:
        done = subprocess.run(
            [self._command, "--json", *arguments],
            cwd=self._directory,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    def bound_keystore(self) -> str:
        explained = self.ask("explain", SCEP)
        assert explained["state"] == "active"
        (reference,) = explained["references"]
        (bound,) = (each["service_pid"] for each in reference["candidates"] if each["bound"])
        assert isinstance(bound, str)
        return bound


def test_it_is_installed_and_selected_by_the_filter_alone(environment: Path, tmp_path: Path) -> None:
    conf = tmp_path / "conf.d"
    conf.mkdir()
    (conf / "gateway.json").write_text(json.dumps({OURS: {"keystore.path": "keystore.p12"}}))
    gateway = Installed(environment, tmp_path)
    with gateway.running():
        listed = gateway.ask("keystore", "list")["keystores"]
        assert [each["keystore"] for each in listed] == ["AcmeKeystore", "EnrollmentKeystore"]
        assert gateway.bound_keystore() == "EnrollmentKeystore"
        gateway.ask("config", "set", SCEP, "KeystoreService.target=(kura.service.pid=AcmeKeystore)")
        assert gateway.bound_keystore() == "AcmeKeystore"
    with gateway.running():
        assert gateway.bound_keystore() == "AcmeKeystore"
