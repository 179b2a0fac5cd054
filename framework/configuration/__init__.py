"""Configuration Admin (Compendium R8 104): layered, validated against the metatype, durable, delivered."""

from framework.configuration.admin import ConfigurationAdmin
from framework.configuration.catalogue import ConfigurationType, DescriptorCatalogue
from framework.configuration.credentials import CredentialError, Credentials
from framework.configuration.delivery import ConfigurationListener, ConfigurationPlugin
from framework.configuration.errors import (
    ConfigurationBatchError,
    ConfigurationConflictError,
    ConfigurationError,
    ConfigurationStoreError,
    DamagedStoreError,
    UnknownRevisionError,
)
from framework.configuration.files import ConfigurationDirectory, FileContentError, FileProblem, read_document
from framework.configuration.history import Revision
from framework.configuration.importing import NotTaken
from framework.configuration.opening import StoreCopies, open_store, rotate_key
from framework.configuration.planning import UNCHANGED, Difference, Origin, Plan, PlannedEffect, difference
from framework.configuration.results import (
    BatchPlan,
    BatchResult,
    Change,
    ChangeKind,
    Configuration,
    ConfigurationEvent,
    ConfigurationNotice,
    DeliveryOutcome,
    ReloadResult,
    UpdateResult,
)
from framework.configuration.store import ConfigurationStore, StoredConfiguration, StoredSecrets
from framework.configuration.watching import DirectoryWatch

__all__ = [
    "UNCHANGED",
    "BatchPlan",
    "BatchResult",
    "Change",
    "ChangeKind",
    "Configuration",
    "ConfigurationAdmin",
    "ConfigurationBatchError",
    "ConfigurationConflictError",
    "ConfigurationDirectory",
    "ConfigurationError",
    "ConfigurationEvent",
    "ConfigurationListener",
    "ConfigurationNotice",
    "ConfigurationPlugin",
    "ConfigurationStore",
    "ConfigurationStoreError",
    "ConfigurationType",
    "CredentialError",
    "Credentials",
    "DamagedStoreError",
    "DeliveryOutcome",
    "DescriptorCatalogue",
    "Difference",
    "DirectoryWatch",
    "FileContentError",
    "FileProblem",
    "NotTaken",
    "Origin",
    "Plan",
    "PlannedEffect",
    "ReloadResult",
    "Revision",
    "StoreCopies",
    "StoredConfiguration",
    "StoredSecrets",
    "UnknownRevisionError",
    "UpdateResult",
    "difference",
    "open_store",
    "read_document",
    "rotate_key",
]
