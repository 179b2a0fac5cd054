"""The endpoint of a SCEP server, as the configuration or a redirect names it: the URLs that it may mean."""

from __future__ import annotations

import re
import urllib.parse
from typing import Final

from components.scep.errors import EndpointError

WELL_KNOWN_PATHS: Final = ("/cgi-bin/pkiclient.exe", "/scep", "/certsrv/mscep/mscep.dll")
"""Where servers live, tried in turn when the endpoint has no path: RFC 8894's, micromdm's, NDES's."""


def normalize_endpoint(endpoint: str) -> str:
    """The URL that an endpoint means: `http://host:port`, with a path or not, or `http:host:port`.

    Raises:
        EndpointError: It is none.
    """
    text = re.sub(r"^(https?):(?!//)", r"\1://", endpoint.strip(), flags=re.IGNORECASE)
    try:
        parts = urllib.parse.urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise EndpointError(endpoint, str(error)) from None
    if parts.scheme.lower() not in ("http", "https"):
        raise EndpointError(endpoint, "it must begin with http:// or https://")
    if any(c.isspace() or not c.isprintable() for c in text):
        raise EndpointError(endpoint, "it must hold no blanks and no control characters")
    if not parts.hostname or port == 0 or parts.username is not None:
        raise EndpointError(endpoint, "it must name a host, such as http://scep-server:8999")
    if not parts.hostname.isascii():
        raise EndpointError(endpoint, f"it must name the host as DNS has it{_in_ascii(parts.hostname)}")
    if parts.query or parts.fragment:
        raise EndpointError(endpoint, "it must have no query and no fragment; SCEP makes its own")
    return text


def endpoint_urls(endpoint: str) -> tuple[str, ...]:
    """The URLs that an endpoint may mean, in turn: itself if it has a path, else with each well-known one.

    Raises:
        EndpointError: It is none.
    """
    url = normalize_endpoint(endpoint)
    if urllib.parse.urlsplit(url).path not in ("", "/"):
        return (url,)
    return tuple(url.rstrip("/") + path for path in WELL_KNOWN_PATHS)


def on_the_same_host(url: str, location: str) -> str | None:
    """The SCEP URL that a redirect means; None if it leads to another host, out of https, or nowhere."""
    try:
        target = urllib.parse.urljoin(url, location)
        before, after = urllib.parse.urlsplit(url), urllib.parse.urlsplit(target)
        found = normalize_endpoint(after._replace(query="", fragment="").geturl())
    except ValueError:  # an EndpointError is one, too
        return None
    leaves_https = before.scheme.lower() == "https" and after.scheme.lower() != "https"
    return None if after.hostname != before.hostname or leaves_https else found


def _in_ascii(host: str) -> str:
    """What to write for an internationalized name (RFC 3490), for a person to compare; empty if it is none."""
    try:
        return f", which may be {host.encode('idna').decode('ascii')}"
    except UnicodeError:
        return ""
