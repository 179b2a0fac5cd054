"""Configuration Admin (Compendium R8 104): layered, validated against the metatype, durable, delivered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metatype.facade import facade

if TYPE_CHECKING:
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
    from framework.configuration.event import ConfigurationEvent, DeliveryOutcome
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
        ConfigurationNotice,
        ReloadResult,
        UpdateResult,
    )
    from framework.configuration.store import ConfigurationStore, StoredConfiguration, StoredSecrets
    from framework.configuration.watching import DirectoryWatch

_HOMES = {
    "framework.configuration.admin": ("ConfigurationAdmin",),
    "framework.configuration.catalogue": ("ConfigurationType", "DescriptorCatalogue"),
    "framework.configuration.credentials": ("CredentialError", "Credentials"),
    "framework.configuration.delivery": ("ConfigurationListener", "ConfigurationPlugin"),
    "framework.configuration.errors": (
        "ConfigurationBatchError",
        "ConfigurationConflictError",
        "ConfigurationError",
        "ConfigurationStoreError",
        "DamagedStoreError",
        "UnknownRevisionError",
    ),
    "framework.configuration.event": ("ConfigurationEvent", "DeliveryOutcome"),
    "framework.configuration.files": ("ConfigurationDirectory", "FileContentError", "FileProblem", "read_document"),
    "framework.configuration.history": ("Revision",),
    "framework.configuration.importing": ("NotTaken",),
    "framework.configuration.opening": ("StoreCopies", "open_store", "rotate_key"),
    "framework.configuration.planning": ("UNCHANGED", "Difference", "Origin", "Plan", "PlannedEffect", "difference"),
    "framework.configuration.results": (
        "BatchPlan",
        "BatchResult",
        "Change",
        "ChangeKind",
        "Configuration",
        "ConfigurationNotice",
        "ReloadResult",
        "UpdateResult",
    ),
    "framework.configuration.store": ("ConfigurationStore", "StoredConfiguration", "StoredSecrets"),
    "framework.configuration.watching": ("DirectoryWatch",),
}

__getattr__, __dir__ = facade(__name__, _HOMES)

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
