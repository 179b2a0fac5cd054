"""Who uses the object of a service, and who makes it (Core R8 5.2.4, 5.2.6, 5.4.6)."""

from __future__ import annotations

import abc
import enum
import logging
import threading
from typing import TYPE_CHECKING, Any, ClassVar

from framework.foreign import let_interruption_pass
from framework.log_events import (
    SERVICE_ASKED_FOR_ITSELF,
    SERVICE_NOT_MADE,
    SERVICE_NOT_TAKEN_BACK,
    SERVICE_OF_WRONG_CLASS,
)

if TYPE_CHECKING:
    from framework.registry.service import ServiceRegistration

_log = logging.getLogger("framework.registry")

_COUNTING = threading.Lock()
"""Held while a count of uses is changed; one for all services, which are many and counted seldom."""


class ServiceScope(enum.Enum):
    """For whom a factory makes an object of its own: for all together, for each bundle, for each asking."""

    SINGLETON = "singleton"
    BUNDLE = "bundle"
    PROTOTYPE = "prototype"


class ServiceFactory(abc.ABC):
    """Makes the objects of a service when they are asked for; register it in their place.

    It is called on the thread of whoever asks, with no lock held. "Bundle" means the plugin that owns the asking
    component.
    """

    ask_each_time: ClassVar[bool] = False
    """Whether the registry asks the factory at each `get`, and keeps nothing; otherwise one object is made and kept."""

    @abc.abstractmethod
    def get_service(self, bundle: str, registration: ServiceRegistration) -> object | None:
        """An object for `bundle`.

        Whoever asked gets None, and the log tells why, if this raises, gives None or what has not the service's
        interfaces, or asks for its own service meanwhile.
        """

    @abc.abstractmethod
    def unget_service(self, bundle: str, registration: ServiceRegistration, service: object) -> None:
        """`bundle` uses the object no more; what this raises is logged."""


class _Made:
    """An object that a factory makes, or has made."""

    __slots__ = ("bundle", "decided", "maker", "service")

    def __init__(self, bundle: str) -> None:
        self.bundle = bundle
        self.decided = threading.Event()
        self.maker = threading.current_thread()
        self.service: object | None = None


