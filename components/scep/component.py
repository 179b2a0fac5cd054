"""The SCEP enrolment as a component: it reads settings, performs the machine's actions, and tells what happens."""

from __future__ import annotations

import hmac
import random
import secrets as random_bytes
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from components.keystore import (
    KeystoreError,
    KeystoreService,
    UnsupportedOperationError,
    describe_public_key,
    guarded,
)
from components.scep import enrolment, wording
from components.scep.client import ScepClient, ServerLocation, locate_server
from components.scep.enrolment import Configured, Enrollment, Journal, JournalFile, Purpose, State, Trust
from components.scep.enrolment.timing import CHECK_INTERVAL, CLOCK_SKEW
from components.scep.errors import EnvelopeError, HttpStatusError, OperationUnsupportedError, ScepError
from components.scep.exchange import Exchange, open_exchange, verify_again
from components.scep.figures import EnrolmentFigures
from components.scep.identity import IdentityStore, key_facts
from components.scep.service import EnrollmentService, EnrollmentStatus
from components.scep.settings import EnrollmentSettings, SettingsError, read_settings
from components.scep.transaction import (
    Capabilities,
    Issued,
    Pending,
    Refused,
    new_transaction_id,
    read_next_ca,
    reconcile,
)
from components.scep.trust import CaTrust, fingerprint, verify_ca_certificates
from framework import component, reference
from framework.observation import MetricSource
from metatype import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from components.scep.transaction import RenewalForm, Reply
    from framework import BackgroundResult, ComponentContext, ConfigurationChange, DeactivationReason
    from framework.scheduler import Timer

PID: Final = "gatewright.scep.SCEPEnrollmentService"
STATE_CHANGED: Final = "gatewright/enrollment/STATE_CHANGED"
STEP: Final = "gatewright/enrollment/STEP"

WEAK_KEY_BITS: Final = 2048
"""RSA keys below this are allowed, with a warning."""

_DIGEST_KEY: Final = "settings-digest-key"
_BAD_CERT_ID: Final = 4
_OVERLOADED: Final = frozenset({429, 502, 503, 504})
"""HTTP statuses that say nothing of the request itself."""


