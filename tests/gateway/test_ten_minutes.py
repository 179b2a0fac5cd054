"""The ways through the README, gone as a person would: its files are written, its commands run, one after another.

Only what must differ from machine to machine is put in place of what stands there: the server's address and
fingerprint, and where directories are.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

README: Final = (Path(__file__).resolve().parents[2] / "README.md").read_text("utf-8")
FINGERPRINT: Final = "cf93ee54a9c5c590b62e680d8aaa78d436a936b9750ed100c7aab045810a73f0"
SCEP: Final = "gatewright.scep.SCEPEnrollmentService"

EXPECTED: Final = {
    "scep probe": {1},  # nothing is pinned yet
    "doctor": {0, 1},  # the Debian server answers in 3DES, which is a warning
}
"""The exit statuses of commands that do not end with 0 here, as their help has them."""


def section(title: str) -> str:
    """The text from one heading to the next of the same rank."""
    (found,) = re.findall(rf"^{re.escape(title)}.*?(?=^\#{{2,3}} |\Z)", README, re.MULTILINE | re.DOTALL)
    return str(found)


@dataclass
class Reader:
    """Somebody who does what the page says.

    Attributes:
        gateway: Runs what the page starts, and where files are written.
        instead: What is put in place of what stands there.
        environ: What the page exports.
    """

    gateway: Any
    instead: Mapping[str, str]
    environ: dict[str, str] = field(default_factory=dict)

    def follow(self, page: str) -> dict[str, str]:
        """Write the files and run the commands of a page; what each command printed."""
        printed: dict[str, str] = {}
        for language, text in blocks(page):
            if language == "console":
                for line in text.splitlines():
                    printed[line] = self._perform(self._own(line))
            else:
                before = page[: page.index(text)].rsplit("```", 1)[0]
                name = re.findall(r"`([\w./-]+\.(?:json|xml))`", before)[-1]
                path = self.gateway.home / self._own(name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(self._own(text))
        return printed

    def _own(self, text: str) -> str:
        for theirs, ours in self.instead.items():
            text = text.replace(theirs, ours)
        return text

    def _perform(self, line: str) -> str:
        words = shlex.split(line)
        if words[0] == "export":
            name, _, value = words[1].partition("=")
            self.environ[name] = value
            return ""
        if words[:2] == ["gatewright", "run"]:
            assert words[2:] == ["--state-dir", str(self.gateway.state_dir), "--conf-dir", str(self.gateway.conf_dir)]
            self.gateway.start()
            return ""
        done = subprocess.run(
            [sys.executable, "-m", "framework", *words[1:]],
            capture_output=True,
            text=True,
            check=False,
            cwd=self.gateway.home,
            env={**os.environ, **self.environ},
        )
        expected = next((found for start, found in EXPECTED.items() if line.startswith(f"gatewright {start}")), {0})
        assert done.returncode in expected, f"{line}\n{done.stdout}{done.stderr}"
        return done.stdout


def blocks(page: str) -> Iterator[tuple[str, str]]:
    for found in re.finditer(r"^```(console|json|xml)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL):
        yield found[1], found[2]


@pytest.mark.peer("scepserver")
def test_the_operators_way(gateway: Any, scep_server: Any) -> None:
    (gateway.home / "challenge.txt").write_text(f"{scep_server.challenge}\n")
    instead = {
        "/etc/gatewright/conf.d": str(gateway.conf_dir),
        "/var/lib/gatewright": str(gateway.state_dir),
        "http://scep-server-endpoint:8999": scep_server.endpoint,
        FINGERPRINT: scep_server.fingerprint,
    }
    printed = Reader(gateway, instead).follow(section("## For the operator: a gateway with an identity"))
    assert scep_server.fingerprint in printed["gatewright scep probe http://scep-server-endpoint:8999"]
    assert "CN=gateway-17,O=Example" in printed["gatewright cert status --wait"]
    assert "scep-enrolled-key-pair" in printed["gatewright keystore list"]
    assert "healthy" in printed["gatewright status"]
    assert (gateway.home / "chain.pem").read_text().startswith("-----BEGIN CERTIFICATE-----")
    assert (gateway.home / "gatewright-diagnostics.tar.gz").exists()


def test_the_configuration_pushers_way(gateway: Any) -> None:
    gateway.start()
    reader = Reader(gateway, {}, {"GATEWRIGHT_STATE_DIR": str(gateway.state_dir)})
    printed = reader.follow(section("## For the pusher of configuration"))
    assert "certificate.expiration.check.time" in printed["gatewright config plan changes.json"]
    assert "created" in printed["gatewright config apply changes.json"]
    assert "deleted" in printed["gatewright config rollback good"]
    assert gateway.json("config", "get", SCEP)["properties"]["client.renew"] is False
    assert gateway.json("config", "get", SCEP)["properties"]["connect.retry-interval"] == 120


def test_the_component_authors_way(gateway: Any) -> None:
    page = section("## For the author of a component")
    sources = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    component = next(one for one in sources if "class Reporter" in one)
    hook = next(one for one in sources if "gatewright_components" in one)
    declared = component.replace('properties={"unit": "°C"}', 'descriptor="reporter.xml"')
    assert declared != component
    gateway.environ = {"PYTHONPATH": str(gateway.home)}
    gateway.start()
    information = gateway.home / "example-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: example\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text("[gatewright]\nexample = example_plugin\n")
    (gateway.home / "example_plugin.py").write_text(declared + hook)
    environ = {"GATEWRIGHT_STATE_DIR": str(gateway.state_dir), "PYTHONPATH": str(gateway.home)}
    printed = Reader(gateway, {}, environ).follow(page)
    assert "nothing to say" in printed["gatewright metatype lint reporter.xml"]
    assert '"unit"' in printed["gatewright metatype show reporter.xml --schema"]
    assert "(kura.service.pid=Roof)" in printed["gatewright explain example.Reporter"]
    assert "removed" in printed["gatewright plugin remove example"]
