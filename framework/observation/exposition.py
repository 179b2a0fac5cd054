"""Figures as Prometheus reads them: the text exposition format, version 0.0.4."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from framework.observation.metrics import Metric, Sample

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


def exposition(metrics: Iterable[Metric]) -> str:
    """All metrics as text; of several with one name the samples stand together, as the format demands."""
    families: dict[str, Metric] = {}
    samples: dict[str, list[Sample]] = {}
    for metric in metrics:
        families.setdefault(metric.name, metric)
        samples.setdefault(metric.name, []).extend(metric.samples)
    lines: list[str] = []
    for name, metric in sorted(families.items()):
        lines += [f"# HELP {name} {_escaped(metric.help)}", f"# TYPE {name} {metric.kind.value}"]
        lines += dict.fromkeys(f"{name}{_labels(one.labels)} {_number(one.value)}" for one in samples[name])
    return "".join(f"{line}\n" for line in lines)


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    pairs = (f'{name}="{_escaped(str(value), quotes=True)}"' for name, value in sorted(labels.items()))
    return "{" + ",".join(pairs) + "}"


def _escaped(text: str, *, quotes: bool = False) -> str:
    escaped = text.replace("\\", "\\\\").replace("\n", "\\n")
    return escaped.replace('"', '\\"') if quotes else escaped


def _number(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return repr(float(value))
