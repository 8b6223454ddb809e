"""One reader of the conversations' logs per process, and everybody who watches through it.

For each entry the hub reads the database once, renders once, and hands the same bytes to all who
watch. A browser that comes (again) gets what changed behind its position as it is now, and from
then on what changes: state, not replay, so that a reload, a second device and a late joiner end up
identical.
"""

import asyncio
import contextlib
import logging
import os
from typing import Final

from redis.exceptions import RedisError

from frontend.live.ops import Op, as_event
from frontend.live.room import Room
from frontend.live.viewer import LOST, Viewer
from gateway.chat.access import NoSuchConversation
from gateway.chat.engine import Engine
from gateway.chat.log import BEGINNING, Entry, Kind

log = logging.getLogger(__name__)

WAIT_MS: Final = 5_000
PRESENCE_EVERY_S: Final = 15.0


class Hub:
    """For one event loop."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._rooms: dict[str, Room] = {}
        self._wake_key = f"sluice:chat:wake:{os.urandom(8).hex()}"
        self._reading: asyncio.Task[None] | None = None
        self._keeping: asyncio.Task[None] | None = None

    async def join(self, viewer: Viewer, conversation_id: str, position: str) -> None:
        """Watch a conversation from a position on. Raises NoSuchConversation, RedisError."""
        await self._engine.desk(Room.check, viewer.user, conversation_id)
        room = self._rooms.get(conversation_id)
        if room is None:
            room = Room(conversation_id, self._engine)
            self._rooms[conversation_id] = room
        room.coming += 1  # so that nobody who leaves meanwhile closes the room
        try:
            if room.position == BEGINNING:
                newest = await self._engine.log.position(conversation_id)
                if room.position == BEGINNING:  # nobody who came meanwhile has set it
                    room.position = newest
            self._start()
            await self._engine.log.wake(self._wake_key)
            await room.admit(viewer, position)
            await self._announce(room)
        finally:
            room.coming -= 1
            self._close_if_empty(room)

    async def leave(self, viewer: Viewer) -> None:
        """Watch nothing any more."""
        for conversation_id, room in list(self._rooms.items()):
            if viewer not in room.viewers:
                continue
            room.viewers.discard(viewer)
            if not any(each.user == viewer.user for each in room.viewers):
                with contextlib.suppress(RedisError, OSError):
                    await self._engine.log.say_left(conversation_id, viewer.user)
                    await self._engine.log.append(conversation_id, Kind.HERE)
            self._close_if_empty(room)

    async def aclose(self) -> None:
        """Send everybody away: the process is about to end."""
        for task in (self._reading, self._keeping):
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        for room in self._rooms.values():
            for viewer in room.viewers:
                viewer.put(LOST)

    def _close_if_empty(self, room: Room) -> None:
        if not (room.viewers or room.coming):
            self._rooms.pop(room.conversation_id, None)

    def _start(self) -> None:
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read())
        if self._keeping is None or self._keeping.done():
            self._keeping = asyncio.create_task(self._keep())

    async def _read(self) -> None:
        woken = "0-0"
        while self._rooms:
            positions = {name: room.position for name, room in self._rooms.items()}
            try:
                found, woken = await self._engine.log.read(
                    positions, wait_ms=WAIT_MS, wake=(self._wake_key, woken)
                )
            except (RedisError, OSError) as error:
                log.warning("the chats' logs cannot be read: %s", type(error).__name__)
                self._send_all_away()
                await asyncio.sleep(1)
                continue
            for name, entries in found.items():
                room = self._rooms.get(name)
                if room is not None:
                    await self._tell(room, entries)

    async def _tell(self, room: Room, entries: list[Entry]) -> None:
        try:
            ops = await room.take(entries)
        except NoSuchConversation:
            ops = [["gone"]]
        except Exception as error:  # noqa: BLE001 -- one room must not silence the others
            log.error("a chat could not be shown: %s", type(error).__name__)  # noqa: TRY400
            for viewer in list(room.viewers):
                viewer.put(LOST)
            room.position = entries[-1].position
            return
        room.position = entries[-1].position
        self._spread(room, ops)

    def _spread(self, room: Room, ops: list[Op]) -> None:
        if not ops:
            return
        data = as_event(room.conversation_id, room.position, ops)
        for viewer in room.viewers:
            viewer.put(data)

    def _send_all_away(self) -> None:
        for room in self._rooms.values():
            for viewer in room.viewers:
                viewer.put(LOST)

    async def _announce(self, room: Room) -> None:
        users = {viewer.user for viewer in room.viewers}
        before = set(await self._engine.log.who_is_here(room.conversation_id))
        await self._engine.log.say_here(room.conversation_id, users)
        if not users <= before:
            await self._engine.log.append(room.conversation_id, Kind.HERE)

    async def _keep(self) -> None:
        """Say who is here, and send away who may not look any more."""
        while self._rooms:
            await asyncio.sleep(PRESENCE_EVERY_S)
            for room in list(self._rooms.values()):
                with contextlib.suppress(RedisError, OSError):
                    await self._announce(room)
                self._spread(room, await room.expel())
