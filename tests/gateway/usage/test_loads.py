"""Requests in flight over all processes, said through a real store."""

import asyncio
from pathlib import Path

import pytest
from redis import Redis

from gateway.inference.route import Router
from gateway.usage import loads
from gateway.usage.loads import KEY, SILENT_AFTER_S, Loads, loads_now
from gateway.usage.store_server import StoreServer, running_store


@pytest.fixture
def url(store: StoreServer) -> str:
    with Redis.from_url(store.url) as redis:
        redis.delete(KEY)
    return store.url


def router(**in_flight: int) -> Router:
    made = Router()
    for name, count in in_flight.items():
        for _ in range(count):
            made.started(name)
    return made


async def said(url: str, *routers: Router) -> list[Loads]:
    made = [Loads(url, who=f"w{at}", mine=each.loads) for at, each in enumerate(routers)]
    for each in made:
        await each.say()
    return made


def test_the_parts_of_all_processes_are_summed(url: str) -> None:
    async def scenario() -> None:
        parts = await said(url, router(llama=3, claude=1), router(llama=2), router())
        assert loads_now(url) == {"llama": 5, "claude": 1}
        for each in parts:
            await each.aclose()

    asyncio.run(scenario())
    assert loads_now(url) == {}


def test_what_ended_is_taken_back_with_the_next_word(url: str) -> None:
    async def scenario() -> None:
        own = router(llama=1)
        [part] = await said(url, own)
        own.ended("llama")
        await part.say()
        assert loads_now(url) == {}
        await part.aclose()

    asyncio.run(scenario())


def test_an_idle_process_says_nothing(url: str) -> None:
    async def scenario() -> None:
        [part] = await said(url, router())
        await part.aclose()

    asyncio.run(scenario())
    with Redis.from_url(url) as redis:
        assert not redis.exists(KEY)


def test_who_went_silent_counts_no_more(url: str) -> None:
    with Redis.from_url(url, decode_responses=True) as redis:
        now_s, _ = redis.time()
        redis.hset(KEY, "killed a while ago", f'{now_s - SILENT_AFTER_S - 1} {{"llama": 9}}')
        redis.hset(KEY, "killed just now", f'{now_s} {{"llama": 4}}')
    assert loads_now(url) == {"llama": 4}


@pytest.mark.parametrize(
    "part", [b"", b"x {}", b"99999999999 [1]", b'99999999999 {"a": "b"}', b"99999999999"]
)
def test_what_is_no_part_counts_nothing(url: str, part: bytes) -> None:
    with Redis.from_url(url) as redis:
        redis.hset(KEY, "other", part)
        redis.hset(KEY, "w", b'99999999999 {"llama": 1}')
    assert loads_now(url) == {"llama": 1}


def test_it_goes_on_saying_it_by_itself(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loads, "SAID_EVERY_S", 0.01)

    async def scenario() -> None:
        own = router()
        part = Loads(url, who="w", mine=own.loads)
        await part.start()
        own.started("llama")
        async with asyncio.timeout(30):
            while not loads_now(url):  # noqa: ASYNC110 -- another process's store says when
                await asyncio.sleep(0.01)
        await part.aclose()

    asyncio.run(scenario())
    assert loads_now(url) == {}


def test_without_a_store_nothing_is_known_and_nothing_fails(short_path: Path) -> None:
    with running_store(short_path) as server:
        gone = server.url

    async def scenario() -> None:
        part = Loads(gone, who="w", mine=router(llama=1).loads)
        await part.start()
        await asyncio.sleep(0)
        await part.aclose()

    asyncio.run(scenario())
    assert loads_now(gone) is None
