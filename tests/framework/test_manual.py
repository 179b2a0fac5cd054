"""The manual page: every command is in it, and man(1) can set it."""

from __future__ import annotations

import subprocess

import pytest

from framework.admin.manual import manual_page
from framework.admin.offline import installed_commands
from framework.run import run_parser


def test_every_command_with_its_arguments_and_exit_statuses_is_in_the_page() -> None:
    table = installed_commands()
    page = manual_page(table, run_parser())
    for command in table.commands():
        assert f".SS gatewright {' '.join(command.path)}".replace("-", "\\-") in page
    assert ".SS gatewright run" in page
    assert "could not start" in page.partition(".SS gatewright run")[2].partition(".SS")[0]
    assert "could not start" in run_parser().format_help()
    assert "\\-\\-look\\-for\\-next" in page
    assert "GATEWRIGHT_STATE_DIR" in page
    assert "GATEWRIGHT_EVENT=enrollment.refused" in page


@pytest.mark.peer("groff")
def test_the_page_can_be_set_without_a_warning() -> None:
    page = manual_page(installed_commands(), run_parser())
    done = subprocess.run(
        ["groff", "-man", "-Tutf8", "-ww"], input=page.encode(), capture_output=True, check=True, timeout=60
    )
    assert done.stderr == b""
    assert b"User Commands" in done.stdout
