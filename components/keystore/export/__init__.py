"""Export of a keystore's entries as PEM files, for other programs on the gateway."""

from components.keystore.export.errors import ExportError
from components.keystore.export.upkeep import PemExport

__all__ = ["ExportError", "PemExport"]
