"""What is delivered, and the grammar of topics (Compendium R8 113.3.1)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from framework.errors import FrameworkError
from framework.record import Record

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

_TOPIC: Final = re.compile(r"[A-Za-z0-9_-]+(?:/[A-Za-z0-9_-]+)*")


class TopicError(FrameworkError, ValueError):
    """A topic or a pattern of topics is none.

    Attributes:
        topic: The text.
    """

    def __init__(self, topic: str) -> None:
        super().__init__(
            f"{topic!r} is no topic: tokens of letters, digits, '_' and '-', joined by '/'; "
            "a subscription may also be '*' alone, or have it as the last token"
        )
        self.topic = topic


class Event(Record):
    """Something that happened.

    Attributes:
        topic: Tokens joined by "/", such as "gatewright/enrollment/STATE_CHANGED".
        properties: What is to be known of it; never a secret.
        timestamp: When it was published, aware, in UTC.
    """

    topic: str
    properties: Mapping[str, Any]
    timestamp: datetime


def check_topic(topic: str) -> str:
    """The text, if it is a topic; else TopicError."""
    if _TOPIC.fullmatch(topic) is None:
        raise TopicError(topic)
    return topic


def check_pattern(pattern: str) -> None:
    """TopicError unless the text is a topic, "*", or a topic followed by "/*"."""
    if pattern != "*" and _TOPIC.fullmatch(pattern.removesuffix("/*")) is None:
        raise TopicError(pattern)
