"""A reply is closed on every path: that is what cancels the upstream and writes the outcome."""

import asyncio
import gc
from collections.abc import AsyncIterator

from frontend.relay import RelayedResponse
from gateway.inference.exchange import Reply


class Upstream:
    """What stands behind a reply; knows whether it was let go."""

    def __init__(self) -> None:
        self.let_go = asyncio.Event()

    async def chunks(self) -> AsyncIterator[bytes]:
        try:
            for part in (b"one", b"two", b"three"):
                yield part
        finally:
            self.let_go.set()

    def reply(self) -> Reply:
        headers = [
            (b"content-type", b"text/event-stream"),
            (b"x-sluice-zone", b"on_prem"),
            (b"x-request-id", b"req_1"),
            (b"set-cookie", b"no=business"),
        ]
        return Reply(status=200, headers=headers, stream=self.chunks())


def test_a_reply_read_to_its_end_is_relayed_whole_and_closed() -> None:
    async def scene() -> None:
        upstream = Upstream()
        response = RelayedResponse(upstream.reply())
        assert [part async for part in response] == [b"one", b"two", b"three"]
        assert upstream.let_go.is_set()

    asyncio.run(scene())


def test_only_our_own_headers_pass() -> None:
    async def scene() -> None:
        response = RelayedResponse(Upstream().reply())
        assert response["x-sluice-zone"] == "on_prem"
        assert response["x-request-id"] == "req_1"
        assert response["Cache-Control"] == "no-store"
        assert "set-cookie" not in response
        await asyncio.to_thread(response.close)

    asyncio.run(scene())


def test_a_reader_who_leaves_midway_lets_the_upstream_go() -> None:
    async def scene() -> None:
        upstream = Upstream()
        reading = aiter(RelayedResponse(upstream.reply()))
        assert await anext(reading) == b"one"
        await reading.aclose()  # type: ignore[attr-defined]
        assert upstream.let_go.is_set()

    asyncio.run(scene())


def test_a_response_closed_before_it_was_read_lets_the_upstream_go() -> None:
    async def scene() -> None:
        upstream = Upstream()
        response = RelayedResponse(upstream.reply())
        await asyncio.to_thread(response.close)
        assert upstream.let_go.is_set()

    asyncio.run(scene())


def test_a_response_that_is_dropped_lets_the_upstream_go() -> None:
    async def scene() -> None:
        upstream = Upstream()
        response = RelayedResponse(upstream.reply())
        del response
        gc.collect()
        await asyncio.wait_for(upstream.let_go.wait(), 5)

    asyncio.run(scene())
