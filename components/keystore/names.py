"""Names of X.509 as people write them."""

from __future__ import annotations

import ipaddress

from cryptography import x509


def parse_subject(text: str) -> x509.Name:
    """A distinguished name such as `CN=gateway-17,O=Example` (RFC 4514); ValueError if it is none."""
    try:
        return x509.Name.from_rfc4514_string(text.strip())
    except ValueError:
        raise ValueError(f"{text!r} is no distinguished name such as CN=gateway-17,O=Example") from None


def parse_alternative_name(text: str) -> x509.GeneralName:
    """A subject alternative name: `DNS:…`, `IP:…`, `URI:…` or `EMAIL:…`; ValueError if it is none."""
    kind, _, value = text.partition(":")
    value = value.strip()
    match kind.strip().upper():
        case "DNS" if value:
            return x509.DNSName(value)
        case "IP":
            return x509.IPAddress(ipaddress.ip_address(value))
        case "URI" if value:
            return x509.UniformResourceIdentifier(value)
        case "EMAIL" if value:
            return x509.RFC822Name(value)
        case _:
            raise ValueError("must be DNS:name, IP:address, URI:uri or EMAIL:address")
