"""The conformance kit: a pytest class that says whether a keystore keeps the contract.

Subclass it in a test module, and name a function of an importable module that opens the keystore of a directory:

    def open_keystore(directory: Path) -> KeystoreService:
        return VaultKeystore(directory)


    class TestVaultKeystore(KeystoreConformance):
        factory = "vault_keystore.conformance:open_keystore"  # the keystore, again after a restart, and in a process
        component_class = VaultComponent  # tells of commits as the component of a gateway

Each test that fails says which rule of the contract is broken. What a keystore does not claim in its capabilities is
not asked of it.
"""

import pytest

# Before its modules are imported: so their plain asserts show what they compared.
pytest.register_assert_rewrite(
    *(f"{__name__}.{module}" for module in ("storing", "keys", "secrecy", "events", "threads", "survival"))
)

from components.keystore.conformance.events import CommitEvents  # noqa: E402  # see above
from components.keystore.conformance.keys import Keys  # noqa: E402
from components.keystore.conformance.samples import (  # noqa: E402
    NOW,
    SUBJECT,
    foreign_key,
    foreign_pair,
    issued_to,
    trusted,
)
from components.keystore.conformance.secrecy import Secrecy  # noqa: E402
from components.keystore.conformance.storing import Storing  # noqa: E402
from components.keystore.conformance.survival import Survival  # noqa: E402
from components.keystore.conformance.threads import Threads  # noqa: E402

__all__ = ["NOW", "SUBJECT", "KeystoreConformance", "foreign_key", "foreign_pair", "issued_to", "trusted"]


class KeystoreConformance(Storing, Keys, Secrecy, CommitEvents, Threads, Survival):
    """The contract of `KeystoreService`, as tests. What a subclass may say stands in `KeystoreUnderTest`."""
