"""The SCEP enrolment as a component: it reads settings, performs the machine's actions, and tells what happens."""

from __future__ import annotations

import random
import secrets as random_bytes
from typing import TYPE_CHECKING, Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from components.keystore import KeystoreError, KeystoreService, create_csr, describe_public_key
from components.scep import enrolment, wording
from components.scep.client import ScepClient, ServerLocation, locate_server
from components.scep.enrolment import RETRIED, Configured, Enrollment, Journal, JournalFile, State, Trust
from components.scep.errors import ScepError
from components.scep.identity import IdentityStore, key_facts
from components.scep.service import EnrollmentService, EnrollmentStatus, event_properties
from components.scep.settings import EnrollmentSettings, SettingsError, read_settings
from components.scep.transaction import (
    Capabilities,
    Issued,
    Pending,
    PkiRequest,
    Refused,
    build_request,
    new_transaction_id,
    read_reply,
)
from components.scep.trust import CaTrust, fingerprint, verify_ca_certificates
from framework import component, reference
from metatype import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from components.keystore import PrivateKeyEntry
    from framework import BackgroundResult, ComponentContext, ConfigurationChange, DeactivationReason

PID: Final = "gatewright.scep.SCEPEnrollmentService"
STATE_CHANGED: Final = "gatewright/enrollment/STATE_CHANGED"
STEP: Final = "gatewright/enrollment/STEP"

WEAK_KEY_BITS: Final = 2048
"""RSA keys below this are allowed, with a warning."""

_DIGEST_KEY: Final = "settings-digest-key"


