"""The client against a server with faults, on real sockets."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence

import pytest
import uvloop

from gateway.providers.calls import (
    AddressRefused,
    Answer,
    ConnectFailed,
    Destination,
    ProviderError,
    UpstreamClosed,
    UpstreamProtocolError,
    UpstreamTimeout,
)
from gateway.providers.http_client import HttpClient
from gateway.providers.openai_compatible import OpenAICompatible
from policies.engine.facts import Zone
from tests.gateway.providers.calls_for_tests import call, clock, destination, run
from tests.gateway.providers.fault_server import FaultServer

Loop = Callable[[], asyncio.AbstractEventLoop]
STREAM = {"stream": True}
MIB = 1024 * 1024


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def loop(request: pytest.FixtureRequest) -> Loop:
    """Both event loops that the gateway may run on."""
    factory: Loop = request.param
    return factory


@contextlib.asynccontextmanager
async def adapter(client: HttpClient | None = None) -> AsyncIterator[OpenAICompatible]:
    provider = OpenAICompatible(client=client, clock=clock)
    try:
        yield provider
    finally:
        await provider.aclose()


async def whole(answer: Answer) -> bytes:
    try:
        return b"".join([piece async for piece in answer.chunks()])
    finally:
        await answer.aclose()


def test_a_connection_serves_one_request_after_the_other(loop: Loop) -> None:
    async def main() -> None:
        async with FaultServer() as server, adapter() as provider:
            to = destination(server.base_url)
            for body in ({}, STREAM, {}, STREAM):
                answer = await provider.send(call(to, body))
                assert answer.status == 200
                text = await whole(answer)
                assert b"there" in text
            assert server.connections == 1

    run(main(), loop=loop)


def test_response_headers_pass_by_an_allow_list(loop: Loop) -> None:
    async def main() -> None:
        async with FaultServer() as server, adapter() as provider:
            answer = await provider.send(call(destination(server.base_url), STREAM))
            assert answer.headers == {"content-type": "text/event-stream"}
            await answer.aclose()

    run(main(), loop=loop)


@pytest.mark.parametrize(
    ("mode", "status"), [("rate_limited", 429), ("failing", 500), ("unavailable", 503)]
)
def test_an_error_status_is_an_answer(loop: Loop, mode: str, status: int) -> None:
    async def main() -> None:
        async with FaultServer(mode) as server, adapter() as provider:
            answer = await provider.send(call(destination(server.base_url)))
            assert answer.status == status
            assert b'"error"' in await answer.read(10_000)
            assert answer.headers.get("retry-after") == ("7" if status == 429 else None)
            await answer.aclose()
            assert len(server.received) == 1

    run(main(), loop=loop)


def test_broken_events_pass_through_as_bytes(loop: Loop) -> None:
    async def main() -> None:
        async with FaultServer("broken_sse") as server, adapter() as provider:
            answer = await provider.send(call(destination(server.base_url), STREAM))
            assert (await whole(answer)).endswith(b"event\x00: \xff")

    run(main(), loop=loop)


async def _failure(server: FaultServer, to: Destination | None = None) -> ProviderError:
    async with adapter() as provider:
        with pytest.raises(ProviderError) as caught:
            await provider.send(call(to or destination(server.base_url), STREAM))
    assert not caught.value.after_first_byte
    return caught.value


@pytest.mark.parametrize("mode", ["redirect", "huge_headers", "garbage"])
def test_an_unusable_head_is_a_protocol_error_and_is_not_retried(loop: Loop, mode: str) -> None:
    async def main() -> None:
        async with FaultServer(mode) as server:
            assert isinstance(await _failure(server), UpstreamProtocolError)
            assert len(server.received) == 1

    run(main(), loop=loop)


def test_a_fresh_connection_that_closes_without_an_answer_is_not_retried(loop: Loop) -> None:
    async def main() -> None:
        async with FaultServer("closed") as server:
            assert isinstance(await _failure(server), UpstreamClosed)
            assert len(server.received) == 1

    run(main(), loop=loop)


def test_a_kept_connection_that_turns_out_closed_is_replaced_once(loop: Loop) -> None:
    async def main() -> None:
        async with FaultServer("close_on_reuse") as server, adapter() as provider:
            to = destination(server.base_url)
            await whole(await provider.send(call(to)))
            await whole(await provider.send(call(to)))
            assert server.connections == 2
            assert len(server.received) == 3
            # Kept, closed again, and this time the fresh one closes too: its error is final.
            server.mode = "closed"
            with pytest.raises(UpstreamClosed):
                await provider.send(call(to))
            assert server.connections == 3

    run(main(), loop=loop)


def test_a_kept_connection_that_fails_inside_an_answer_is_not_retried(loop: Loop) -> None:
    async def main() -> None:
        async with FaultServer() as server, adapter() as provider:
            to = destination(server.base_url)
            await whole(await provider.send(call(to)))
            server.mode, server.raw = "raw", b"HTTP/1.1 200 O"
            with pytest.raises(UpstreamClosed):
                await provider.send(call(to))
            assert len(server.received) == 2

    run(main(), loop=loop)


def test_a_connection_idle_for_too_long_is_not_used_again(loop: Loop) -> None:
    async def main() -> None:
        client = HttpClient(idle_limit_s=0)
        async with FaultServer() as server, adapter(client) as provider:
            to = destination(server.base_url)
            for _ in range(2):
                await whole(await provider.send(call(to)))
                await asyncio.sleep(0.002)
            assert server.connections == 2

    run(main(), loop=loop)


def test_silence_before_the_answer_is_a_time_out(loop: Loop) -> None:
    async def main() -> None:
        async with FaultServer("slow_first_byte") as server:
            to = destination(server.base_url, first_byte_timeout_s=0.05)
            assert isinstance(await _failure(server, to), UpstreamTimeout)
            await server.client_gone.wait()

    run(main(), loop=loop)


def test_silence_inside_the_answer_is_a_time_out_after_what_came(loop: Loop) -> None:
    async def main() -> None:
        async with FaultServer("stall") as server, adapter() as provider:
            to = destination(server.base_url, idle_timeout_s=0.05)
            answer = await provider.send(call(to, STREAM))
            pieces = answer.chunks()
            assert b"Hel" in await anext(pieces)
            with pytest.raises(UpstreamTimeout) as caught:
                await anext(pieces)
            assert caught.value.after_first_byte
            await answer.aclose()
            await server.client_gone.wait()

    run(main(), loop=loop)


def test_an_answer_that_is_cut_is_an_error_after_what_came(loop: Loop) -> None:
    async def main() -> None:
        async with FaultServer("cut") as server, adapter() as provider:
            answer = await provider.send(call(destination(server.base_url), STREAM))
            pieces = answer.chunks()
            assert b"Hel" in await anext(pieces)
            with pytest.raises(UpstreamClosed) as caught:
                await anext(pieces)
            assert caught.value.after_first_byte
            await answer.aclose()

    run(main(), loop=loop)


def test_closing_an_unfinished_answer_reaches_the_upstream(loop: Loop) -> None:
    async def main() -> None:
        async with FaultServer("stall") as server, adapter() as provider:
            answer = await provider.send(call(destination(server.base_url), STREAM))
            await anext(answer.chunks())
            await answer.aclose()
            await server.client_gone.wait()

    run(main(), loop=loop)


def test_cancelling_a_request_that_waits_reaches_the_upstream(loop: Loop) -> None:
    async def main() -> None:
        async with FaultServer("slow_first_byte") as server, adapter() as provider:
            waiting = asyncio.ensure_future(provider.send(call(destination(server.base_url))))
            await server.arrived.wait()
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            await server.client_gone.wait()

    run(main(), loop=loop)


def test_closing_the_client_ends_what_is_being_read(loop: Loop) -> None:
    async def main() -> None:
        async with FaultServer("stall") as server:
            provider = OpenAICompatible(clock=clock)
            answer = await provider.send(call(destination(server.base_url), STREAM))
            pieces = answer.chunks()
            await anext(pieces)
            reading = asyncio.ensure_future(anext(pieces))
            await asyncio.sleep(0)
            await provider.aclose()
            with pytest.raises(UpstreamClosed):
                await reading
            with pytest.raises(ConnectFailed, match="closed"):
                await provider.send(call(destination(server.base_url)))

    run(main(), loop=loop)


def test_a_slow_reader_holds_the_upstream_back(loop: Loop) -> None:
    async def main() -> None:
        async with FaultServer("flood") as server, adapter() as provider:
            to = destination(server.base_url, idle_timeout_s=0.5)
            answer = await provider.send(call(to, STREAM))
            await server.writing_stalled.wait()
            stalled_at = server.written
            # What fits into the kernel's buffers and ours; without a limit it never stalls.
            assert stalled_at < 32 * MIB
            read = 0
            async for piece in answer.chunks():  # the clock did not run while we held it back
                assert len(piece) < MIB
                read += len(piece)
                if read > stalled_at:
                    break
            assert server.written > stalled_at
            await answer.aclose()
            await server.client_gone.wait()

    run(main(), loop=loop)


def test_reading_stops_at_the_limit(loop: Loop) -> None:
    async def main() -> None:
        async with FaultServer("flood") as server, adapter() as provider:
            answer = await provider.send(call(destination(server.base_url)))
            with pytest.raises(UpstreamProtocolError, match="longer than 100000 bytes"):
                await answer.read(100_000)
            await server.client_gone.wait()

    run(main(), loop=loop)


def test_a_hundred_and_twenty_eight_requests_at_once_lose_nothing(loop: Loop) -> None:
    async def main() -> None:
        async with FaultServer() as server, adapter() as provider:
            to = destination(server.base_url)

            async def one(number: int) -> None:
                body = {"model": f"m-{number}", "stream": number % 2 == 0}
                text = await whole(await provider.send(call(to, body)))
                assert f'"m-{number}"'.encode() in text

            for _ in range(3):
                await asyncio.gather(*(one(number) for number in range(128)))
            assert len(server.received) == 3 * 128
            assert server.connections <= 128

    run(main(), loop=loop)


def test_a_large_request_arrives_whole(loop: Loop) -> None:
    async def main() -> None:
        async with FaultServer() as server, adapter() as provider:
            asked = call(destination(server.base_url), {"text": "ä" * 1_000_000})
            await whole(await provider.send(asked))
            assert server.received[0].body == asked.body

    run(main(), loop=loop)


def test_a_refused_connection_says_so(loop: Loop) -> None:
    async def main() -> None:
        async with FaultServer() as server:
            to = destination(server.base_url)
        async with adapter() as provider:
            with pytest.raises(ConnectFailed, match="refused"):
                await provider.send(call(to))

    run(main(), loop=loop)


def test_an_on_prem_name_outside_of_its_networks_gets_nothing(loop: Loop) -> None:
    async def elsewhere(_host: str, _port: int) -> Sequence[str]:
        return ["127.0.0.1", "8.8.8.8"]

    async def main() -> None:
        async with FaultServer() as server, adapter(HttpClient(resolver=elsewhere)) as provider:
            to = destination(f"http://model.example:{server.port}/v1")
            with pytest.raises(AddressRefused):
                await provider.send(call(to))
            assert not server.connections

    run(main(), loop=loop)


def test_the_name_is_resolved_once_and_the_judged_address_is_used(loop: Loop) -> None:
    asked: list[str] = []

    async def rebinding(host: str, _port: int) -> Sequence[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["169.254.169.254"]

    async def main() -> None:
        async with FaultServer() as server, adapter(HttpClient(resolver=rebinding)) as provider:
            to = destination(f"http://model.example:{server.port}/v1")
            await whole(await provider.send(call(to)))
            assert asked == ["model.example"]
            assert server.received[0].header("host") == f"model.example:{server.port}"

    run(main(), loop=loop)


def test_the_next_address_is_tried_when_one_refuses(loop: Loop) -> None:
    async def two(_host: str, _port: int) -> Sequence[str]:
        return ["127.0.0.9", "127.0.0.1"]

    async def main() -> None:
        async with FaultServer() as server, adapter(HttpClient(resolver=two)) as provider:
            to = destination(f"http://model.example:{server.port}/v1")
            await whole(await provider.send(call(to)))

    run(main(), loop=loop)


def test_a_connection_of_one_zone_is_not_lent_to_another(loop: Loop) -> None:
    async def main() -> None:
        async with FaultServer() as server, adapter() as provider:
            await whole(await provider.send(call(destination(server.base_url))))
            with pytest.raises(AddressRefused):
                await provider.send(call(destination(server.base_url, zone=Zone.CLOUD)))
            assert len(server.received) == 1

    run(main(), loop=loop)


def test_proxy_variables_are_not_read(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    async def main() -> None:
        async with FaultServer() as server, adapter() as provider:
            answer = await provider.send(call(destination(server.base_url)))
            assert answer.status == 200
            await answer.aclose()

    run(main(), loop=loop)
