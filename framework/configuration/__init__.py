"""Configuration Admin (Compendium R8 104): layered, validated against the metatype, durable, delivered."""

from framework.configuration.admin import (
    Configuration,
    ConfigurationAdmin,
    ConfigurationEvent,
    DeliveryOutcome,
    UpdateResult,
)
from framework.configuration.catalogue import ConfigurationType, DescriptorCatalogue
from framework.configuration.errors import ConfigurationError, ConfigurationStoreError
from framework.configuration.files import ConfigurationDirectory, FileProblem
from framework.configuration.planning import UNCHANGED, Difference, Origin, Plan, PlannedEffect
from framework.configuration.store import ConfigurationStore, StoredConfiguration, StoredSecrets

__all__ = [
    "UNCHANGED",
    "Configuration",
    "ConfigurationAdmin",
    "ConfigurationDirectory",
    "ConfigurationError",
    "ConfigurationEvent",
    "ConfigurationStore",
    "ConfigurationStoreError",
    "ConfigurationType",
    "DeliveryOutcome",
    "DescriptorCatalogue",
    "Difference",
    "FileProblem",
    "Origin",
    "Plan",
    "PlannedEffect",
    "StoredConfiguration",
    "StoredSecrets",
    "UpdateResult",
]
