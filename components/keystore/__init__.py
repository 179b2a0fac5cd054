"""Keystores: the contract that third parties implement, entries, key handles and certification requests."""

from components.keystore.announcements import Announcements, commit_publisher
from components.keystore.certificates import self_signed_certificate
from components.keystore.contract import (
    CHANGED_TOPIC,
    Changes,
    HealthState,
    KeystoreCapabilities,
    KeystoreEdit,
    KeystoreHealth,
    KeystoreService,
    changed_properties,
)
from components.keystore.csr import create_csr
from components.keystore.description import describe_certificate, describe_entry
from components.keystore.entries import (
    Entry,
    PrivateKeyEntry,
    SecretKeyEntry,
    TrustedCertificateEntry,
    check_alias,
)
from components.keystore.errors import (
    AliasError,
    DamagedKeystoreError,
    EntryError,
    KeystoreDeviceError,
    KeystoreError,
    KeystoreFaultError,
    KeystoreFullError,
    KeystoreNotWritableError,
    KeystoreStorageError,
    KeystoreTimeoutError,
    KeystoreTooLargeError,
    KeystoreUnavailableError,
    UnsupportedOperationError,
    WrongPasswordError,
)
from components.keystore.guard import guarded
from components.keystore.keys import (
    ExportedPrivateKey,
    KeyAlgorithm,
    PrivateKey,
    PublicKey,
    SoftwarePrivateKey,
    as_rsa_private_key,
    as_signing_key,
    describe_public_key,
)
from components.keystore.names import parse_alternative_name, parse_subject

__all__ = [
    "CHANGED_TOPIC",
    "AliasError",
    "Announcements",
    "Changes",
    "DamagedKeystoreError",
    "Entry",
    "EntryError",
    "ExportedPrivateKey",
    "HealthState",
    "KeyAlgorithm",
    "KeystoreCapabilities",
    "KeystoreDeviceError",
    "KeystoreEdit",
    "KeystoreError",
    "KeystoreFaultError",
    "KeystoreFullError",
    "KeystoreHealth",
    "KeystoreNotWritableError",
    "KeystoreService",
    "KeystoreStorageError",
    "KeystoreTimeoutError",
    "KeystoreTooLargeError",
    "KeystoreUnavailableError",
    "PrivateKey",
    "PrivateKeyEntry",
    "PublicKey",
    "SecretKeyEntry",
    "SoftwarePrivateKey",
    "TrustedCertificateEntry",
    "UnsupportedOperationError",
    "WrongPasswordError",
    "as_rsa_private_key",
    "as_signing_key",
    "changed_properties",
    "check_alias",
    "commit_publisher",
    "create_csr",
    "describe_certificate",
    "describe_entry",
    "describe_public_key",
    "guarded",
    "parse_alternative_name",
    "parse_subject",
    "self_signed_certificate",
]
