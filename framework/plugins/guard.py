"""Runs a plugin's code so that whatever it does, the gateway goes on."""

from __future__ import annotations

import contextlib
import threading
import traceback
import weakref
from typing import TYPE_CHECKING, Generic, TypeVar

from framework.errors import FrameworkError
from framework.foreign import in_words
from framework.stacks import stack_of
from metatype.secret import without_secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from framework.clock import Clock

T = TypeVar("T")


class GuardError(FrameworkError):
    """A plugin's code raised, tried to exit, or hung.

    Attributes:
        what: What it was to do, such as "its import".
        stack: Where it raised, or where it hangs.
        hung: Whether it has not ended; its thread cannot be stopped and stays.
    """

    def __init__(self, what: str, how: str, stack: str, *, hung: bool) -> None:
        super().__init__(f"{what} {how}")
        self.what = what
        self.stack = stack
        self.hung = hung


class StartAbandonedError(Exception):
    """Nobody wants the gateway to start any more; no failure of the plugin that was just about to be loaded."""


class Abandonment:
    """Whether somebody still wants what is under way; whoever waits for a plugin meanwhile is woken."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._given_up = False
        self._waiting: set[threading.Condition] = set()

    def give_up(self) -> None:
        """Nobody wants it any more; may be called from any thread."""
        self._given_up = True
        with self._lock:
            waiting = tuple(self._waiting)
        for condition in waiting:
            with condition:
                condition.notify_all()

    def check(self) -> None:
        """StartAbandonedError if nobody wants it any more."""
        if self._given_up:
            raise StartAbandonedError

    @contextlib.contextmanager
    def wakes(self, condition: threading.Condition) -> Iterator[None]:
        """Have the condition notified when it is given up."""
        with self._lock:
            self._waiting.add(condition)
        try:
            yield
        finally:
            with self._lock:
                self._waiting.discard(condition)


class GuardedCall(Generic[T]):
    """One call of foreign code, on a thread of its own.

    Args:
        clock: The source of time.
        what: What the call is, for the report.
        work: The foreign code.
    """

    def __init__(self, clock: Clock, what: str, work: Callable[[], T]) -> None:
        self.what = what
        self._clock = clock
        self._changed = threading.Condition()
        self._done = False
        self._value: list[T] = []
        self._failure: tuple[str, str] | None = None
        before = set(threading.enumerate())
        self.thread = threading.Thread(target=self._run, args=(work,), name="gatewright-guard", daemon=True)
        self.thread.start()
        self._before = weakref.WeakSet([*before, self.thread])

    @property
    def done(self) -> bool:
        """Whether the call has ended."""
        return self._done

    def new_threads(self) -> tuple[threading.Thread, ...]:
        """Threads that were started since the call began, but for the gateway's own."""
        alive = threading.enumerate()
        return tuple(one for one in alive if one not in self._before and not one.name.startswith("gatewright-"))

    def result(self, deadline: float, seconds: float, abandonment: Abandonment | None = None) -> T:
        """What the call returned.

        Args:
            deadline: Until when it is waited for, on the monotonic clock.
            seconds: How long that is, for the report.
            abandonment: Ends the wait, too.

        Raises:
            GuardError: It raised, tried to exit, or has not ended by then.
            StartAbandonedError: It has not ended, and nobody wants to know any more.
        """
        wanted = abandonment or Abandonment()
        with wanted.wakes(self._changed), self._changed:
            while not self._done and (left := deadline - self._clock.monotonic()) > 0:
                wanted.check()
                self._clock.wait(self._changed, left)
            if not self._done:
                stack = stack_of(self.thread)
                raise GuardError(self.what, f"did not end within {seconds:g} s; it is at:\n{stack}", stack, hung=True)
        if self._failure is not None:
            raise GuardError(self.what, f"failed: {self._failure[0]}", self._failure[1], hung=False)
        return self._value[0]

    def _run(self, work: Callable[[], T]) -> None:
        try:
            self._value.append(work())
        except BaseException as error:  # noqa: BLE001  # foreign code may raise anything, even try to exit
            # In words only: the error would keep frames, and with them the plugin's classes, alive.
            stack = "".join(traceback.format_exception(error))
            self._failure = (in_words(error), without_secrets(stack))
        finally:
            del work
            with self._changed:
                self._done = True
                self._changed.notify_all()
