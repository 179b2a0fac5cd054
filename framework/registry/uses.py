"""Who uses the object of a service, and who makes it (Core R8 5.2.4, 5.2.6, 5.4.6)."""

from __future__ import annotations

import abc
import enum
import logging
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from framework.registry.service import ServiceRegistration

_log = logging.getLogger("framework.registry")


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

    __slots__ = ("decided", "maker", "service")

    def __init__(self) -> None:
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
    """The object or the objects of one service, and how often each bundle has got them.

    Args:
        provider: The object, or the factory that makes it.
        scope: For whom a factory makes objects.
        classes: What an object made by a factory must be an instance of.
    """

    def __init__(self, provider: object, scope: ServiceScope, classes: tuple[type, ...]) -> None:
        self._provider = provider
        self._factory = provider if isinstance(provider, ServiceFactory) else None
        self._scope = scope
        self._classes = classes
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._made: dict[str, _Made] = {}
        self._prototypes: list[tuple[str, object]] = []
        self._ended = False
        self.registration: ServiceRegistration | None = None

    def bundles(self) -> tuple[str, ...]:
        """Who uses the service now."""
        with self._lock:
            return tuple(sorted({*self._counts, *(bundle for bundle, _ in self._prototypes)}))

    def get(self, bundle: str) -> object | None:
        """The object for `bundle`, made if need be, or None."""
        service = self._provider if self._factory is None else self._made_by(self._factory, bundle)
        if bundle and service is not None:
            with self._lock:
                self._counts[bundle] += 1
        return service

    def unget(self, bundle: str) -> bool:
        """One use less; False if `bundle` does not use it."""
        with self._lock:
            if not self._counts[bundle]:
                del self._counts[bundle]
                return False
            self._counts[bundle] -= 1
            if self._counts[bundle]:
                return True
            del self._counts[bundle]
            made = None if self._scope is ServiceScope.SINGLETON else self._made.pop(bundle, None)
        if made is not None:
            self._give_back(bundle, made.service)
        return True

    def make(self, bundle: str) -> object | None:
        """An object that nobody else gets."""
        if self._factory is None:
            return self._provider
        service = self._call(self._factory, bundle)
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
            given = [(bundle, made.service) for bundle, made in self._made.items() if made.decided.is_set()]
            given.extend(self._prototypes)
            self._made.clear()
            self._prototypes.clear()
            self._counts.clear()
        for bundle, service in given:
            self._give_back(bundle, service)

    def _made_by(self, factory: ServiceFactory, bundle: str) -> object | None:
        return self._call(factory, bundle) if factory.ask_each_time else self._shared(factory, bundle)

    def _shared(self, factory: ServiceFactory, bundle: str) -> object | None:
        """The object that all of `bundle`, or all bundles, share; the first who asks makes it, others wait for it."""
        key = "" if self._scope is ServiceScope.SINGLETON else bundle
        with self._lock:
            made = self._made.get(key)
            mine = made is None
            if made is None:
                made = self._made[key] = _Made()
        if not mine:
            if not _WAITS.wait(made):
                _log.error("%r, perhaps through others, asked for its own service while it made it", factory)
                return None
            return made.service
        made.service = self._call(factory, bundle)
        with self._lock:
            late = self._ended
            if made.service is None or late:
                self._made.pop(key, None)
        made.decided.set()
        if late and made.service is not None:
            self._give_back(bundle, made.service)
            return None
        return made.service

    def _call(self, factory: ServiceFactory, bundle: str) -> object | None:
        assert self.registration is not None  # noqa: S101  # set before anybody can find the service
        try:
            service = factory.get_service(bundle, self.registration)
        except Exception:  # noqa: BLE001  # a factory may raise anything
            _log.exception("%r made no service for %r", factory, bundle)
            return None
        wrong = next((cls for cls in self._classes if not _is_instance(service, cls)), None)
        if service is None or wrong is not None:
            expected = "an object" if wrong is None else f"a {wrong.__qualname__}"
            _log.error("%r made %s instead of %s", factory, type(service).__qualname__, expected)
            return None
        return service

    def _give_back(self, bundle: str, service: object) -> None:
        factory, registration = self._factory, self.registration
        if factory is None or registration is None or service is None:
            return
        try:
            factory.unget_service(bundle, registration, service)
        except Exception:  # noqa: BLE001  # a factory may raise anything
            _log.exception("%r could not take back what it made for %r", factory, bundle)


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
