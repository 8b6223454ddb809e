"""Masked streams through the path: restored on the way back, and counted."""

import json
from typing import Any

import pytest

from tests.gateway.inference.conftest import House
from tests.gateway.inference.scenario import drain, play
from tests.gateway.inference.test_masking import ASK, KEYS, MAIL, masks
from tests.gateway.providers.fault_server import FaultServer

STREAM = {**ASK, "stream": True}


def piece(text: str, finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish}
    return b"data: " + json.dumps({"model": "m", "choices": [choice]}).encode() + b"\n\n"


def echo(size: int, *, ends: bool = True) -> Any:
    """Says what was asked, `size` characters at a time."""

    def answering(body: dict[str, Any]) -> list[bytes]:
        said: str = body["messages"][-1]["content"]
        pieces = [piece(said[start : start + size]) for start in range(0, len(said), size)]
        return [*pieces, piece("", "stop"), b"data: [DONE]\n\n"] if ends else pieces[:-2]

    return answering


def content(stream: bytes) -> str:
    events = [line[6:] for line in stream.split(b"\n") if line.startswith(b"data: {")]
    trees = [json.loads(event) for event in events]
    return "".join(tree["choices"][0]["delta"]["content"] for tree in trees if "choices" in tree)


@pytest.mark.parametrize("size", [1, 4, 100])
def test_a_stream_gives_the_address_back(house: House, size: int) -> None:
    async def scenario(house: House, onprem: FaultServer, cloud: FaultServer) -> None:
        cloud.mode, cloud.answering = "answering", echo(size)
        reply = await house.run(STREAM)
        assert (b"x-sluice-masked", b"1") in reply.headers
        stream = await drain(reply)
        assert content(stream) == f"Write to {MAIL}, please"
        assert stream.endswith(b"data: [DONE]\n\n")
        assert MAIL.encode() not in cloud.received[0].body

    play(house, scenario, masks("EMAIL_ADDRESS"), KEYS)
    (outcome,) = house.outcomes()
    assert (outcome.masked, outcome.restored, outcome.unrestored) == (1, 1, 0)


def test_a_stream_that_breaks_off_gives_what_was_held_and_then_the_error(house: House) -> None:
    async def scenario(house: House, onprem: FaultServer, cloud: FaultServer) -> None:
        cloud.mode = "answering"

        def broken(body: dict[str, Any]) -> list[bytes]:
            said: str = body["messages"][-1]["content"]
            word = said.split()[2].rstrip(",")
            return [piece(f"To {word}"), piece(f" or {word[:4]}")]

        cloud.answering = broken
        stream = await drain(await house.run(STREAM))
        told = content(stream)
        assert told.startswith(f"To {MAIL} or ")
        assert len(told) == len(f"To {MAIL} or ") + 4
        assert b"upstream_interrupted" in stream

    play(house, scenario, masks("EMAIL_ADDRESS"), KEYS)
    assert (house.outcomes()[0].error, house.outcomes()[0].restored) == ("closed_early", 1)


def test_a_stream_that_nobody_masked_passes_byte_for_byte(house: House) -> None:
    pieces = [b'data: {"choices":[{"index":0, "delta":{"content":"X"} }]}\n\n', b"data: [DONE]\n\n"]

    async def scenario(house: House, onprem: FaultServer, cloud: FaultServer) -> None:
        cloud.mode, cloud.answering = "answering", lambda _: pieces
        asked = {**STREAM, "messages": [{"role": "user", "content": "hello"}]}
        assert await drain(await house.run(asked)) == b"".join(pieces)

    play(house, scenario, masks("EMAIL_ADDRESS"), KEYS)
