"""What drives the enrolment's state machine: events in, actions performed, timers set, transitions told."""

from __future__ import annotations

import logging
import random
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from cryptography import x509

from components.keystore import KeystoreError
from components.scep import enrolment, status, wording
from components.scep.client import ScepClient
from components.scep.configured import read_configuration
from components.scep.enrolment import Enrollment, JournalFile, State, ToldState, Trust
from components.scep.enrolment.timing import CHECK_INTERVAL
from components.scep.errors import OverdueTryError, ScepError
from components.scep.log_events import BACKGROUND_FAILED, ENTERED, NOT_FORESEEN
from components.scep.trust import CaTrust

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from components.scep.enrolment import Configured
    from components.scep.identity import IdentityStore, StoredIdentity
    from components.scep.settings import EnrollmentSettings
    from framework import BackgroundResult, ComponentContext, LogEvent
    from framework.scheduler import Timer

STATE_CHANGED: Final = "gatewright/enrollment/STATE_CHANGED"
STEP: Final = "gatewright/enrollment/STEP"

_WELL: Final = frozenset({State.ENROLLED, State.DISABLED})
"""The states that nobody was warned of."""

LONGEST_TRY_S: Final = 30 * 60.0
"""After this long, in seconds, a try that brought nothing has failed: each operation in it has a shorter deadline."""


