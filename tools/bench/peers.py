"""Who is measured beside us, and what is missing if one cannot be."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tools.bench import jvm
from tools.bench.model import OURS

if TYPE_CHECKING:
    from collections.abc import Callable

IPOPO: Final = "ipopo"
FELIX: Final = "felix"
EQUINOX: Final = "equinox"
SCEPCLIENT: Final = "scepclient"
OPENSSL: Final = "openssl"
KEYTOOL: Final = "keytool"
CRYPTOGRAPHY: Final = "cryptography"
PYTHON_PKCS11: Final = "python-pkcs11"
JVM_PEERS: Final = (FELIX, EQUINOX)


@dataclass(frozen=True, slots=True)
class Side:
    """One that is measured.

    Attributes:
        missing: What is missing so that it cannot take part, and how to get it; None if nothing is.
        version: Which version it is, for the report.
    """

    key: str
    title: str
    missing: Callable[[], str | None]
    version: Callable[[], str]


def debian_version(package: str) -> str:
    """The upstream version of an installed Debian package."""
    query = ["dpkg-query", "--show", "--showformat", "${Version}", package]
    done = subprocess.run(query, capture_output=True, text=True, check=False)
    return re.split(r"[+-]", done.stdout)[0]


def _ipopo_missing() -> str | None:
    if importlib.util.find_spec("pelix") is None:
        return "iPOPO is not installed: .venv/bin/pip install -e '.[bench]'"
    return None


def _scepclient_missing() -> str | None:
    return None if shutil.which("scepclient") else "on Debian: apt-get install scep"


def _lacks(program: str, package: str) -> str | None:
    return None if shutil.which(program) else f"on Debian: apt-get install {package}"


def _pkcs11_missing() -> str | None:
    if importlib.util.find_spec("pkcs11") is None:
        return "python-pkcs11 is not installed: .venv/bin/pip install -e '.[pkcs11]'"
    return None


SIDES: Final = {
    side.key: side
    for side in (
        Side(OURS, "Gatewright", lambda: None, lambda: importlib.metadata.version("gatewright")),
        Side(IPOPO, "iPOPO", _ipopo_missing, lambda: importlib.metadata.version("iPOPO")),
        Side(FELIX, "Felix", lambda: jvm.missing(FELIX), lambda: debian_version(jvm.PACKAGES[FELIX])),
        Side(EQUINOX, "Equinox", lambda: jvm.missing(EQUINOX), lambda: debian_version(jvm.PACKAGES[EQUINOX])),
        Side(SCEPCLIENT, "scepclient", _scepclient_missing, lambda: debian_version("scep")),
        Side(OPENSSL, "OpenSSL", lambda: _lacks("openssl", "openssl"), lambda: debian_version("openssl")),
        Side(KEYTOOL, "keytool", lambda: _lacks("keytool", "default-jre-headless"), lambda: ""),
        Side(CRYPTOGRAPHY, "cryptography", lambda: None, lambda: importlib.metadata.version("cryptography")),
        Side(PYTHON_PKCS11, "python-pkcs11", _pkcs11_missing, lambda: importlib.metadata.version("python-pkcs11")),
    )
}
