"""The component, killed at each action of each operation, and begun again on the same journal and keystore."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, get_args

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from components.keystore import KeyAlgorithm, PrivateKeyEntry, SoftwarePrivateKey
from components.scep.actions import perform
from components.scep.driver import EnrolmentDriver
from components.scep.enrolment import (
    Action,
    DropSuperseded,
    Event,
    FormRefused,
    LocateServer,
    PollUnsupported,
    PrepareKey,
    Remember,
    SeekNextCa,
    SendPoll,
    SendRequest,
    StoreIdentity,
    StoreTrust,
    TakeEnrolledKey,
    WakeAt,
    timing,
)
from framework.clock import SystemClock
from framework.testing import FakeClock
from tests.components.scep.enrolled_gateway import CertificateAuthority, EnrolledGateway
from tools.scep_ca import CaParameters

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cryptography import x509


@dataclass
class Killer:
    """Ends the component at one action: what it does and hears from then on is nothing, as in a process that died.

    Attributes:
        at: The index of the action; None for none.
        after: Whether the action is still done, and only what comes of it is lost.
        done: The actions in their order.
        heard: The kinds of events that came, of what was done and of what others did.
    """

    at: int | None = None
    after: bool = False
    dead: bool = False
    done: list[Action] = field(default_factory=list)
    heard: set[type[Event]] = field(default_factory=set)

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        feed = EnrolmentDriver.feed

        def perform_or_die(driver: EnrolmentDriver, action: Action) -> None:
            if self.dead:
                return
            self.dead = len(self.done) == self.at
            self.done.append(action)
            if not self.dead or self.after:
                perform(driver, action)

        def feed_or_nothing(driver: EnrolmentDriver, event: Event) -> None:
            if not self.dead:
                self.heard.add(type(event))
                feed(driver, event)

        monkeypatch.setattr("components.scep.component.perform", perform_or_die)
        monkeypatch.setattr(EnrolmentDriver, "feed", feed_or_nothing)

    def arm(self, at: int | None, *, after: bool) -> None:
        self.at, self.after, self.dead, self.done, self.heard = at, after, False, [], set()

    @property
    def requests(self) -> list[SendRequest | SendPoll]:
        return [one for one in self.done if isinstance(one, SendRequest | SendPoll)]


@dataclass(frozen=True)
class Operation:
    """Something that an enrolment does.

    Attributes:
        prepare: What comes before it, without a crash.
        act: Has it done, by a person or by time; after a restart once more, as a person would if it was not done.
        issued: How many certificates there are in the end.
        keys: How many keys were certified in the end.
        must: The actions that have to be among those that are crashed at.
        hears: What has to come of them, beside what tells that they were done.
        policy: What the CA's terms differ in.
        ca_days: How long the CA's first certificate is valid.
        faults: What the CA does wrong.
        cas: How many CAs are trusted in the end.
    """

    name: str
    prepare: Callable[[EnrolledGateway, CertificateAuthority], None]
    act: Callable[[EnrolledGateway, CertificateAuthority], None]
    issued: int
    keys: int
    must: tuple[type[Action], ...]
    hears: tuple[type[Event], ...] = ()
    policy: dict[str, Any] = field(default_factory=dict)
    ca_days: int = 3650
    cas: int = 1
    faults: tuple[str, ...] = ()


def _nothing(_: EnrolledGateway, __: CertificateAuthority) -> None:
    pass


def _enrol(gateway: EnrolledGateway, _: CertificateAuthority) -> None:
    gateway.start()


def _enrol_and_approve(gateway: EnrolledGateway, authority: CertificateAuthority) -> None:
    gateway.start()
    for request in authority.ca.pending():
        authority.ca.approve(request.transaction_id)
    gateway.harness.advance(3600)


def _wait_for_approval(gateway: EnrolledGateway, _: CertificateAuthority) -> None:
    gateway.start()


def _have_it_approved(gateway: EnrolledGateway, authority: CertificateAuthority) -> None:
    """Let it be asked about once, which the server does not know, then approve it."""
    gateway.harness.advance(120)
    for request in authority.ca.pending():
        authority.ca.approve(request.transaction_id)
    gateway.harness.advance(3600)


def _reach_the_window(gateway: EnrolledGateway, _: CertificateAuthority) -> None:
    gateway.start()
    gateway.days(22)


def _let_it_renew(gateway: EnrolledGateway, _: CertificateAuthority) -> None:
    gateway.days(1.2)


def _live_two_days(gateway: EnrolledGateway, _: CertificateAuthority) -> None:
    gateway.start()
    gateway.days(2)


def _rekey(gateway: EnrolledGateway, _: CertificateAuthority) -> None:
    if gateway.clock.now() - gateway.identity.chain[0].not_valid_before_utc > timedelta(days=1):
        gateway.service.rekey()
        gateway.harness.settle()


def _have_the_next_ca(gateway: EnrolledGateway, authority: CertificateAuthority) -> None:
    gateway.start()
    authority.ca.prepare_rollover()


def _follow_the_ca(gateway: EnrolledGateway, _: CertificateAuthority) -> None:
    if len(gateway.ca_certificates) < 2:
        gateway.service.force_rollover()
        gateway.harness.settle()


def _outlive_most_of_a_ca(gateway: EnrolledGateway, authority: CertificateAuthority) -> None:
    _have_the_next_ca(gateway, authority)
    _follow_the_ca(gateway, authority)
    authority.ca.roll_over()
    gateway.days(39)


def _see_its_end(gateway: EnrolledGateway, _: CertificateAuthority) -> None:
    gateway.days(2)


A_MONTH: dict[str, Any] = {"validity": timedelta(days=30)}
"""Its renewals are spread over the 5 days from the 20th on; with a fixed fraction, one comes at noon of the 23rd."""

OPERATIONS = (
    Operation(
        "first enrolment",
        _nothing,
        _enrol,
        1,
        1,
        (LocateServer, StoreTrust, PrepareKey, Remember, SendRequest, StoreIdentity, WakeAt),
    ),
    Operation("polling", _nothing, _enrol_and_approve, 1, 1, (SendPoll,), policy={"approval": True}),
    Operation(
        "polling a server without CertPoll",
        _wait_for_approval,
        _have_it_approved,
        1,
        1,
        (SendPoll, SendRequest),
        hears=(PollUnsupported,),
        policy={"approval": True},
        faults=("requests-only",),
    ),
    Operation(
        "renewal",
        _reach_the_window,
        _let_it_renew,
        2,
        1,
        (LocateServer, TakeEnrolledKey, SendRequest),
        policy=A_MONTH,
    ),
    Operation(
        "renewal in another form",
        _reach_the_window,
        _let_it_renew,
        2,
        1,
        (SendRequest,),
        hears=(FormRefused,),
        policy={"renewal_challenge": True, **A_MONTH},
    ),
    Operation("rekey", _live_two_days, _rekey, 2, 2, (SendRequest,)),
    Operation("rollover", _have_the_next_ca, _follow_the_ca, 2, 1, (SeekNextCa, SendRequest), cas=2),
    Operation("end of an earlier CA", _outlive_most_of_a_ca, _see_its_end, 2, 1, (DropSuperseded,), ca_days=40),
)


def _in_another_form(request: SendRequest | SendPoll, before: SendRequest | SendPoll) -> bool:
    """Whether the one before it was refused, and this is the next form, as a transaction of its own."""
    return isinstance(request, SendRequest) and isinstance(before, SendRequest) and request.form != before.form


class Trial:
    """One life of a gateway, with a crash in it."""

    def __init__(self, operation: Operation, directory: Path, ca_key: bytes, killer: Killer) -> None:
        self.operation, self.directory, self.ca_key, self.killer = operation, directory, ca_key, killer

    def run(self, at: int | None, *, after: bool) -> list[Action]:
        """Crash at an action and begin again; what was done up to the crash."""
        with contextlib.ExitStack() as stack:
            ca = self.directory / "ca"
            ca.mkdir(parents=True, mode=0o700)
            (ca / "ca.key").write_bytes(self.ca_key)
            clock = FakeClock(SystemClock().now())
            parameters = CaParameters(validity=timedelta(days=self.operation.ca_days))
            faults, policy = self.operation.faults, self.operation.policy
            authority = CertificateAuthority(stack, ca, clock, parameters, faults, **policy)
            gateway = EnrolledGateway(stack, self.directory / "state", clock, authority)
            self.killer.arm(None, after=False)
            self.operation.prepare(gateway, authority)
            self.killer.arm(at, after=after)
            before = self.identity(gateway)
            self.operation.act(gateway, authority)
            done, sent = self.killer.done, self.killer.requests
            if at is None:
                assert self.killer.heard >= set(self.operation.hears), self.killer.heard
            else:
                self.restart(gateway, authority, before, sent)
            self.judge(gateway, authority)
        return done

    def restart(
        self,
        gateway: EnrolledGateway,
        authority: CertificateAuthority,
        before: x509.Certificate | None,
        sent: list[SendRequest | SendPoll],
    ) -> None:
        now = gateway.clock.now()
        assert self.killer.dead, "the crash came"
        kept = self.identity(gateway)
        assert before is None or (kept is not None and kept.not_valid_after_utc > now), "a valid certificate is lost"
        gateway.stop()
        self.killer.arm(None, after=False)
        if self.operation.prepare is not _nothing:
            gateway.start()
        self.operation.act(gateway, authority)
        again = self.killer.requests
        if sent and again:
            assert again[0].transaction_id == sent[-1].transaction_id or _in_another_form(again[0], sent[-1]), (
                "the transaction is gone on with"
            )
        assert len(again) <= len(sent) + 2, f"a storm of requests: {again}"

    def judge(self, gateway: EnrolledGateway, authority: CertificateAuthority) -> None:
        assert gateway.status["state"] == "enrolled", gateway.status
        issued = authority.ca.issued()
        keys = {one.certificate.public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1) for one in issued}
        identity = gateway.identity
        assert len(issued) == self.operation.issued, "one certificate for one operation"
        assert len(keys) == self.operation.keys, "never two keys for one identity"
        assert identity.chain[0] == issued[-1].certificate
        assert identity.key.public_key == identity.chain[0].public_key()
        assert identity.chain[-1] == gateway.ca_certificates[0]
        assert len(gateway.ca_certificates) == self.operation.cas

    @staticmethod
    def identity(gateway: EnrolledGateway) -> x509.Certificate | None:
        entry = gateway.keystore.get("scep-enrolled-key-pair")
        assert entry is None or isinstance(entry, PrivateKeyEntry)
        return None if entry is None else entry.chain[0]


@pytest.fixture(scope="module")
def ca_key() -> bytes:
    """A small key, because each of many CAs reads it."""
    key = SoftwarePrivateKey.generate(KeyAlgorithm.RSA, 1024).export()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest.fixture
def killer(monkeypatch: pytest.MonkeyPatch) -> Killer:
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setattr(timing, "fraction", lambda *_: 0.5)  # all lives do the same at the same moments
    killer = Killer()
    killer.install(monkeypatch)
    return killer


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
@pytest.mark.requirement("RFC 8894 7.4: lost certificates")
def test_a_crash_at_any_action_loses_nothing_and_is_gone_on_from(
    operation: Operation, killer: Killer, ca_key: bytes, tmp_path: Path
) -> None:
    actions = Trial(operation, tmp_path / "whole", ca_key, killer).run(None, after=False)
    kinds = {type(action) for action in actions}
    assert kinds >= set(operation.must), actions
    for at, action in enumerate(actions):
        for after in (False, True):
            place = f"{'after' if after else 'before'} action {at}, {type(action).__name__}"
            try:
                Trial(operation, tmp_path / f"{at}{after}", ca_key, killer).run(at, after=after)
            except AssertionError as error:
                raise AssertionError(f"a crash {place}: {error}") from error


def test_every_action_that_there_is_is_crashed_at() -> None:
    assert {kind for operation in OPERATIONS for kind in operation.must} == set(get_args(Action))