class EnrolmentDriver:
    """One enrolment into one keystore, under way in a gateway.

    Everything but `status` runs in the component's own callbacks, which never overlap.

    Args:
        context: The component's.
        store: The enrolment's entries in the keystore.
        keystore_pid: The keystore's `kura.service.pid`.
        perform: Performs one action of the machine; whatever it raises becomes a failed try.

    Attributes:
        enrollment: Where the machine is.
        damage: What to know of a journal that could not be read, or None.
        unsaved: What to know of a journal that cannot be written now, or None.
        failures: How many tries have failed since the component was activated.
        issued: The chain that came with the try that is under way, until it is stored.
    """

    def __init__(
        self,
        context: ComponentContext,
        store: IdentityStore,
        keystore_pid: str,
        perform: Callable[[EnrolmentDriver, enrolment.Action], None],
    ) -> None:
        self.context = context
        self.store = store
        self.keystore_pid = keystore_pid
        self.failures = 0
        self.issued: tuple[x509.Certificate, ...] = ()
        self._perform = perform
        self._timers: tuple[Timer, ...] = ()
        self._limit: tuple[int, Timer] | None = None
        self._journal = JournalFile(context.data_directory, keystore_pid)
        journal, self.damage = self._journal.load()
        self.unsaved: str | None = None
        self._settings: EnrollmentSettings | None = None
        configured = self._configure(context.properties)
        self.enrollment = Enrollment(State.DISABLED, configured, store.look().facts(), journal)
        self._told_state = ToldState(context.data_directory, keystore_pid)
        self._told = self._told_state.load()
        self._has_warned = journal.problem is not None or self._told not in _WELL

    def begin(self) -> None:
        """Take up the enrolment where the journal and the keystore say that it is."""
        self.feed(enrolment.Began(self.now()))

    def reconfigure(self, properties: Mapping[str, Any]) -> None:
        """Take changed settings."""
        configured = self._configure(properties)
        self.feed(enrolment.SettingsChanged(self.now(), configured))

    def ask(self, event: enrolment.Event) -> None:
        """Take in what a person or a program asks for; what kept it from going on may have been put right."""
        if self.enrollment.configured.problems:
            self.enrollment = replace(self.enrollment, configured=self._configure(self.context.properties))
        self.feed(event)

    def feed(self, event: enrolment.Event) -> None:
        """Step the machine, tell of a new state, and perform what it decides, in order."""
        before = self.enrollment.state
        self.enrollment, actions = enrolment.step(self.enrollment, event)
        self._tell(before)
        self._limit_try()
        failed = False
        for action in actions:
            if failed and not isinstance(action, enrolment.WakeAt):
                continue
            stood = self.enrollment
            if not self.guarded(stood.attempt, lambda: self._perform(self, action)):  # noqa: B023  # called at once
                if self.enrollment is not stood:
                    return
                # No try is under way that could have failed: what cannot be remembered is not waited for any less.
                failed = True

    def fail(self, attempt: int, error: BaseException) -> None:
        """A try has ended with an error."""
        if attempt == self.enrollment.attempt:
            self.failures += 1
        self.feed(enrolment.Failed(attempt, wording.problem_of(error, self.now()), jitter()))

    def guarded(self, attempt: int, work: Callable[[], None]) -> bool:
        """Do a part of a try, and tell whether that went well; the try has failed if it did not."""
        try:
            work()
        except (KeystoreError, ScepError, OSError) as error:
            self.fail(attempt, error)
            return False
        except Exception as error:
            # a library may raise anything on what a server sent; a try that never ends would be worse
            self.context.logger.exception(NOT_FORESEEN)
            self.fail(attempt, error)
            return False
        return True

    def outcome(self, attempt: int, result: BackgroundResult[Any]) -> Any:
        """The value of work in the background; None, and the failure told, if it has none."""
        if result.error is None:
            return result.value
        if not isinstance(result.error, ScepError):
            self.context.logger.error(BACKGROUND_FAILED, exc_info=result.error)
        self.fail(attempt, result.error)
        return None

    def remember(self) -> None:
        """Make the journal durable; while that fails, the status tells."""
        try:
            self._journal.save(self.enrollment.journal)
        except OSError as error:
            self.unsaved = (
                f"the journal of the enrolment cannot be written ({error.strerror or error}): see to the disk of the "
                "state directory, for a restart now forgets what is under way"
            )
            raise
        self.unsaved = None

    def wake_at(self, when: datetime) -> None:
        """Wake then, and once a day whatever the clock does: one that was set back would wait for years."""
        for timer in self._timers:
            timer.cancel()

        def due() -> None:
            self.feed(enrolment.TimerDue(self.now()))

        daily_s = CHECK_INTERVAL.total_seconds()
        self._timers = (self.context.call_at(when, due), self.context.call_later(daily_s, due))

    def step(self, event: LogEvent, facts: Mapping[str, object] = MappingProxyType({})) -> None:
        """Tell that something was done on the way, in the log and by an event."""
        self.context.logger.info(event, facts)
        self._publish(STEP, message=event % facts)

    def now(self) -> datetime:
        """The time by the gateway's clock."""
        return self.context.clock.now()

    def client(self, url: str) -> ScepClient:
        """What talks to the server at this URL."""
        settings = self.settings
        return ScepClient(
            url, clock=self.context.clock, ca_identifier=settings.ca_identifier, ca_bundle=settings.ca_bundle
        )

    @property
    def settings(self) -> EnrollmentSettings:
        """What to enrol; ScepError if the configuration does not say it."""
        if self._settings is None:
            raise ScepError("the configuration does not say what to enrol")
        return self._settings

    @property
    def staged_certificates(self) -> tuple[x509.Certificate, ...]:
        """The new CA certificates that wait for their identity, the anchor first; empty if there are none."""
        staged = self.enrollment.journal.staged
        if staged is None or not enrolment.staged_is_current(self.enrollment):
            return ()
        return tuple(x509.load_pem_x509_certificate(pem.encode()) for pem in staged.certificates)

    def trust_of(self, stored: StoredIdentity) -> CaTrust:
        """The trust that a request is made under: what is staged, else what is in the keystore."""
        staged = self.staged_certificates
        return CaTrust(staged[0], staged) if staged else stored.trust

    @property
    def trust_record(self) -> Trust:
        """What is remembered of the server under that trust; ScepError if there is none."""
        record = enrolment.record_of_server(self.enrollment)
        if record is None:
            raise ScepError("there is no trust to make a request under")
        return record

    def _limit_try(self) -> None:
        """See that the try that is under way ends, even if nothing ever comes of it; once it has, nothing waits."""
        attempt, under_way = self.enrollment.attempt, self.enrollment.state in enrolment.UNDER_WAY
        if self._limit is not None and (not under_way or self._limit[0] != attempt):
            self._limit[1].cancel()
            self._limit = None
        if under_way and self._limit is None:
            overdue = OverdueTryError(LONGEST_TRY_S)
            self._limit = attempt, self.context.call_later(LONGEST_TRY_S, lambda: self.fail(attempt, overdue))

    def _configure(self, properties: Mapping[str, Any]) -> Configured:
        self._settings, configured = read_configuration(properties, self.context, self.store, self.keystore_pid)
        return configured

    def _tell(self, before: State) -> None:
        """Tell of a new state, with a problem only where that led to it; who was warned of one hears of its end."""
        enrollment = self.enrollment
        state = enrollment.state
        if state is before:
            return
        problem = status.problem_of(enrollment, self.now())
        led_here = problem is not None and problem.state is state
        message = problem.message if problem is not None and led_here else status.next_step(enrollment, self.now())
        is_over = state is State.ENROLLED and self._has_warned
        level = logging.WARNING if led_here or is_over else logging.INFO
        previous, self._told = self._told, state
        facts = {"state": state.value, "previous": previous.value, "message": message}
        self.context.logger.log(level, ENTERED[state], facts)
        self._has_warned = led_here or (self._has_warned and not is_over)
        self._publish(STATE_CHANGED, previous=previous.value, message=message)
        if state not in enrolment.UNDER_WAY:
            self._told_state.save(state)

    def _publish(self, topic: str, **more: str) -> None:
        """Tell of the enrolment as it is; no secret is among the properties."""
        properties = {
            "pid": self.context.pid,
            "keystore": self.keystore_pid,
            "state": self.enrollment.state.value,
            "next_action": status.next_step(self.enrollment, self.now()),
        }
        self.context.publish(topic, properties | more)


def jitter() -> float:
    """A random number from 0 to 1, to spread retries."""
    return random.random()  # noqa: S311  # nobody gains by guessing it