@component(PID, provides=EnrollmentService, descriptor="scep.xml")
class SCEPEnrollmentComponent(EnrollmentService):
    """Obtains a certificate over SCEP and keeps it in the keystore that its target filter selects."""

    keystore = reference(KeystoreService, name="KeystoreService", target="(kura.service.pid=EnrollmentKeystore)")

    def activate(self, context: ComponentContext) -> None:
        """Take up the enrolment where the journal and the keystore say that it is."""
        self._context = context
        self._keystore_pid = str(context.reference_properties("KeystoreService").get("kura.service.pid"))
        self._store = IdentityStore(self.keystore)
        self._journal = JournalFile(context.data_directory, self._keystore_pid)
        self._settings: EnrollmentSettings | None = None
        self._chain: tuple[x509.Certificate, ...] = ()
        journal, damage = self._journal.load()
        self._damage = damage
        configured = self._configure(context.properties)
        facts = self._store.facts()
        self._enrollment = Enrollment(State.DISABLED, configured, facts, journal)
        self._status = self._make_status()
        self._feed(enrolment.Began(context.clock.now()))

    def modified(self, change: ConfigurationChange) -> None:
        """Take changed settings; those that mean a bootstrap never come here."""
        configured = self._configure(change.properties)
        self._feed(enrolment.SettingsChanged(self._context.clock.now(), configured))

    def deactivate(self, reason: DeactivationReason) -> None:
        """Nothing to do: what is under way is dropped, and the journal knows where to go on."""

    def status(self) -> EnrollmentStatus:
        """See `EnrollmentService.status`."""
        return self._status

    def enroll(self) -> None:
        """See `EnrollmentService.enroll`."""
        self._context.post(lambda: self._feed(enrolment.EnrollAsked(self._context.clock.now())))

    def _configure(self, properties: Mapping[str, Any]) -> Configured:
        problems: tuple[str, ...] = ()
        self._settings = None
        if properties["enabled"]:
            try:
                self._settings = read_settings(properties)
            except SettingsError as error:
                problems = error.problems
        settings = self._settings
        return Configured(
            enabled=properties["enabled"],
            problems=problems,
            bootstrap_identity=self._context.bootstrap_identity,
            digest="" if settings is None else settings.digest(self._digest_key()),
            retry_interval_s=properties["connect.retry-interval"],
            key_size=properties["client.keypair.size"],
        )

    def _digest_key(self) -> bytes:
        key = self._context.secrets.get(_DIGEST_KEY)
        if key is None:
            key = Secret(random_bytes.token_hex(32))
            self._context.secrets.set(_DIGEST_KEY, key)
        return key.reveal().encode()

    def _feed(self, event: enrolment.Event) -> None:
        before = self._enrollment.state
        self._enrollment, actions = enrolment.step(self._enrollment, event)
        self._tell(before)
        for action in actions:
            try:
                self._perform(action)
            except (KeystoreError, ScepError, OSError) as error:
                self._fail(self._enrollment.attempt, error)
                return

    def _perform(self, action: enrolment.Action) -> None:
        match action:
            case enrolment.LocateServer(attempt):
                self._locate(attempt)
            case enrolment.StoreTrust(attempt):
                self._store_trust(attempt)
            case enrolment.PrepareKey(attempt, reuse):
                self._prepare_key(attempt, reuse=reuse)
            case enrolment.SendRequest(attempt, transaction_id):
                self._send(attempt, transaction_id)
            case enrolment.StoreIdentity(attempt):
                self._store_identity(attempt)
            case enrolment.Remember():
                self._journal.save(self._enrollment.journal)
            case enrolment.WakeAt(when):
                self._context.call_at(when, lambda: self._feed(enrolment.TimerDue(self._context.clock.now())))

    def _locate(self, attempt: int) -> None:
        settings, clock = self._needed_settings(), self._context.clock

        def done(result: BackgroundResult[ServerLocation]) -> None:
            location = self._outcome(attempt, result)
            if location is not None:
                self._guarded(attempt, lambda: self._verify(attempt, settings, location))

        self._context.run_in_background(
            lambda: locate_server(settings.endpoint, clock=clock, ca_identifier=settings.ca_identifier), done
        )

    def _verify(self, attempt: int, settings: EnrollmentSettings, location: ServerLocation) -> None:
        self._step(f"{_certificates(location.certificates)} fetched from {location.url}")
        trust = verify_ca_certificates(location.certificates, settings.pin, self._context.clock.now())
        self._step(f"CA {trust.anchor.subject.rfc4514_string()} verified: SHA-256 {fingerprint(trust.anchor)}")
        staged = Trust(
            self._enrollment.configured.bootstrap_identity,
            location.url,
            tuple(sorted(location.capabilities.keywords)),
            tuple(one.public_bytes(Encoding.PEM).decode() for one in trust.certificates),
        )
        self._feed(enrolment.CaVerified(attempt, staged))

    def _store_trust(self, attempt: int) -> None:
        staged = self._staged_certificates()
        self._store.store_trust(staged)
        self._step(f"{_certificates(staged)} stored in {self._keystore_pid} as scep-cacerts_0 and on")
        self._feed(enrolment.TrustStored(attempt))

    def _prepare_key(self, attempt: int, *, reuse: bool) -> None:
        settings = self._needed_settings()
        now = self._context.clock.now()
        entry = self._store.prepare_request_key(settings.key_size, settings.subject, now, reuse=reuse)
        public_key = entry.key.public_key
        what = "key pair of an earlier try taken up" if reuse else "key pair generated"
        self._step(f"{what} ({describe_public_key(public_key)}), stored as sce-request-key-pair")
        self._feed(enrolment.KeyReady(attempt, key_facts(public_key), new_transaction_id(public_key)))

    def _send(self, attempt: int, transaction_id: str) -> None:
        settings, trust, record = self._needed_settings(), self._trust(), self._trust_record()
        entry = self._store.request_entry()
        if entry is None:
            raise KeystoreError("the key of the request (sce-request-key-pair) has gone from the keystore")
        capabilities = Capabilities(frozenset(record.capabilities))
        request = build_request(
            trust=trust,
            capabilities=capabilities,
            profile=settings.profile,
            key=entry.key,
            signer_certificate=entry.chain[0],
            csr=create_csr(
                entry.key,
                settings.subject,
                challenge_password=settings.challenge,
                subject_alternative_names=settings.alternative_names,
            ),
            transaction_id=transaction_id,
        )
        client = ScepClient(record.url, clock=self._context.clock, ca_identifier=settings.ca_identifier)
        self._step(f"certificate requested from {record.url}, transaction {transaction_id}")

        def done(result: BackgroundResult[bytes]) -> None:
            data = self._outcome(attempt, result)
            if data is not None:
                self._guarded(attempt, lambda: self._read(attempt, data, request, trust, settings, entry))

        self._context.run_in_background(lambda: client.pki_operation(request.data, capabilities), done)

    def _read(
        self,
        attempt: int,
        data: bytes,
        request: PkiRequest,
        trust: CaTrust,
        settings: EnrollmentSettings,
        entry: PrivateKeyEntry,
    ) -> None:
        now = self._context.clock.now()
        reply = read_reply(
            data,
            request,
            trust=trust,
            profile=settings.profile,
            key=entry.key,
            signer_certificate=entry.chain[0],
            subject=settings.subject,
            now=now,
        )
        match reply:
            case Issued(chain, warnings):
                self._step(f"certificate issued: serial {chain[0].serial_number:x}, key, chain and validity checked")
                if attempt == self._enrollment.attempt:
                    self._chain = chain
                self._feed(enrolment.CertificateIssued(attempt, warnings))
            case Pending():
                self._feed(enrolment.Failed(attempt, wording.pending_problem(now), _jitter()))
            case Refused():
                problem = wording.problem_of_refusal(reply, now)
                self._feed(enrolment.Failed(attempt, problem, _jitter()))

    def _store_identity(self, attempt: int) -> None:
        staged = self._staged_certificates() or None
        identity = self._store.store_identity(self._chain, staged)
        self._step(f"certificate and key stored in {self._keystore_pid} as scep-enrolled-key-pair")
        self._feed(enrolment.IdentityStored(attempt, identity))

    def _outcome(self, attempt: int, result: BackgroundResult[Any]) -> Any:
        """The value of work in the background; None, and the failure told, if it has none."""
        if result.error is None:
            return result.value
        if not isinstance(result.error, ScepError):
            self._context.logger.error("work in the background failed", exc_info=result.error)
        self._fail(attempt, result.error)
        return None

    def _guarded(self, attempt: int, work: Callable[[], None]) -> None:
        try:
            work()
        except (KeystoreError, ScepError, OSError) as error:
            self._fail(attempt, error)

    def _fail(self, attempt: int, error: BaseException) -> None:
        problem = wording.problem_of(error, self._context.clock.now())
        self._feed(enrolment.Failed(attempt, problem, _jitter()))

    def _needed_settings(self) -> EnrollmentSettings:
        if self._settings is None:
            raise ScepError("the configuration does not say what to enrol")
        return self._settings

    def _staged_certificates(self) -> tuple[x509.Certificate, ...]:
        staged = self._enrollment.journal.staged
        if staged is None or not enrolment.staged_is_current(self._enrollment):
            return ()
        return tuple(x509.load_pem_x509_certificate(pem.encode()) for pem in staged.certificates)

    def _trust(self) -> CaTrust:
        """The trust that a request is made under: what is staged, else what is in the keystore."""
        staged = self._staged_certificates()
        return CaTrust(staged[0], staged) if staged else self._store.trust()

    def _trust_record(self) -> Trust:
        journal: Journal = self._enrollment.journal
        staged = journal.staged if enrolment.staged_is_current(self._enrollment) else None
        record = staged or journal.trust
        if record is None:
            raise ScepError("there is no trust to make a request under")
        return record

    def _step(self, message: str) -> None:
        self._context.logger.info("%s", message)
        self._context.publish(STEP, event_properties(self._context.pid, self._status, message=message))

    def _tell(self, before: State) -> None:
        self._status = self._make_status()
        state = self._enrollment.state
        if state is before:
            return
        problem = self._status.problem
        message = self._status.next_step if problem is None else problem.message
        log = self._context.logger.warning if problem is not None else self._context.logger.info
        log("enrolment: %s (was: %s): %s", state.value, before.value, message)
        self._context.publish(
            STATE_CHANGED,
            event_properties(self._context.pid, self._status, previous=before.value, message=message),
        )

    def _make_status(self) -> EnrollmentStatus:
        enrollment = self._enrollment
        warnings = [*enrollment.journal.warnings, *([self._damage] if self._damage else [])]
        try:
            entry, ca_certificates = self._store.enrolled_entry(), self._store.ca_certificates()
        except KeystoreError as error:
            entry, ca_certificates = None, ()
            warnings.append(f"the keystore cannot be read: {error}")
        certificate = None if entry is None else entry.chain[0]
        if enrollment.configured.enabled and enrollment.configured.key_size < WEAK_KEY_BITS:
            warnings.append(f"client.keypair.size is {enrollment.configured.key_size}: weak, use 2048 or more")
        if certificate is not None and self._settings is not None and certificate.subject != self._settings.subject:
            warnings.append(
                f"the certificate is for {certificate.subject.rfc4514_string()!r}, client.subject.dn says "
                f"{self._settings.subject.rfc4514_string()!r}; gatewright cert enroll asks for a new one"
            )
        problem = enrollment.journal.problem
        if enrollment.state is State.MISCONFIGURED:
            problem = enrolment.Problem(
                State.MISCONFIGURED,
                "misconfigured",
                "; ".join(enrollment.configured.problems),
                "correct these properties with: gatewright config set",
                self._context.clock.now(),
            )
        trust = enrollment.journal.staged or enrollment.journal.trust
        return EnrollmentStatus(
            state=enrollment.state,
            keystore=self._keystore_pid,
            certificate=certificate,
            problem=None if enrollment.state is State.ENROLLED else problem,
            next_step=wording.next_step(enrollment),
            next_at=enrollment.journal.next_attempt_at if enrollment.state in RETRIED else None,
            warnings=tuple(warnings),
            ca_certificates=ca_certificates,
            server_url=None if trust is None else trust.url,
        )


def _certificates(certificates: tuple[x509.Certificate, ...]) -> str:
    return "1 CA certificate" if len(certificates) == 1 else f"{len(certificates)} CA certificates"


def _jitter() -> float:
    """A random number from 0 to 1, to spread retries."""
    return random.random()  # noqa: S311  # nobody gains by guessing it
