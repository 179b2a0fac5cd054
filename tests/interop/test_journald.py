"""Log lines as systemd's journald stores them, and as journalctl finds them."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.peer("unshare", "journalctl")

ROOT = Path(__file__).parents[2]
JOURNALD = Path("/lib/systemd/systemd-journald")

SCRIPT = """\
mount -t tmpfs none /run || exit 77
mkdir -p /run/systemd/journal /run/log/journal /run/systemd/journald.conf.d
printf '[Journal]\\nAudit=\\nReadKMsg=no\\n' > /run/systemd/journald.conf.d/own.conf
{journald} >/dev/null 2>&1 &
until [ -S /run/systemd/journal/socket ]; do kill -0 $! || exit 77; done
{python} -c {program}
until journalctl -q -D /run/log/journal LOGGER=the.end | grep -q .; do kill -0 $!; done
journalctl -q -D /run/log/journal -o json GATEWRIGHT_EVENT=valve.stuck
kill $!
"""
PROGRAM = """\
import logging, sys
from framework import LogEvent
from framework.service.journal import JournalHandler
logging.basicConfig(handlers=[JournalHandler(sys.stderr)], level="INFO")
event = LogEvent("valve.stuck", "%(valves)s: stuck for %(seconds)g s")
log = logging.getLogger("example.room")
log.error("another line")
log.error(event, {"valves": ["one", "two\\nthree"], "seconds": 2.5})
logging.getLogger("the.end").info("the end")
"""


def test_journalctl_finds_a_line_by_its_name_with_its_facts() -> None:
    if not JOURNALD.exists():
        pytest.skip("journald is not there")
    program = {"journald": str(JOURNALD), "python": sys.executable, "program": PROGRAM}
    script = SCRIPT.format(**{name: shlex.quote(value) for name, value in program.items()})
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-e", "-c", script],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    if done.returncode == 77 or "Operation not permitted" in done.stderr:
        pytest.skip("a journald of one's own needs root, and a mount namespace")
    assert done.returncode == 0, done.stderr
    (found,) = map(json.loads, done.stdout.splitlines())
    assert found["MESSAGE"] == "example.room: one, two\nthree: stuck for 2.5 s"
    assert found["GATEWRIGHT_VALVES"] == ["one", "two\nthree"]
    assert found["GATEWRIGHT_SECONDS"] == "2.5"
    assert (found["PRIORITY"], found["SYSLOG_IDENTIFIER"]) == ("3", "gatewright")
    assert done.stderr == ""
