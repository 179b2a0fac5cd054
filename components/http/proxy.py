"""The HTTP proxy that the environment names, and what is wrong with it, never with its password."""

from __future__ import annotations

import base64
import os
import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from typing import Final

_AS: Final = "; write it as http://host:port or http://user:password@host:port, special characters as %XX"


class ProxyError(OSError):
    """The environment's proxy cannot be used as it is written there, or does not let a request through.

    Attributes:
        variable: The environment variable that names it.
        reason: What is wrong.
    """

    def __init__(self, variable: str, reason: str, address: str = "") -> None:
        named = f"the proxy {address} of {variable}" if address else f"the proxy of {variable}"
        super().__init__(f"{named}: {reason}")
        self.variable = variable
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy for HTTP (RFC 9110 3.7).

    Attributes:
        variable: The environment variable that names it.
        address: Its URL without user and password.
        headers: What it is to be told besides: the user and the password (RFC 7617), if there are any.
    """

    variable: str
    address: str
    headers: dict[str, str] = field(default_factory=dict, repr=False)

    def failed(self, reason: str) -> ProxyError:
        """The error that it does not let a request through."""
        return ProxyError(self.variable, reason, self.address)

    def wants_credentials(self) -> ProxyError:
        """The error that it answered with HTTP status 407."""
        if self.headers:
            return self.failed("it does not accept the user and the password that are written there")
        return self.failed("it asks for a user and a password; write them as http://user:password@host:port")


def proxy_for(scheme: str, host: str) -> Proxy | None:
    """The proxy that requests to a host take; None if they go straight there.

    urllib.request.getproxies would look through the whole environment for each request.

    Raises:
        ProxyError: The environment names one that is none.
    """
    variable = f"{scheme}_proxy"
    text = os.environ.get(variable, "")
    if not text and variable not in os.environ and "REQUEST_METHOD" not in os.environ:  # a CGI's caller could set it
        variable = variable.upper()
        text = os.environ.get(variable, "")
    if not text or urllib.request.proxy_bypass(host):
        return None
    try:
        parts = urllib.parse.urlsplit(text if "://" in text else f"http://{text}")
        port = parts.port
        user, password = (urllib.parse.unquote_to_bytes(part or "") for part in (parts.username, parts.password))
    except ValueError:  # its words may show the password
        raise ProxyError(variable, f"it is no URL{_AS}") from None
    if "@" in parts.path + parts.query + parts.fragment:  # a part of the password would be taken for the port
        raise ProxyError(variable, f"its password has special characters that are not escaped{_AS}")
    if parts.scheme not in ("http", "https"):
        raise ProxyError(variable, f"only proxies that speak HTTP are supported{_AS}")
    if not parts.hostname or not parts.hostname.isascii() or port == 0:
        raise ProxyError(variable, f"it names no host{_AS}")
    name = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    address = f"{parts.scheme}://{name}" if port is None else f"{parts.scheme}://{name}:{port}"
    if parts.username is None:
        return Proxy(variable, address)
    credentials = base64.b64encode(user + b":" + password).decode("ascii")
    return Proxy(variable, address, {"proxy-authorization": f"Basic {credentials}"})
