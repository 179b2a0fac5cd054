"""`events`: what happens, as it happens."""

from __future__ import annotations

import queue
from typing import TYPE_CHECKING, Any, Final

from framework.admin.command import Answer, Command, CommandError, Invocation
from framework.admin.commands import schemas
from framework.admin.rendering import as_json, printable

if TYPE_CHECKING:
    import argparse

    from framework.event_admin import Event

MOST_WAITING: Final = 1000
"""Events that wait for a slow client before it is cut off."""

LOOK_UP_S: Final = 2.0
"""How often, while nothing happens, it is looked whether the client is still there, in seconds."""


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--topic", default="*", help='a topic, or all below one: "gatewright/enrollment/*" (default: all)'
    )
    parser.add_argument("--filter", metavar="FILTER", help='only events whose properties it matches: "(state=active)"')
    parser.add_argument("--follow", action="store_true", help="go on until interrupted (without it: the next event)")


def _events(invocation: Invocation) -> Answer:
    waiting: queue.Queue[Event] = queue.Queue(MOST_WAITING)
    overrun = False

    def take(event: Event) -> None:
        nonlocal overrun
        try:
            waiting.put_nowait(event)
        except queue.Full:
            overrun = True

    topic = invocation.options.topic
    with invocation.gateway.event_admin.subscribe(topic, take, invocation.options.filter, owner="events"):
        invocation.emit({"following": topic}, f"following {topic}")
        while not overrun:
            try:
                event = waiting.get(timeout=LOOK_UP_S)
            except queue.Empty:
                if invocation.client.is_gone():
                    break
                continue
            if not invocation.options.follow:
                return Answer(_data(event), _text(event))
            invocation.emit(_data(event), _text(event))
    if not overrun:
        return Answer(None, "")
    raise CommandError(f"more than {MOST_WAITING} events waited; this client is too slow")


def _data(event: Event) -> dict[str, Any]:
    return {
        "topic": event.topic,
        "at": event.timestamp.isoformat().replace("+00:00", "Z"),
        "properties": {key: as_json(value) for key, value in event.properties.items()},
    }


def _text(event: Event) -> str:
    shown = " ".join(f"{key}={value}" for key, value in event.properties.items() if value is not None)
    return printable(f"{event.timestamp:%H:%M:%S} {event.topic} {shown}")


COMMANDS = (
    Command(
        path=("events",),
        help="show what happens in the gateway, as it happens",
        run=_events,
        arguments=_arguments,
        examples=(
            "gatewright events --follow",
            "gatewright events --follow --topic 'gatewright/enrollment/*'",
            "gatewright events --follow --filter '(pid=gatewright.scep.SCEPEnrollmentService)'",
        ),
        schema=schemas.events,
    ),
)
