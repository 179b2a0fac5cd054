"""SCEP transactions (RFC 8894 3, 4): what is sent, and what must hold of the reply. Pure; no network."""

from components.scep.transaction.algorithms import (
    Algorithms,
    SecurityProfile,
    choose_algorithms,
    has_weaker,
)
from components.scep.transaction.capabilities import Capabilities, Reconciled, reconcile
from components.scep.transaction.refusal import Refused
from components.scep.transaction.replies import Issued, Pending, Reply, read_reply
from components.scep.transaction.requests import (
    NONCE_BYTES,
    PkiRequest,
    RenewalForm,
    build_get_cert,
    build_get_crl,
    build_poll,
    build_request,
    new_transaction_id,
    renewal_forms,
)
from components.scep.transaction.retrieval import (
    FoundCertificate,
    FoundCrl,
    NextCa,
    read_get_cert_reply,
    read_get_crl_reply,
    read_next_ca,
)

__all__ = [
    "NONCE_BYTES",
    "Algorithms",
    "Capabilities",
    "FoundCertificate",
    "FoundCrl",
    "Issued",
    "NextCa",
    "Pending",
    "PkiRequest",
    "Reconciled",
    "Refused",
    "RenewalForm",
    "Reply",
    "SecurityProfile",
    "build_get_cert",
    "build_get_crl",
    "build_poll",
    "build_request",
    "choose_algorithms",
    "has_weaker",
    "new_transaction_id",
    "read_get_cert_reply",
    "read_get_crl_reply",
    "read_next_ca",
    "read_reply",
    "reconcile",
    "renewal_forms",
]
