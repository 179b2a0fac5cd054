"""An atheris target for filters: `python -m tools.fuzz.filters [-max_total_time=60] [CORPUS]`.

atheris is no dependency of the project; install it where this runs: `pip install atheris`. A text must end with a
FilterError that tells a place in it, or with a filter whose normal text form is a filter equal to it and which can be
asked about properties of all types. `check` does the same for one input without atheris, which is how the tests use it.
"""

from __future__ import annotations

from typing import Any, Final

from framework.filter import Filter, FilterError
from tools.fuzz import fuzz

_VALUES: Final[tuple[Any, ...]] = ("", "a b", 1, -1.5, float("nan"), True, None, ("a", None, 3), b"bytes", object())


def check(data: bytes) -> None:
    """Parse an input, read its normal form again, and match it; whatever is not as it should be is a finding."""
    text = data.decode("utf-8", "surrogateescape")
    try:
        parsed = Filter.parse(text)
    except FilterError as error:
        if not 0 <= error.position <= len(text) or error.text != text:
            raise AssertionError("an error tells a place that is not in the text") from error
        return
    again = Filter.parse(str(parsed))
    if again != parsed or hash(again) != hash(parsed) or again.node != parsed.node:
        raise AssertionError("the normal text form is another filter")
    attributes = {attribute for part in parsed.alternatives for attribute, _ in part} | {"a"}
    for value in _VALUES:
        properties = dict.fromkeys(attributes, value)
        if parsed.matches(properties) != again.matches(properties):
            raise AssertionError("equal filters match differently")


if __name__ == "__main__":
    fuzz(check)
