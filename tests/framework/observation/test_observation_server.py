"""The observers' server over real sockets: what each path says, who is served, and what bad clients come to."""

from __future__ import annotations

import contextlib
import errno
import http.client
import socket
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

import pytest
from prometheus_client.parser import text_string_to_metric_families

from framework import component, listening, reference
from framework.diagnosis import Examination, examine, quick_reports
from framework.gateway import Gateway
from framework.observation import Metric, MetricKind, MetricSource, Sample
from framework.observation import server as server_module
from framework.observation.contributed import SOURCES_DEADLINE_S
from framework.observation.server import ListenAddressError, ObservationServer
from framework.testing import GatewayHarness

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path


class Missing:
    pass


@component("example.Waiting")
class Waiting:
    missing = reference(Missing)


GATE = threading.Event()


@component("example.Slow", enabled=False)
class Slow:
    def activate(self, _context: object) -> None:
        GATE.wait(60)


class Source(MetricSource):
    def metrics(self) -> Iterable[Metric]:
        return [Metric("example_temperature_celsius", MetricKind.GAUGE, "Warm.", (Sample(21.5, {"room": 'a"b\\c'}),))]


class Broken(MetricSource):
    def metrics(self) -> Iterable[Metric]:
        raise KeyError("oh")


@pytest.fixture
def harness() -> Iterator[GatewayHarness]:
    with GatewayHarness(components=[Waiting]) as running:
        yield running


@contextlib.contextmanager
def serving(harness: GatewayHarness, address: str = "127.0.0.1:0") -> Iterator[ObservationServer]:
    server = ObservationServer(harness.gateway, address)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def get(server: ObservationServer, path: str, method: str = "GET") -> tuple[int, str]:
    connection = http.client.HTTPConnection(server.address, timeout=30)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def test_a_gateway_lives_is_ready_and_tells_how_it_is(harness: GatewayHarness) -> None:
    with serving(harness) as server:
        assert get(server, "/livez") == (200, "ok\n")
        assert get(server, "/readyz") == (200, "ok\n")
        assert get(server, "/healthz") == (200, "ok\n"), "a component that waits is a warning, and needs no restart"
        status, body = get(server, "/healthz?verbose")
        assert status == 200
        assert "[!]unsatisfied references example.Waiting: " in body
        assert get(server, "/else")[0] == 404
        assert get(server, "/livez", "POST")[0] == 405
        assert get(server, "/livez", "HEAD") == (200, "")


def test_a_component_that_is_not_decided_keeps_the_gateway_from_being_ready() -> None:
    GATE.clear()
    with GatewayHarness(components=[Slow]) as harness, serving(harness) as server:
        harness.gateway.set_enabled("example.Slow", enabled=True)
        try:
            assert get(server, "/readyz") == (503, "not decided yet: example.Slow\n")
            assert get(server, "/livez")[0] == 200, "one component alone stalls"
        finally:
            GATE.set()
        harness.settle()
        assert get(server, "/readyz")[0] == 200


def test_a_gateway_that_was_ready_stays_so_whatever_a_component_is_at() -> None:
    GATE.clear()
    with GatewayHarness(components=[Slow]) as harness, serving(harness) as server:
        server.note_ready()
        harness.gateway.set_enabled("example.Slow", enabled=True)
        try:
            assert harness.gateway.undecided() == ("example.Slow",)
            assert get(server, "/readyz") == (200, "ok\n")
        finally:
            GATE.set()


def test_a_gateway_that_makes_no_progress_does_not_live(
    harness: GatewayHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("framework.observation.endpoints.PROGRESS_DEADLINE_S", 0.01)
    monkeypatch.setattr(harness.gateway, "prove_progress", lambda _then: None)
    with serving(harness) as server:
        status, body = get(server, "/livez")
    assert status == 503
    assert "no progress" in body


def test_figures_are_prometheus_text_also_those_that_others_contribute(harness: GatewayHarness) -> None:
    harness.registry.register(MetricSource, Broken())
    harness.registry.register(MetricSource, Source())
    with serving(harness) as server:
        families = {one.name: one for one in text_string_to_metric_families(get(server, "/metrics")[1])}
    (temperature,) = families["example_temperature_celsius"].samples
    assert temperature.labels == {"room": 'a"b\\c'}
    states = {one.labels["pid"]: one.labels["state"] for one in families["gatewright_component_state"].samples}
    assert states == {"example.Waiting": "unsatisfied"}
    assert families["gatewright_configuration_revision"].samples[0].value == 0
    severities = {one.labels["check"]: one.value for one in families["gatewright_check_severity"].samples}
    assert severities["unsatisfied references"] == 1


def test_a_socket_in_the_file_system_serves_its_owner_and_group(harness: GatewayHarness, tmp_path: Path) -> None:
    path = tmp_path / "observe.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with serving(harness, str(path)):
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(30)
            client.connect(str(path))
            client.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
            assert client.recv(4096).startswith(b"HTTP/1.1 200 OK\r\n")
    assert not path.exists()


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("0.0.0.0:9000", "only this machine"),
        ("192.0.2.1:9000", "only this machine"),
        ("[::]:9000", "only this machine"),
        ("example:9000", "no IP address"),
        ("9000", "neither"),
        ("127.0.0.1:http", "neither"),
        ("127.0.0.1:99999", "neither"),
        ("/no/such/directory/socket", "No such file"),
    ],
)
def test_where_nobody_is_to_be_served_nobody_is(harness: GatewayHarness, address: str, words: str) -> None:
    with pytest.raises(ListenAddressError, match=words):
        ObservationServer(harness.gateway, address).start()


