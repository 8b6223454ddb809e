"""Who watches: one event connection of a browser."""

import asyncio
from dataclasses import dataclass, field
from typing import Final

LOST: Final = b""  # in a viewer's queue: close, the browser comes again
QUEUE_LENGTH: Final = 1_000


@dataclass(eq=False)
class Viewer:
    """One event connection of a browser, with every conversation that it watches."""

    user: str
    queue: "asyncio.Queue[bytes]" = field(default_factory=lambda: asyncio.Queue(QUEUE_LENGTH))

    def put(self, data: bytes) -> None:
        """Hand over an event. A browser that does not keep up is closed, and comes again."""
        try:
            self.queue.put_nowait(data)
        except asyncio.QueueFull:
            while not self.queue.empty():
                self.queue.get_nowait()
            self.queue.put_nowait(LOST)
