"""Whether a loaded plugin is as it should be, found out without a gateway."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import metatype
from framework.declarative_services import description_of
from framework.errors import FrameworkError
from framework.plugins import checked_commands, failed_tests
from framework.plugins.health import Finding, Severity
from framework.plugins.hooks import API_VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator

    from framework.declarative_services import ComponentDescription
    from framework.plugins.plugin import Plugin

CONFORMANCE_DEADLINE_S: Final = 600.0
"""How long the conformance tests of one module may take, in seconds."""

_LONGEST_OUTPUT: Final = 4000


def check(plugin: Plugin, *, conformance: bool = True) -> tuple[Finding, ...]:
    """Look at declarations, descriptors and commands of a plugin, and run its conformance tests."""
    return tuple(_findings(plugin, conformance=conformance))


def _findings(plugin: Plugin, *, conformance: bool) -> Iterator[Finding]:
    if not hasattr(plugin.module, "GATEWRIGHT_API"):
        text = "it does not say which version of the plugin interface it was written for"
        yield Finding(Severity.WARNING, text, f"write GATEWRIGHT_API = {API_VERSION} into its module")
    names: set[str] = set()
    for cls in plugin.components:
        try:
            description = description_of(cls)
            if description.name in names:
                text = f"two of its components have the name {description.name}"
                yield Finding(Severity.ERROR, text, "give each a name of its own")
            names.add(description.name)
            yield from _descriptor_findings(description)
        except (FrameworkError, metatype.MetatypeError, OSError) as error:
            yield Finding(Severity.ERROR, str(error))
    for metadata in plugin.descriptors:
        yield from (Finding(Severity.WARNING, str(one)) for one in metadata.warnings)
        for designate in metadata.designates:
            pid = designate.factory_pid or designate.pid
            if pid in names:
                yield Finding(Severity.ERROR, f"{pid} is described with its component and once more without")
    for command in plugin.commands:
        yield from checked_commands.findings(command, plugin.commands)
    if conformance:
        for module in plugin.conformance_tests:
            yield from _conformance_findings(module)


def _descriptor_findings(description: ComponentDescription) -> Iterator[Finding]:
    if description.descriptor is None:
        return
    metadata = metatype.load(description.descriptor)
    yield from (Finding(Severity.WARNING, str(one)) for one in metadata.warnings)
    object_class = metadata.object_class_for(description.name)
    if object_class is None:
        text = f"{description.descriptor} designates no object class for {description.name}"
        yield Finding(Severity.ERROR, text, f"add a Designate with the pid {description.name}")
        return
    for designate in metadata.designates:
        if description.name in (designate.pid, designate.factory_pid) and description.factory != (
            designate.factory_pid == description.name
        ):
            kind = "factory's" if description.factory else "singleton's"
            text = f"the component {description.name} is a {kind}, its descriptor says otherwise"
            yield Finding(Severity.ERROR, text, "make factoryPid or pid of the Designate fit factory of @component")
    for reference in description.references:
        attribute = object_class.attributes.get(reference.target_property)
        if attribute is not None and attribute.type is not metatype.AttributeType.STRING:
            text = (
                f"{reference.target_property} of {description.name} is a {attribute.type.value}, and must be a String"
            )
            yield Finding(Severity.ERROR, text)
    for name, attribute in object_class.attributes.items():
        if attribute.required and attribute.default_value is None and name.endswith(".target"):
            text = f"{name} of {description.name} is required and has no default, so nobody can leave it out"
            yield Finding(Severity.WARNING, text)


def _conformance_findings(module: str) -> Iterator[Finding]:
    if importlib.util.find_spec("pytest") is None:
        yield Finding(Severity.WARNING, f"the tests of {module} were not run: there is no pytest", "pip install pytest")
        return
    with tempfile.TemporaryDirectory(prefix="gatewright-check-") as directory:
        report = Path(directory) / "failures.jsonl"
        command = [sys.executable, "-m", "pytest", "-q", "--tb=short", "-p", "no:cacheprovider", "--pyargs", module]
        command += ["--rootdir", directory, "--basetemp", f"{directory}/scratch", "-c", os.devnull]
        command += ["-p", failed_tests.__name__]
        path = os.pathsep.join(str(Path(entry).absolute()) for entry in sys.path)
        try:
            ran = subprocess.run(  # noqa: S603  # our own interpreter, on a module that the plugin names
                command,
                cwd=directory,
                env={**os.environ, "PYTHONPATH": path, failed_tests.REPORT_VARIABLE: str(report)},
                capture_output=True,
                text=True,
                timeout=CONFORMANCE_DEADLINE_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            yield Finding(Severity.ERROR, f"the tests of {module} did not end within {CONFORMANCE_DEADLINE_S:g} s")
            return
        failures = tuple(failed_tests.read(report))
    yield from (Finding(Severity.ERROR, f"{one.test}: {one.message}") for one in failures)
    if ran.returncode != 0 and not failures:
        output = (ran.stdout + ran.stderr)[-_LONGEST_OUTPUT:]
        yield Finding(Severity.ERROR, f"the tests of {module} could not be run:\n{output}")
