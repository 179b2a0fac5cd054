"""The last message of a command, as a client takes it: its output, its exit status, its files."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

from framework.admin.rendering import paint
from metatype.secret import without_secrets

if TYPE_CHECKING:
    from collections.abc import Mapping

    from framework.admin.command import Answer


def final_message(answer: Answer, *, as_json: bool, colour: bool = False) -> dict[str, Any]:
    """The answer of a command that came to its end."""
    text = paint(answer.text, colour=colour)
    return {
        "out": json.dumps(answer.data, indent=2, default=str, ensure_ascii=False) if as_json else text,
        "err": "",
        "exit": answer.exit_status,
        "files": [
            {"path": file.path, "content": base64.b64encode(file.content).decode(), "mode": file.mode}
            for file in answer.files
        ],
    }


def help_message(text: str) -> dict[str, Any]:
    """Help that was asked for."""
    return {"out": text, "err": "", "exit": 0, "files": []}


def error_message(error: Exception, exit_status: int, data: Mapping[str, Any], *, as_json: bool) -> dict[str, Any]:
    """An error that a command ended with."""
    message = without_secrets(str(error))
    document = {"error": {"kind": type(error).__name__, "message": message, **data}}
    return {
        "out": json.dumps(document, indent=2, default=str, ensure_ascii=False) if as_json else "",
        "err": message,
        "exit": exit_status,
        "files": [],
    }


def refusal_message(kind: str, message: str, exit_status: int) -> dict[str, Any]:
    """Why a command was not run, or ended as nobody foresaw; the client puts it into the form that it was asked for."""
    return {"out": "", "err": message, "kind": kind, "exit": exit_status, "files": []}