def test_an_address_that_is_taken_is_told(harness: GatewayHarness) -> None:
    with serving(harness) as server, pytest.raises(ListenAddressError, match="Address already in use"):
        ObservationServer(harness.gateway, server.address).start()


@pytest.mark.parametrize(
    "request_head", [b"\r\n\r\n", b"GET /livez\r\n\r\n", b"\xff" * 100 + b"\r\n\r\n", b"G" * (16 * 1024)]
)
def test_what_is_no_request_is_told_so(harness: GatewayHarness, request_head: bytes) -> None:
    with serving(harness) as server:
        host, _, port = server.address.rpartition(":")
        with socket.create_connection((host, int(port)), timeout=30) as client:
            with contextlib.suppress(ConnectionError):
                client.sendall(request_head)
            with contextlib.suppress(ConnectionError):
                assert client.recv(4096)[:12] in (b"HTTP/1.1 400", b"")
        assert get(server, "/livez")[0] == 200


def test_clients_that_send_nothing_take_no_place_for_ever(
    harness: GatewayHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "DEADLINE_S", 30.0)
    with serving(harness) as server:
        host, _, port = server.address.rpartition(":")
        with contextlib.ExitStack() as stack:
            for _ in range(server_module.MOST_CLIENTS):
                stack.enter_context(socket.create_connection((host, int(port)), timeout=30))
        assert get(server, "/livez")[0] == 200, "they have gone, and their places are free"


class OfText(MetricSource):
    def metrics(self) -> Iterable[Metric]:
        sample = Sample(cast("float", "warm"))
        yield Metric("example_text", MetricKind.GAUGE, "Not a number.", (sample,))


class OfNone(MetricSource):
    def metrics(self) -> Iterable[Metric]:
        yield cast("Metric", None)


class Exiting(MetricSource):
    def metrics(self) -> Iterable[Metric]:
        raise SystemExit


def test_a_source_whose_figures_are_none_takes_nobody_elses(
    harness: GatewayHarness, caplog: pytest.LogCaptureFixture
) -> None:
    for name, source in {"text": OfText(), "none": OfNone(), "exit": Exiting(), "good": Source()}.items():
        harness.registry.register(MetricSource, source, {"kura.service.pid": name})
    with serving(harness) as server:
        get(server, "/metrics")
        status, body = get(server, "/metrics")
    assert status == 200
    told = [message.partition(":")[0] for message in caplog.messages if message.startswith("no figures from ")]
    assert told == [f"no figures from {one}" for one in ("text", "none", "exit")], "each once, however often asked"
    families = {one.name: one for one in text_string_to_metric_families(body)}
    assert families["example_temperature_celsius"].samples[0].value == 21.5
    assert families["gatewright_metric_sources_failed"].samples[0].value == 3
    assert "example_text" not in families


def test_a_source_that_fails_is_in_doctor_and_then_in_status_until_it_goes(harness: GatewayHarness) -> None:
    def found(examination: Examination) -> list[str]:
        return [one.finding.text for one in examination.problems if one.finding and one.check == "metric sources"]

    assert found(examine(harness.gateway)) == []
    harness.registry.register(MetricSource, Source())
    broken = harness.registry.register(MetricSource, Broken(), {"kura.service.pid": "Roof"})
    assert found(quick_reports(harness.gateway)) == [], "status asks nobody"
    for examination in (examine(harness.gateway), quick_reports(harness.gateway)):
        (text,) = found(examination)
        assert text.startswith("there are no figures of Roof: ")
        assert "KeyError: 'oh'" in text.partition("\n")[0]
    broken.unregister()
    assert found(quick_reports(harness.gateway)) == []


