"""How many rows are with a deployment at once."""

import asyncio

import pytest

from gateway.batches.pace import LEAST_WAITING, Pace


def test_it_grows_with_answers_and_halves_once_for_a_burst_of_failures() -> None:
    async def scene() -> None:
        pace = Pace(first=4)
        for _ in range(4):
            assert await pace.enter("a", patience_s=0)
        pace.served("a")
        assert pace.limit("a") == 5
        for number in range(10):
            pace.refused("a", now_s=100 + number / 100)
        assert pace.limit("a") == 2
        pace.refused("a", now_s=200)
        pace.refused("a", now_s=300)
        pace.refused("a", now_s=400)
        assert pace.limit("a") == 1

    asyncio.run(scene())


def test_an_unused_limit_does_not_grow() -> None:
    async def scene() -> None:
        pace = Pace(first=4)
        assert await pace.enter("a", patience_s=0)
        for _ in range(10):
            pace.served("a")
        assert pace.limit("a") == 4

    asyncio.run(scene())


def test_whoever_waits_has_their_turn_in_order_and_deployments_do_not_share() -> None:
    async def scene() -> None:
        pace = Pace(first=1)
        assert await pace.enter("a", patience_s=0)
        assert await pace.enter("b", patience_s=0)
        first = asyncio.create_task(pace.enter("a", patience_s=5))
        second = asyncio.create_task(pace.enter("a", patience_s=5))
        await asyncio.sleep(0)
        pace.leave("a")
        assert await first
        assert not second.done()
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        pace.leave("a")
        assert await pace.enter("a", patience_s=0)
        assert pace.in_flight("a") == 1

    asyncio.run(scene())


def test_patience_ends_and_a_long_queue_takes_nobody_more() -> None:
    async def scene() -> None:
        pace = Pace(first=1)
        assert await pace.enter("a", patience_s=0)
        assert not await pace.enter("a", patience_s=0.01)
        queue = [asyncio.create_task(pace.enter("a", patience_s=5)) for _ in range(LEAST_WAITING)]
        await asyncio.sleep(0)
        assert not await pace.enter("a", patience_s=5)
        for task in queue:
            task.cancel()
        await asyncio.wait(queue)

    asyncio.run(scene())


def test_what_is_held_lets_nobody_in_until_it_is_let_go() -> None:
    async def scene() -> None:
        pace = Pace(first=8)
        assert await pace.enter("a", patience_s=0)
        pace.hold("a")
        pace.hold("a")
        waiting = asyncio.create_task(pace.enter("a", patience_s=5))
        await asyncio.sleep(0)
        pace.leave("a")
        assert not waiting.done()
        pace.let_go("a")
        assert await waiting
        assert pace.limit("a") == 4

    asyncio.run(scene())