class _Waits:
    """Which thread waits for which object, so that no circle of them waits for ever."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._awaited: dict[threading.Thread, _Made] = {}

    def wait(self, made: _Made) -> bool:
        """Wait until it is decided what was made; False at once if its maker waits for the current thread."""
        current = threading.current_thread()
        with self._lock:
            link: _Made | None = made
            while link is not None and not link.decided.is_set():
                if link.maker is current:
                    return False
                link = self._awaited.get(link.maker)
            self._awaited[current] = made
        made.decided.wait()
        with self._lock:
            del self._awaited[current]
        return True


_WAITS = _Waits()


class ServiceUses:
    """The object of one service, and how often each bundle has got it."""

    __slots__ = ("_counts", "_service")

    def __init__(self, service: object) -> None:
        self._service: object | None = service
        self._counts: dict[str, int] = {}

    def bundles(self) -> tuple[str, ...]:
        """Who uses the service now."""
        with _COUNTING:
            return tuple(sorted(self._counts))

    def get(self, bundle: str) -> object | None:
        """The object for `bundle`, or None once the service has gone."""
        service = self._service
        if bundle and service is not None:
            self._count(bundle)
        return service

    def unget(self, bundle: str) -> bool:
        """One use less; False if `bundle` does not use it."""
        return self._uncount(bundle) is not None

    def make(self, bundle: str) -> object | None:
        """An object that nobody else gets, if there is a factory to make one."""
        return self.get(bundle)

    def give_back(self, bundle: str, service: object) -> bool:
        """`bundle` uses what `make` gave it no more; False if it does not use that."""
        return service is self._service and self.unget(bundle)

    def end(self) -> None:
        """The service has gone."""
        self._service = None

    def _count(self, bundle: str) -> None:
        with _COUNTING:
            self._counts[bundle] = self._counts.get(bundle, 0) + 1

    def _uncount(self, bundle: str) -> int | None:
        """How many uses are left; None if there was none."""
        with _COUNTING:
            left = self._counts.pop(bundle, 0) - 1
            if left > 0:
                self._counts[bundle] = left
        return None if left < 0 else left


class FactoryUses(ServiceUses):
    """The objects that a factory makes for one service.

    Args:
        factory: Makes them.
        scope: For whom it makes an object of its own.
        classes: What an object must be an instance of.

    Attributes:
        registration: The service's; set before anybody can find the service.
    """

    __slots__ = ("_classes", "_ended", "_factory", "_lock", "_made", "_prototypes", "_scope", "registration")

    def __init__(self, factory: ServiceFactory, scope: ServiceScope, classes: tuple[type, ...]) -> None:
        super().__init__(factory)
        self._factory = factory
        self._scope = scope
        self._classes = classes
        self._lock = threading.Lock()
        self._made: dict[str, _Made] = {}
        self._prototypes: list[tuple[str, object]] = []
        self._ended = False
        self.registration: ServiceRegistration

    def bundles(self) -> tuple[str, ...]:
        """Who uses the service now."""
        with self._lock:
            prototypes = {bundle for bundle, _ in self._prototypes}
        return tuple(sorted({*super().bundles(), *prototypes}))

    def get(self, bundle: str) -> object | None:
        """The object for `bundle`, made if need be, or None.

        The use counts before there is an object, so that nobody gives back what somebody is about to get.
        """
        if bundle:
            self._count(bundle)
        service = self._call(bundle) if self._factory.ask_each_time else self._shared(bundle)
        if bundle and service is None:
            self._uncount(bundle)
        return service

    def unget(self, bundle: str) -> bool:
        """One use less; what was made for `bundle` alone is given back after the last."""
        left = self._uncount(bundle)
        if left == 0 and self._scope is not ServiceScope.SINGLETON:
            with self._lock:
                made = self._made.pop(bundle, None)
            if made is not None:
                self._give_back(bundle, made.service)
        return left is not None

    def make(self, bundle: str) -> object | None:
        """An object that nobody else gets."""
        service = self._call(bundle)
        if service is not None:
            with self._lock:
                self._prototypes.append((bundle, service))
        return service

    def give_back(self, bundle: str, service: object) -> bool:
        """`bundle` uses what `make` gave it no more; False if it does not use that."""
        with self._lock:
            mine = next((use for use in self._prototypes if use[0] == bundle and use[1] is service), None)
            if mine is None:
                return False
            self._prototypes.remove(mine)
        self._give_back(bundle, service)
        return True

    def end(self) -> None:
        """The service has gone: everything that was made is given back."""
        with self._lock:
            self._ended = True
            given = [(made.bundle, made.service) for made in self._made.values() if made.decided.is_set()]
            given.extend(self._prototypes)
            self._made.clear()
            self._prototypes.clear()
        for bundle, service in given:
            self._give_back(bundle, service)

    def _shared(self, bundle: str) -> object | None:
        """The object that all of `bundle`, or all bundles, share; the first who asks makes it, others wait for it."""
        key = "" if self._scope is ServiceScope.SINGLETON else bundle
        with self._lock:
            if self._ended:
                return None
            made = self._made.get(key)
            mine = made is None
            if made is None:
                made = self._made[key] = _Made(bundle)
        if not mine:
            if not _WAITS.wait(made):
                _log.error(SERVICE_ASKED_FOR_ITSELF, {"factory": self._factory})
                return None
            return made.service
        try:
            made.service = self._call(bundle)
        finally:
            with self._lock:
                late = self._made.get(key) is not made  # the service has gone meanwhile
                if made.service is None and not late:
                    del self._made[key]
            made.decided.set()
        if late and made.service is not None:
            self._give_back(bundle, made.service)
            return None
        return made.service

    def _call(self, bundle: str) -> object | None:
        factory = self._factory
        try:
            service = factory.get_service(bundle, self.registration)
        except BaseException as error:  # noqa: BLE001  # a factory may raise anything, even try to exit
            let_interruption_pass(error)
            _log.exception(SERVICE_NOT_MADE, {"factory": factory, "bundle": bundle})
            return None
        wrong = next((cls for cls in self._classes if not _is_instance(service, cls)), None)
        if service is None or wrong is not None:
            expected = "an object" if wrong is None else f"a {wrong.__qualname__}"
            made = type(service).__qualname__
            _log.error(SERVICE_OF_WRONG_CLASS, {"factory": factory, "made": made, "expected": expected})
            return None
        return service

    def _give_back(self, bundle: str, service: object) -> None:
        if service is None:
            return
        try:
            self._factory.unget_service(bundle, self.registration, service)
        except BaseException as error:  # noqa: BLE001  # a factory may raise anything, even try to exit
            let_interruption_pass(error)
            _log.exception(SERVICE_NOT_TAKEN_BACK, {"factory": self._factory, "bundle": bundle})


class ServiceObjects:
    """Objects of a prototype service, one for each asking (Core R8 5.3.4); made by `ServiceRegistry`.

    Of a service of another scope it gives the same object each time.
    """

    def __init__(self, uses: ServiceUses | None, scope: ServiceScope, bundle: str) -> None:
        self._uses = uses
        self._scope = scope
        self._bundle = bundle

    def get(self) -> Any:
        """An object, or None if the service has gone or makes none."""
        if self._uses is None:
            return None
        return self._uses.make(self._bundle) if self._is_prototype else self._uses.get(self._bundle)

    def unget(self, service: object) -> bool:
        """Give an object back; False if it is none that `get` gave."""
        if self._uses is None:
            return False
        if self._is_prototype:
            return self._uses.give_back(self._bundle, service)
        return self._uses.unget(self._bundle)

    @property
    def _is_prototype(self) -> bool:
        return self._scope is ServiceScope.PROTOTYPE


def _is_instance(service: object, cls: type) -> bool:
    try:
        return isinstance(service, cls)
    except TypeError:  # a protocol that is not checkable at run time
        return True
