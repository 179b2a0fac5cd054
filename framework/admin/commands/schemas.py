"""What the framework's other commands answer with `--json`; those of `config` are in `configuration_schemas`."""

from __future__ import annotations

from typing import Final

from framework.admin.schema import (
    AnswerSchema,
    Schema,
    choice,
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

_PID: Final = text("the component configuration's pid, such as factoryPid~name")
_STATE: Final = text(
    "the phase of its life, such as active, unsatisfied or failed; or disabled; or unknown: there is none of that pid"
)
_SEVERITY: Final = choice("how much it matters", ("ok", "warning", "error"))
_FIX: Final = nullable(text("what to do about it; null if there is nothing to do, or nobody knows"))
_FINDING: Final = record(
    "what was found", {"severity": _SEVERITY, "text": text("what was found, in a sentence"), "fix": _FIX}
)
_REFERENCES: Final = listing(
    "its references",
    record(
        "one reference",
        {
            "name": text("its name"),
            "interface": text("what services it wants"),
            "cardinality": choice("how many", ("0..1", "1..1", "0..n", "1..n")),
            "policy": choice(
                "whether it is told of changes while it lives, and whether it takes a better service when one comes",
                ("static reluctant", "static greedy", "dynamic reluctant", "dynamic greedy"),
            ),
            "minimum": whole("how many services it needs"),
            "minimum_error": nullable(text("why a configured minimum does not count")),
            "target": nullable(text("the target filter in force")),
            "target_error": nullable(text("why that is no filter")),
            "satisfied": flag("whether it has the services that it needs"),
            "candidates": listing(
                "the services of its interface",
                record(
                    "one service",
                    {
                        "service_id": whole("its service.id"),
                        "service_pid": nullable(text("its kura.service.pid")),
                        "matches": flag("whether the target filter matches it"),
                        "bound": flag("whether it is bound"),
                        "refusal": nullable(text("why the filter does not match")),
                    },
                ),
            ),
        },
    ),
)


def status() -> AnswerSchema:
    """Of `status`."""
    component = {
        "pid": _PID,
        "state": _STATE,
        "reason": nullable(text("why it is not active")),
        "plugin": text("the plugin that contributed it"),
    }
    report = {
        "plugin": text("the plugin whose check it is; gatewright: the gateway's own"),
        "check": text("what was looked at"),
        "finding": nullable(_FINDING),
    }
    return AnswerSchema(
        record(
            "how the gateway is",
            {
                "healthy": flag("whether there is no error; there may be warnings"),
                "undecided": listing("components that the gateway waits for before it is ready", _PID),
                "version": text("Gatewright's version"),
                "process_id": whole("the gateway's process"),
                "state_directory": text("where durable state is"),
                "conf_directory": nullable(text("where configuration files are")),
                "started_at": moment("when the gateway was started"),
                "configuration_revision": whole("the revision of the configuration store"),
                "components": listing("all components", record("one component", component)),
                "plugins": record(
                    "all plugins",
                    {
                        "loaded": listing("those that are used", text("a plugin's name")),
                        "quarantined": listing(
                            "those that are not",
                            record("one plugin", {"name": text("its name"), "reason": text("why it is not used")}),
                        ),
                    },
                ),
                "health": listing("what the checks found that take no time", record("one report", report)),
                "problems": listing("what needs somebody, errors first", text("one problem, and what to do about it")),
            },
        )
    )


def doctor() -> AnswerSchema:
    """Of `doctor`."""
    check = {
        "check": text("the check's name; one check may have several findings"),
        "of": text("the plugin whose check it is; gatewright: the gateway's own"),
        "severity": _SEVERITY,
        "finding": nullable(text("what was found, in a sentence; null: all is well")),
        "fix": _FIX,
    }
    checks = listing("all findings, in the order of the checks", record("one finding", check))
    return AnswerSchema(record("the examination", {"severity": _SEVERITY, "checks": checks}))


def diagnostics() -> AnswerSchema:
    """Of `diagnostics`."""
    parts = listing("the files in it", text("a file's name"))
    return AnswerSchema(record("the bundle", {"file": text("where it was written"), "parts": parts}))


def explained() -> AnswerSchema:
    """Of `explain`."""
    reasons = listing("why it is not active; empty if it is", text("a reason, for people"))
    answer = {
        "pid": _PID,
        "name": text("the component's name; of a factory's instance the factory pid"),
        "state": _STATE,
        "reasons": reasons,
        "failure": nullable(text("what its latest callback that failed has raised")),
        "failures": whole("how many activations failed one after another"),
        "last_deactivation": nullable(text("why it was deactivated the last time")),
        "stack": nullable(text("where a callback is that does not end")),
        "circle": nullable(listing("the pids of components that wait for one another", _PID)),
        "references": _REFERENCES,
        "sentences": listing("the explanation for people, most important first", text("a sentence")),
    }
    return AnswerSchema(record("the explanation", answer), error={"pid": _PID, "state": _STATE, "reasons": reasons})


def components() -> AnswerSchema:
    """Of `component list`."""
    component = {
        "pid": _PID,
        "name": text("the component's name; of a factory's instance the factory pid"),
        "state": _STATE,
        "reason": nullable(text("why it is not active")),
        "service_pid": text("the kura.service.pid of its service"),
        "plugin": text("the plugin that contributed it"),
        "hangs": flag("whether one of its callbacks does not end"),
        "failures": whole("how many activations failed one after another"),
        "provides": listing("the interfaces of its service", text("an interface")),
        "references": _REFERENCES,
    }
    return AnswerSchema(listing("all components", record("one component", component)))


def enabled() -> AnswerSchema:
    """Of `component enable` and `component disable`."""
    return AnswerSchema(record("how it is now", {"name": text("the component's name"), "enabled": flag("whether")}))


def services() -> AnswerSchema:
    """Of `service list`."""
    service = {
        "id": whole("its service.id"),
        "ranking": whole("its service.ranking", None),
        "interfaces": listing("what it is", text("an interface")),
        "properties": mapping("names and values", property_value("a property's value")),
    }
    return AnswerSchema(listing("all services, the best first", record("one service", service)))


def log_names() -> AnswerSchema:
    """Of `log names`."""
    event = {
        "name": text("the stable name, as in a line's `event`"),
        "text": text("the line's text, its facts in it as %(NAME)s; it may change with each version"),
        "facts": listing("the stable names of its facts", text("as in a line's `facts`")),
    }
    return AnswerSchema(listing("kinds of log lines, by name", record("a kind of log line", event)))


def events() -> AnswerSchema:
    """Of `events`."""
    event = record(
        "an event",
        {
            "topic": text("its topic"),
            "at": moment("when it was sent"),
            "properties": mapping("names and values", property_value("a property's value")),
        },
    )
    following = record("the first piece: from here on nothing is missed", {"following": text("the topic")})
    return AnswerSchema(nullable(event), piece={"anyOf": [following, event]})


def _finding_in_descriptor() -> Schema:
    return record(
        "something that is wrong or odd",
        {
            "severity": choice("how much it matters", ("warning", "error")),
            "message": text("what it is"),
            "source": text("the file"),
            "line": nullable(whole("the line, from 1", 1)),
            "column": nullable(whole("the column, from 1")),
            "element": nullable(text("the element of the descriptor")),
            "attribute": nullable(text("the attribute of that element")),
        },
    )


def linted() -> AnswerSchema:
    """Of `metatype lint`."""
    return AnswerSchema(listing("all findings", _finding_in_descriptor()))


def descriptor() -> AnswerSchema:
    """Of `metatype show`."""
    answer = {
        "description": "the descriptor in Gatewright's JSON notation, under the schema that its $schema names; "
        "with --schema a JSON Schema, or one by the id of each object class",
        "type": "object",
    }
    place = {
        "source": text("the file"),
        "line": nullable(whole("the line, from 1", 1)),
        "column": nullable(whole("the column, from 1")),
    }
    return AnswerSchema(answer, error=place)


def _plugin() -> Schema:
    return record(
        "a plugin",
        {
            "name": text("its name"),
            "distribution": nullable(text("the distribution that it came with")),
            "version": nullable(text("that distribution's version")),
            "state": choice("whether it is used", ("loaded", "quarantined")),
            "components": listing("what it contributes", text("a component's name")),
            "reason": nullable(text("why it is in quarantine")),
        },
    )


def plugins() -> AnswerSchema:
    """Of `plugin list`."""
    return AnswerSchema(listing("all plugins", _plugin()))


def checked() -> AnswerSchema:
    """Of `plugin check`."""
    checked_one = {
        "name": text("the plugin's name"),
        "distribution": nullable(text("the distribution that it came with")),
        "findings": listing("what is wrong or odd", _FINDING),
    }
    return AnswerSchema(listing("the plugins that were meant", record("one plugin", checked_one)))


def added() -> AnswerSchema:
    """Of `plugin add`."""
    return AnswerSchema(_plugin())


def removed() -> AnswerSchema:
    """Of `plugin remove`."""
    left = listing("what it left behind, such as a thread", text("what"))
    return AnswerSchema(record("what came of it", {"name": text("the plugin's name"), "left_behind": left}))


def completion() -> AnswerSchema:
    """Of `completion`."""
    return AnswerSchema(record("the lines", {"shell": text("whose language it is"), "script": text("the lines")}))


def complete() -> AnswerSchema:
    """Of `complete`."""
    return AnswerSchema(listing("what may come next; (files): file names", text("a word")))


def manual() -> AnswerSchema:
    """Of `manual`."""
    return AnswerSchema(record("the manual", {"page": text("the page, in the language of man(7)")}))


def installed() -> AnswerSchema:
    """Of `install`."""
    file = {
        "path": text("where it is"),
        "change": choice("how it differs from what was there", ("new", "changed", "unchanged")),
    }
    return AnswerSchema(
        record(
            "what was, or would be, written",
            {
                "dry_run": flag("whether nothing was written"),
                "files": listing("the files", record("one file", file)),
                "next_steps": listing("what is to be done then, as root", text("a command line")),
                "warnings": listing("what would keep the service from starting", text("a warning")),
            },
        )
    )


def uninstalled() -> AnswerSchema:
    """Of `uninstall`."""
    kept = listing("what stays: it may hold keys, or what somebody wrote", text("a file or directory"))
    return AnswerSchema(
        record(
            "what was, or would be, removed",
            {
                "dry_run": flag("whether nothing was removed"),
                "removed": listing("files and directories", text("a file or directory")),
                "kept": kept,
                "next_steps": listing("what is to be done then, as root", text("a command line")),
            },
        )
    )


def schema() -> AnswerSchema:
    """Of `schema`."""
    return AnswerSchema({"description": "a JSON Schema (draft 2020-12), or one by the words of each command"})
