"""The client's address and scheme behind a proxy; the servers have four ways to say them."""

import re
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address

from django.conf import settings

from realtime.types import Scope

WITH_PORT = re.compile(r"\[(.+)\](?::\d+)?|([^:]+):\d+")  # as some gateways write an address


def trusted(address: str) -> bool:
    """Whether it is the address of a proxy that is believed."""
    ip = parsed(address)
    return bool(ip) and any(ip in network for network in settings.FORWARDED_ALLOW_IPS)


@lru_cache(maxsize=1024)  # the proxies' own come with each request
def parsed(address: str) -> IPv4Address | IPv6Address | None:
    """The IP address, or None for what a client made up."""
    try:
        ip = ip_address(address)
    except ValueError:
        return None
    return getattr(ip, "ipv4_mapped", None) or ip


def bare(address: str) -> str:
    """An address without its port."""
    match = WITH_PORT.fullmatch(address.strip())
    return match[1] or match[2] if match else address.strip()


def look_behind(scope: Scope) -> None:
    """Put the client's address into the scope, which has the proxy's, or none at a Unix socket.

    It is the last one in X-Forwarded-For that is no proxy's: those before it may be forged.
    """
    client = scope.get("client")
    if client and client[0] and not trusted(client[0]):
        return
    said = [bare(address) for address in header(scope, b"x-forwarded-for").split(",")]
    while len(said) > 1 and trusted(said[-1]):
        said.pop()
    if said[-1]:
        scope["client"] = (said[-1], 0)
    if header(scope, b"x-forwarded-proto") in {"https", "wss"}:  # as of a tunnel in development
        scope["scheme"] = "https" if scope["type"] == "http" else "wss"


def header(scope: Scope, name: bytes) -> str:
    """Its values, as one."""
    values = (value for key, value in scope.get("headers", ()) if key == name)
    return b",".join(values).decode("latin-1")
