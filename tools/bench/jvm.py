"""The Java side: Debian's Felix and Equinox, driven by the harness in `java/`, which is compiled when needed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tools.bench.model import BenchError

if TYPE_CHECKING:
    from tools.bench.model import Assignment, Samples

_SOURCES: Final = Path(__file__).parent / "java"
_DEADLINE_S: Final = 300.0
_OPTIONS: Final = ("--add-opens", "java.base/java.security=ALL-UNNAMED")
"""What Debian's Felix, which is older than modules, needs of a JVM of today."""

PACKAGES: Final = {"felix": "libfelix-framework-java", "equinox": "libeclipse-osgi-java"}
"""Debian's package of each framework."""

_JARS: Final = {
    "felix": Path("/usr/share/java/org.apache.felix.framework.jar"),
    "equinox": Path("/usr/share/java/eclipse-osgi.jar"),
}


def missing(peer: str) -> str | None:
    """What is missing to run `peer`, and how to get it; None if nothing is."""
    wanted = [] if _JARS[peer].exists() else [PACKAGES[peer]]
    if shutil.which("java") is None or shutil.which("javac") is None:
        wanted.append("default-jdk-headless")
    return f"on Debian: apt-get install {' '.join(wanted)}" if wanted else None


def command(assignment: Assignment, *arguments: str) -> list[str]:
    """The command line that runs the harness on a framework, with a private directory for its bundle cache."""
    jar, classes = _JARS[assignment.side], _compiled(assignment)
    cache = assignment.scratch / f"cache-{assignment.side}"
    return ["java", *_OPTIONS, "-cp", f"{jar}:{classes}", "Harness", str(cache), *arguments]


def samples(assignment: Assignment, suite: str) -> Samples:
    """What the harness measures for a suite: lines of `values`, a key, and the values."""
    done = subprocess.run(
        command(assignment, suite, "quick" if assignment.quick else "full"),
        capture_output=True,
        text=True,
        check=False,
        timeout=_DEADLINE_S,
    )
    if done.returncode != 0:
        raise BenchError(f"the Java harness failed on {assignment.side}: {done.stderr[-2000:]}")
    rows = (line.split() for line in done.stdout.splitlines() if line.startswith("values "))
    return {key: [float(value) for value in values] for _, key, *values in rows}


def _compiled(assignment: Assignment) -> Path:
    classes = assignment.scratch / f"classes-{assignment.side}"
    if not classes.exists():
        sources = sorted(str(source) for source in _SOURCES.glob("*.java"))
        done = subprocess.run(
            ["javac", "-nowarn", "-cp", str(_JARS[assignment.side]), "-d", str(classes), *sources],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise BenchError(f"the Java harness does not compile against {assignment.side}: {done.stderr}")
    return classes
