"""A secret is shown to nobody who does not ask for it."""

from __future__ import annotations

import copy
import json
import logging
import pickle
import traceback
import tracemalloc
from typing import TYPE_CHECKING

import pytest

from metatype import Secret
from metatype.secret import without_secrets

if TYPE_CHECKING:
    from collections.abc import Callable

CANARY = "canary-5a1c"


@pytest.mark.parametrize("show", [repr, str, format, lambda one: f"{one:>20}", lambda one: f"{[one]}", ascii])
def test_no_way_of_showing_shows_it(show: object) -> None:
    assert callable(show)
    assert CANARY not in show(Secret(CANARY))


def test_only_reveal_gives_the_text() -> None:
    assert Secret(CANARY).reveal() == CANARY


def test_log_and_traceback_do_not_show_it(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("test").error("properties: %r", {"password": Secret(CANARY)})
    shown = "".join(traceback.format_exception(RuntimeError(Secret(CANARY))))
    assert CANARY not in caplog.text + shown


def test_it_is_not_serialised() -> None:
    with pytest.raises(TypeError) as error:
        pickle.dumps(Secret(CANARY))
    assert CANARY not in str(error.value)
    with pytest.raises(TypeError) as error:
        json.dumps({"password": Secret(CANARY)})
    assert CANARY not in str(error.value)


def test_copies_of_what_holds_a_secret_hold_the_same() -> None:
    properties = {"password": Secret(CANARY)}
    assert copy.deepcopy(properties) == properties
    assert copy.copy(properties["password"]) == properties["password"]


def test_equality_is_by_text_and_type() -> None:
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert Secret("\ud800") == Secret("\ud800")
    assert len({Secret("a"), Secret("a")}) == 1


def test_an_empty_secret_is_false() -> None:
    assert not Secret("")
    assert Secret(" ")


def test_it_is_made_from_text_only() -> None:
    with pytest.raises(TypeError, match="not bytes"):
        Secret(b"bytes")  # type: ignore[arg-type]  # what an untyped caller could do


@pytest.mark.parametrize("text", [CANARY, 'quo"ted\\ü', "two\nlines"])
@pytest.mark.parametrize("said", [str, repr, json.dumps, lambda one: json.dumps(one, ensure_ascii=False)])
def test_a_text_that_others_made_is_freed_of_it(text: str, said: Callable[[str], str]) -> None:
    secret = Secret(text)
    assert without_secrets(f"cannot log in with {said(text)}, sorry").startswith("cannot log in with ")
    assert said(text).strip("\"'") not in without_secrets(f"with {said(text)}, sorry")
    assert secret


def test_a_secret_that_contains_another_goes_as_a_whole() -> None:
    known = [Secret(CANARY), Secret(f"{CANARY}-longer")]
    assert without_secrets(f"<{CANARY}-longer>") == "<****>"
    assert known


def test_short_and_forgotten_secrets_are_not_looked_for() -> None:
    short, gone = Secret("abc"), Secret("forgotten")
    del gone
    assert without_secrets("abc forgotten") == "abc forgotten"
    assert short


def test_a_secret_longer_than_a_text_costs_that_text_nothing() -> None:
    secret = Secret("\0" * 1_000_000)  # whose escaped forms have six million characters
    tracemalloc.start()
    try:
        assert without_secrets("a short line of a log") == "a short line of a log"
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 100_000
    assert secret
