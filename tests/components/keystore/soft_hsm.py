"""SoftHSM 2 as Debian ships it: tokens in a directory of the test."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

from metatype import Secret

if TYPE_CHECKING:
    from pathlib import Path

MODULE = "/usr/lib/softhsm/libsofthsm2.so"
PIN = Secret("4711-canary-pin")
SO_PIN = "0815-security-officer"


class SoftHsm:
    """A place for tokens. The module reads where that is when it is initialised, from the environment.

    Attributes:
        tokens: The directory of the tokens; a token is removed by moving it away.
        configuration: What `SOFTHSM2_CONF` has to name.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self.tokens = home / "tokens"
        self.tokens.mkdir(parents=True)
        self.configuration = home / "softhsm2.conf"
        self.configuration.write_text(f"directories.tokendir = {self.tokens}\nlog.level = ERROR\n")

    def make_token(self, label: str = "gateway", pin: Secret = PIN) -> None:
        """Initialise a token."""
        self.run("--init-token", "--free", "--label", label, "--pin", pin.reveal(), "--so-pin", SO_PIN)

    def run(self, *arguments: str) -> None:
        """`softhsm2-util`."""
        environment = {**os.environ, "SOFTHSM2_CONF": str(self.configuration)}
        subprocess.run(["softhsm2-util", *arguments], check=True, capture_output=True, env=environment)

    def remove(self) -> None:
        """Pull the tokens out."""
        shutil.move(self.tokens, self.home / "elsewhere")
        self.tokens.mkdir()

    def put_back(self) -> None:
        """Put them in again."""
        self.tokens.rmdir()
        shutil.move(self.home / "elsewhere", self.tokens)
