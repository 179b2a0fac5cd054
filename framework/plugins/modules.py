"""Which modules are a plugin's own, which threads run in them, and how they are forgotten."""

from __future__ import annotations

import importlib
import sys
import threading
import traceback
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from types import FrameType

_GATEWRIGHTS_OWN: Final = frozenset({"components", "framework", "metatype", "tools", "tests", "__main__"})


def modules_below(root: str) -> tuple[str, ...]:
    """The loaded modules of a top-level package or module; none for Gatewright's own, which others use too."""
    if not root or root in _GATEWRIGHTS_OWN or root in sys.stdlib_module_names:
        return ()
    return tuple(name for name in tuple(sys.modules) if name == root or name.startswith(f"{root}."))


def forget(names: Iterable[str]) -> None:
    """Drop modules, so that what they hold can be collected, and a newer version imported."""
    for name in names:
        sys.modules.pop(name, None)
    importlib.invalidate_caches()


def threads_in(names: Collection[str], suspects: Collection[threading.Thread]) -> tuple[str, ...]:
    """Threads that are in one of these modules, or are suspects that are still alive, each with its stack."""
    frames = sys._current_frames()  # noqa: SLF001  # the documented way to another thread's stack
    found = []
    for thread in threading.enumerate():
        frame = frames.get(thread.ident or 0)
        if thread is threading.current_thread() or frame is None:
            continue
        if thread in suspects or _is_in(frame, names):
            found.append(f"the thread {thread.name} still runs; it is at:\n{''.join(traceback.format_stack(frame))}")
    return tuple(found)


def _is_in(frame: FrameType | None, names: Collection[str]) -> bool:
    while frame is not None:
        if frame.f_globals.get("__name__") in names:
            return True
        frame = frame.f_back
    return False
