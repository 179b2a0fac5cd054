"""What an enrolment keeps on disk, for each keystore: its journal, replaced as a whole, and the last state told of."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import fields
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import quote

from components.scep.enrolment.facts import Journal, Problem, Purpose, Request, SetAside, State, Trust
from framework.storage import replace_file

if TYPE_CHECKING:
    from pathlib import Path

VERSION: Final = 1
"""Of journals that this release understands; what a later one adds to them can be left out of account."""

_Kind = TypeVar("_Kind", Request, Problem, Trust)


class JournalFile:
    """The journal of the enrolment into one keystore; it holds no secret.

    Args:
        directory: The component's data directory.
        keystore_pid: The keystore's `kura.service.pid`.
    """

    def __init__(self, directory: Path, keystore_pid: str) -> None:
        self._path = _path(directory, keystore_pid, "json")

    def load(self) -> tuple[Journal, str | None]:
        """The journal, empty if there is none; and, if it could not be read and was set aside, what to know of that."""
        try:
            return _decode(json.loads(self._path.read_text("utf-8"))), None
        except FileNotFoundError:
            return Journal(), None
        except (ValueError, KeyError, TypeError, RecursionError):
            aside = self._path.with_suffix(".damaged")
            self._path.replace(aside)
            return (
                Journal(),
                f"the journal was damaged and is set aside as {aside}; the enrolment begins anew",
            )

    def save(self, journal: Journal) -> None:
        """Make the journal durable; OSError if that fails."""
        replace_file(self._path, json.dumps(_encode(journal)).encode())


class ToldState:
    """The last state at rest that was told, also by a component before this: a changed bootstrap makes another.

    Args:
        directory: The component's data directory.
        keystore_pid: The keystore's `kura.service.pid`.
    """

    def __init__(self, directory: Path, keystore_pid: str) -> None:
        self._path = _path(directory, keystore_pid, "told")

    def load(self) -> State:
        """That state; DISABLED if none is known."""
        try:
            return State(self._path.read_text("utf-8"))
        except (OSError, ValueError):
            return State.DISABLED

    def save(self, state: State) -> None:
        """Make another one durable."""
        if self.load() is not state:
            with suppress(OSError):  # whoever cannot write has the journal's trouble, too, which is told
                replace_file(self._path, state.value.encode())


def _path(directory: Path, keystore_pid: str, ending: str) -> Path:
    return directory / f"{quote(keystore_pid, safe='')}.{ending}"


def _encode(journal: Journal) -> dict[str, Any]:
    return {"version": VERSION, **_fields(journal)}


def _fields(value: Any) -> dict[str, Any]:
    """The fields of a dataclass as JSON data; what is a tuple is of texts."""
    return {one.name: _plain(getattr(value, one.name)) for one in fields(value)}


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, str | float | int | tuple):
        return value
    return value.isoformat() if isinstance(value, datetime) else _fields(value)


def _decode(document: dict[str, Any]) -> Journal:
    if document["version"] != VERSION:
        raise ValueError(f"the journal has the unknown version {document['version']}")
    return Journal(
        trust=_trust(document["trust"]),
        staged=_trust(document["staged"]),
        former=_trust(document.get("former")),
        request=_request(document["request"]),
        attempts=int(document["attempts"]),
        next_attempt_at=_moment(document["next_attempt_at"]),
        problem=_problem(document["problem"]),
        digest=str(document["digest"]),
        warnings=tuple(document["warnings"]),
        ca_checked_at=_moment(document.get("ca_checked_at")),
        ca_check=str(document.get("ca_check", "")),
        asked=_purpose(document.get("asked")),
        asked_at=_moment(document.get("asked_at")),
        challenge_used=str(document.get("challenge_used", "")),
        challenge_used_at=_moment(document.get("challenge_used_at")),
        declined=_trust(document.get("declined")),
        declined_digest=str(document.get("declined_digest", "")),
        look_again=bool(document.get("look_again", document["problem"] is not None)),
        successor_failures=int(document.get("successor_failures", 0)),
        refused_when_due=bool(document.get("refused_when_due", False)),
        set_aside=_set_aside(document.get("set_aside")),
        gave_way_at=_moment(document.get("gave_way_at")),
    )


def _set_aside(document: dict[str, Any] | None) -> SetAside | None:
    if document is None:
        return None
    return SetAside(_request(document["request"]), _trust(document["staged"]), _purpose(document["asked"]))


def _purpose(text: str | None) -> Purpose | None:
    return None if text is None else Purpose(text)


def _request(document: dict[str, Any] | None) -> Request | None:
    if document is None:
        return None
    return _made(
        Request,
        document,
        purpose=Purpose(document.get("purpose", Purpose.ENROLL)),
        pending_since=_moment(document.get("pending_since")),
        refused=_problem(document.get("refused")),
        unanswered=_problem(document.get("unanswered")),
    )


def _problem(document: dict[str, Any] | None) -> Problem | None:
    if document is None:
        return None
    return _made(Problem, document, state=State(document["state"]), at=datetime.fromisoformat(document["at"]))


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _trust(document: dict[str, Any] | None) -> Trust | None:
    if document is None:
        return None
    return _made(
        Trust,
        document,
        capabilities=tuple(document["capabilities"]),
        certificates=tuple(document["certificates"]),
    )


def _made(kind: type[_Kind], document: dict[str, Any], **decoded: Any) -> _Kind:
    """What a document says of it; a later release may say more, which means nothing to this one."""
    known = {one.name for one in fields(kind)}
    return kind(**{name: value for name, value in {**document, **decoded}.items() if name in known})
