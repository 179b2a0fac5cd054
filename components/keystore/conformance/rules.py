"""What a test of the kit says when it fails: the rule first, in words, then what was seen."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, ParamSpec

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")


def rule(text: str) -> Callable[[Callable[P, None]], Callable[P, None]]:
    """Have a test fail with the rule that it holds, whatever it fails by.

    Args:
        text: The rule, in a sentence.
    """

    def decorate(test: Callable[P, None]) -> Callable[P, None]:
        @functools.wraps(test)
        def held(*arguments: P.args, **named: P.kwargs) -> None:
            try:
                test(*arguments, **named)
            except AssertionError as error:
                raise AssertionError(f"broken rule: {text}\n{error}") from error
            except pytest.fail.Exception as error:  # what pytest.raises says where nothing was raised
                raise AssertionError(f"broken rule: {text}\n{error.msg}") from error
            except Exception as error:
                raise AssertionError(f"broken rule: {text}\n{type(error).__name__}: {error}") from error

        return held

    return decorate
