"""Start-up and shutdown of the service, as the server announces them.

https://asgi.readthedocs.io/en/latest/specs/lifespan.html
"""

import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any

from realtime.closing import listening
from realtime.types import Receive, Scope, Send

logger = logging.getLogger(__name__)
Context = Callable[[dict[str, Any]], AbstractAsyncContextManager[Any]]


class Lifespan:
    """Enters the given context managers at start-up and leaves them, last first, at shutdown.

    Each is called with the connection state: what it stores there, every connection of this
    process finds in `request.scope["state"]`. One that raises at start-up stops the server,
    after those that had started are left.
    """

    def __init__(self, *contexts: Context) -> None:
        self.contexts = contexts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        phase = "startup"
        await receive()
        try:
            async with AsyncExitStack() as stack:
                await stack.enter_async_context(listening())
                for context in self.contexts:
                    await stack.enter_async_context(context(scope.get("state", {})))
                await send({"type": "lifespan.startup.complete"})
                await receive()
                phase = "shutdown"
        except Exception as error:
            logger.exception("The service failed at %s", phase)
            await send({"type": f"lifespan.{phase}.failed", "message": str(error)})
        else:
            await send({"type": "lifespan.shutdown.complete"})
