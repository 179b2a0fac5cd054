"""A SCEP CA for development and tests (RFC 8894): one RSA CA, issuing on a challenge password, over HTTP.

It keeps to the protocol strictly, so that a client which enrols with it is right; it is no CA for production.
In a test:

    with ScepCa.open(directory, IssuancePolicy(challenge=Secret("..."))) as ca, ScepCaServer(ca) as server:
        ...  # server.url, ca.fingerprint, ca.issued()
"""

from tools.scep_ca.authority import CaParameters, CertificateAuthority
from tools.scep_ca.errors import (
    CaStateError,
    MessageTooDamagedError,
    RequestRefusedError,
    ScepCaError,
)
from tools.scep_ca.ledger import IssuedCertificate
from tools.scep_ca.policy import CertificationRequest, IssuancePolicy
from tools.scep_ca.protocol import ScepCa
from tools.scep_ca.server import SCEP_PATH, ScepCaServer

__all__ = [
    "SCEP_PATH",
    "CaParameters",
    "CaStateError",
    "CertificateAuthority",
    "CertificationRequest",
    "IssuancePolicy",
    "IssuedCertificate",
    "MessageTooDamagedError",
    "RequestRefusedError",
    "ScepCa",
    "ScepCaError",
    "ScepCaServer",
]