@component(PID, provides=EnrollmentService, descriptor="scep.xml")
class SCEPEnrollmentComponent(EnrollmentService):
    """Obtains a certificate over SCEP and keeps it in the keystore that its target filter selects."""

    keystore = reference(KeystoreService, name="KeystoreService", target="(kura.service.pid=EnrollmentKeystore)")

    def activate(self, context: ComponentContext) -> None:
        """Take up the enrolment where the journal and the keystore say that it is."""
        self._context = context
        self._keystore_pid = str(context.reference_properties("KeystoreService").get("kura.service.pid"))
        self._store = IdentityStore(guarded(self.keystore, self._keystore_pid, context.clock))
        self._journal = JournalFile(context.data_directory, self._keystore_pid)
        self._settings: EnrollmentSettings | None = None
        self._chain: tuple[x509.Certificate, ...] = ()
        self._timers: tuple[Timer, ...] = ()
        journal, damage = self._journal.load()
        self._damage = damage
        configured = self._configure(context.properties)
        facts = self._store.facts()
        self._enrollment = Enrollment(State.DISABLED, configured, facts, journal)
        context.register(MetricSource, EnrolmentFigures(self.status, lambda: self._enrollment.journal.attempts))
        self._feed(enrolment.Began(context.clock.now()))

    def modified(self, change: ConfigurationChange) -> None:
        """Take changed settings; those that mean a bootstrap never come here."""
        configured = self._configure(change.properties)
        self._feed(enrolment.SettingsChanged(self._context.clock.now(), configured))

    def deactivate(self, reason: DeactivationReason) -> None:
        """Nothing to do: what is under way is dropped, and the journal knows where to go on."""

    def status(self) -> EnrollmentStatus:
        """See `EnrollmentService.status`."""
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
        now, verdicts = self._context.clock.now(), self._verdicts(enrollment)
        warnings += [found.message for found in verdicts if found.check == "not-for-this-subject" and found.applies]
        trust, request = enrollment.journal.staged or enrollment.journal.trust, enrollment.journal.request
        if trust is not None and trust.warning:
            warnings.append(trust.warning)
        if certificate is not None and certificate.not_valid_before_utc > now + CLOCK_SKEW:
            warnings.append(
                f"the certificate is valid from {certificate.not_valid_before_utc}, and it is {now} by this "
                "gateway's clock: set the clock"
            )
        return EnrollmentStatus(
            state=enrollment.state,
            keystore=self._keystore_pid,
            certificate=certificate,
            problem=self._problem(enrollment),
            next_step=wording.next_step(enrollment, verdicts),
            next_at=wording.next_at(enrollment, now),
            warnings=tuple(warnings),
            ca_certificates=ca_certificates,
            server_url=None if trust is None else trust.url,
            verdicts=verdicts,
            transaction_id=None if request is None else request.transaction_id,
            ca_check=enrollment.journal.ca_check,
        )

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

    def _ask(self, make: Callable[[datetime], enrolment.Event]) -> None:
        def ask() -> None:
            configured = self._configure(self._context.properties)  # a file that a property names may be there now
            self._enrollment = replace(self._enrollment, configured=configured)
            self._feed(make(self._context.clock.now()))

        self._context.post(ask)

    def _configure(self, properties: Mapping[str, Any]) -> Configured:
        problems: tuple[str, ...] = ()
        self._settings = None
        if properties["enabled"]:
            try:
                self._settings = read_settings(properties, self._context.state_directory)
            except SettingsError as error:
                problems = error.problems
            problems += self._keystore_problems()
        settings = self._settings
        return Configured(
            enabled=properties["enabled"],
            problems=problems,
            bootstrap_identity=self._context.bootstrap_identity,
            digest="" if settings is None else settings.digest(self._digest_key()),
            retry_interval_s=properties["connect.retry-interval"],
            key_size=properties["client.keypair.size"],
            subject="" if settings is None else settings.subject.rfc4514_string(),
            renew=settings is not None and settings.renew,
            rollover=settings is not None and settings.rollover,
            lead_hours=properties["certificate.expiration.check.time"],
            has_challenge=settings is not None and bool(settings.challenge),
            device=hmac.new(self._digest_key(), b"device", "sha256").hexdigest(),
        )

    def _keystore_problems(self) -> tuple[str, ...]:
        """Why nothing can be enrolled into the keystore, whatever the server says; one that hangs may yet come back."""
        try:
            self._store.check_capabilities()
        except UnsupportedOperationError as error:
            selected = f"KeystoreService.target selects {self._keystore_pid}"
            return (f"{selected}, into which nothing can be enrolled ({error}): select another keystore",)
        except KeystoreError:
            return ()  # the enrolment meets it again, tells it, and tries once more
        return ()

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
            case enrolment.LocateServer(attempt, refresh):
                self._locate(attempt, refresh=refresh)
            case enrolment.SeekNextCa(attempt):
                self._seek_next_ca(attempt)
            case enrolment.DropSuperseded(attempt):
                self._store.drop_superseded()
                self._step("certificates of an earlier CA, which have expired, removed")
                self._feed(enrolment.SupersededDropped(attempt, self._context.clock.now()))
            case enrolment.StoreTrust(attempt):
                self._store_trust(attempt)
            case enrolment.PrepareKey(attempt, reuse):
                self._prepare_key(attempt, reuse=reuse)
            case enrolment.TakeEnrolledKey(attempt):
                self._take_enrolled_key(attempt)
            case enrolment.SendRequest(attempt, transaction_id, purpose, form):
                self._send(attempt, self._exchange(transaction_id, purpose, form))
            case enrolment.SendPoll(attempt, transaction_id, purpose):
                self._send(attempt, self._exchange(transaction_id, purpose, None, poll=True))
            case enrolment.StoreIdentity(attempt):
                self._store_identity(attempt)
            case enrolment.Remember():
                self._journal.save(self._enrollment.journal)
            case enrolment.WakeAt(when):
                self._wake_at(when)

    def _wake_at(self, when: datetime) -> None:
        """Wake then, and once a day whatever the clock does: one that was set back would wait for years."""
        for timer in self._timers:
            timer.cancel()

        def due() -> None:
            self._feed(enrolment.TimerDue(self._context.clock.now()))

        daily_s = CHECK_INTERVAL.total_seconds()
        self._timers = (self._context.call_at(when, due), self._context.call_later(daily_s, due))

    def _locate(self, attempt: int, *, refresh: bool) -> None:
        settings, clock = self._needed_settings(), self._context.clock

        def find() -> ServerLocation:
            if refresh:
                return self._client(settings, record_url).describe()
            return locate_server(
                settings.endpoint,
                clock=clock,
                ca_identifier=settings.ca_identifier,
                ca_bundle=settings.ca_bundle,
            )

        def done(result: BackgroundResult[ServerLocation]) -> None:
            location = self._outcome(attempt, result)
            if location is not None:
                verify = self._verify_again if refresh else self._verify
                self._guarded(attempt, lambda: verify(attempt, settings, location))

        record_url = self._trust_record().url if refresh else ""
        self._context.run_in_background(find, done)

    def _verify(self, attempt: int, settings: EnrollmentSettings, location: ServerLocation) -> None:
        self._step(f"{_certificates(location.certificates)} fetched from {location.url}")
        trust = verify_ca_certificates(location.certificates, settings.pin, self._context.clock.now())
        self._step(f"CA {trust.anchor.subject.rfc4514_string()} verified: SHA-256 {fingerprint(trust.anchor)}")
        self._feed(enrolment.CaVerified(attempt, self._record(location.url, location.capabilities, trust)))

    def _verify_again(self, attempt: int, settings: EnrollmentSettings, location: ServerLocation) -> None:
        """Before a renewal: RAs change more often than CAs; another CA counts only if the pinned trust covers it."""
        known, now = self._store.trust(), self._context.clock.now()
        trust = verify_again(location.certificates, known.anchor, settings.pin, now)
        self._feed(enrolment.CaVerified(attempt, self._record(location.url, location.capabilities, trust, known)))

    def _record(self, url: str, offered: Capabilities, trust: CaTrust, known: CaTrust | None = None) -> Trust:
        """What is remembered of a server; without certificates if they are those that are `known`."""
        before = self._enrollment.journal.trust
        previous = Capabilities(frozenset(before.capabilities)) if before is not None and before.url == url else None
        reconciled = reconcile(previous, offered)
        unchanged = known is not None and set(known.certificates) == set(trust.certificates)
        return Trust(
            self._enrollment.configured.bootstrap_identity,
            url,
            tuple(sorted(reconciled.capabilities.keywords)),
            () if unchanged else tuple(one.public_bytes(Encoding.PEM).decode() for one in trust.certificates),
            renewal_form="" if previous is None or before is None else before.renewal_form,
            warning=reconciled.warning or "",
            succeeds=known is not None and known.anchor != trust.anchor,
        )

    def _seek_next_ca(self, attempt: int) -> None:
        """Ask for the CA's successor; a server that cannot say is asked whether its CA is still the same."""
        settings, record, known = self._needed_settings(), self._trust_record(), self._store.trust()
        capabilities = Capabilities(frozenset(record.capabilities))
        client = self._client(settings, record.url)

        def done(result: BackgroundResult[bytes | tuple[x509.Certificate, ...]]) -> None:
            if isinstance(result.error, OperationUnsupportedError):
                self._sought(attempt, None, "the server has no next CA certificate yet")
                return
            answer = self._outcome(attempt, result)
            if answer is not None:
                self._guarded(attempt, lambda: self._take_successor(attempt, settings, record, known, answer))

        self._context.run_in_background(client.get_next_ca_cert if capabilities.next_ca else client.get_ca_cert, done)

    def _take_successor(
        self,
        attempt: int,
        settings: EnrollmentSettings,
        record: Trust,
        known: CaTrust,
        answer: bytes | tuple[x509.Certificate, ...],
    ) -> None:
        now = self._context.clock.now()
        if isinstance(answer, bytes):
            trust = read_next_ca(answer, trust=known, profile=settings.profile, now=now).trust
        else:
            trust = verify_again(answer, known.anchor, settings.pin, now)
        name, begins = trust.anchor.subject.rfc4514_string(), trust.anchor.not_valid_before_utc
        if trust.anchor == known.anchor:
            self._sought(attempt, None, "the server's CA is the same, and it does not know GetNextCACert")
        elif begins > now:
            self._sought(attempt, None, f"the next CA {name} is valid from {begins}; it is looked for again")
        else:
            self._step(f"next CA {name} verified by the present one: SHA-256 {fingerprint(trust.anchor)}")
            offered = Capabilities(frozenset(record.capabilities))
            self._sought(attempt, self._record(record.url, offered, trust, known), f"the next CA {name} is taken over")

    def _sought(self, attempt: int, trust: Trust | None, outcome: str) -> None:
        self._feed(enrolment.NextCaSought(attempt, self._context.clock.now(), trust, outcome))

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

    def _take_enrolled_key(self, attempt: int) -> None:
        entry = self._store.enrolled_entry()
        if entry is None:
            raise KeystoreError("the enrolled key (scep-enrolled-key-pair) has gone from the keystore")
        public_key = entry.key.public_key
        self._step(f"the enrolled key pair ({describe_public_key(public_key)}) is certified anew")
        self._feed(enrolment.KeyReady(attempt, key_facts(public_key), new_transaction_id(public_key)))

    def _exchange(
        self, transaction_id: str, purpose: Purpose, form: RenewalForm | None, *, poll: bool = False
    ) -> Exchange:
        capabilities = Capabilities(frozenset(self._trust_record().capabilities))
        return open_exchange(
            self._store,
            self._needed_settings(),
            self._trust(),
            capabilities,
            transaction_id,
            purpose,
            form,
            poll=poll,
        )

    def _send(self, attempt: int, exchange: Exchange) -> None:
        settings, record, request = self._needed_settings(), self._trust_record(), exchange.request
        client = self._client(settings, record.url)
        kind = request.message_type.name.replace("_", " ").lower()
        self._step(f"certificate requested from {record.url} ({kind}), transaction {request.transaction_id}")

        def done(result: BackgroundResult[bytes]) -> None:
            error = result.error
            if isinstance(error, OperationUnsupportedError) and exchange.is_poll:
                self._feed(enrolment.PollUnsupported(attempt, self._context.clock.now()))
            elif isinstance(error, HttpStatusError) and exchange.form and error.status not in _OVERLOADED:
                self._refuse_form(attempt, exchange, wording.problem_of(error, self._context.clock.now()))
            else:
                data = self._outcome(attempt, result)
                if data is not None:
                    self._guarded(attempt, lambda: self._read(attempt, data, exchange))

        self._context.run_in_background(lambda: client.send(request, exchange.capabilities), done)

    def _read(self, attempt: int, data: bytes, exchange: Exchange) -> None:
        now = self._context.clock.now()
        try:
            reply = exchange.read(data, now)
        except EnvelopeError:
            weaker = exchange.weaker()
            if weaker is None:
                raise
            self._step("the reply cannot be opened: the request is sent once more in what older servers can do")
            self._send(attempt, weaker)
            return
        self._take_reply(attempt, exchange, reply, now)

    def _take_reply(self, attempt: int, exchange: Exchange, reply: Reply, now: datetime) -> None:
        match reply:
            case Issued(chain, warnings):
                self._step(f"certificate issued: serial {chain[0].serial_number:x}, key, chain and validity checked")
                if attempt == self._enrollment.attempt:
                    self._chain = chain
                self._feed(enrolment.CertificateIssued(attempt, warnings))
            case Pending():
                self._feed(enrolment.Failed(attempt, wording.pending_problem(now), _jitter()))
            case Refused(fail_info=code) if exchange.is_poll and code == _BAD_CERT_ID:
                self._feed(enrolment.PollUnsupported(attempt, now))
            case Refused() if exchange.form is not None:
                self._refuse_form(attempt, exchange, wording.problem_of_refusal(reply, now, exchange.purpose))
            case Refused():
                problem = wording.problem_of_refusal(reply, now, exchange.purpose)
                self._feed(enrolment.Failed(attempt, problem, _jitter()))

    def _refuse_form(self, attempt: int, exchange: Exchange, problem: enrolment.Problem) -> None:
        self._step(f"the renewal was refused in this form: {problem.message}")
        fresh = new_transaction_id(exchange.parties.certified.key.public_key)
        self._feed(enrolment.FormRefused(attempt, problem, fresh, _jitter()))

    def _store_identity(self, attempt: int) -> None:
        staged = self._staged_certificates() or None
        record = self._enrollment.journal.staged
        if record is not None and record.succeeds:
            earlier = self._store.ca_certificates()
        else:
            earlier = self._store.superseded() if enrolment.trust_is_current(self._enrollment) else ()
        keystore = self._store.store_identity(self._chain, staged, earlier)
        self._step(f"certificate and key stored in {self._keystore_pid} as scep-enrolled-key-pair")
        self._feed(enrolment.IdentityStored(attempt, keystore, self._context.clock.now()))

    def _client(self, settings: EnrollmentSettings, url: str) -> ScepClient:
        return ScepClient(
            url,
            clock=self._context.clock,
            ca_identifier=settings.ca_identifier,
            ca_bundle=settings.ca_bundle,
        )

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
        self._publish(STEP, message=message)

    def _tell(self, before: State) -> None:
        enrollment = self._enrollment
        state = enrollment.state
        if state is before:
            return
        problem = self._problem(enrollment)
        message = self._next_step(enrollment) if problem is None else problem.message
        log = self._context.logger.warning if problem is not None else self._context.logger.info
        log("enrolment: %s (was: %s): %s", state.value, before.value, message)
        self._publish(STATE_CHANGED, previous=before.value, message=message)

    def _publish(self, topic: str, **more: str) -> None:
        """Tell of the enrolment as it is; no secret is among the properties."""
        enrollment = self._enrollment
        properties = {
            "pid": self._context.pid,
            "keystore": self._keystore_pid,
            "state": enrollment.state.value,
            "next_action": self._next_step(enrollment),
        }
        self._context.publish(topic, properties | more)

    def _next_step(self, enrollment: Enrollment) -> str:
        """What comes next; only where the enrolment rests do the verdicts say it."""
        verdicts = self._verdicts(enrollment) if enrollment.state is State.ENROLLED else ()
        return wording.next_step(enrollment, verdicts)

    def _verdicts(self, enrollment: Enrollment) -> tuple[enrolment.Verdict, ...]:
        now = self._context.clock.now()
        return enrolment.verdicts(enrollment.configured, enrollment.keystore, enrollment.journal.trust, now)

    def _problem(self, enrollment: Enrollment) -> enrolment.Problem | None:
        """What is in the way, if anything is."""
        if enrollment.state is State.ENROLLED:
            return None
        if enrollment.state is not State.MISCONFIGURED:
            return enrollment.journal.problem
        return enrolment.Problem(
            State.MISCONFIGURED,
            "misconfigured",
            "; ".join(enrollment.configured.problems),
            "correct these properties with: gatewright config set",
            self._context.clock.now(),
        )


def _certificates(certificates: tuple[x509.Certificate, ...]) -> str:
    return "1 CA certificate" if len(certificates) == 1 else f"{len(certificates)} CA certificates"


def _jitter() -> float:
    """A random number from 0 to 1, to spread retries."""
    return random.random()  # noqa: S311  # nobody gains by guessing it
