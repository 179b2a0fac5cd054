"""Figures as Prometheus' own parser reads them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from framework.observation import Metric, MetricKind, Sample, exposition
from framework.observation.metrics import MetricError

VALUES = st.dictionaries(
    st.sampled_from(["pid", "state", "of"]), st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
)


@given(st.lists(st.tuples(VALUES, st.floats()), max_size=8, unique_by=lambda one: tuple(sorted(one[0].items()))))
def test_whatever_labels_and_values_there_are_they_are_read_as_they_were(
    samples: list[tuple[dict[str, str], float]],
) -> None:
    metric = Metric("example_things", MetricKind.GAUGE, "Things.", tuple(Sample(v, labels) for labels, v in samples))
    (family,) = text_string_to_metric_families(exposition([metric]))
    assert family.documentation == "Things."
    assert family.type == "gauge"
    read = [(one.labels, one.value) for one in family.samples]
    for (labels, value), (read_labels, read_value) in zip(samples, read, strict=True):
        assert read_labels == labels
        assert read_value == value or (math.isnan(value) and math.isnan(read_value))


def test_samples_of_one_name_stand_together() -> None:
    metrics = [Metric(name, MetricKind.GAUGE, name, (Sample(1, {"of": of}),)) for name, of in ("a1", "b1", "a2", "b2")]
    assert [one.name for one in text_string_to_metric_families(exposition(metrics))] == ["a", "b"]


def test_a_help_on_two_lines_stays_one() -> None:
    text = exposition([Metric("a", MetricKind.GAUGE, "one\ntwo \\ three", ())])
    assert next(iter(text_string_to_metric_families(text))).documentation == "one\ntwo \\ three"


@pytest.mark.parametrize(
    ("name", "kind", "labels"),
    [
        ("1a", MetricKind.GAUGE, {}),
        ("a-b", MetricKind.GAUGE, {}),
        ("a", MetricKind.COUNTER, {}),
        ("a_total", MetricKind.GAUGE, {}),
        ("a", MetricKind.GAUGE, {"b-c": "d"}),
    ],
)
def test_names_that_prometheus_would_refuse_are_refused(name: str, kind: MetricKind, labels: dict[str, str]) -> None:
    with pytest.raises(MetricError):
        Metric(name, kind, "", (Sample(1, labels),))
