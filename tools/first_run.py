"""The main job on an embedded default: a development CA, a gateway, an enrolment, each step shown as it happens.

Nothing here is special to the demonstration: the CA and the gateway are processes of their own, the gateway is
configured through its configuration admin, and what is shown is what its commands and events say.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT: Final = Path(__file__).resolve().parent.parent
KEYSTORE: Final = "EnrollmentKeystore"
KEYSTORE_PID: Final = f"gatewright.keystore.FilesystemKeystore~{KEYSTORE}"
SCEP_PID: Final = "gatewright.scep.SCEPEnrollmentService"
START_DEADLINE_S: Final = 30.0
ENROLMENT_DEADLINE_S: Final = 50.0


def say(text: str) -> None:
    """One line for the person at the terminal."""
    print(text, flush=True)


def give_up(text: str) -> NoReturn:
    """End with an error that says what to look at."""
    sys.exit(f"error: {text}")


def main() -> int:
    """Run the demonstration in a fresh directory, which is kept; 0 if the gateway has its certificate."""
    home = Path(tempfile.mkdtemp(prefix="gatewright-"))
    state, conf = home / "state", home / "conf.d"
    conf.mkdir()
    challenge = home / "challenge"
    challenge.touch(mode=0o600)
    challenge.write_text(secrets.token_urlsafe(18))
    with contextlib.ExitStack() as stack:
        ca = start_authority(stack, home, challenge)
        enrolled = start_gateway(stack, home, state, conf)
        configure_both(state, ca, challenge)
        enrolled.wait(ENROLMENT_DEADLINE_S)
        status = answer(gatewright(state, "cert", "status", "--json"))
        if status.get("state") != "enrolled":
            say(text_of(gatewright(state, "cert", "status")))
            give_up(f"the gateway did not enrol; its log is {home / 'gateway.log'}")
        chain = home / "chain.pem"
        answer(gatewright(state, "keystore", "export", KEYSTORE, "scep-enrolled-key-pair", "-o", str(chain), "--json"))
        show_certificate(status["certificate"])
        show_files(home, state, conf, chain)
    say("\nThe gateway and the CA are stopped now.")
    return 0


def start_authority(stack: contextlib.ExitStack, home: Path, challenge: Path) -> dict[str, str]:
    """Start the development CA; what it says of itself: `url` and `fingerprint`."""
    say(f"1. Starting the development SCEP CA in {home / 'ca'}")
    authority = stack.enter_context(
        background(
            [
                *(sys.executable, "-m", "tools.scep_ca", "--directory", str(home / "ca"), "--port", "0"),
                *("--challenge-file", str(challenge), "--json"),
            ],
            home / "ca.log",
        )
    )
    ca: dict[str, str] = json.loads(first_line(authority, home / "ca.log", "the development CA"))
    say(f"   it answers at {ca['url']}\n   its certificate has the SHA-256 fingerprint {ca['fingerprint']}")
    return ca


def start_gateway(stack: contextlib.ExitStack, home: Path, state: Path, conf: Path) -> threading.Event:
    """Start a gateway and show its events; what is set as soon as it has its certificate."""
    say(f"2. Starting a gateway with its state in {state}")
    gateway = stack.enter_context(
        background(
            [*(sys.executable, "-m", "framework", "run"), *("--state-dir", str(state), "--conf-dir", str(conf))],
            home / "gateway.log",
            ready_on_stderr=True,
        )
    )
    say(f"   {first_line(gateway, home / 'gateway.log', 'the gateway')}")
    events = stack.enter_context(
        background(
            gatewright(state, "events", "--follow", "--topic", "gatewright/*", "--json"),
            home / "events.log",
        )
    )
    enrolled = threading.Event()
    threading.Thread(target=show_events, args=(events.stdout, enrolled), daemon=True).start()
    return enrolled


def configure_both(state: Path, ca: dict[str, str], challenge: Path) -> None:
    """Configure the keystore, and the enrolment that uses it."""
    say(f"3. Configuring a filesystem keystore, {KEYSTORE}, through the configuration admin")
    configure(state, KEYSTORE_PID, "keystore.path=enrollment.p12")
    say("4. Configuring the SCEP component: its target filter selects that keystore")
    configure(
        state,
        SCEP_PID,
        "enabled=true",
        f"KeystoreService.target=(kura.service.pid={KEYSTORE})",
        f"server.url={ca['url']}",
        f"server.ca.fingerprint={ca['fingerprint']}",
        "client.subject.dn=CN=first-gateway,O=Example",
        f"client.challenge.password=@{challenge}",
    )


def show_certificate(certificate: dict[str, Any]) -> None:
    """The certificate that the gateway obtained."""
    say("5. The gateway has its certificate")
    for label, key in (
        ("subject", "subject"),
        ("issuer", "issuer"),
        ("serial", "serial"),
        ("valid from", "not_before"),
        ("valid until", "not_after"),
        ("alias", "alias"),
        ("keystore", "keystore"),
    ):
        say(f"   {label:<12} {certificate[key]}")


def show_files(home: Path, state: Path, conf: Path, chain: Path) -> None:
    """Where everything is, and what one could do next."""
    command = ROOT / "tools" / "run"
    say(f"\nFiles in {home}")
    for path, meaning in (
        (state / "enrollment.p12", "the keystore, PKCS#12, under a password that only the gateway knows"),
        (state / "configuration.db", "the configuration, secrets sealed"),
        (chain, "the certificate and its chain, PEM"),
        (home / "ca", "the development CA"),
        (home / "gateway.log", "what the gateway logged"),
    ):
        say(f"   {path.relative_to(home)!s:<24} {meaning}")
    say("\nWhat to try next")
    say(f"   openssl x509 -in {chain} -noout -text")
    say(f"   {command} run --state-dir {state} --conf-dir {conf}     start that gateway again, and beside it:")
    say(f"   {command} status --state-dir {state}")
    say(f"   {command} cert status --state-dir {state}")
    say(f"   {command} explain {SCEP_PID} --state-dir {state}")
    say(f"   {command} keystore list --state-dir {state}")


@contextlib.contextmanager
def background(argv: list[str], log: Path, *, ready_on_stderr: bool = False) -> Iterator[subprocess.Popen[str]]:
    """A process for as long as the block lasts; what is not read from it goes to `log`."""
    with log.open("ab") as sink:
        process = subprocess.Popen(
            argv,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if ready_on_stderr else sink,
            text=True,
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            with log.open("a", encoding="utf-8") as sink_text, contextlib.suppress(ValueError):
                sink_text.write(process.stdout.read())
            process.stdout.close()


def first_line(process: subprocess.Popen[str], log: Path, name: str) -> str:
    """The line by which a process says that it is ready."""
    line: list[str] = []
    assert process.stdout is not None  # noqa: S101  # it was started with a pipe
    reader = threading.Thread(target=lambda stream: line.append(stream.readline()), args=(process.stdout,))
    reader.daemon = True
    reader.start()
    reader.join(START_DEADLINE_S)
    if not line or not line[0]:
        give_up(f"{name} did not start; see {log}")
    return line[0].strip()


def show_events(stream: IO[str] | None, enrolled: threading.Event) -> None:
    """Print what the gateway does, as its events tell, until the certificate is there."""
    for line in stream or ():
        event = json.loads(line)
        topic, properties = event.get("topic", ""), event.get("properties", {})
        text = _EVENT_TEXTS.get(topic)
        if text is not None:
            say(f"   . {text(properties)}")
        if topic == "gatewright/enrollment/STATE_CHANGED" and properties.get("state") == "enrolled":
            enrolled.set()


_EVENT_TEXTS: Final[dict[str, Callable[[dict[str, Any]], str]]] = {
    "gatewright/component/STATE_CHANGED": lambda properties: f"{properties['pid']} is {properties['state']}",
    "gatewright/enrollment/STEP": lambda properties: str(properties["message"]),
}


def gatewright(state: Path, *arguments: str) -> list[str]:
    """The command line of one gatewright command."""
    return [sys.executable, "-m", "framework", *arguments, "--state-dir", str(state)]


def configure(state: Path, pid: str, *settings: str) -> None:
    """Push properties through the configuration admin."""
    result = answer(gatewright(state, "config", "set", pid, *settings, "--json"))
    say(f"   {pid}: {result['outcome']}")


def answer(argv: list[str]) -> dict[str, Any]:
    """The JSON answer of one command; what it complains about ends the demonstration."""
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False, env=os.environ)
    try:
        data = json.loads(done.stdout)
    except ValueError:
        give_up(f"{' '.join(argv[3:5])} failed: {done.stderr.strip() or done.stdout.strip()}")
    return data if isinstance(data, dict) else {"answer": data}


def text_of(argv: list[str]) -> str:
    """What one command prints for people."""
    return subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False).stdout


if __name__ == "__main__":
    sys.exit(main())
