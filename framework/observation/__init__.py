"""What can be seen of a gateway from outside: whether it lives, is ready and healthy, and its figures."""

from framework.observation.exposition import exposition
from framework.observation.metrics import Metric, MetricKind, MetricSource, Sample

__all__ = ["Metric", "MetricKind", "MetricSource", "Sample", "exposition"]
