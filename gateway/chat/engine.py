"""The chat's running parts in one process: the desk, the log, the writers, the look after the dead.

Started and stopped with the web process. Before `start` and after `stop` it refuses.
"""

import asyncio
import contextlib
import logging

from asgiref.sync import async_to_sync
from django.conf import settings
from django.db import DatabaseError
from django.utils import timezone

from gateway.chat.generation import Writers
from gateway.chat.log import BEGINNING, ConversationLog, Kind
from gateway.chat.messages import interrupt_dead
from gateway.database_threads import DatabaseThreads
from gateway.protocol.errors import FailClosed

log = logging.getLogger(__name__)

LOOK_EVERY_S = 5.0
THREADS = 3


class Engine:
    """One per web process."""

    def __init__(self) -> None:
        self.desk = DatabaseThreads(THREADS, name="chat-database")
        self.log = ConversationLog(settings.REDIS_URL)
        self.writers = Writers(self.desk, self.log)
        self._looking: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """End what a dead process left, then keep looking for more of it."""
        # With SQLite there is one web process: whatever is being written now has no writer.
        await self._look(all_of_them=settings.EMBEDDED)
        self._looking = asyncio.create_task(self._keep_looking())

    async def stop(self) -> None:
        """End the replies as interrupted, then close."""
        if self._looking is not None:
            self._looking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._looking
        await self.writers.aclose()
        await self.log.aclose()
        await asyncio.to_thread(self.desk.close)

    async def _keep_looking(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            await self._look()

    async def _look(self, *, all_of_them: bool = False) -> None:
        try:
            ended = await self.desk(interrupt_dead, timezone.now(), all_of_them=all_of_them)
        except DatabaseError as error:
            log.warning("could not look for dead replies: %s", type(error).__name__)
            return
        for conversation, message in ended:
            await self.log.append(conversation, Kind.ENDED, message=message)


_engine: Engine | None = None


async def start() -> None:
    """Start the engine of this process."""
    global _engine  # noqa: PLW0603 -- one engine per process is what this module is for
    engine = Engine()
    await engine.start()
    _engine = engine


async def stop() -> None:
    """Undo `start`."""
    global _engine
    engine, _engine = _engine, None
    if engine is not None:
        await engine.stop()


def engine() -> Engine:
    """The engine of this process. Raises FailClosed while there is none."""
    if _engine is None:
        raise FailClosed("The chat is starting or stopping; try again.", param="snapshot")
    return _engine


def tell(conversation_id: str, kind: Kind, *, message: int | None = None) -> None:
    """Add an entry to a conversation's log from a synchronous view, once the change is committed.

    Without a running engine (a command, a test of views) nobody watches, and nothing happens.
    """
    if _engine is not None:
        async_to_sync(_engine.log.append)(conversation_id, kind, message=message)


def position_of(conversation_id: str) -> str:
    """The newest position of a conversation's log, for a synchronous view."""
    if _engine is None:
        return BEGINNING
    position: str = async_to_sync(_engine.log.position)(conversation_id)
    return position
