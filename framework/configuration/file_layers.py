"""From files to the layer that they make: what is good counts, and what was good holds until it is replaced."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from framework.configuration import planning
from framework.configuration.credentials import CREDENTIAL, CredentialError
from framework.configuration.device import DeviceTextError, for_device
from framework.configuration.files import FileConfiguration, FileProblem
from metatype import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from framework.configuration.catalogue import ConfigurationType
    from framework.configuration.configurations import Configurations
    from framework.configuration.files import ConfigurationDirectory
    from framework.configuration.planning import Properties

Remembered = dict[str, dict[str, dict[str, Any]]]
"""By file name, by pid: the typed properties that could be used."""

_STILL_USED = "what the file said before is still used"
_FILES_STILL_USED = "what the files said before is still used"


@dataclass(slots=True)
class FileReading:
    """What all files of a directory say together.

    Attributes:
        layers: Typed properties by pid; of two files the later name wins for each property.
        sources: The last file that says something about a pid.
        plain_secrets: Secrets that stand in files as they are, by pid and property.
        problems: What is wrong, in the order of the files.
        usable: What each file says that can be used.
    """

    layers: dict[str, dict[str, Any]] = field(default_factory=dict)
    sources: dict[str, Path] = field(default_factory=dict)
    plain_secrets: dict[tuple[str, str], Any] = field(default_factory=dict)
    problems: list[FileProblem] = field(default_factory=list)
    usable: Remembered = field(default_factory=dict)


def read_layers(
    directory: ConfigurationDirectory, kind_of: Callable[[str], ConfigurationType | None], remembered: Remembered
) -> FileReading:
    """Read all files.

    A file, or what a file says about one pid, that cannot be used is reported, and what it last said holds.

    Args:
        directory: Where they are.
        kind_of: What a pid's configuration may be; None if it is not known.
        remembered: `FileReading.usable` of the last reading.
    """
    reading = FileReading()
    try:
        found, problems = directory.read()
    except OSError as error:
        if remembered or not isinstance(error, FileNotFoundError):
            _keep_all_files(reading, directory.path, remembered, error, kind_of)
        return reading
    by_path: dict[Path, list[FileConfiguration]] = {problem.path: [] for problem in problems}
    for one in found:
        by_path.setdefault(one.path, []).append(one)
    refused = {problem.path: problem for problem in problems}
    for path in sorted(by_path):
        before = remembered.get(path.name, {})
        problem = refused.get(path)
        if problem is not None:
            _keep_whole_file(reading, path, before, problem, kind_of)
            continue
        for one in by_path[path]:
            _take(reading, one, before.get(one.pid), kind_of(one.pid), directory)
    return reading


def keep_valid(
    reading: FileReading,
    now: Configurations,
    kind_of: Callable[[str], ConfigurationType | None],
    remembered: Remembered,
) -> None:
    """Where what files say now makes a configuration invalid that was valid, have what they said before hold.

    Args:
        reading: What they say now; it is changed.
        now: The configurations, with what is stored.
        kind_of: As for `read_layers`.
        remembered: As for `read_layers`: what they said before, perhaps before a restart.
    """
    for pid, layer in tuple(reading.layers.items()):
        kind = kind_of(pid)
        said_before = {name: said[pid] for name, said in sorted(remembered.items()) if pid in said}
        before = {name: value for said in said_before.values() for name, value in said.items()}
        if kind is None or not said_before or before == layer:
            continue
        stored = now.layers_of(pid).stored
        problems = planning.problems_of(kind, {**layer, **stored})
        if problems and not planning.problems_of(kind, {**before, **stored}):
            reading.layers[pid] = before
            for said in reading.usable.values():
                said.pop(pid, None)
            for name, properties in said_before.items():
                reading.usable.setdefault(name, {})[pid] = properties
            message = f"is not used: {'; '.join(map(str, problems))}; {_FILES_STILL_USED}"
            reading.problems.append(FileProblem(reading.sources[pid], pid, message))


def _keep_all_files(
    reading: FileReading,
    path: Path,
    remembered: Remembered,
    error: OSError,
    kind_of: Callable[[str], ConfigurationType | None],
) -> None:
    """Have what all files said before hold, since nobody knows which of them are there."""
    for name in sorted(remembered):
        _keep(reading, path / name, remembered[name], kind_of)
    message = f"cannot be read: {error.strerror}"
    if remembered:
        message += f"; {_FILES_STILL_USED}: mend it, or put an empty directory there if that is to end"
    reading.problems.append(FileProblem(path, None, message))


def _keep_whole_file(
    reading: FileReading,
    path: Path,
    before: Mapping[str, dict[str, Any]],
    problem: FileProblem,
    kind_of: Callable[[str], ConfigurationType | None],
) -> None:
    _keep(reading, path, before, kind_of)
    if reading.usable.get(path.name):
        problem = replace(problem, message=f"{problem.message}; {_STILL_USED}")
    reading.problems.append(problem)


def _keep(
    reading: FileReading,
    path: Path,
    before: Mapping[str, dict[str, Any]],
    kind_of: Callable[[str], ConfigurationType | None],
) -> None:
    for pid, properties in before.items():
        kind = kind_of(pid)
        if kind is None:
            _keep_in_mind(reading, path, pid, properties)
        elif not _wrong(kind, properties):
            _use(reading, path, pid, properties)


def _take(
    reading: FileReading,
    one: FileConfiguration,
    before: dict[str, Any] | None,
    kind: ConfigurationType | None,
    directory: ConfigurationDirectory,
) -> None:
    """Use what a file says about one pid, or else what it said before."""
    if kind is None:
        message = "no component has this pid; it is kept for when one comes"
        reading.problems.append(FileProblem(one.path, one.pid, message))
        if before is not None:
            _keep_in_mind(reading, one.path, one.pid, before)
        return
    try:
        resolved = {name: for_device(directory.credentials.resolved(value)) for name, value in one.properties.items()}
    except (CredentialError, DeviceTextError) as error:
        wrong = str(error)
    else:
        named, doubled = planning.with_known_names(kind, {}, resolved)
        wrong = "; ".join(map(str, (*doubled, *_wrong(kind, named))))
        if not wrong:
            _use(reading, one.path, one.pid, planning.coerced(kind, named))
            _note_plain_secrets(reading, one, kind)
            return
    kept = before is not None and not _wrong(kind, before)
    if before is not None and kept:
        _use(reading, one.path, one.pid, before)
    message = f"is not used: {wrong}" + (f"; {_STILL_USED}" if kept else "")
    reading.problems.append(FileProblem(one.path, one.pid, message))


def _use(reading: FileReading, path: Path, pid: str, properties: dict[str, Any]) -> None:
    reading.layers.setdefault(pid, {}).update(properties)
    reading.sources[pid] = path
    _keep_in_mind(reading, path, pid, properties)


def _keep_in_mind(reading: FileReading, path: Path, pid: str, properties: dict[str, Any]) -> None:
    reading.usable.setdefault(path.name, {})[pid] = properties


def _note_plain_secrets(reading: FileReading, one: FileConfiguration, kind: ConfigurationType) -> None:
    attributes = {} if kind.object_class is None else kind.object_class.attributes
    named, _ = planning.with_known_names(kind, {}, one.properties)
    for name, value in named.items():
        if name in attributes and attributes[name].is_password and value and not _names_credentials(value):
            reading.plain_secrets[one.pid, name] = reading.layers[one.pid][name]
            message = (
                f"{name} stands there for all to read; it is sealed in the gateway's store now: take it out of the "
                f'file, or put it into a credential and write {{"{CREDENTIAL}": "NAME"}}'
            )
            reading.problems.append(FileProblem(one.path, one.pid, message))


def _names_credentials(value: Any) -> bool:
    elements = value if isinstance(value, list) else [value]
    return all(isinstance(element, dict | Secret) for element in elements)


def _wrong(kind: ConfigurationType, properties: Properties) -> list[Any]:
    """What is wrong with a part of a configuration; what is required may be in another layer."""
    return [problem for problem in planning.problems_of(kind, properties) if problem.rule != "required"]


def frozen(layers: Mapping[str, dict[str, Any]]) -> Mapping[str, Properties]:
    """The same, for readers on any thread."""
    return MappingProxyType({pid: MappingProxyType(layer) for pid, layer in layers.items()})
