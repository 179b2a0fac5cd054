"""What the enrolment's state machine decides, done: each action, and the event that tells what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from components.keystore import KeystoreError, describe_public_key
from components.scep import authority, enrolment, submission
from components.scep.identity import key_facts
from components.scep.log_events import CA_STORED, IDENTITY_STORED, KEY_GENERATED, KEY_KEPT, KEY_TAKEN_UP, OLD_CA_REMOVED
from components.scep.transaction import new_transaction_id

if TYPE_CHECKING:
    from cryptography import x509

    from components.scep.driver import EnrolmentDriver


def perform(driver: EnrolmentDriver, action: enrolment.Action) -> None:
    """Do what was decided; what takes long goes on in the background, and comes back as an event.

    Raises:
        KeystoreError: The keystore does not do its part.
        ScepError: There is nothing to do it with.
        OSError: The journal cannot be written.
    """
    match action:
        case enrolment.LocateServer(attempt, refresh):
            authority.locate(driver, attempt, refresh=refresh)
        case enrolment.SeekNextCa(attempt):
            authority.seek_next_ca(driver, attempt)
        case enrolment.DropSuperseded(attempt):
            _drop_superseded(driver, attempt)
        case enrolment.StoreTrust(attempt):
            _store_trust(driver, attempt)
        case enrolment.PrepareKey(attempt, reuse):
            _prepare_key(driver, attempt, reuse=reuse)
        case enrolment.TakeEnrolledKey(attempt):
            _take_enrolled_key(driver, attempt)
        case enrolment.SendRequest() | enrolment.SendPoll():
            submission.send(driver, action)
        case enrolment.StoreIdentity(attempt):
            _store_identity(driver, attempt)
        case enrolment.Remember():
            driver.remember()
        case enrolment.WakeAt(when):
            driver.wake_at(when)


def _drop_superseded(driver: EnrolmentDriver, attempt: int) -> None:
    driver.store.drop_superseded()
    driver.step(OLD_CA_REMOVED)
    driver.feed(enrolment.SupersededDropped(attempt, driver.now()))


def _store_trust(driver: EnrolmentDriver, attempt: int) -> None:
    staged = driver.staged_certificates
    driver.store.store_trust(staged)
    driver.step(CA_STORED, {"keystore": driver.keystore_pid, "certificates": len(staged)})
    driver.feed(enrolment.TrustStored(attempt))


def _prepare_key(driver: EnrolmentDriver, attempt: int, *, reuse: bool) -> None:
    settings = driver.settings
    entry = driver.store.prepare_request_key(settings.key_size, settings.subject, driver.now(), reuse=reuse)
    public_key = entry.key.public_key
    driver.step(KEY_TAKEN_UP if reuse else KEY_GENERATED, {"key": describe_public_key(public_key)})
    driver.feed(enrolment.KeyReady(attempt, key_facts(public_key), new_transaction_id(public_key)))


def _take_enrolled_key(driver: EnrolmentDriver, attempt: int) -> None:
    entry = driver.store.look().enrolled
    if entry is None:
        raise KeystoreError("the enrolled key (scep-enrolled-key-pair) has gone from the keystore")
    public_key = entry.key.public_key
    driver.step(KEY_KEPT, {"key": describe_public_key(public_key)})
    driver.feed(enrolment.KeyReady(attempt, key_facts(public_key), new_transaction_id(public_key)))


def _store_identity(driver: EnrolmentDriver, attempt: int) -> None:
    staged, stored = driver.staged_certificates, driver.store.look()
    record = driver.enrollment.journal.staged
    earlier: tuple[x509.Certificate, ...] = ()
    if record is not None and record.succeeds:
        earlier = stored.ca_certificates
    elif enrolment.trust_is_current(driver.enrollment):
        earlier = stored.superseded
    trusted = tuple(dict.fromkeys((*staged, *earlier))) if staged else ()
    keystore = driver.store.store_identity(stored, driver.issued, trusted).facts()
    driver.step(IDENTITY_STORED, {"keystore": driver.keystore_pid})
    driver.feed(enrolment.IdentityStored(attempt, keystore, driver.now()))
