"""`diagnostics`: a bundle for whoever is to help, without secrets."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

from framework.admin.command import Answer, Command, Invocation, OfflineInvocation, OutputFile, UsageError
from framework.admin.commands import schemas
from framework.admin.commands.doctor import examination_data
from framework.admin.parsing import CommandTable
from framework.clock import SystemClock
from framework.diagnosis import MachineView, examine_without_gateway
from framework.diagnosis.bundle import as_file, as_text_file, files_of, pack, software, threads
from framework.foreign import text_of
from framework.recent_log import recent_lines

if TYPE_CHECKING:
    import argparse
    from datetime import datetime


def _diagnostics(invocation: Invocation) -> Answer:
    gateway = invocation.gateway
    parts = {
        "software.json": as_file(software()),
        "files.json": as_file(files_of(gateway.state_directory)),
        "threads.txt": as_text_file(threads()),
        "log.txt": as_text_file("\n".join(recent_lines())),
        "explanations.json": as_file(
            {one.pid: list(gateway.explain(one.pid).sentences) for one in gateway.components()}
        ),
    }
    for command, answer in _answers(invocation):
        parts[f"{'-'.join(command.path)}.json"] = as_file(answer)
    return _bundle(invocation.options.output, parts, gateway.clock.now())


def _answers(invocation: Invocation) -> list[tuple[Command, Any]]:
    """What the commands say that are worth asking; where one cannot answer, why."""
    from framework.admin.commands import framework_commands  # noqa: PLC0415  # which lists this command, too

    found: list[tuple[Command, Any]] = []
    table = CommandTable([*framework_commands(), *invocation.gateway.commands])
    for command in table.commands():
        if command.diagnostic is None:
            continue
        _, options = table.parse([*command.path, *command.diagnostic])
        try:
            answer = command.run(Invocation(options, invocation.gateway, invocation.client)).data
        except BaseException as error:  # noqa: BLE001  # a plugin's command may raise anything; the rest is wanted
            answer = {"error": {"kind": type(error).__name__, "message": text_of(error)}}
        found.append((command, answer))
    return found


def _diagnostics_offline(invocation: OfflineInvocation) -> Answer:
    directory = invocation.state_directory
    if directory is None:
        raise UsageError("which gateway? Give --state-dir DIR, or set GATEWRIGHT_STATE_DIR")
    clock = SystemClock()
    examination = examine_without_gateway(MachineView(directory, None, os.environ, clock))
    parts = {
        "software.json": as_file(software()),
        "files.json": as_file(files_of(directory)),
        "doctor.json": as_file(examination_data(examination.severity, examination.reports)),
    }
    path = invocation.options.output
    return _bundle(path, parts, clock.now())


def _bundle(path: str, parts: dict[str, bytes], now: datetime) -> Answer:
    name = f"gatewright-diagnostics-{now:%Y%m%dT%H%M%SZ}"
    content = pack(name, parts, now)
    text = f"wrote {path}: {len(parts)} files, without secrets; look into it before you hand it on"
    return Answer({"file": path, "parts": sorted(parts)}, text, files=(OutputFile(path, content, 0o600),))


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-o", "--output", metavar="FILE", required=True, help="the bundle to write, a .tar.gz; - for a pipe"
    )


COMMANDS: Final = (
    Command(
        path=("diagnostics",),
        help="write a bundle for whoever is to help: status, doctor, configuration, log, threads; no secrets",
        run=_diagnostics,
        offline=_diagnostics_offline,
        arguments=_arguments,
        examples=("gatewright diagnostics -o gatewright-diagnostics.tar.gz",),
        exit_statuses={1: "the file cannot be written"},
        schema=schemas.diagnostics,
    ),
)
