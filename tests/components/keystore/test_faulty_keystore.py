"""The conformance kit finds what is wrong with a keystore, and `gatewright plugin check` tells it by name."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import TYPE_CHECKING

from framework.plugins import PluginHost
from framework.plugins.checking import check

if TYPE_CHECKING:
    import pytest

DISTRIBUTION = Path(__file__).resolve().parents[2] / "plugins" / "faulty_keystore"


def test_each_of_five_faults_is_caught_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(DISTRIBUTION))
    plugin = PluginHost().add_object("faulty", importlib.import_module("faulty_keystore"))
    (finding,) = check(plugin)
    failed = set(re.findall(r"FAILED \S+::(test_\w+)", finding.text))
    assert failed >= {
        "test_aliases_are_sorted_and_agree_with_the_entries",
        "test_what_was_returned_is_a_snapshot",
        "test_a_commit_that_is_refused_changes_nothing",
        "test_a_key_leaves_only_if_it_says_so",
        "test_nothing_shows_key_material",
    }
