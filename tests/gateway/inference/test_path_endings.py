"""How a request can end: limits, refusals of the upstream, broken streams, clients that leave."""

import asyncio
from typing import Any

import pytest

from gateway.inference.contracts import Refusal
from gateway.protocol.errors import (
    BudgetExceeded,
    GatewayError,
    NoDeploymentAvailable,
    PolicyDenied,
    RateLimited,
    ScopeDenied,
    Unauthenticated,
    UpstreamRefused,
)
from tests.gateway.inference.conftest import House
from tests.gateway.inference.scenario import HELLO, STREAM, drain, play
from tests.gateway.providers.fault_server import FaultServer


@pytest.mark.parametrize(
    ("code", "error", "retry_after_s"),
    [("rate_limited", RateLimited, 12), ("budget_exceeded", BudgetExceeded, None)],
)
def test_a_limit_refuses_before_anything_is_sent(
    house: House, code: str, error: type[GatewayError], retry_after_s: int | None
) -> None:
    async def scenario(house: House, onprem: FaultServer, cloud: FaultServer) -> None:
        house.gate.refusal = Refusal(code=code, message="enough", retry_after_s=retry_after_s)
        with pytest.raises(error) as refused:
            await house.run(HELLO)
        if retry_after_s:
            assert refused.value.headers["retry-after"] == "12"
        else:
            assert refused.value.headers["x-should-retry"] == "false"
        assert onprem.received == []

    play(house, scenario)
    assert house.decisions()[0].decision == "refused"
    assert house.outcomes()[0].status == 429


def test_an_exhausted_lease_is_renewed(house: House) -> None:
    async def scenario(house: House, onprem: FaultServer, cloud: FaultServer) -> None:
        house.gate.exhausted = True
        assert (await house.run(HELLO)).status == 200

    play(house, scenario)
    assert house.gate.reservations[0].ended == ["settled 5 0"]


def parts(*texts: str) -> dict[str, Any]:
    content = [{"type": "text", "text": text} for text in texts]
    return {"model": "vendor", "messages": [{"role": "user", "content": content}]}


@pytest.mark.parametrize(
    "texts",
    [
        ("my card is 41111111", "11111111, right?"),
        ("my card is 411111", "11", "11", "111111"),
        ("a" * 500 + " DE8937040044", "0532013000 " + "b" * 500),
    ],
)
def test_what_stands_across_two_parts_is_found(house: House, texts: tuple[str, ...]) -> None:
    async def scenario(house: House, onprem: FaultServer, cloud: FaultServer) -> None:
        with pytest.raises(PolicyDenied):
            await house.run(parts(*texts))
        assert cloud.received == []
        assert (await house.run(parts(*("blue skies" for _ in texts)))).status == 200

    play(house, scenario)
    denied, allowed = house.decisions()
    assert (denied.categories, sum(denied.classes.values())) == (["payment"], 1)
    assert allowed.classes == {}


def test_what_stands_beside_a_seam_counts_once(house: House) -> None:
    async def scenario(house: House, onprem: FaultServer, cloud: FaultServer) -> None:
        with pytest.raises(PolicyDenied):
            await house.run(parts("4111111111111111", "blue skies"))

    play(house, scenario)
    assert house.decisions()[0].classes == {"PAYMENT_CARD": 1}


def test_a_bad_request_of_the_upstream_is_passed_on_and_not_retried(house: House) -> None:
    async def scenario(house: House, onprem: FaultServer, cloud: FaultServer) -> None:
        body = b'{"error":{"message":"too long","param":"messages","code":400}}'
        onprem.mode = "raw"
        onprem.raw = b"HTTP/1.1 400 Bad\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)
        with pytest.raises(UpstreamRefused) as refused:
            await house.run(HELLO)
        assert (refused.value.status, refused.value.param) == (400, "messages")
        assert cloud.received == []

    play(house, scenario)


ECHO = "4111111111111111 jane.roe@clinic.example"


def test_the_code_of_an_upstreams_error_is_told_and_never_kept(house: House) -> None:
    async def scenario(house: House, onprem: FaultServer, cloud: FaultServer) -> None:
        body = b'{"error":{"message":"no","param":"%b","code":"%b"}}' % (2 * (ECHO.encode(),))
        onprem.mode = "raw"
        onprem.raw = b"HTTP/1.1 400 Bad\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)
        with pytest.raises(UpstreamRefused) as refused:
            await house.run(HELLO)
        assert refused.value.code == ECHO

    play(house, scenario)
    (outcome,) = house.outcomes()
    assert (outcome.status, outcome.error) == (400, "upstream_refused")
    assert outcome.attempts == [["llama", "on_prem", "http_400"]]


def _answer(kind: str, body: bytes) -> bytes:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\ncontent-length: %d\r\n\r\n"
    return head % (kind.encode(), len(body)) + body


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("llama-model", "llama-model"),
        ("llama-model-2026-01-31", "llama-model-2026-01-31"),
        ("llama-model:latest", "llama-model:latest"),
        (ECHO, "(other)"),
        ("4111111111111111", "(other)"),
        ("llama-model-4111111111111111", "(other)"),
        ("", ""),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_the_model_that_answered_is_kept_only_as_far_as_we_know_its_name(
    house: House, said: str, kept: str, stream: bool
) -> None:
    async def scenario(house: House, onprem: FaultServer, cloud: FaultServer) -> None:
        onprem.mode = "raw"
        answer = b'{"model":"%b","choices":[{"finish_reason":"stop"}]}' % said.encode()
        onprem.raw = (
            _answer("text/event-stream", b"data: " + answer + b"\n\ndata: [DONE]\n\n")
            if stream
            else _answer("application/json", answer)
        )
        text = await drain(await house.run(STREAM if stream else HELLO))
        assert said.encode() in text

    play(house, scenario)
    (outcome,) = house.outcomes()
    assert (outcome.status, outcome.model) == (200, kept)


