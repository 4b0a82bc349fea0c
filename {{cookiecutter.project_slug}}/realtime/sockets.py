"""The sockets of this process: how many there can be, and when TCP gives up a client."""

import os
import socket
import stat
import sys
from contextlib import suppress
from functools import cache

SPARE = 64  # open files beside those of connections, as of the database and of Redis
# A client is dropped 50 s after its last sign of life: 20 s of silence and three probes without an
# answer, or 50,000 ms with data that it does not acknowledge or has no room for. The last one is
# for the bytes that wait in the kernel: without a limit megabytes do, and `send` never has to wait.
TCP_OPTIONS = {
    "TCP_KEEPIDLE": 20,
    "TCP_KEEPINTVL": 10,
    "TCP_KEEPCNT": 3,
    "TCP_USER_TIMEOUT": 50_000,
    "TCP_NOTSENT_LOWAT": 128 * 1024,
}


@cache
def files() -> int:
    """How many connections fit into this process' limit of open files, which it raises first."""
    try:
        import resource
    except ModuleNotFoundError:  # Windows
        return sys.maxsize
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = 1 << 20 if hard == resource.RLIM_INFINITY else min(hard, 1 << 20)
    with suppress(ValueError, OSError):  # macOS, whose limit is not what it says
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))
    return max(resource.getrlimit(resource.RLIMIT_NOFILE)[0] - SPARE, SPARE)


def set_tcp_options() -> None:
    """Set them for every TCP socket of this process; connections inherit the listening socket's.

    It goes by the list of open files: ASGI has no way to a socket. See tcp(7).
    """
    with suppress(FileNotFoundError):  # a system without /dev/fd
        for descriptor in map(int, os.listdir("/dev/fd")):
            with suppress(OSError):  # closed meanwhile, or not TCP
                if stat.S_ISSOCK(os.fstat(descriptor).st_mode):
                    with socket.socket(fileno=os.dup(descriptor)) as tcp:
                        _set_on(tcp)


def _set_on(tcp: socket.socket) -> None:
    if tcp.family in {socket.AF_INET, socket.AF_INET6}:
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in TCP_OPTIONS.items():
            if hasattr(socket, name):  # on this system
                tcp.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
