"""How a process of the rendered service publishes to the room of a deploy."""

from realtime.broadcast import publish


async def tell(text: str) -> None:
    """Publish it."""
    await publish("room.deploy", text)
