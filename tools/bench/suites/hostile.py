"""What hostile input and a component that hangs may cost."""

from __future__ import annotations

import resource
import threading
from typing import TYPE_CHECKING, Final

import metatype
from components.keystore import KeystoreError
from components.keystore.filesystem import decode_pkcs12
from components.scep.errors import ScepError
from components.scep.message import decode_certificates, decode_pki_message
from framework import DeactivationReason, Filter, FilterError, Secret, component
from framework.configuration.files import FileContentError, read_document
from framework.configuration.kura_snapshot import KuraSnapshotError, read_snapshot
from framework.testing import GatewayHarness
from tools.bench.measure import seconds_of
from tools.bench.model import OURS, AtMost, Case, Suite, Unit

if TYPE_CHECKING:
    from collections.abc import Callable

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


@component("bench.Stuck")
class Stuck:
    """A component that never ends its `deactivate`."""

    def deactivate(self, _reason: DeactivationReason) -> None:
        """Wait for what does not come."""
        threading.Event().wait()


def _measure(assignment: Assignment) -> Samples:
    before = _peak()
    found: dict[str, list[float]] = {}
    for name, parse, error in _PARSERS:
        found[name] = [max(seconds_of(lambda: _refused(parse, data, error)) for data in _INPUTS)]  # noqa: B023  # called at once
    found["memory"] = [max(_peak() - before, 1.0)]
    if not assignment.quick:
        harness = GatewayHarness(components=[Stuck])
        harness.__enter__()
        found["stop"] = [seconds_of(harness.__exit__)]
    return found


def _refused(parse: Callable[[bytes], object], data: bytes, error: type[Exception]) -> None:
    try:
        parse(data)
    except error:
        return
    raise AssertionError(f"{data[:10]!r} was not refused")


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0


SUITE: Final = Suite(
    name="hostile",
    title="The worst of hostile inputs of 64 KiB, and a component that hangs",
    rows=(
        Case("filter", "a filter, refused", SECONDS),
        Case("descriptor", "a metatype descriptor, refused", SECONDS),
        Case("configuration", "a configuration file, refused", SECONDS),
        Case("snapshot", "a snapshot of Kura, refused", SECONDS),
        Case("message", "a pkiMessage, refused", SECONDS),
        Case("certificates", "CA certificates, refused", SECONDS),
        Case("keystore", "a PKCS #12 file, refused", SECONDS),
        Case("memory", "memory that all of them took at the most", MEMORY, Unit.BYTES),
        Case("stop", "the gateway stops though a component hangs", STOP),
    ),
    sides=(OURS,),
    measure=_measure,
    rounds=1,
)
