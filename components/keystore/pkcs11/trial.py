"""Loading a module on trial, in a process of its own.

A module whose first functions hang keeps the interpreter's lock, and with it every thread of this process, since
neither Python nor python-pkcs11 let go of the lock for dlopen(3) and C_GetFunctionList; one that crashes takes all
down. So both are tried elsewhere first, which keeps only the caller waiting.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import Final

TRIAL_S: Final = 60
"""Longer than any module needs; callers are told before, by the deadline of their own call."""

_TRIAL: Final = """
import ctypes, os, signal, sys
signal.alarm(int(sys.argv[2]))
module = ctypes.CDLL(sys.argv[1], os.RTLD_LAZY)
module.C_GetFunctionList(ctypes.byref(ctypes.c_void_p()))
"""


def fault_of_loading(path: str, seconds: int = TRIAL_S) -> str | None:
    """Load the module at `path` on trial, without initialising it; waits for its end.

    Args:
        path: The shared library.
        seconds: When the trial ends itself, whatever became of this process.

    Returns:
        How it ends a process or hangs, in words; None if it does neither, which does not mean that it is a module.
    """
    command = [sys.executable, "-I", "-S", "-c", _TRIAL, path, str(seconds)]
    silent = subprocess.DEVNULL
    try:
        ended = subprocess.call(command, stdin=silent, stdout=silent, stderr=silent)  # noqa: S603  # our own interpreter
    except OSError as error:
        return f"it cannot be tried in a process of its own ({error})"
    if ended >= 0:
        return None
    number = -ended
    if number == signal.SIGALRM:
        return f"it hangs: it had not loaded after {seconds} s"
    return f"it crashes when it is loaded ({signal.strsignal(number) or f'signal {number}'})"
