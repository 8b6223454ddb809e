"""The translator where a vendor fails, a client leaves, or the translator itself dies."""

import asyncio
import json
import os
import signal
from pathlib import Path

import pytest

from gateway.providers.calls import (
    ConnectFailed,
    ProviderError,
    UpstreamClosed,
    UpstreamProtocolError,
    UpstreamTimeout,
)
from gateway.providers.translator_process import TranslatorProcess
from tests.gateway.providers.cloud_house import (
    ASK,
    STREAM,
    House,
    both_vendors,
    sent,
)


@both_vendors
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("status", [400, 401, 429, 500, 529])
def test_a_vendor_s_error_keeps_its_status_and_is_not_retried(
    house: House, vendor: str, status: int, *, stream: bool
) -> None:
    async def main() -> None:
        asked = house.call(vendor, str(status), STREAM if stream else ASK)
        answer = await house.cloud.send(asked)
        assert answer.status == status
        tree = json.loads(await answer.read(10_000))
        assert tree["error"]["message"] == f"vendor says {status}"
        assert set(tree["error"]) == {"message", "type", "param", "code"}
        assert answer.headers.get("retry-after") == ("9" if status == 429 else None)
        await answer.aclose()
        sent(house, vendor)

    house.run(main())


@both_vendors
@pytest.mark.parametrize("mode", ["cut", "polite_cut", "error_event"])
def test_a_stream_that_was_cut_short_does_not_look_complete(
    house: House, vendor: str, mode: str
) -> None:
    async def main() -> None:
        answer = await house.cloud.send(house.call(vendor, mode, STREAM))
        seen = b""
        with pytest.raises(UpstreamClosed) as caught:
            async for piece in answer.chunks():
                seen += piece
        await answer.aclose()
        assert caught.value.after_first_byte
        assert b"Hel" in seen
        assert b'"stop"' not in seen
        assert b"[DONE]" not in seen

    house.run(main())


FAILURES = {
    "redirect": UpstreamProtocolError,
    "garbage": UpstreamProtocolError,
    "closed": UpstreamClosed,
}


@both_vendors
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("mode", list(FAILURES))
def test_a_destination_that_fails_is_that_failure(
    house: House, vendor: str, mode: str, *, stream: bool
) -> None:
    with pytest.raises(ProviderError) as caught:
        house.run(house.cloud.send(house.call(vendor, mode, STREAM if stream else ASK)))
    assert type(caught.value) is FAILURES[mode]
    assert not caught.value.after_first_byte
    # Our client may ask a second time where a kept connection closes, as it does everywhere.
    assert len(house.servers[vendor].received) <= (2 if mode == "closed" else 1)


@both_vendors
def test_a_silent_vendor_is_a_time_out(house: House, vendor: str) -> None:
    asked = house.call(vendor, "slow_first_byte", first_byte_timeout_s=0.05)
    with pytest.raises(UpstreamTimeout):
        house.run(house.cloud.send(asked))


@both_vendors
def test_a_client_that_leaves_reaches_the_vendor(house: House, vendor: str) -> None:
    async def main() -> None:
        answer = await house.cloud.send(house.call(vendor, "stall", STREAM))
        assert b"Hel" in await anext(answer.chunks())
        await answer.aclose()
        await house.servers[vendor].client_gone.wait()

    house.run(main())


@both_vendors
def test_a_client_that_leaves_before_the_answer_reaches_the_vendor(
    house: House, vendor: str
) -> None:
    async def main() -> None:
        server = house.servers[vendor]
        asked = house.call(vendor, "slow_first_byte")
        server.arrived.clear()
        waiting = asyncio.ensure_future(house.cloud.send(asked))
        await server.arrived.wait()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await server.client_gone.wait()

    house.run(main())


@pytest.mark.slow
def test_a_translator_that_died_is_started_again(house: House) -> None:
    async def main() -> None:
        await house.answer(house.call("anthropic"))
        first = house.process.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        while house.process.pid is not None:  # noqa: ASYNC110 - the system tells no event
            await asyncio.sleep(0.01)
        status, _ = await house.answer(house.call("anthropic"))
        assert status == 200
        assert house.process.pid != first

    house.run(main())


def test_a_directory_that_others_may_read_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)

    async def main() -> None:
        process = TranslatorProcess(tmp_path / "s")
        with pytest.raises(ConnectFailed, match="mode 700"):
            await process.ensure()
        await process.aclose()

    asyncio.run(main())


def test_a_translator_that_cannot_start_says_so(tmp_path: Path) -> None:
    async def main() -> None:
        process = TranslatorProcess(tmp_path / "run" / "s", environment={"PYTHONHOME": "/nowhere"})
        for _ in range(2):  # the second one without a second start
            with pytest.raises(ConnectFailed):
                await process.ensure()
        assert process.pid is None
        await process.aclose()

    asyncio.run(main())
