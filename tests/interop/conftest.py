"""Keeps what foreign programs answered with."""

from __future__ import annotations

from dataclasses import astuple
from typing import TYPE_CHECKING, TypeAlias

import pytest

from tests.interop.answer_table import PROPERTY, Answer

if TYPE_CHECKING:
    from collections.abc import Callable

RecordAnswer: TypeAlias = "Callable[[Answer], None]"


@pytest.fixture
def record_answer(record_property: Callable[[str, object], None]) -> RecordAnswer:
    """Keeps an answer for the table at the end, and for the report of the run (`--junit-xml`)."""
    return lambda answer: record_property(PROPERTY, astuple(answer))
