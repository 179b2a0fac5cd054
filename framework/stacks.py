"""Where threads are, as Python prints a stack."""

from __future__ import annotations

import gc
import sys
import threading
import traceback
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from types import FrameType

_one_at_a_time: Final = threading.Lock()


def frames() -> dict[int, FrameType]:
    """The frame that each thread is at, by the thread's ident.

    Up to 3.11 CPython holds its own lock of all threads meanwhile. Were garbage collected then, another thread might
    run that waits for this lock, and the whole process would stand still for ever (python/cpython#106883).
    """
    with _one_at_a_time:
        collects = gc.isenabled()
        gc.disable()
        try:
            return sys._current_frames()  # noqa: SLF001  # the documented way to other threads' stacks
        finally:
            if collects:
                gc.enable()


def stack_at(frame: FrameType | None) -> str:
    """What leads to a frame: lines of code, no values; empty without one."""
    return "" if frame is None else "".join(traceback.format_stack(frame))


def stack_of(thread: threading.Thread | int | None) -> str:
    """Where a thread, or the one of this ident, is."""
    ident = thread.ident if isinstance(thread, threading.Thread) else thread
    return stack_at(None if ident is None else frames().get(ident)) or "(it is at nothing)"
