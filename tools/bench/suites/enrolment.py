"""Enrolment with Debian's SCEP server on the loopback interface, on a key that is there already."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import resource
import socket
import subprocess
import sys
import tempfile
import urllib.parse
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pyperf
import urllib3
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

import components.keystore.plugin
import components.scep.plugin
from components.keystore import (
    KeyAlgorithm,
    PrivateKeyEntry,
    SoftwarePrivateKey,
    self_signed_certificate,
)
from components.keystore.filesystem import Pkcs12Keystore
from components.scep.service import EnrollmentService
from framework import Secret
from framework.clock import SystemClock
from framework.storage import replace_file
from framework.testing import FakeClock, GatewayHarness
from tools.bench.model import OURS, AtMost, BenchError, Case, FasterThan, Quotient, Suite, Unit
from tools.bench.peers import SCEPCLIENT
from tools.bench.processes import cost

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tools.bench.model import Assignment, Samples

FACTORY: Final = "gatewright.keystore.FilesystemKeystore"
KEYSTORE: Final = f"{FACTORY}~EnrollmentKeystore"
SCEP: Final = "gatewright.scep.SCEPEnrollmentService"
FIRST_ENROLMENT_OPERATIONS: Final = 4
"""Uses of private keys that a first enrolment cannot do without."""

SERIES: Final = "GATEWRIGHT_ENROLMENTS"
"""The environment variable that says over how many enrolments memory is looked at; a few without it."""

_PASSWORD: Final = "bench"  # noqa: S105  # of a keystore that is thrown away
_CHALLENGE: Final = "bench-challenge"
_KEY_SIZE: Final = 2048
_REQUEST_KEY: Final = "sce-request-key-pair"
_SHORT_SERIES: Final = 100
_SETTLED_AFTER: Final = 50
"""Enrolments after which everything is loaded and every cache is filled."""

_ATTEMPTS: Final = 500
_PAUSE_S: Final = 0.02


def _measure(assignment: Assignment) -> Samples:
    key = SoftwarePrivateKey.generate(KeyAlgorithm.RSA, _KEY_SIZE)
    found: dict[str, list[float]] = {}

    def add(**values: float) -> None:
        for name, value in values.items():
            found.setdefault(name.replace("_", "-"), []).append(value)

    with tempfile.TemporaryDirectory(dir=assignment.scratch) as directory, _server(Path(directory)) as server:
        if assignment.side == OURS:
            first, *others = _running_gateway(Path(directory) / "running", key, server, assignment.values + 1)
            add(first_cpu=first["cpu"])
            for measured in others:
                add(**measured, floor=_floor(key), renewal_floor=_floor(key) * 3 / 4)
                add(bare=_floor(key) + _bare_requests(server) + _bare_writes(Path(directory) / "bare"))
            add(growth=_growth(Path(directory) / "series", key, server))
        for turn in range(assignment.values + 1):
            home = Path(directory) / f"client-{turn}"
            home.mkdir()
            if assignment.side == SCEPCLIENT:
                measured = _scepclient(assignment, home, key, server)
            else:
                measured = _process(assignment, home / "process", key, server)
            if turn:  # the first one warms up
                add(**measured)
    if "wall" in found:
        found["wall-again"] = found["wall"]
    return found


def _scepclient(assignment: Assignment, home: Path, key: SoftwarePrivateKey, server: _Server) -> dict[str, float]:
    pem = key.export().private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    (home / "key.pem").write_bytes(pem)
    argv = ["scepclient", "-server-url", server.url, "-challenge", _CHALLENGE]
    argv += ["-private-key", "key.pem", "-certificate", "client.pem", "-cn", "device-7", "-organization", "Example"]
    spent = cost(argv, assignment, home)
    if not (home / "client.pem").exists():
        raise BenchError("scepclient obtained no certificate")
    return {"process": spent.wall_s, "process_cpu": spent.cpu_s, "wall": spent.wall_s}


def _process(assignment: Assignment, home: Path, key: SoftwarePrivateKey, server: _Server) -> dict[str, float]:
    configuration = _configuration(home, key, server)
    (home / "conf.d").mkdir()
    (home / "conf.d" / "bench.json").write_text(json.dumps(configuration))
    argv = [sys.executable, "-m", "tools.bench.programs.enrolment", str(home / "state"), str(home / "conf.d")]
    spent = cost(argv, assignment)
    return {"process": spent.wall_s, "process_cpu": spent.cpu_s}


def _running_gateway(home: Path, key: SoftwarePrivateKey, server: _Server, number: int) -> list[dict[str, float]]:
    """In one gateway that runs: it is given one keystore after the other, each with a key and nothing else.

    An enrolment is measured from the update that names the keystore until nothing is left to do, a renewal of the
    certificate from its command. In the first renewal the gateway learns which form of it the server takes; the
    second one is what all others are like.
    """
    home.mkdir()
    configuration = _configuration(home / "first", key, server)
    for turn in range(number):
        configuration[f"{FACTORY}~Keystore{turn}"] = _keystore(home / f"{turn}.p12", key)
    found = []
    with GatewayHarness(
        plugins=[components.keystore.plugin, components.scep.plugin],
        conf=configuration,
        state_directory=home / "state",
        clock=FakeClock(SystemClock().now()),
    ) as harness:
        for turn in range(number):
            target = {"KeystoreService.target": f"(kura.service.pid=Keystore{turn})"}
            wall, cpu = _cost(harness, lambda: harness.configuration_admin.update(SCEP, target))  # noqa: B023  # called at once
            _, learning_cpu = _cost(harness, _service(harness).renew)
            renewal, renewal_cpu = _cost(harness, _service(harness).renew)
            costs = {"renewal": renewal, "renewal_cpu": renewal_cpu, "learning_cpu": learning_cpu}
            found.append({"wall": wall, "cpu": cpu, **costs})
    return found


def _growth(home: Path, key: SoftwarePrivateKey, server: _Server) -> float:
    """By how many bytes the resident memory of one gateway grows in a series of renewals."""
    home.mkdir()
    series = int(os.environ.get(SERIES, _SHORT_SERIES))
    with GatewayHarness(
        plugins=[components.keystore.plugin, components.scep.plugin],
        conf=_configuration(home / "first", key, server),
        state_directory=home / "state",
        clock=FakeClock(SystemClock().now()),
    ) as harness:
        harness.settle()
        for _ in range(_SETTLED_AFTER):
            _cost(harness, _service(harness).renew)
        before = _resident_bytes()
        for _ in range(series):
            _cost(harness, _service(harness).renew)
        return max(0.0, _resident_bytes() - before)


def _resident_bytes() -> int:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * resource.getpagesize()


def _cost(harness: GatewayHarness, act: Callable[[], object]) -> tuple[float, float]:
    """The wall's and the processor's time until a gateway is enrolled and at rest after something was done."""
    begin, begin_cpu = pyperf.perf_counter(), _own_cpu()
    act()
    harness.settle()
    cost = pyperf.perf_counter() - begin, _own_cpu() - begin_cpu
    if (state := _service(harness).status().state) != "enrolled":
        raise BenchError(f"the gateway did not enrol: it is {state}")
    return cost


def _service(harness: GatewayHarness) -> EnrollmentService:
    reference = harness.registry.find(EnrollmentService)
    if reference is None:
        raise BenchError("the gateway has no enrolment service")
    service: EnrollmentService = harness.registry.get(reference)
    return service


def _configuration(home: Path, key: SoftwarePrivateKey, server: _Server) -> dict[str, dict[str, Any]]:
    home.mkdir()
    return {
        KEYSTORE: _keystore(home / "keystore.p12", key),
        SCEP: {
            "enabled": True,
            "KeystoreService.target": "(kura.service.pid=EnrollmentKeystore)",
            "server.url": server.url,
            "server.ca.fingerprint": server.fingerprint,
            "client.subject.dn": "CN=device-7,O=Example",
            "client.challenge.password": _CHALLENGE,
        },
    }


def _keystore(path: Path, key: SoftwarePrivateKey) -> dict[str, Any]:
    """The configuration of a keystore that holds a key for a request."""
    keystore = Pkcs12Keystore(path)
    keystore.open(Secret(_PASSWORD))
    keystore.set(_REQUEST_KEY, _key_entry(key))
    return {"keystore.path": str(keystore.path), "keystore.password": _PASSWORD}


def _key_entry(key: SoftwarePrivateKey) -> PrivateKeyEntry:
    name = x509.Name.from_rfc4514_string("CN=device-7,O=Example")
    return PrivateKeyEntry(key, (self_signed_certificate(key, name, datetime.now(UTC)),))


def _floor(key: SoftwarePrivateKey) -> float:
    """The processor time of the private-key operations alone."""
    begin = _own_cpu()
    for _ in range(FIRST_ENROLMENT_OPERATIONS * 10):
        key.sign(b"bench", hashes.SHA256())
    return (_own_cpu() - begin) / 10


def _bare_requests(server: _Server) -> float:
    """The processor time of three HTTP requests of urllib3, of which two share a connection."""
    parts = urllib.parse.urlsplit(server.url)
    begin = _own_cpu()
    for requests in (2, 1) * 10:
        with urllib3.HTTPConnectionPool(str(parts.hostname), parts.port) as pool:
            for _ in range(requests):
                pool.urlopen("GET", f"{parts.path}?operation=GetCACaps", retries=False)
    return (_own_cpu() - begin) / 10


def _bare_writes(path: Path) -> float:
    """The processor time of writing two files of an enrolment, journal and keystore, twice each and durably."""
    begin = _own_cpu()
    for _ in range(4 * 10):
        replace_file(path, bytes(4096))
    return (_own_cpu() - begin) / 10


def _own_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


class _Server:
    """The full URL of Debian's SCEP server, and the fingerprint of its CA certificate."""

    def __init__(self, url: str, fingerprint: str) -> None:
        self.url = url
        self.fingerprint = fingerprint


