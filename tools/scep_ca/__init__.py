"""A SCEP CA for development and tests (RFC 8894), over HTTP: with RAs, approval, renewal, rollover and CRLs.

It keeps to the protocol strictly, so that a client which enrols with it is right, unless it is told to do one
thing wrong (`FAULTS`); it is no CA for production.
In a test:

    with ScepCa.open(directory, IssuancePolicy(challenge=Secret("..."))) as ca, ScepCaServer(ca) as server:
        ...  # server.url, ca.fingerprint, ca.issued()
"""

from tools.scep_ca.authority import CertificateAuthority
from tools.scep_ca.errors import (
    CaStateError,
    MessageTooDamagedError,
    RequestRefusedError,
    ScepCaError,
    UnknownEntryError,
)
from tools.scep_ca.faults import FAULTS, Fault
from tools.scep_ca.identities import CaParameters, Generation
from tools.scep_ca.ledger import Decision, IssuedCertificate, PendingRequest
from tools.scep_ca.policy import CertificationRequest, IssuancePolicy
from tools.scep_ca.protocol import ScepCa
from tools.scep_ca.server import SCEP_PATH, ScepCaServer

__all__ = [
    "FAULTS",
    "SCEP_PATH",
    "CaParameters",
    "CaStateError",
    "CertificateAuthority",
    "CertificationRequest",
    "Decision",
    "Fault",
    "Generation",
    "IssuancePolicy",
    "IssuedCertificate",
    "MessageTooDamagedError",
    "PendingRequest",
    "RequestRefusedError",
    "ScepCa",
    "ScepCaError",
    "ScepCaServer",
    "UnknownEntryError",
]
