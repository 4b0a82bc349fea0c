"""A load of WebSocket clients in one process, with picows, which leaves it head-room.

They connect as Chromium does: with its headers, a cookie, and the offer to compress (RFC 7692); if
the server takes it they compress what they send.

    python -m benchmarks.load URL COOKIE messages|connections CLIENTS SECONDS
    python -m benchmarks.load URL "" hold CLIENTS
    python -m benchmarks.load URL COOKIE storm CLIENTS

Prints a line of JSON for what was `done`: messages answered, with one outstanding for each client,
or connections opened, pinged and closed; of their times in ms the median, `p50`, and `p99`; and the
share of a core that this process was `busy`, whose rest is its head-room. `hold` opens connections,
pings each once, prints, and ends with its standard input. `storm` opens them all at once, prints
how many `seconds` it took until each had its answer and how many `failed`, and ends.
"""

import asyncio
import json
import statistics
import sys
import time
import zlib
from collections.abc import Coroutine
from typing import Any

from picows import WSListener, WSMsgType, ws_connect  # type: ignore[import-not-found]

HEADERS = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/140.0.0.0 Safari/537.36",
    "Accept-Encoding": "gzip, deflate, br, zstd",
    "Accept-Language": "en-US,en;q=0.9",
    "Cache-Control": "no-cache",
    "Pragma": "no-cache",
    "Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits",
}
CSRF = "csrftoken=x6n1yFeZ2cWqkPzM5sT8uJb3hRvA0dLg"  # as a page with a form leaves it
END = b"\0\0\xff\xff"  # of a compressed message, which is left out


def deflated(message: bytes) -> bytes:
    """The message, compressed by itself, with the smallest window that can be agreed on."""
    compressor = zlib.compressobj(wbits=-9)
    packed = compressor.compress(message) + compressor.flush(zlib.Z_SYNC_FLUSH)
    return packed.removesuffix(END)


PING = {False: b"ping", True: deflated(b"ping")}


class Asking(WSListener):  # type: ignore[misc]
    """Sends "ping" until the deadline, or once; `times` has the seconds that each answer took.

    Of compressed answers only the first is read: the others refer to those before them.
    """

    def __init__(self, times: list[float], deadline: float = 0, leave: bool = True) -> None:
        self.times, self.deadline, self.leave = times, deadline, leave
        self.sent = time.perf_counter()  # for the only ping from the handshake on
        self.answered = asyncio.Event()
        self.packs = False  # messages are compressed

    def ask(self, transport: Any) -> None:
        """Send "ping"."""
        transport.send(WSMsgType.TEXT, PING[self.packs], rsv1=self.packs)

    def on_ws_connected(self, transport: Any) -> None:
        if self.deadline:
            self.sent = time.perf_counter()
        self.packs = "Sec-WebSocket-Extensions" in transport.response.headers
        self.ask(transport)

    def on_ws_frame(self, transport: Any, frame: Any) -> None:
        if frame.msg_type != WSMsgType.TEXT:
            return
        if not frame.rsv1:
            assert frame.get_payload_as_bytes() == b"pong!"
        elif not self.answered.is_set():
            said = zlib.decompressobj(wbits=-15).decompress(frame.get_payload_as_bytes() + END)
            assert said == b"pong!"
        now = time.perf_counter()
        self.times.append(now - self.sent)
        if now < self.deadline:
            self.sent = now
            self.ask(transport)
        elif self.leave:
            transport.send_close()
        self.answered.set()


async def connected(url: str, listener: WSListener, cookie: str = "") -> Any:
    """Open a connection, with the Origin that a page of the service would have."""
    origin = url.replace("ws", "http", 1).removesuffix(url.split("/", 3)[3])[:-1]
    cookies = f"{CSRF}; {cookie}" if cookie else CSRF
    headers = HEADERS | {"Origin": origin, "Cookie": cookies}
    options = {"extra_headers": headers, "websocket_handshake_timeout": 60.0}
    options["use_aiofastnet"] = False  # which connects more slowly
    transport, _ = await ws_connect(lambda: listener, url, **options)
    return transport


class Busy:
    """The share of a core that this process has used since it was made."""

    def __init__(self) -> None:
        self.began, self.worked = time.perf_counter(), time.process_time()

    def say(self, **result: Any) -> None:
        """Print the result and this share."""
        busy = (time.process_time() - self.worked) / (time.perf_counter() - self.began)
        print(json.dumps(result | {"busy": busy}), flush=True)


async def load(url: str, cookie: str, what: str, clients: int, seconds: float) -> None:
    """Ask on so many connections at once, each kept or one after the other."""
    times: list[float] = []
    busy, end = Busy(), time.perf_counter() + seconds

    async def client() -> None:
        while time.perf_counter() < end:
            listener = Asking(times, end if what == "messages" else 0)
            await (await connected(url, listener, cookie)).wait_disconnected()

    await asyncio.gather(*(client() for _ in range(clients)))
    cuts = statistics.quantiles(times, n=100)
    busy.say(done=len(times), p50=cuts[49] * 1000, p99=cuts[98] * 1000)


async def hold(url: str, clients: int) -> None:
    """Open so many connections, ping each once, and keep them until the standard input ends."""
    busy, held = Busy(), []
    for _ in range(clients):  # one after the other: no server has to bear a rush
        listener = Asking([], leave=False)
        held.append(await connected(url, listener))
        await listener.answered.wait()
    busy.say(done=len(held))
    await asyncio.to_thread(sys.stdin.read)


async def storm(url: str, cookie: str, clients: int) -> None:
    """Open so many connections at once, and ping each."""
    busy, began = Busy(), time.perf_counter()

    async def client() -> None:
        listener = Asking([], leave=False)
        await connected(url, listener, cookie)
        await listener.answered.wait()

    done = asyncio.gather(*(client() for _ in range(clients)), return_exceptions=True)
    failed = [error for error in await done if error]
    busy.say(seconds=time.perf_counter() - began, failed=len(failed))


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run it in uvloop where that is installed, as it is with uvicorn and granian."""
    try:
        import uvloop  # type: ignore[import-not-found]
    except ImportError:
        asyncio.run(main)
    else:
        uvloop.run(main)


if __name__ == "__main__":
    url, cookie, what, clients, *seconds = sys.argv[1:]
    if what == "hold":
        run(hold(url, int(clients)))
    elif what == "storm":
        run(storm(url, cookie, int(clients)))
    else:
        run(load(url, cookie, what, int(clients), float(seconds[0])))