@contextlib.contextmanager
def _server(directory: Path) -> Iterator[_Server]:
    depot = directory / "depot"
    initialise = ["scepserver", "ca", "-init", "-depot", str(depot), "-keySize", str(_KEY_SIZE), "-country", "XX"]
    subprocess.run(initialise, check=True, capture_output=True)
    certificate = x509.load_pem_x509_certificate((depot / "ca.pem").read_bytes())
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    argv = ["scepserver", "-depot", str(depot), "-port", str(port), "-challenge", _CHALLENGE, "-allowrenew", "0"]
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _wait_for(lambda: socket.create_connection(("127.0.0.1", port)).close(), process)
            yield _Server(f"http://127.0.0.1:{port}/scep", certificate.fingerprint(hashes.SHA256()).hex())
        finally:
            process.kill()


def _wait_for(connect: Callable[[], None], process: subprocess.Popen[bytes]) -> None:
    for _ in range(_ATTEMPTS):
        with contextlib.suppress(ConnectionRefusedError):
            connect()
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_PAUSE_S)
            break
    raise BenchError("scepserver did not start")


SUITE: Final = Suite(
    name="enrolment",
    title="Enrolment with Debian's scepserver, RSA 2,048, key ready",
    rows=(
        Case("wall", "in a running gateway (beside scepclient's process): time", AtMost(0.25)),
        Case("wall-again", "the same, beside scepclient", FasterThan(SCEPCLIENT, 1)),
        Case("first-cpu", "the first one in a process, which loads what it needs: processor time"),
        Case("cpu", "in a running gateway: processor time of our side"),
        Case("floor", "four private-key operations alone: processor time"),
        Quotient("cpu-floor", "processor time ÷ that floor", "cpu", "floor", AtMost(5)),
        Case("bare", "these, three HTTP requests of urllib3 and four durable writes, alone: processor time"),
        Quotient("cpu-bare", "processor time ÷ that of these", "cpu", "bare"),
        Case("renewal", "a renewal in a running gateway: time"),
        Case("learning-cpu", "the first renewal, which learns the form that the server takes: processor time"),
        Case("renewal-cpu", "a renewal in a running gateway: processor time of our side"),
        Case("renewal-floor", "three private-key operations alone: processor time"),
        Quotient("renewal-cpu-floor", "÷ three private-key operations", "renewal-cpu", "renewal-floor", AtMost(5)),
        Case("growth", f"memory that renewals in a row add ({SERIES}={_SHORT_SERIES})", AtMost(2**20), Unit.BYTES),
        Case("process", "a whole process, from start to end: time"),
        Case("process-cpu", "a whole process: processor time"),
    ),
    sides=(OURS, SCEPCLIENT),
    measure=_measure,
    rounds=3,
    programs=("scepserver",),
    notes=(
        (
            "Both sides are given the full URL, a ready RSA key of 2,048 bits, subject and challenge. Both ask three "
            "times: GetCACert, GetCACaps, PKIOperation; both make a self-signed certificate and a CSR anew."
        ),
        (
            "The running gateway writes configuration, journal and keystore durably on the way; "
            "scepclient writes plain files. Its whole process stands beside our running gateway."
        ),
    ),
)
