"""What foreign code raises is its own failure, whatever it is, SystemExit and CancelledError included."""

from __future__ import annotations

import threading

from metatype.secret import without_secrets


def is_interruption(error: BaseException) -> bool:
    """Whether it is a person's Ctrl-C, which Python raises on the main thread only.

    It is for the program, which has called into the framework there, and not for the code that was just running.
    """
    return isinstance(error, KeyboardInterrupt) and threading.current_thread() is threading.main_thread()


def let_interruption_pass(error: BaseException) -> None:
    """Raise it again if it is an interruption."""
    if is_interruption(error):
        raise error


def text_of(thing: object) -> str:
    """Its text, or that it has none: foreign code makes it, which may raise anything, too."""
    try:
        return str(thing)
    except BaseException as error:  # noqa: BLE001  # as it says
        let_interruption_pass(error)
        return f"<a {type(thing).__name__} whose text cannot be made: {type(error).__name__}>"


def in_words(error: BaseException) -> str:
    """An error for people, without the secrets that a component may have put into it."""
    name, text = type(error).__name__, without_secrets(text_of(error))
    return f"{name}: {text}" if text else name
