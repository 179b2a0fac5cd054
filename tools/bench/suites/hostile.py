"""What hostile input and a component that hangs may cost."""

from __future__ import annotations

import contextlib
import multiprocessing
import resource
import sys
from typing import TYPE_CHECKING, Final

import metatype
from components.keystore import KeystoreError
from components.keystore.filesystem import decode_pkcs12
from components.scep.errors import ScepError
from components.scep.message import decode_certificates, decode_pki_message
from framework import Filter, FilterError, Secret
from framework.configuration.files import FileContentError, read_document
from framework.configuration.kura_snapshot import KuraSnapshotError, read_snapshot
from framework.testing import GatewayHarness
from tools.bench.measure import seconds_of
from tools.bench.model import OURS, AtMost, BenchError, Case, Suite, Unit
from tools.bench.processes import started
from tools.bench.programs import hung

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

    from tools.bench.model import Assignment, Samples

SIZE: Final = 64 * 1024
SECONDS: Final = AtMost(1.0)
MEMORY: Final = AtMost(64 * 2**20)
STOP: Final = AtMost(10.0)

_Parser = tuple[str, "Callable[[bytes], object]", type[Exception]]


def _parse_filter(data: bytes) -> object:
    return Filter.parse(data.decode("latin-1"))


def _parse_descriptor(data: bytes) -> object:
    return metatype.loads(data, source="hostile")


def _parse_snapshot(data: bytes) -> object:
    return read_snapshot(data, "hostile")


def _parse_keystore(data: bytes) -> object:
    return decode_pkcs12(data, Secret("bench"), "hostile")


_PARSERS: Final[tuple[_Parser, ...]] = (
    ("filter", _parse_filter, FilterError),
    ("descriptor", _parse_descriptor, metatype.MetatypeError),
    ("configuration", read_document, FileContentError),
    ("snapshot", _parse_snapshot, KuraSnapshotError),
    ("message", decode_pki_message, ScepError),
    ("certificates", decode_certificates, ScepError),
    ("keystore", _parse_keystore, KeystoreError),
)

_INPUTS: Final[tuple[bytes, ...]] = tuple(
    (pattern * SIZE)[:SIZE]
    for pattern in (
        b"(&",
        b"(!",
        b"(a=*",
        b"<a>",
        b"<a b='&lt;",
        b"[",
        b'{"a":',
        b"1",
        b"\x30\x80",
        b"\x30\x84\x00\x00\xff\xff",
        b"\x24\x80\x04\x01",
        b"\x06\x81",
        b"\xff",
        b"\x00",
    )
)


def _measure(assignment: Assignment) -> Samples:
    found: dict[str, list[float]] = {}
    for parser in _PARSERS:
        seconds, memory = _apart(parser)
        found[parser[0]], found[f"{parser[0]}-memory"] = [seconds], [memory]
    if not assignment.quick:
        harness = GatewayHarness(components=[hung.Stuck])
        harness.__enter__()
        found["stop"] = [seconds_of(harness.__exit__)]
        found["run-stop"] = [_stop_of_a_process(assignment)]
    return found


def _apart(parser: _Parser) -> tuple[float, float]:
    """The most seconds and bytes that a parser takes of an input, in a process of its own: memory is of all before."""
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe()
    child = context.Process(target=_parse_all, args=(parser, there))
    child.start()
    there.close()
    try:
        seconds, memory = here.recv()
    except EOFError:
        raise BenchError(f"the parser of a {parser[0]} did not refuse an input, or ended its process") from None
    finally:
        child.join()
        here.close()
    return float(seconds), float(memory)


def _parse_all(parser: _Parser, answer: Connection) -> None:
    _, parse, error = parser
    before = _peak()
    seconds = max(seconds_of(lambda: _refused(parse, data, error)) for data in _INPUTS)  # noqa: B023  # called at once
    answer.send((seconds, max(_peak() - before, resource.getpagesize())))


def _stop_of_a_process(assignment: Assignment) -> float:
    """How long `gatewright run` takes to end after SIGTERM."""
    state, modules = assignment.scratch / "hung-state", assignment.scratch / "hung-modules"
    hung.install(modules)
    run = [sys.executable, "-m", "framework", "run", "--state-dir", str(state)]
    with contextlib.ExitStack() as stack:
        stack.enter_context(started(run, " ready", assignment, modules=modules))
        return seconds_of(stack.close)


def _refused(parse: Callable[[bytes], object], data: bytes, error: type[Exception]) -> None:
    try:
        parse(data)
    except error:
        return
    raise AssertionError(f"{data[:10]!r} was not refused")


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0


_TITLES: Final = {
    "filter": "a filter, refused",
    "descriptor": "a metatype descriptor, refused",
    "configuration": "a configuration file, refused",
    "snapshot": "a snapshot of Kura, refused",
    "message": "a pkiMessage, refused",
    "certificates": "CA certificates, refused",
    "keystore": "a PKCS #12 file, refused",
}

SUITE: Final = Suite(
    name="hostile",
    title="The worst of hostile inputs of 64 KiB, and a component that hangs",
    rows=(
        *(Case(name, f"{title}: time", SECONDS) for name, title in _TITLES.items()),
        *(Case(f"{name}-memory", f"{title}: memory", MEMORY, Unit.BYTES) for name, title in _TITLES.items()),
        Case("stop", "the gateway stops though a component hangs", STOP),
        Case("run-stop", "`gatewright run` ends after SIGTERM though a component hangs", STOP),
    ),
    sides=(OURS,),
    measure=_measure,
    rounds=1,
)
