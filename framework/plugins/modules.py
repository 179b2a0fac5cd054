"""Which modules are a plugin's own, which threads run in them, and how they are forgotten."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import threading
from typing import TYPE_CHECKING, Final

from framework import stacks

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from types import FrameType

_GATEWRIGHTS_OWN: Final = frozenset({"components", "framework", "metatype", "tools", "tests", "__main__"})


def root_of(module: str) -> str:
    """The package or module that a plugin's module is of, found without importing it.

    That is the first in its dotted name that is no namespace package: those belong to nobody.
    """
    root, *others = module.split(".")
    while others and root not in _GATEWRIGHTS_OWN and _is_namespace(root):
        root = f"{root}.{others.pop(0)}"
    return root


def is_below(module: str, root: str) -> bool:
    """Whether a module is `root` or in it."""
    return module == root or module.startswith(f"{root}.")


def modules_below(root: str) -> tuple[str, ...]:
    """The loaded modules of a package or module; none for Gatewright's own, which others use too."""
    if not root or root in _GATEWRIGHTS_OWN or root in sys.stdlib_module_names:
        return ()
    return tuple(name for name in tuple(sys.modules) if is_below(name, root))


def forget(names: Iterable[str]) -> None:
    """Drop modules, so that what they hold can be collected, and a newer version imported.

    Namespace packages in which nothing is left go, too.
    """
    for name in names:
        module = sys.modules.pop(name, None)
        parent, _, last = name.rpartition(".")
        holder = sys.modules.get(parent)
        if holder is None:
            continue
        if module is not None and vars(holder).get(last) is module:
            delattr(holder, last)
        if _is_namespace(parent) and modules_below(parent) == (parent,):
            forget((parent,))
    importlib.invalidate_caches()


def threads_in(names: Collection[str], suspects: Collection[threading.Thread]) -> tuple[str, ...]:
    """Threads that are in one of these modules, or are suspects that are still alive, each with its stack."""
    frames = stacks.frames()
    found = []
    for thread in threading.enumerate():
        frame = frames.get(thread.ident or 0)
        if thread is threading.current_thread() or frame is None:
            continue
        if thread in suspects or _is_in(frame, names):
            found.append(f"the thread {thread.name} still runs; it is at:\n{stacks.stack_at(frame)}")
    return tuple(found)


def _is_namespace(name: str) -> bool:
    """Whether it is a package without a file of its own, of which several distributions may have parts."""
    loaded = sys.modules.get(name)
    try:
        spec = importlib.util.find_spec(name) if loaded is None else loaded.__spec__
    except (ImportError, ValueError):  # its import will tell
        return False
    return spec is not None and spec.origin is None and spec.submodule_search_locations is not None


def _is_in(frame: FrameType | None, names: Collection[str]) -> bool:
    while frame is not None:
        if frame.f_globals.get("__name__") in names:
            return True
        frame = frame.f_back
    return False
