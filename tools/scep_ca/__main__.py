"""`python -m tools.scep_ca`: the development CA in the foreground, until it is told to stop, and what it is told."""

from __future__ import annotations

import argparse
import json
import logging
import os
import re
import signal
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cryptography import x509

from framework import Secret
from framework.storage import replace_file
from tools.scep_ca import control
from tools.scep_ca.control import CONTROL_COMMANDS
from tools.scep_ca.errors import ScepCaError
from tools.scep_ca.faults import FAULTS
from tools.scep_ca.identities import DEFAULT_KEY_SIZE, DEFAULT_SUBJECT, CaParameters
from tools.scep_ca.policy import IssuancePolicy
from tools.scep_ca.protocol import ScepCa
from tools.scep_ca.server import ScepCaServer

if TYPE_CHECKING:
    from collections.abc import Sequence

_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_LARGEST_CHALLENGE: Final = 4096
_CHOICES_OF_KEY_SIZE: Final = (2048, 3072, 4096)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the CA until SIGTERM or SIGINT, or tell one that runs what to do.

    Returns:
        0 when that is done, 1 if it cannot be, 2 for a wrong command line.
    """
    arguments = sys.argv[1:] if argv is None else list(argv)
    if arguments[:1] and arguments[0] in CONTROL_COMMANDS:
        return control.main(arguments)
    parser = _parser()
    options = parser.parse_args(arguments)
    logging.basicConfig(
        level=options.log_level.upper(), stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s"
    )
    try:
        policy = IssuancePolicy(
            _challenge(options),
            options.validity,
            options.smallest_key,
            options.strict,
            approval=options.approval,
            renewal=not options.no_renewal,
            renewal_challenge=options.renewal_challenge,
        )
    except (OSError, ValueError) as error:
        parser.error(str(error))
    # Blocked before any thread starts, so that the signals wait for sigwait, whoever is running.
    signals = {signal.SIGTERM, signal.SIGINT}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        return _run(options, policy, signals)
    except (ScepCaError, OSError) as error:
        print(f"scep_ca: {error}", file=sys.stderr)
        return 1
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _run(options: argparse.Namespace, policy: IssuancePolicy, signals: set[signal.Signals]) -> int:
    parameters = CaParameters(
        options.subject,
        options.key_size,
        options.ca_validity,
        intermediate=options.intermediate,
        registration_authority=options.registration_authority,
    )
    with ScepCa.open(options.directory, policy, parameters=parameters, faults=options.fault) as ca:
        with (
            ScepCaServer(ca, host=options.host, port=options.port) as server,
            control.ControlServer(ca, options.directory),
        ):
            _announce(options, ca, server.url)
            signal.sigwait(signals)
        if options.ready_file is not None:
            options.ready_file.unlink(missing_ok=True)
    return 0


def _announce(options: argparse.Namespace, ca: ScepCa, url: str) -> None:
    """Say where the CA is, once it answers: the first line of standard output, and the ready file."""
    facts = {
        "url": url,
        "fingerprint": ca.fingerprint,
        "certificate": str(ca.anchor_file.absolute()),
        "subject": ca.anchor.subject.rfc4514_string(),
        "pid": os.getpid(),
    }
    line = json.dumps(facts)
    if options.ready_file is not None:
        replace_file(options.ready_file, f"{line}\n".encode())
    if options.json:
        print(line, flush=True)
        return
    print(f"SCEP CA at {url}")
    print(f"  subject              {facts['subject']}")
    print(f"  SHA-256 fingerprint  {facts['fingerprint']}")
    print(f"  certificate          {facts['certificate']}", flush=True)


def _challenge(options: argparse.Namespace) -> Secret | None:
    """The challenge password; OSError or ValueError says why it cannot be had, without showing it."""
    if options.no_challenge:
        return None
    if options.challenge_environment is not None:
        text = os.environ.get(options.challenge_environment, "")
        where = f"the environment variable {options.challenge_environment}"
    else:
        where = str(options.challenge_file)
        with options.challenge_file.open("rb") as file:
            content = file.read(_LARGEST_CHALLENGE + 1)
        try:
            text = content.decode().rstrip("\r\n")
        except UnicodeDecodeError:
            raise ValueError(f"{where} is no UTF-8 text") from None
    if not text or "\n" in text or len(text) > _LARGEST_CHALLENGE:
        raise ValueError(f"{where} must hold one line, the challenge password")
    return Secret(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.scep_ca",
        description="A SCEP CA for development and tests, made in the directory if it is not there yet.",
        epilog=_epilog(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--directory", type=Path, required=True, help="where key, certificate and what was issued are kept"
    )
    challenge = parser.add_mutually_exclusive_group(required=True)
    challenge.add_argument("--challenge-file", type=Path, metavar="FILE", help="has the challenge password")
    challenge.add_argument(
        "--challenge-environment",
        metavar="VARIABLE",
        help="environment variable that has the challenge password",
    )
    challenge.add_argument("--no-challenge", action="store_true", help="grant requests without a password")
    address = parser.add_argument_group("address")
    address.add_argument("--host", default="127.0.0.1", help="address to bind (default: %(default)s)")
    address.add_argument(
        "--port", type=_port, default=8999, help="port to bind, 0 for a free one (default: %(default)s)"
    )
    _add_issuance(parser)
    parser.add_argument_group("to test clients").add_argument(
        "--fault",
        choices=FAULTS,
        action="append",
        default=[],
        metavar="NAME",
        help="do one thing wrong (may be given several times); the names are below",
    )
    running = parser.add_argument_group("running")
    running.add_argument("--json", action="store_true", help="say where the CA is as one line of JSON")
    running.add_argument("--ready-file", type=Path, metavar="FILE", help="written with that JSON when the CA answers")
    running.add_argument(
        "--log-level",
        choices=["debug", "info", "warning", "error"],
        default="info",
        help="default: %(default)s",
    )
    return parser


def _epilog() -> str:
    told = "\n".join(f"  python -m tools.scep_ca {name} --directory ca" for name in CONTROL_COMMANDS)
    width = max(map(len, FAULTS))
    menu = "\n".join(f"  {fault.name:<{width}}  {fault.help}" for fault in FAULTS.values())
    return (
        "example:\n  python -m tools.scep_ca --directory ca --port 8999 --challenge-file password.txt\n"
        f"what it can be told while it runs (see --help of each):\n{told}\nfaults:\n{menu}"
    )


def _add_issuance(parser: argparse.ArgumentParser) -> None:
    made = parser.add_argument_group("the CA, when it is made")
    made.add_argument(
        "--subject",
        type=_name,
        metavar="DN",
        help=f"its name, as in RFC 4514 (default: {DEFAULT_SUBJECT.rfc4514_string()})",
    )
    made.add_argument(
        "--key-size",
        type=int,
        choices=_CHOICES_OF_KEY_SIZE,
        help=f"bits of its key (default: {DEFAULT_KEY_SIZE})",
    )
    made.add_argument(
        "--ca-validity",
        type=_duration,
        default=timedelta(days=3650),
        metavar="TIME",
        help="as 3650d, 12h, 30m or 90s (default: 3650d)",
    )
    made.add_argument("--intermediate", action="store_true", help="a root is above it, which clients pin")
    made.add_argument(
        "--registration-authority", action="store_true", help="RAs sign and decrypt messages for it, one each"
    )
    issuance = parser.add_argument_group("what it issues")
    issuance.add_argument("--approval", action="store_true", help="a person must approve first enrolments")
    issuance.add_argument("--no-renewal", action="store_true", help="do not offer RenewalReq")
    issuance.add_argument(
        "--renewal-challenge", action="store_true", help="renewals must carry the challenge password too"
    )
    issuance.add_argument(
        "--validity",
        type=_duration,
        default=timedelta(days=90),
        metavar="TIME",
        help="how long a certificate is valid (default: 90d)",
    )
    issuance.add_argument(
        "--smallest-key",
        type=int,
        choices=(1024, *_CHOICES_OF_KEY_SIZE),
        default=2048,
        help="smallest RSA key that is certified (default: %(default)s)",
    )
    issuance.add_argument(
        "--strict",
        action="store_true",
        help="refuse messages in DES, 3DES and SHA-1, which old clients send (scepclient 2.1.0 does)",
    )


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"{text!r} is no port (0 to 65535)")
    return int(text)


def _name(text: str) -> x509.Name:
    try:
        name = x509.Name.from_rfc4514_string(text)
    except ValueError:
        name = x509.Name([])
    if not list(name):
        raise argparse.ArgumentTypeError(f"{text!r} is no name such as CN=Test CA,O=Example")
    return name


def _duration(text: str) -> timedelta:
    found = re.fullmatch(r"([1-9]\d{0,5})([smhd])", text, re.ASCII)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no time such as 90d, 12h, 30m or 45s")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


if __name__ == "__main__":
    sys.exit(main())
