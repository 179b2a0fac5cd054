"""Each requirement has a test that names it, and each name that a test gives is a requirement."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.components.scep.requirements import REQUIREMENTS

TESTS = Path(__file__).parents[2]


def _claims(file: Path) -> set[str]:
    """The requirements that the tests of a file name, looked for without running it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            for decorator in node.decorator_list:
                if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.requirement":
                    found |= {ast.literal_eval(argument) for argument in decorator.args}
    return found


def test_each_requirement_is_asserted_by_a_test_and_each_claim_is_of_one() -> None:
    claimed = {name for file in TESTS.rglob("test_*.py") for name in _claims(file)}
    assert sorted(REQUIREMENTS.keys() - claimed) == [], "no test asserts these"
    assert sorted(claimed - REQUIREMENTS.keys()) == [], "these are in no table"
