"""`python -m tools.bench.worker`: one suite on one side, in a process of its own; values go to a file."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from pathlib import Path

from tools.bench.model import Assignment
from tools.bench.suites import SUITES


def main() -> int:
    """Measure and write what was measured."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench.worker")
    parser.add_argument("suite", choices=sorted(SUITES))
    parser.add_argument("side")
    parser.add_argument("--scratch", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    samples = SUITES[options.suite].measure(Assignment(options.side, options.quick, options.scratch))
    options.output.write_text(json.dumps({key: list(values) for key, values in samples.items()}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
