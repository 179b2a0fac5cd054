"""The conformance kit finds what is wrong with a keystore, and `gatewright plugin check` tells it by rule."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from framework.plugins import Finding, PluginHost, Severity
from framework.plugins.checking import check

DISTRIBUTIONS = Path(__file__).resolve().parents[2] / "plugins"

FAULTS = {
    # How it is wrong: the test that finds it, and the rule that it tells.
    "unsorted": ("test_aliases_are_sorted_and_agree_with_the_entries", "aliases() is a sorted tuple"),
    "live": ("test_what_was_returned_is_a_snapshot", "a later commit does not change it"),
    "partial": ("test_a_commit_that_is_refused_changes_nothing", "all of its changes or none"),
    "leaving": ("test_a_key_leaves_only_if_it_says_so", "exportable as capabilities.exports_keys says"),
    "shown": ("test_nothing_shows_key_material", "repr() of the keystore shows a private key in PEM"),
    "early": ("test_a_listener_that_looks_sees_what_was_committed", "the event comes after the commit"),
    "overtaking": ("test_a_later_commit_does_not_overtake_the_event_of_an_earlier_one", "in the order of commits"),
    "forgetful": ("test_a_kill_leaves_what_was_acknowledged", "leaves what was acknowledged"),
}


def checked(name: str, patch: pytest.MonkeyPatch) -> tuple[Finding, ...]:
    patch.syspath_prepend(str(DISTRIBUTIONS / name))
    return check(PluginHost().add_object(name, importlib.import_module(name)))


@pytest.fixture(scope="module")
def findings() -> tuple[Finding, ...]:
    with pytest.MonkeyPatch.context() as patch:
        return checked("faulty_keystore", patch)


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_caught_by_the_rule_that_it_breaks(findings: tuple[Finding, ...], fault: str) -> None:
    test, rule = FAULTS[fault]
    (finding,) = (one for one in findings if one.text.partition(":")[0].endswith(f".{test}"))
    assert finding.severity is Severity.ERROR
    assert "broken rule: " in finding.text
    assert rule in finding.text


def test_nothing_else_is_found(findings: tuple[Finding, ...]) -> None:
    found = {one.text.partition(":")[0].rpartition(".")[2] for one in findings}
    assert found == {test for test, _ in FAULTS.values()}


def test_nothing_is_found_about_a_keystore_that_keeps_the_contract(monkeypatch: pytest.MonkeyPatch) -> None:
    assert checked("acme_keystore", monkeypatch) == ()