def test_counts_that_no_upstream_can_mean_are_not_kept(house: House) -> None:
    async def scenario(house: House, onprem: FaultServer, cloud: FaultServer) -> None:
        onprem.mode = "raw"
        usage = b'{"prompt_tokens":-5,"completion_tokens":4111111111111111}'
        onprem.raw = _answer("application/json", b'{"usage":' + usage + b"}")
        assert (await house.run(HELLO)).status == 200

    play(house, scenario)
    (outcome,) = house.outcomes()
    assert (outcome.prompt_tokens, outcome.completion_tokens) == (None, None)


@pytest.mark.parametrize("wait", ["9" * 5000, "\xb2", "soon"])
def test_a_wait_that_is_no_number_is_not_passed_on(house: House, wait: str) -> None:
    async def scenario(house: House, onprem: FaultServer, cloud: FaultServer) -> None:
        for server in (onprem, cloud):
            server.mode = "raw"
            server.raw = b"HTTP/1.1 429 No\r\nretry-after: %b\r\ncontent-length: 0\r\n\r\n" % (
                wait.encode("latin-1")
            )
        with pytest.raises(RateLimited) as refused:
            await house.run(HELLO)
        assert "retry-after" not in refused.value.headers

    play(house, scenario)


def test_a_client_that_leaves_in_mid_stream_has_an_outcome(house: House) -> None:
    async def scenario(house: House, onprem: FaultServer, cloud: FaultServer) -> None:
        onprem.mode = "stall"
        reply = await house.run(STREAM)
        await anext(aiter(reply.chunks))
        await reply.aclose()
        await onprem.client_gone.wait()

    play(house, scenario)
    assert [each.status for each in house.outcomes()] == [499]
    assert house.gate.reservations[0].ended == [f"settled {_left_early(house)} 0"]


def test_a_stream_that_nobody_began_to_read_lets_go_of_the_upstream(house: House) -> None:
    async def scenario(house: House, onprem: FaultServer, cloud: FaultServer) -> None:
        onprem.mode = "stall"
        reply = await house.run(STREAM)
        await reply.aclose()
        await onprem.client_gone.wait()

    play(house, scenario)
    assert [each.status for each in house.outcomes()] == [499]


def test_a_stream_read_to_its_end_is_ok_however_often_it_is_closed(house: House) -> None:
    async def scenario(house: House, onprem: FaultServer, cloud: FaultServer) -> None:
        reply = await house.run(STREAM)
        text = await drain(reply)
        await reply.aclose()
        assert text.endswith(b"data: [DONE]\n\n")

    play(house, scenario)
    (outcome,) = house.outcomes()
    assert (outcome.status, outcome.error, outcome.attempts[0][2]) == (200, "", "ok")


def test_whoever_was_sent_the_request_is_named(house: House) -> None:
    async def scenario(house: House, onprem: FaultServer, cloud: FaultServer) -> None:
        onprem.mode = cloud.mode = "failing"
        with pytest.raises(NoDeploymentAvailable) as failed:
            await house.run(HELLO)
        named = failed.value.headers["x-sluice-attempts"]
        assert named == "llama on_prem http_500, claude cloud http_500"

    play(house, scenario)


def test_a_cancelled_request_has_an_outcome(house: House) -> None:
    async def scenario(house: House, onprem: FaultServer, cloud: FaultServer) -> None:
        onprem.mode = "slow_first_byte"
        running = asyncio.ensure_future(house.run(HELLO))
        await onprem.arrived.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        await onprem.client_gone.wait()

    play(house, scenario)
    assert [each.status for each in house.outcomes()] == [499]


def test_a_stream_that_is_cut_ends_with_an_error_event(house: House) -> None:
    async def scenario(house: House, onprem: FaultServer, cloud: FaultServer) -> None:
        onprem.mode = "cut"
        text = await drain(await house.run(STREAM))
        assert b"upstream_interrupted" in text
        assert b"[DONE]" not in text
        assert cloud.received == []

    play(house, scenario)
    assert house.outcomes()[0].error == "closed_early"


def test_a_key_with_scopes_and_an_expired_key_are_refused(house: House) -> None:
    async def scenario(house: House, onprem: FaultServer, cloud: FaultServer) -> None:
        inbound = house.inbound(HELLO)
        narrow = type(inbound.principal)(
            actor="user:1", project="lab", scopes=frozenset({"embeddings"})
        )
        old = type(inbound.principal)(
            actor="user:1", project="lab", expires_at=house.clock.now().timestamp() - 1
        )
        for principal, error in ((narrow, ScopeDenied), (old, Unauthenticated)):
            with pytest.raises(error):
                await house.gateway.run(
                    type(inbound)(
                        principal=principal,
                        endpoint=inbound.endpoint,
                        body=inbound.body,
                        request_id="req_2",
                    )
                )
        assert onprem.received == []

    play(house, scenario)


def _left_early(house: House) -> int:
    """The tokens of the one outcome, which are estimates."""
    (outcome,) = house.outcomes()
    return sum(outcome.estimated_tokens)
