"""The SCEP enrolment as a component: its life, what it is wired to, and the service that it offers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from components.keystore import KeystoreService, guarded
from components.keystore.crl import CrlSource
from components.scep import enrolment, inquiry
from components.scep.actions import perform
from components.scep.crl_source import ScepCrlSource
from components.scep.driver import EnrolmentDriver
from components.scep.enrolment import Purpose
from components.scep.figures import EnrolmentFigures
from components.scep.identity import IdentityStore
from components.scep.service import EnrollmentService, EnrollmentStatus
from components.scep.status import status_of
from framework import component, reference
from framework.observation import MetricSource

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from components.scep.transaction import FoundCertificate, FoundCrl, Refused
    from framework import ComponentContext, ConfigurationChange, DeactivationReason

PID: Final = "gatewright.scep.SCEPEnrollmentService"


@component(PID, provides=EnrollmentService, descriptor="scep.xml")
class SCEPEnrollmentComponent(EnrollmentService):
    """Obtains a certificate over SCEP and keeps it in the keystore that its target filter selects."""

    keystore = reference(KeystoreService, name="KeystoreService", target="(kura.service.pid=EnrollmentKeystore)")

    def activate(self, context: ComponentContext) -> None:
        """Take up the enrolment where the journal and the keystore say that it is."""
        self._context = context
        keystore_pid = str(context.reference_properties("KeystoreService").get("kura.service.pid"))
        store = IdentityStore(guarded(self.keystore, keystore_pid, context.clock))
        self._driver = EnrolmentDriver(context, store, keystore_pid, perform)
        driver = self._driver
        figures = EnrolmentFigures(self.status, lambda: driver.enrollment.journal.attempts, lambda: driver.failures)
        context.register(MetricSource, figures)
        source = ScepCrlSource(context.service_pid, self._driver)
        context.register(CrlSource, source, {"kura.service.pid": context.service_pid})
        self._driver.begin()

    def modified(self, change: ConfigurationChange) -> None:
        """Take changed settings; those that mean a bootstrap never come here."""
        self._driver.reconfigure(change.properties)

    def deactivate(self, reason: DeactivationReason) -> None:
        """Nothing to do: what is under way is dropped, and the journal knows where to go on."""

    def status(self) -> EnrollmentStatus:
        """See `EnrollmentService.status`."""
        driver = self._driver
        troubles = tuple(text for text in (driver.damage, driver.unsaved) if text)
        return status_of(driver.enrollment, driver.store, driver.keystore_pid, driver.now(), troubles)

    def enroll(self) -> None:
        """See `EnrollmentService.enroll`."""
        self._ask(enrolment.EnrollAsked)

    def renew(self) -> None:
        """See `EnrollmentService.renew`."""
        self._ask(lambda now: enrolment.EnrollAsked(now, Purpose.RENEW))

    def rekey(self) -> None:
        """See `EnrollmentService.rekey`."""
        self._ask(lambda now: enrolment.EnrollAsked(now, Purpose.REKEY))

    def poll(self) -> None:
        """See `EnrollmentService.poll`."""
        self._ask(enrolment.PollAsked)

    def force_rollover(self) -> None:
        """See `EnrollmentService.force_rollover`."""
        self._ask(enrolment.RolloverAsked)

    def fetch_certificate(self, serial_number: int) -> FoundCertificate | Refused:
        """See `EnrollmentService.fetch_certificate`."""
        return inquiry.fetch_certificate(self._driver, serial_number)

    def fetch_crl(self) -> FoundCrl | Refused:
        """See `EnrollmentService.fetch_crl`."""
        return inquiry.fetch_crl(self._driver)

    def _ask(self, make: Callable[[datetime], enrolment.Event]) -> None:
        self._context.post(lambda: self._driver.ask(make(self._driver.now())))
