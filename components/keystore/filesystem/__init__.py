"""Keystores in PKCS #12 files: the component, and the same without a gateway."""

from components.keystore.filesystem.component import FilesystemKeystore
from components.keystore.filesystem.keystore import Pkcs12Keystore
from components.keystore.filesystem.pkcs12 import decode_pkcs12, encode_pkcs12

__all__ = ["FilesystemKeystore", "Pkcs12Keystore", "decode_pkcs12", "encode_pkcs12"]
