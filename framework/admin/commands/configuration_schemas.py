"""What the `config` commands answer with `--json`."""

from __future__ import annotations

from typing import Final

from framework.admin.schema import (
    AnswerSchema,
    Schema,
    choice,
    either,
    flag,
    listing,
    mapping,
    moment,
    nullable,
    property_value,
    record,
    text,
    whole,
)

PID: Final = text("the configuration's pid, such as factoryPid~name")
_REVISION: Final = whole("the store's revision, which grows with each change")
_OUTCOMES: Final = (
    *("unchanged", "modified", "activated", "reactivated", "bootstrapped"),
    *("created", "deleted", "failed", "stored"),
)
_EFFECTS: Final = ("unchanged", "modify", "reactivate", "bootstrap", "create", "delete")

_PROPERTIES: Final = mapping("property names and values", property_value("a property's value"))
_CHANGES: Final = listing(
    "what differs",
    record(
        "one property",
        {
            "property": text("its name"),
            "old": property_value("its value before; null if it had none"),
            "new": property_value("its value after; null if it has none"),
        },
    ),
)
_PROBLEMS: Final = listing(
    "all that is wrong with it; empty if nothing is",
    record(
        "one problem",
        {
            "property": text("the property that it is about; empty if it is about the whole"),
            "rule": text("the rule of the metatype that is broken"),
            "message": text("what is wrong, for people"),
            "accepted": nullable(text("what would be accepted, in words")),
        },
    ),
)
_LEFT: Final = mapping("pids that are left as they are, each with the reason", text("the reason"))
_RESULT_MEMBERS: Final = {
    "pid": PID,
    "revision": _REVISION,
    "outcome": choice("what the component did", _OUTCOMES),
    "error": nullable(text("what the component raised, or why nobody has taken the change")),
}
_RESULT: Final = record("what came of the change of one configuration", _RESULT_MEMBERS)
_PLAN: Final = record(
    "what a change of one configuration would do",
    {
        "pid": PID,
        "effect": choice("what the change would mean to the component", _EFFECTS),
        "changes": _CHANGES,
        "problems": _PROBLEMS,
    },
)
_NOT_TAKEN: Final = {
    "not_taken": listing(
        "what a snapshot of Kura has and the gateway does not take",
        record(
            "one pid, or one property of it",
            {
                "pid": text("Kura's pid"),
                "property": nullable(text("the property; null for the whole configuration")),
                "reason": text("why it is not taken"),
            },
        ),
    )
}
_BATCH_PLAN: Final = record(
    "what a change of many configurations would do",
    {"plans": listing("one for each pid, in the order of the file", _PLAN), "left": _LEFT},
    _NOT_TAKEN,
)
_BATCH: Final = record(
    "what came of a change of many configurations",
    {
        "revision": _REVISION,
        "results": listing("one for each pid, in the order of the file", _RESULT),
        "left": _LEFT,
    },
    _NOT_TAKEN,
)
_REFUSED_BATCH: Final = {"problems": mapping("what is wrong, by pid", _PROBLEMS)}


def got() -> AnswerSchema:
    """Of `config get`."""
    return AnswerSchema(
        record(
            "a configuration as it is now",
            {
                "pid": PID,
                "factory_pid": nullable(text("the factory's pid; null if it is no factory's instance")),
                "revision": whole("the store's revision at its last change; 0 if nothing is stored"),
                "read_only": flag("whether it is locked"),
                "properties": _PROPERTIES,
                "origins": mapping("the layer of each property", choice("the layer", ("default", "file", "stored"))),
            },
            {"places": mapping("with --show-origin: the file or the revision of each property", text("the place"))},
        )
    )


def changed() -> AnswerSchema:
    """Of `config set`."""
    answer = record("what came of the change", {**_RESULT_MEMBERS, "changes": _CHANGES})
    return AnswerSchema(answer, error={"pid": PID, "problems": _PROBLEMS})


def planned() -> AnswerSchema:
    """Of `config plan`."""
    return AnswerSchema(either(_PLAN, _BATCH_PLAN))


def listed() -> AnswerSchema:
    """Of `config list`."""
    return AnswerSchema(listing("the pids of all configurations, those that no component has now among them", PID))


def deleted() -> AnswerSchema:
    """Of `config delete`."""
    return AnswerSchema(_RESULT)


def locked() -> AnswerSchema:
    """Of `config lock` and `config unlock`."""
    return AnswerSchema(record("how it is now", {"pid": PID, "read_only": flag("whether it is locked")}))


def applied() -> AnswerSchema:
    """Of `config apply`, `config import` and `config rollback`; of the plan with --dry-run."""
    return AnswerSchema(either(_BATCH, _BATCH_PLAN), error=_REFUSED_BATCH)


def exported() -> AnswerSchema:
    """Of `config export`."""
    return AnswerSchema(
        either(
            mapping("pids and their properties, as `config import` takes them", _PROPERTIES),
            record(
                "with --output: what was written", {"file": text("the file"), "pids": listing("what is in it", PID)}
            ),
        )
    )


def reloaded() -> AnswerSchema:
    """Of `config reload`."""
    return AnswerSchema(
        record(
            "what came of reading the files again",
            {
                "results": listing("one for each configuration that differs now", _RESULT),
                "problems": listing(
                    "what is wrong with files",
                    record(
                        "one problem",
                        {
                            "file": text("the file"),
                            "pid": nullable(text("the pid in it, or null for the whole file")),
                            "message": text("what is wrong, for people"),
                        },
                    ),
                ),
            },
        )
    )


def history() -> AnswerSchema:
    """Of `config history`."""
    return AnswerSchema(
        listing(
            "revisions, newest first",
            record(
                "one revision",
                {
                    "revision": _REVISION,
                    "at": moment("when it was stored"),
                    "cause": text("what it was stored by, for people"),
                    "pids": listing("what it changed", PID),
                    "snapshots": listing("the names that it has", text("a name")),
                },
            ),
        )
    )


def differing() -> AnswerSchema:
    """Of `config diff`."""
    return AnswerSchema(
        record(
            "what differs in what is stored",
            {
                "old": _side("the older side"),
                "new": _side("the newer side; null for what is stored now"),
                "pids": listing(
                    "the configurations that differ",
                    record(
                        "one of them",
                        {
                            "pid": PID,
                            "what": choice("what became of it", ("created", "changed", "deleted")),
                            "changes": _CHANGES,
                        },
                    ),
                ),
            },
        )
    )


def _side(meaning: str) -> Schema:
    return {"description": f"{meaning}: a revision or a snapshot's name", "type": ["integer", "string", "null"]}


def snapshot() -> AnswerSchema:
    """Of `config snapshot`."""
    name = text("the snapshot's name")
    return AnswerSchema(
        either(
            listing("all snapshots", record("one", {"name": name, "revision": _REVISION})),
            record(
                "the one that was named", {"name": name, "revision": nullable(whole("its revision; null: it is gone"))}
            ),
        )
    )


def acknowledged() -> AnswerSchema:
    """Of `config acknowledge`."""
    return AnswerSchema(record("done", {"acknowledged": listing("what `status` will not tell any more", text("it"))}))


def rotated() -> AnswerSchema:
    """Of `config rotate-key`."""
    return AnswerSchema(record("done", {"rotated": {"description": "it is done", "const": True}}))
