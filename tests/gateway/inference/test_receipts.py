"""What a request cost, for whoever asked and in the journal."""

from dataclasses import replace
from decimal import Decimal

import pytest

from gateway.inference.prices import Price
from gateway.inference.trace import BYTES_PER_TOKEN
from gateway.protocol.errors import NoDeploymentAvailable
from tests.gateway.inference.conftest import House
from tests.gateway.inference.scenario import HELLO, STREAM, drain, play
from tests.gateway.providers.fault_server import FaultServer

PRICES = {"llama": Price(input=Decimal(1), output=Decimal(2))}
_FIGURES = {
    "prompt_tokens": 1000,
    "completion_tokens": 500,
    "prompt_tokens_details": {"cached_tokens": 400},
}
_ANSWER = {"model": "llama-model", "choices": [], "usage": _FIGURES}


def test_a_receipt_has_the_vendors_figures_and_their_cost(house: House) -> None:
    async def scenario(house: House, onprem: FaultServer, cloud: FaultServer) -> None:
        onprem.mode, onprem.answering = "answering", lambda _: _ANSWER
        house.change(prices={"llama": replace(PRICES["llama"], cached_input=Decimal("0.5"))})
        reply = await house.run(HELLO)
        receipt = reply.receipt
        assert receipt is not None
        assert (receipt.prompt_tokens, receipt.completion_tokens) == (1000, 500)
        assert (receipt.cached_tokens, receipt.estimated) == (400, False)
        assert receipt.cost_usd == Decimal("0.0018")
        (outcome,) = house.outcomes()
        assert (outcome.cost_nano, outcome.cached_tokens) == (1_800_000, 400)
        assert outcome.estimated_tokens == []

    play(house, scenario)


def test_details_that_make_no_sense_do_not_lose_the_figures(house: House) -> None:
    async def scenario(house: House, onprem: FaultServer, cloud: FaultServer) -> None:
        figures = {**_FIGURES, "prompt_tokens_details": [1], "cache_creation_input_tokens": "x"}
        onprem.mode, onprem.answering = "answering", lambda _: {**_ANSWER, "usage": figures}
        reply = await house.run(HELLO)
        assert reply.receipt is not None
        assert (reply.receipt.prompt_tokens, reply.receipt.cached_tokens) == (1000, 0)

    play(house, scenario)


def test_a_stream_that_ends_early_is_estimated_and_marked(house: House) -> None:
    async def scenario(house: House, onprem: FaultServer, cloud: FaultServer) -> None:
        house.change(prices=PRICES)
        onprem.mode = "stall"
        reply = await house.run(STREAM)
        before = reply.receipt
        assert before is None
        await anext(aiter(reply.chunks))
        await reply.aclose()
        receipt = reply.receipt
        assert receipt is not None
        assert receipt.estimated
        assert receipt.completion_tokens == 1  # the events that came
        sent = len(onprem.received[0].body)
        assert receipt.prompt_tokens == -(-sent // BYTES_PER_TOKEN)
        (outcome,) = house.outcomes()
        assert outcome.prompt_tokens is None
        assert outcome.estimated_tokens == [receipt.prompt_tokens, 1]
        assert outcome.cost_nano == receipt.prompt_tokens * 1000 + 2000

    play(house, scenario)


def test_without_a_price_there_are_tokens_and_no_cost(house: House) -> None:
    async def scenario(house: House, onprem: FaultServer, cloud: FaultServer) -> None:
        reply = await house.run(STREAM)
        await drain(reply)
        assert reply.receipt is not None
        assert reply.receipt.cost_usd is None
        assert house.outcomes()[0].cost_nano is None

    play(house, scenario)


def test_nobody_answered_and_nothing_is_charged(house: House) -> None:
    async def scenario(house: House, onprem: FaultServer, cloud: FaultServer) -> None:
        house.change(prices=PRICES)
        onprem.mode = cloud.mode = "failing"
        with pytest.raises(NoDeploymentAvailable):
            await house.run(HELLO)
        (outcome,) = house.outcomes()
        assert (outcome.cost_nano, outcome.estimated_tokens) == (None, [])

    play(house, scenario)
