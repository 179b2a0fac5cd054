"""What the documentation shows is true: its Python runs, its commands parse, its configuration is accepted."""

from __future__ import annotations

import doctest
import importlib
import json
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest

from framework.admin.commands import framework_commands
from framework.admin.offline import installed_commands
from framework.admin.parsing import CommandTable
from framework.plugins import PluginHost
from framework.testing import GatewayHarness

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text("utf-8")
KURA = (ROOT / "components" / "moving-from-kura.md").read_text("utf-8")
ENROLMENT = (ROOT / "components" / "scep" / "README.md").read_text("utf-8")
WRITING = (ROOT / "components" / "keystore" / "writing-a-keystore.md").read_text("utf-8")
KEYSTORES = (ROOT / "components" / "keystore" / "README.md").read_text("utf-8")
SCEP = "gatewright.scep.SCEPEnrollmentService"


def blocks(language: str, page: str = README) -> list[str]:
    return re.findall(rf"^ *```{language}\n(.*?)^ *```$", page, re.MULTILINE | re.DOTALL)


def installed() -> PluginHost:
    host = PluginHost()
    host.load_entry_points()
    return host


def test_the_python_examples_run_one_after_another() -> None:
    namespace: dict[str, Any] = {"__name__": "readme"}
    assert len(blocks("python")) >= 3
    for source in blocks("python"):
        exec(compile(source, "README.md", "exec"), namespace)


def documented_commands() -> list[str]:
    shown = [block for page in (README, KURA, ENROLMENT, KEYSTORES, WRITING) for block in blocks("console", page)]
    lines = [line.strip() for block in shown for line in block.splitlines()]
    return [line for line in lines if line.startswith("gatewright ") and not line.startswith("gatewright run ")]


@pytest.mark.parametrize("line", documented_commands())
def test_a_documented_command_is_one(line: str) -> None:
    contributed = [command for plugin in installed().plugins for command in plugin.commands]
    CommandTable([*framework_commands(), *contributed]).parse(shlex.split(line)[1:])


def test_what_is_shown_for_a_console_can_be_typed_into_a_shell() -> None:
    examples = [example for command in installed_commands().commands() for example in command.examples]
    for line in (*documented_commands(), *examples):
        done = subprocess.run(["sh", "-nc", line], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, ""), line


def test_every_command_has_help_and_its_examples_are_commands() -> None:
    contributed = [command for plugin in installed().plugins for command in plugin.commands]
    commands = [*framework_commands(), *contributed]
    table = CommandTable(commands)
    for command in commands:
        assert command.help
        for example in command.examples:
            parsed, _ = table.parse(shlex.split(example)[1:])
            assert parsed is command


@pytest.mark.parametrize(
    "source", [one for one in blocks("json") if '"enabled"' in one], ids=["one gateway", "a fleet"]
)
def test_a_documented_configuration_file_is_accepted(source: str) -> None:
    classes = [cls for plugin in installed().plugins for cls in plugin.components]
    document = json.loads(source)
    document["gatewright.scep.SCEPEnrollmentService"]["enabled"] = False
    document["gatewright.scep.SCEPEnrollmentService"].pop("client.challenge.password", None)  # no such credential here
    with GatewayHarness(components=classes, conf=document) as harness:
        assert harness.configuration_admin.file_problems == ()
        assert harness.state("gatewright.scep.SCEPEnrollmentService") == "active"


def test_every_property_of_the_enrolment_is_told_of() -> None:
    with GatewayHarness(components=[cls for plugin in installed().plugins for cls in plugin.components]) as harness:
        kind = harness.configuration_admin.kind_of("gatewright.scep.SCEPEnrollmentService")
    assert kind.object_class is not None
    for name in kind.object_class.attributes:
        assert f"`{name}`" in ENROLMENT


def test_the_page_on_kura_tells_of_every_property_of_the_enrolment_with_its_default() -> None:
    with GatewayHarness(components=[cls for plugin in installed().plugins for cls in plugin.components]) as harness:
        kind = harness.configuration_admin.kind_of(SCEP)
    assert kind.object_class is not None
    attributes = kind.object_class.attributes
    rows = re.findall(r"^\| .* \| `([a-zA-Z.-]+)` \| (.*) \|$", KURA, re.MULTILINE)
    assert {name for name, _ in rows} <= set(attributes)
    assert [name for name in attributes if f"`{name}`" not in KURA] == []
    for name, told in rows:
        default = (attributes[name].default or "").replace("\\", "")
        assert told.replace("`", "").split(" ")[0] == (default or "empty"), name


KINDS = {
    "F": "gatewright.keystore.FilesystemKeystore",
    "P": "gatewright.keystore.PKCS11Keystore",
    "T": "gatewright.tls.SslContextService",
}
CHANGES = {"modify": "modifies", "reactivate": "reactivates"}


def test_the_table_of_keystore_properties_is_what_the_descriptors_say() -> None:
    rows = re.findall(r"^\| `([\w.]+)` \| ([FPT, ]+) \| (\S+) \| (\w+) \| (.+) \|$", KEYSTORES, re.MULTILINE)
    told = {(kind, name): (default, change) for name, kinds, default, change, _ in rows for kind in kinds.split(", ")}
    said = {}
    with GatewayHarness(components=[cls for plugin in installed().plugins for cls in plugin.components]) as harness:
        for kind, factory in KINDS.items():
            object_class = harness.configuration_admin.kind_of(f"{factory}~any").object_class
            assert object_class is not None
            for one in object_class.attributes.values():
                missing = "required" if one.default is None and one.required else "empty"
                change = "rewires" if one.id.endswith(".target") else CHANGES[one.change.value]
                said[kind, one.id] = (f"`{one.default}`" if one.default else missing, change)
                for option in one.options:
                    if "time.unit" not in one.id:
                        (meaning,) = {row[4] for row in rows if row[0] == one.id and kind in row[1]}
                        assert f"`{option.value}`" in meaning, one.id
    assert told == said


def documented_modules() -> list[str]:
    rooms = ("framework", "components", "metatype")
    files = [path for room in rooms for path in (ROOT / room).rglob("*.py") if ">>> " in path.read_text("utf-8")]
    names = (".".join(path.relative_to(ROOT).with_suffix("").parts) for path in files)
    return sorted(name.removesuffix(".__init__") for name in names)


@pytest.mark.parametrize("name", documented_modules())
def test_the_examples_in_docstrings_are_true(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0


@pytest.mark.parametrize("page", sorted(path.relative_to(ROOT) for path in ROOT.glob("[!.]*/**/*.md")), ids=str)
def test_a_page_leads_to_what_is_there(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", (ROOT / page).read_text("utf-8")):
        assert ((ROOT / page).parent / target).exists(), target


def test_the_first_page_is_short_and_leads_to_what_is_there() -> None:
    assert len(README.splitlines()) <= 300
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / target).exists(), target
