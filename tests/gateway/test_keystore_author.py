"""The way of a keystore's author, gone from an empty directory: the page's files are written, its commands run."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

ROOT: Final = Path(__file__).resolve().parents[2]
PAGE: Final = (ROOT / "components" / "keystore" / "writing-a-keystore.md").read_text("utf-8")
FINGERPRINT: Final = "cf93ee54a9c5c590b62e680d8aaa78d436a936b9750ed100c7aab045810a73f0"


def files() -> dict[str, str]:
    """What stands in the page, each under the name that was told last before it."""
    found: dict[str, str] = {}
    for block in re.finditer(r"^```(?:toml|python)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL):
        name = re.findall(r"`([\w/]+\.(?:toml|py))`", PAGE[: block.start()])[-1]
        assert name not in found
        found[name] = block[1]
    return found


def commands() -> list[str]:
    (block,) = re.findall(r"^```console\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return str(block).splitlines()


@pytest.mark.peer("scepserver")
def test_from_an_empty_directory_to_a_gateway_that_enrols_into_the_keystore(
    gateway: Any, scep_server: Any, tmp_path: Path
) -> None:
    source, site = tmp_path / "vault", tmp_path / "site"
    for name, text in files().items():
        path = source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (source / "challenge.txt").write_text(f"{scep_server.challenge}\n")
    # What stands beside Gatewright in an environment of its own is put in a directory here.
    pip = f"{sys.executable} -m pip --quiet install --no-index --no-deps --no-build-isolation --target {site}"
    environ = {**os.environ, "PYTHONPATH": str(site), "GATEWRIGHT_STATE_DIR": str(gateway.state_dir)}
    site.mkdir()
    gateway.environ = {"PYTHONPATH": str(site)}
    gateway.start()
    printed = {}
    for line in commands():
        ours = line.replace("http://scep-server-endpoint:8999", scep_server.endpoint)
        ours = ours.replace(FINGERPRINT, scep_server.fingerprint).replace("pip install", pip)
        words = shlex.split(ours)
        if words[0] == "gatewright":
            words[:1] = [sys.executable, "-m", "framework"]
        done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=source, env=environ)
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        printed[line] = done.stdout
    assert "nothing to say" in printed["gatewright plugin check vault"]
    assert "scep-enrolled-key-pair" in printed["gatewright keystore list vault.Keystore"]
    assert "CN=gateway-17" in gateway.json("cert", "status")["certificate"]["subject"]
