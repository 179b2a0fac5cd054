"""The parameters of RSAES-OAEP (RFC 4055 4.1), all of which have defaults: pyasn1's part, which few servers need.

pyasn1 and its modules cost an idle gateway 6 MiB and a tenth of a second, so they are loaded here and nowhere else.
"""

from __future__ import annotations

from typing import Any, Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from pyasn1.codec.ber import decoder
from pyasn1_modules import rfc4055, rfc5280

from components.scep.errors import EnvelopeError, UnsupportedAlgorithmError
from components.scep.message.kinds import DIGEST_OIDS, Digest

_DIGESTS: Final[dict[str, type[hashes.HashAlgorithm]]] = {
    DIGEST_OIDS[Digest.SHA1]: hashes.SHA1,
    DIGEST_OIDS[Digest.SHA256]: hashes.SHA256,
    DIGEST_OIDS[Digest.SHA384]: hashes.SHA384,
    DIGEST_OIDS[Digest.SHA512]: hashes.SHA512,
}


def oaep_padding(parameters: bytes) -> padding.AsymmetricPadding:
    """The padding that these parameters (BER) describe.

    Raises:
        EnvelopeError: They are none.
        UnsupportedAlgorithmError: They name a digest that is not known here.
    """
    digest: hashes.HashAlgorithm = hashes.SHA1()  # noqa: S303  # the default of RFC 8017 A.2.1
    mask_digest = digest
    decoded = _decode(parameters, rfc4055.RSAES_OAEP_params())
    digest = _digest(decoded["hashFunc"], digest)
    if decoded["maskGenFunc"].isValue and decoded["maskGenFunc"]["parameters"].isValue:
        named = _decode(bytes(decoded["maskGenFunc"]["parameters"]), rfc5280.AlgorithmIdentifier())
        mask_digest = _digest(named, mask_digest)
    return padding.OAEP(padding.MGF1(mask_digest), digest, None)


def _decode(data: bytes, spec: Any) -> Any:
    try:
        value, _ = decoder.decode(data, asn1Spec=spec)
    except Exception:  # noqa: BLE001  # pyasn1 raises whatever comes to it on hostile input
        raise EnvelopeError from None
    return value


def _digest(identifier: Any, default: hashes.HashAlgorithm) -> hashes.HashAlgorithm:
    """The digest that is named, or the default."""
    if not identifier.isValue:
        return default
    oid = str(identifier["algorithm"])
    if oid not in _DIGESTS:
        raise UnsupportedAlgorithmError("encrypted for us (OAEP)", oid)
    return _DIGESTS[oid]()
