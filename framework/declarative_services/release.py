"""Who holds which service, and who waits until it is let go (Core R8 5.2: UNREGISTERING)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from framework.registry import ServiceReference


class ReleaseLedger:
    """Keeps account of holders; only the dispatcher changes it, `is_withdrawn` may be asked by anybody.

    A holder that itself goes and waits, perhaps through others, for the owner of the service is not waited for:
    nobody would ever end that circle.
    """

    def __init__(self) -> None:
        self._holders: dict[ServiceReference, set[str]] = {}
        self._waiting: dict[ServiceReference, list[tuple[Callable[[], None], str | None]]] = {}
        self._withdrawn: dict[str, ServiceReference] = {}
        self._owners: dict[ServiceReference, str] = {}

    def is_withdrawn(self, service: ServiceReference) -> bool:
        """Whether the runtime itself takes this service away, and so awaits its release without a thread."""
        return service in self._owners

    def holders(self, service: ServiceReference) -> tuple[str, ...]:
        """The pids of those who hold the service now."""
        return tuple(sorted(self._holders.get(service, ())))

    def withdraw(self, owner: str, service: ServiceReference) -> None:
        """`owner` takes its service away."""
        self._withdrawn[owner] = service
        self._owners[service] = owner
        for awaited, waiting in tuple(self._waiting.items()):
            if any(by is not None for _, by in waiting):
                self._settle(awaited)  # its holder may be who goes now

    def withdrawn_by(self, owner: str) -> ServiceReference | None:
        """The service that `owner` takes away now, or None."""
        return self._withdrawn.get(owner)

    def forget_withdrawal(self, owner: str) -> None:
        """`owner` has gone."""
        service = self._withdrawn.pop(owner, None)
        if service is not None:
            del self._owners[service]

    def held_changed(self, pid: str, before: frozenset[ServiceReference], after: frozenset[ServiceReference]) -> None:
        """`pid` holds other services than before."""
        for service in after:
            self._holders.setdefault(service, set()).add(pid)
        for service in before - after:
            holders = self._holders.get(service, set())
            holders.discard(pid)
            if not holders:
                self._holders.pop(service, None)
            self._settle(service)

    def when_released(self, service: ServiceReference, then: Callable[[], None], *, by: str | None = None) -> None:
        """Call `then` as soon as nobody but `by` holds the service: who takes away one that it registered itself."""
        self._waiting.setdefault(service, []).append((then, by))
        self._settle(service)

    def _settle(self, service: ServiceReference) -> None:
        waiting = self._waiting.pop(service, None)
        if waiting is None:
            return
        still: list[tuple[Callable[[], None], str | None]] = []
        for then, by in waiting:
            if self._is_held(service, by):
                still.append((then, by))
            else:
                then()
        if still:
            self._waiting[service] = still

    def _is_held(self, service: ServiceReference, by: str | None) -> bool:
        owner = self._owners.get(service, by)
        return any(
            holder != by and (owner is None or not self._waits_for(holder, owner))
            for holder in self._holders.get(service, ())
        )

    def _waits_for(self, pid: str, owner: str) -> bool:
        seen: set[str] = set()
        open_ends = [pid]
        while open_ends:
            current = open_ends.pop()
            if current == owner:
                return True
            service = self._withdrawn.get(current)
            if service is not None and current not in seen:
                seen.add(current)
                open_ends.extend(self._holders.get(service, ()))
        return False
