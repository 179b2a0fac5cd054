"""What a person tells a CA that runs: approve, reject, revoke, roll over; over a socket in its directory."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import socket
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from cryptography.hazmat.primitives import hashes

from framework.admin.wire import Wire, WireError, socket_path
from tools.scep_ca.errors import ControlError, ScepCaError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from tools.scep_ca.protocol import ScepCa

PATIENCE_S: Final = 10.0
"""How long a client may take to say what it wants, in seconds."""

_log = logging.getLogger("tools.scep_ca")


def _pending(ca: ScepCa, _: str) -> list[str]:
    return [
        f"{one.transaction_id}  {one.at:%Y-%m-%d %H:%M:%S}  {one.request.subject.rfc4514_string()!a}"
        for one in ca.pending()
    ]


def _issued(ca: ScepCa, _: str) -> list[str]:
    return [
        f"{one.certificate.serial_number:x}  {one.certificate.subject.rfc4514_string()!a}"
        f"{'' if one.revoked_at is None else '  revoked'}"
        for one in ca.issued()
    ]


def _approve(ca: ScepCa, transaction_id: str) -> list[str]:
    ca.approve(transaction_id)
    return [f"approved {transaction_id}; its client gets the certificate when it polls"]


def _reject(ca: ScepCa, transaction_id: str) -> list[str]:
    ca.reject(transaction_id)
    return [f"rejected {transaction_id}"]


def _revoke(ca: ScepCa, serial: str) -> list[str]:
    try:
        number = int(serial, 16)
    except ValueError:
        raise ControlError(f"{serial!a} is no serial number in hex") from None
    ca.revoke(number)
    return [f"revoked {number:x}"]


def _prepare_rollover(ca: ScepCa, _: str) -> list[str]:
    anchor = ca.prepare_rollover()
    return [f"GetNextCACert now brings the CA with SHA-256 {anchor.fingerprint(hashes.SHA256()).hex()}"]


def _roll_over(ca: ScepCa, _: str) -> list[str]:
    ca.roll_over()
    return [f"the CA is now the one with SHA-256 {ca.fingerprint}"]


_COMMANDS: Final[dict[str, tuple[Callable[[ScepCa, str], list[str]], str | None, str]]] = {
    "pending": (_pending, None, "the requests that wait for approval"),
    "approve": (_approve, "TRANSACTION", "grant a request that waits"),
    "reject": (_reject, "TRANSACTION", "refuse a request that waits"),
    "issued": (_issued, None, "the certificates that it issued"),
    "revoke": (_revoke, "SERIAL", "revoke a certificate, by its serial number in hex"),
    "prepare-rollover": (_prepare_rollover, None, "make the next CA, and announce it"),
    "roll-over": (_roll_over, None, "be the next CA from now on"),
}
CONTROL_COMMANDS: Final = tuple(_COMMANDS)


class ControlServer:
    """Takes commands for a CA from its owner, from `start` to `stop`, or as a context manager.

    Whoever starts it has the CA's directory: a socket that is there already is a dead CA's.
    """

    def __init__(self, ca: ScepCa, directory: Path) -> None:
        self._ca = ca
        self._directory = directory
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._thread = threading.Thread(target=self._serve, name="scep-ca-control", daemon=True)

    def start(self) -> None:
        """Begin to take commands; OSError if the socket cannot be made."""
        with socket_path(self._directory) as path:
            Path(path).unlink(missing_ok=True)
            before = os.umask(0o177)
            try:
                self._listener.bind(path)
            finally:
                os.umask(before)
        self._listener.listen()
        self._thread.start()

    def stop(self) -> None:
        """Take no more."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()
        with socket_path(self._directory) as path:
            Path(path).unlink(missing_ok=True)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.settimeout(PATIENCE_S)
            wire = Wire(connection)
            try:
                wire.send(self._outcome(wire.receive()))
            except WireError as error:
                _log.debug("a control client was cut off: %s", error)
            finally:
                wire.close()

    def _outcome(self, request: dict[str, Any] | None) -> dict[str, Any]:
        asked = request or {}
        found = _COMMANDS.get(str(asked.get("command")))
        if found is None:
            return {"error": "there is no such command"}
        try:
            return {"lines": found[0](self._ca, str(asked.get("argument", "")))}
        except ScepCaError as error:
            return {"error": str(error)}

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()


def control(directory: Path, command: str, argument: str = "") -> list[str]:
    """Tell the CA that runs on a directory what to do; the lines that it answers with.

    Raises:
        ControlError: None runs there, or it cannot do it.
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with socket_path(directory) as path:
            connection.connect(path)
    except OSError:
        connection.close()
        raise ControlError(f"no CA runs on {directory}") from None
    connection.settimeout(PATIENCE_S)
    wire = Wire(connection)
    try:
        wire.send({"command": command, "argument": argument})
        answer = wire.receive() or {}
    except WireError as error:
        raise ControlError(f"the CA on {directory} does not answer: {error}") from None
    finally:
        wire.close()
    if "error" in answer:
        raise ControlError(str(answer["error"]))
    return [str(line) for line in answer.get("lines", ())]


def main(argv: Sequence[str]) -> int:
    """One command line; 0 if it was done, 1 if not, 2 for a wrong one."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.scep_ca", description="Tell a CA that runs what to do.", allow_abbrev=False
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name, (_, argument, text) in _COMMANDS.items():
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("--directory", type=Path, required=True, help="the CA's directory")
        if argument is not None:
            command.add_argument("argument", metavar=argument)
    options = parser.parse_args(argv)
    try:
        lines = control(options.directory, options.command, getattr(options, "argument", ""))
    except ControlError as error:
        print(f"scep_ca: {error}", file=sys.stderr)
        return 1
    print("\n".join(lines))
    return 0
