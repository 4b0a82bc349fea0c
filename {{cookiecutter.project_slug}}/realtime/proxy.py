"""The client's address where a proxy stands between; the servers have four ways to say it."""

from ipaddress import ip_address

from django.conf import settings

from realtime.types import Scope


def trusted(address: str) -> bool:
    """Whether it is the address of a proxy that is believed."""
    try:
        ip = ip_address(address)
    except ValueError:  # a Unix socket, or what a client made up
        return False
    return any(ip in network for network in settings.FORWARDED_ALLOW_IPS)


def look_behind(scope: Scope) -> None:
    """Put the client's address into the scope, which has the proxy's.

    It is the last one in X-Forwarded-For that is no proxy's: those before it may be forged.
    """
    client = scope.get("client")
    if client and trusted(client[0]):
        headers = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
        said = [address.strip() for address in b",".join(headers).decode("latin-1").split(",")]
        while len(said) > 1 and trusted(said[-1]):
            said.pop()
        if said[-1]:
            scope["client"] = (said[-1], 0)
