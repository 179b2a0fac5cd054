"""What the `config` commands say: plans, outcomes, problems and differences, in words and as JSON."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Final

from framework.admin.command import Answer, CommandError
from framework.admin.rendering import as_json, as_text
from framework.configuration import ConfigurationBatchError
from framework.errors import FrameworkError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from framework.admin.command import Invocation
    from framework.configuration import (
        BatchPlan,
        BatchResult,
        Difference,
        Plan,
        UpdateResult,
    )
    from metatype import Problem

REFUSED: Final = 4
"""The exit status of a configuration that is not accepted."""

FAILED: Final = 1

_REFUSED_TEXT: Final = "nothing was changed: it is not accepted (every problem is shown), or cannot be read or stored"

STATUSES: Final = {REFUSED: _REFUSED_TEXT}
"""Of what plans."""

CHANGING_STATUSES: Final = {1: "it is stored, but a component failed to take it", **STATUSES}
"""Of what changes."""

_EFFECTS: Final = {
    "unchanged": "left as it is: nothing differs",
    "modify": "modified in place",
    "reactivate": "reactivated",
    "bootstrap": "bootstrapped anew",
    "create": "created",
    "delete": "deleted",
}


def or_refused(run: Callable[[Invocation], Answer]) -> Callable[[Invocation], Answer]:
    """A command that changes something, so that what keeps it from that ends in `REFUSED`: 1 is of what is stored."""

    @functools.wraps(run)
    def refusing(invocation: Invocation) -> Answer:
        try:
            return run(invocation)
        except ConfigurationBatchError as error:
            raise refusal(error) from None
        except CommandError as error:
            if error.exit_status == FAILED:
                raise CommandError(str(error), REFUSED, error.data) from None
            raise
        except FrameworkError as error:
            raise CommandError(str(error), REFUSED, {"kind": type(error).__name__}) from None

    return refusing


def plan_data(plan: Plan) -> dict[str, Any]:
    """A plan as JSON data."""
    return {
        "pid": plan.pid,
        "effect": plan.effect.value,
        "changes": differences_data(plan.differences),
        "problems": problems_data(plan.problems),
    }


def plan_answer(plan: Plan) -> Answer:
    """What a plan for one pid says."""
    status = REFUSED if plan.problems else 0
    return Answer(plan_data(plan), _plan_text(plan), status)


def batch_plan_answer(plan: BatchPlan, extra: Mapping[str, Any] | None = None, notes: Iterable[str] = ()) -> Answer:
    """What a plan for many pids says."""
    data = {"plans": [plan_data(one) for one in plan.plans], "left": dict(plan.left), **(extra or {})}
    lines = [_plan_text(one) for one in plan.plans] or ["nothing would be changed"]
    return Answer(data, "\n".join([*lines, *_left_lines(plan.left), *notes]), REFUSED if plan.problems else 0)


def _plan_text(plan: Plan) -> str:
    if plan.problems:
        return f"{plan.pid} would not be accepted:\n" + "\n".join(f"  {one}" for one in plan.problems)
    return f"{plan.pid} would be {_EFFECTS[plan.effect.value]}{difference_lines(plan.differences)}"


def result_data(result: UpdateResult, plan: Plan | None = None) -> dict[str, Any]:
    """What came of one change, as JSON data."""
    data = {"pid": result.pid, "revision": result.revision, "outcome": result.outcome, "error": result.error}
    return data if plan is None else {**data, "changes": differences_data(plan.differences)}


def result_text(result: UpdateResult) -> str:
    """What came of one change, in words."""
    return f"{result.pid}: {result.outcome}" + (f" ({result.error})" if result.error else "")


def batch_answer(result: BatchResult, extra: Mapping[str, Any] | None = None, notes: Iterable[str] = ()) -> Answer:
    """What came of a batch."""
    data = {
        "revision": result.revision,
        "results": [result_data(one) for one in result.results],
        "left": dict(result.left),
        **(extra or {}),
    }
    lines = [result_text(one) for one in result.results] or ["nothing was changed"]
    failed = any(one.outcome == "failed" for one in result.results)
    return Answer(data, "\n".join([*lines, *_left_lines(result.left), *notes]), FAILED if failed else 0)


def refusal(error: ConfigurationBatchError) -> CommandError:
    """A batch that is not accepted, as the command line tells it."""
    problems = {pid: problems_data(found) for pid, found in error.problems_by_pid.items()}
    return CommandError(str(error), REFUSED, {"problems": problems})


def differences_data(differences: Iterable[Difference]) -> list[dict[str, Any]]:
    """Differences as JSON data; a secret as its mark."""
    return [{"property": one.property, "old": as_json(one.old), "new": as_json(one.new)} for one in differences]


def difference_lines(differences: Iterable[Difference]) -> str:
    """Differences for people, each on a line of its own that begins with a line end."""
    return "".join(f"\n  {one.property}: {shown(one.old)} -> {shown(one.new)}" for one in differences)


def shown(value: Any) -> str:
    """A value on one side of a difference."""
    return "(absent)" if value is None else as_text(value)


def problems_data(problems: Iterable[Problem]) -> list[dict[str, Any]]:
    """Problems as JSON data."""
    return [
        {"property": one.property, "rule": one.rule, "message": one.message, "accepted": one.accepted}
        for one in problems
    ]


def _left_lines(left: Mapping[str, str]) -> list[str]:
    return [f"{pid}: left as it is: {reason}" for pid, reason in left.items()]
