"""Who comes to a conversation at the same moment is admitted together, and only who may read it."""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any, cast

import pytest

from frontend.live.room import Room
from frontend.live.viewer import Viewer
from gateway.chat.engine import Engine


class Store:
    """In place of the chat's engine: a log without entries, and a database that takes its time."""

    def __init__(self, *, may_read: set[str]) -> None:
        self.log = self
        self.asked: Counter[str] = Counter()
        self.may_read = may_read
        self.reading = asyncio.Event()
        self.open = asyncio.Event()

    async def since(self, _conversation: str, _position: str) -> list[Any]:
        self.asked["since"] += 1
        self.reading.set()
        await self.open.wait()
        return []

    async def desk(self, function: Callable[..., Any], *args: Any) -> Any:
        name = function.__name__
        self.asked[name] += 1
        await asyncio.sleep(0)
        return set(args[0]) & self.may_read if name == "_allowed" else []


def room_of(store: Store) -> Room:
    return Room("chat_1", cast("Engine", store))


async def told(viewer: Viewer) -> bytes:
    async with asyncio.timeout(10):
        return await viewer.queue.get()


def test_hundreds_who_come_at_once_cost_two_readings() -> None:
    async def main() -> None:
        store = Store(may_read={"1"})
        room = room_of(store)
        viewers = [Viewer("1") for _ in range(300)]
        first = asyncio.create_task(room.admit(viewers[0], "0-0"))
        await store.reading.wait()
        others = [asyncio.create_task(room.admit(viewer, "0-0")) for viewer in viewers[1:]]
        await asyncio.sleep(0)
        store.open.set()
        await asyncio.gather(first, *others)
        assert room.viewers == set(viewers)
        assert len({await told(viewer) for viewer in viewers}) == 1
        # One for who came first, one for all who came while that was read.
        assert store.asked == {"since": 2, "_now": 2, "_allowed": 2}

    asyncio.run(main())


@pytest.mark.parametrize("leaves", [0, 1])
def test_who_leaves_while_waiting_is_not_admitted_and_holds_nobody_up(leaves: int) -> None:
    async def main() -> None:
        store = Store(may_read={"1"})
        room = room_of(store)
        viewers = [Viewer("1"), Viewer("1"), Viewer("1")]
        tasks = [asyncio.create_task(room.admit(viewer, "0-0")) for viewer in viewers]
        await store.reading.wait()
        tasks[leaves].cancel()
        await asyncio.sleep(0)
        store.open.set()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert room.viewers == set(viewers) - {viewers[leaves]}
        assert viewers[leaves].queue.empty()

    asyncio.run(main())


def test_who_may_not_read_any_more_is_told_so_and_nothing_else() -> None:
    async def main() -> None:
        store = Store(may_read={"1"})
        store.open.set()
        room = room_of(store)
        member, stranger = Viewer("1"), Viewer("2")
        await asyncio.gather(room.admit(member, "0-0"), room.admit(stranger, "0-0"))
        assert room.viewers == {member}
        assert b"gone" in await told(stranger)
        assert stranger.queue.empty()
        assert b"gone" not in await told(member)

    asyncio.run(main())