class Hanging(MetricSource):
    def __init__(self) -> None:
        self.reached, self.release = threading.Semaphore(0), threading.Event()

    def metrics(self) -> Iterable[Metric]:
        self.reached.release()
        self.release.wait(60)
        return Source().metrics()


def test_a_source_that_hangs_is_asked_once_and_holds_nobody_up(
    harness: GatewayHarness, caplog: pytest.LogCaptureFixture
) -> None:
    hanging = Hanging()
    harness.registry.register(MetricSource, hanging)
    with serving(harness) as server, ThreadPoolExecutor(1) as pool:
        try:
            first = pool.submit(get, server, "/metrics")
            assert hanging.reached.acquire(timeout=30)
            harness.clock.advance(SOURCES_DEADLINE_S)
            assert "gatewright_metric_sources_failed 1.0" in first.result(30)[1]
            for _ in range(2 * server_module.MOST_CLIENTS):
                assert "gatewright_metric_sources_failed 1.0" in get(server, "/metrics")[1]
            assert get(server, "/livez")[0] == 200
            assert not hanging.reached.acquire(blocking=False), "it was asked once"
            assert caplog.text.count("did not end within 2 s") == 1
            problems = [one.finding.text for one in quick_reports(harness.gateway).problems if one.finding]
            assert any("did not end within 2 s" in one.partition("\n")[0] for one in problems)
        finally:
            hanging.release.set()
        for thread in [one for one in threading.enumerate() if one.name == "gatewright-guard"]:
            thread.join(30)
        assert "example_temperature_celsius" in get(server, "/metrics")[1], "it answers again"


def test_no_file_descriptor_for_a_while_ends_no_service(
    harness: GatewayHarness, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("framework.listening.PAUSE_S", 0.01)
    failures = [OSError(errno.EMFILE, "Too many open files"), RuntimeError("can't start new thread")] * 20
    accept_one = listening._accept_one  # the process's own descriptors are pytest's, too

    def failing(*arguments: Any) -> None:
        if failures:
            raise failures.pop()
        accept_one(*arguments)

    monkeypatch.setattr("framework.listening._accept_one", failing)
    with serving(harness) as server:
        assert get(server, "/livez")[0] == 200
    assert caplog.text.count("no connection can be taken") == 1


def test_a_socket_that_another_program_listens_on_is_left_to_it(harness: GatewayHarness, tmp_path: Path) -> None:
    path = tmp_path / "other.sock"
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen(1)
        with pytest.raises(ListenAddressError, match="another program listens there"):
            ObservationServer(harness.gateway, str(path)).start()
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
    datagrams = tmp_path / "datagrams.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        other.bind(str(datagrams))
        with pytest.raises(ListenAddressError, match="another program's"):
            ObservationServer(harness.gateway, str(datagrams)).start()
    assert datagrams.exists()


def test_a_socket_that_has_become_another_programs_is_left_to_it(harness: GatewayHarness, tmp_path: Path) -> None:
    path = tmp_path / "observe.sock"
    with socket.socket(socket.AF_UNIX) as other:
        with serving(harness, str(path)):
            path.rename(tmp_path / "elsewhere")
            other.bind(str(path))
        assert path.exists()


def test_how_long_it_runs_is_told_by_no_clock_that_jumps(harness: GatewayHarness) -> None:
    harness.advance(90)
    harness.clock.set(datetime(2081, 1, 1, tzinfo=UTC))
    with serving(harness) as server:
        families = {one.name: one for one in text_string_to_metric_families(get(server, "/metrics")[1])}
    assert families["gatewright_uptime_seconds"].samples[0].value == 90


def test_what_could_steer_a_terminal_is_not_shown(harness: GatewayHarness) -> None:
    assert harness.gateway.conf_directory is not None
    (harness.gateway.conf_directory / "\x1b[31m.json").write_text("{")
    harness.configuration_admin.reload()
    with serving(harness) as server:
        body = get(server, "/healthz?verbose")[1]
    assert "[31m.json" in body
    assert "\x1b" not in body


def test_a_gateway_whose_timers_stand_still_does_not_live(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    release, reached = threading.Event(), threading.Event()

    def block() -> None:
        reached.set()
        release.wait(60)

    with Gateway(tmp_path / "state", discover=False, environ={}) as gateway:
        server = ObservationServer(gateway, "127.0.0.1:0")
        server.start()
        try:
            assert get(server, "/livez")[0] == 200
            gateway.scheduler.call_later(0, block)
            assert reached.wait(30)
            monkeypatch.setattr("framework.observation.endpoints.PROGRESS_DEADLINE_S", 0.01)
            assert get(server, "/livez")[0] == 503
        finally:
            release.set()
            server.stop()
