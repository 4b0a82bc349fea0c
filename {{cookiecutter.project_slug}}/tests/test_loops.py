"""What the loop gets, and how its end closes the connection."""

from typing import Any

import pytest
from django.core.signals import got_request_exception, request_finished, request_started

from realtime.testing import ConnectionClosed, WebSocketClient

pytestmark = pytest.mark.urls("tests.urls")


async def close_code(path: str) -> int:
    """The code with which the service closes."""
    async with WebSocketClient(path) as client:
        with pytest.raises(ConnectionClosed) as closed:
            await client.receive()
    return closed.value.code


async def test_arguments_of_the_url_reach_the_loop() -> None:
    async with WebSocketClient("/tell/hello/") as client:
        assert await client.receive() == "AnonymousUser http {'word': 'hello'}"


async def test_the_loop_has_the_receive_and_send_of_the_server() -> None:
    async with WebSocketClient("/same/") as client:
        functions = await client.receive()
    assert functions == "asyncio.queues.Queue.get asyncio.queues.Queue.put"


async def test_a_loop_that_returns_closes_with_1000() -> None:
    assert await close_code("/decide/") == 1000


async def test_a_loop_that_closes_by_itself_has_the_last_word() -> None:
    assert await close_code("/leave/") == 4000


async def test_a_loop_that_raises_closes_with_1011_and_is_reported(
    caplog: pytest.LogCaptureFixture,
) -> None:
    reported: list[str] = []

    def observer(request: Any, **kwargs: Any) -> None:
        reported.append(request.path)

    got_request_exception.connect(observer)
    assert await close_code("/fail/") == 1011
    got_request_exception.disconnect(observer)
    assert "RuntimeError: the loop failed" in caplog.text
    assert reported == ["/fail/"]


async def test_a_cookie_goes_out_with_the_accept() -> None:
    async with WebSocketClient("/decide/") as client:
        assert client.accepted["headers"] == [(b"set-cookie", b"seen=yes; Path=/")]


async def test_request_started_and_finished_are_sent() -> None:
    sent: list[str] = []

    def started(**kwargs: Any) -> None:
        sent.append("started")

    def finished(**kwargs: Any) -> None:
        sent.append("finished")

    request_started.connect(started)
    request_finished.connect(finished)
    async with WebSocketClient("/ws/"):
        assert sent == ["started", "finished"]
    request_started.disconnect(started)
    request_finished.disconnect(finished)
