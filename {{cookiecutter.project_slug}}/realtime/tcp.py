"""Options of TCP that find clients which vanished or do not read, whatever the server does."""

import os
import socket
import stat
from contextlib import suppress

OPTIONS = {
    # A client is dropped 50 s after its last sign of life: 20 s of silence and three probes without
    # an answer, or 50,000 ms with data that it does not acknowledge or has no room for.
    "TCP_KEEPIDLE": 20,
    "TCP_KEEPINTVL": 10,
    "TCP_KEEPCNT": 3,
    "TCP_USER_TIMEOUT": 50_000,
    # Bytes that wait in the kernel; without a limit megabytes do, and `send` never has to wait.
    "TCP_NOTSENT_LOWAT": 128 * 1024,
}


def set_up() -> None:
    """Set them for every TCP socket of this process; later connections inherit them.

    It goes by the list of open files: ASGI has no way to a socket. See tcp(7).
    """
    with suppress(FileNotFoundError):  # a system without /dev/fd
        for descriptor in map(int, os.listdir("/dev/fd")):
            with suppress(OSError):  # closed meanwhile, or not TCP
                if stat.S_ISSOCK(os.fstat(descriptor).st_mode):
                    with socket.socket(fileno=os.dup(descriptor)) as tcp:
                        set_options(tcp)


def set_options(tcp: socket.socket) -> None:
    """Set the options that this system has."""
    if tcp.family in {socket.AF_INET, socket.AF_INET6}:
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in OPTIONS.items():
            if hasattr(socket, name):
                tcp.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
