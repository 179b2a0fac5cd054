"""What each path answers: `/livez`, `/readyz`, `/healthz?verbose`, `/metrics`."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from framework._version import __version__
from framework.admin.command import GatewayView
from framework.admin.rendering import printable
from framework.diagnosis import quick_reports
from framework.observation.exposition import CONTENT_TYPE, exposition
from framework.observation.metrics import Metric, MetricKind, Sample
from framework.plugins.health import Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from framework.execution import Activity

PROGRESS_DEADLINE_S: Final = 2.0
"""How long `prove_progress` may take before the gateway counts as standing still, in seconds."""

_OK, _UNAVAILABLE, _NOT_FOUND = 200, 503, 404
_PLAIN: Final = "text/plain; charset=utf-8"
_SEVERITIES: Final = {Severity.OK: 0, Severity.WARNING: 1, Severity.ERROR: 2}


class ObservedGateway(GatewayView, Protocol):
    """What is seen of the gateway."""

    @property
    def activity(self) -> Activity:
        """Counts what is under way."""
        ...

    def prove_progress(self, then: Callable[[], None]) -> None:
        """Have `then` called after a way through all that components' work goes through."""
        ...


class HttpAnswer(NamedTuple):
    """What a path answers."""

    status: int
    body: str
    content_type: str = _PLAIN


def answer(gateway: ObservedGateway, path: str, query: str, *, was_ready: bool = False) -> HttpAnswer:
    """The answer to a GET; a gateway that `was_ready` is so from then on, whatever a component does."""
    match path:
        case "/livez":
            return _livez(gateway)
        case "/readyz":
            return HttpAnswer(_OK, "ok\n") if was_ready else _readyz(gateway)
        case "/healthz":
            return _healthz(gateway, verbose="verbose" in query.split("&"))
        case "/metrics":
            return HttpAnswer(_OK, exposition(_all_metrics(gateway)), CONTENT_TYPE)
        case _:
            return HttpAnswer(_NOT_FOUND, "there are /livez, /readyz, /healthz?verbose and /metrics\n")


def _livez(gateway: ObservedGateway) -> HttpAnswer:
    """Whether it makes progress: restart it if not."""
    progress = threading.Event()
    gateway.prove_progress(progress.set)
    if progress.wait(PROGRESS_DEADLINE_S):
        return HttpAnswer(_OK, "ok\n")
    return HttpAnswer(_UNAVAILABLE, f"no progress within {PROGRESS_DEADLINE_S:g} s\n")


def _readyz(gateway: ObservedGateway) -> HttpAnswer:
    """Whether all components are decided: active, waiting, failed, or found hanging."""
    undecided = gateway.undecided()
    if not undecided:
        return HttpAnswer(_OK, "ok\n")
    return HttpAnswer(_UNAVAILABLE, f"not decided yet: {', '.join(undecided)}\n")


def _healthz(gateway: ObservedGateway, *, verbose: bool) -> HttpAnswer:
    """Whether somebody is needed: an error is, a warning is not."""
    examination = quick_reports(gateway)
    healthy = examination.severity is not Severity.ERROR
    status, verdict = (_OK, "ok") if healthy else (_UNAVAILABLE, "unhealthy")
    if not verbose:
        return HttpAnswer(status, f"{verdict}\n")
    marks = {Severity.OK: "[+]", Severity.WARNING: "[!]", Severity.ERROR: "[-]"}
    lines = [
        f"{marks[one.severity]}{one.check} {printable('ok' if one.finding is None else one.finding.text)}"
        for one in examination.reports
    ]
    return HttpAnswer(status, "\n".join([*lines, verdict, ""]))


def _all_metrics(gateway: ObservedGateway) -> Iterator[Metric]:
    yield from _own_metrics(gateway)
    metrics, failed = gateway.contributed_metrics.collect()
    yield from metrics
    text = "Sources of figures that failed, or did not answer in time; the log says which."
    yield _gauge("gatewright_metric_sources_failed", text, Sample(failed))


def _own_metrics(gateway: ObservedGateway) -> Iterator[Metric]:
    components = gateway.components()
    plugins = gateway.plugins
    yield _gauge("gatewright_info", "The gateway's version.", Sample(1, {"version": __version__}))
    yield _gauge("gatewright_uptime_seconds", "How long the gateway runs.", Sample(gateway.uptime_s))
    yield _gauge(
        "gatewright_component_state",
        "1 for the state that each component configuration is in.",
        *(Sample(1, {"pid": one.pid, "state": one.state}) for one in components),
    )
    yield _gauge(
        "gatewright_component_hangs",
        "Whether a callback of the component does not end.",
        *(Sample(float(one.hangs), {"pid": one.pid}) for one in components),
    )
    yield _gauge(
        "gatewright_component_failures",
        "Failed activations in a row.",
        *(Sample(one.failures, {"pid": one.pid}) for one in components),
    )
    revision = gateway.configuration_admin.revision
    yield _gauge("gatewright_configuration_revision", "The last change of what is stored.", Sample(revision))
    yield _gauge(
        "gatewright_work_under_way", "Callbacks and other work, waiting or begun.", Sample(gateway.activity.count)
    )
    yield _gauge(
        "gatewright_plugins",
        "Plugins by what became of them.",
        Sample(len(plugins.plugins), {"state": "loaded"}),
        Sample(len(plugins.quarantined), {"state": "quarantined"}),
    )
    yield _gauge(
        "gatewright_check_severity",
        "What each check found: 0 well, 1 a warning, 2 an error.",
        *_check_samples(gateway),
    )


def _check_samples(gateway: ObservedGateway) -> list[Sample]:
    """One for each check, with its worst finding."""
    worst: dict[tuple[str, str], int] = {}
    for one in quick_reports(gateway).reports:
        key = (one.plugin, one.check)
        worst[key] = max(worst.get(key, 0), _SEVERITIES[one.severity])
    return [Sample(value, {"of": of, "check": check}) for (of, check), value in worst.items()]


def _gauge(name: str, text: str, *samples: Sample) -> Metric:
    return Metric(name, MetricKind.GAUGE, text, samples)
