"""Taking values in a worker process, and what stands for many of them."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import pyperf

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tools.bench.model import Assignment


def seconds_of(work: Callable[[], object]) -> float:
    """How long `work` takes, once."""
    begin = pyperf.perf_counter()
    work()
    return float(pyperf.perf_counter() - begin)


def per_call(call: Callable[[], object], assignment: Assignment) -> list[float]:
    """Values of the time of one call, each of them the mean of as many calls as it takes to measure well."""
    loops = 1
    gc.collect()
    while (elapsed := _loop(call, loops)) < assignment.value_s:
        # Doubled at least, as the first calls are often slower than those that follow.
        loops = max(loops * 2, int(loops * assignment.value_s / max(elapsed, 1e-9)))
    return [_loop(call, loops) / loops for _ in range(assignment.values)]


def typical(values: Sequence[float], percentile: int = 50) -> float:
    """The median, or another percentile, as pyperf reckons it."""
    run = pyperf.Run(list(values), metadata={"name": "values"}, collect_metadata=False)
    return float(pyperf.Benchmark([run]).percentile(percentile))


def machine() -> dict[str, str]:
    """What this was measured on."""
    metadata = pyperf.Benchmark([pyperf.Run([1.0], metadata={"name": "machine"})]).get_metadata()
    wanted = ("cpu_count", "cpu_model_name", "platform", "python_implementation", "python_version", "load_avg_1min")
    return {name: str(metadata[name]) for name in wanted if name in metadata}


def _loop(call: Callable[[], object], loops: int) -> float:
    repeated = range(loops)
    begin = pyperf.perf_counter()
    for _ in repeated:
        call()
    return float(pyperf.perf_counter() - begin)
