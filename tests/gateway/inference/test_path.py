"""The one path: decision before bytes, outcome always, nothing wider when something fails."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from gateway.inference.contracts import Refusal
from gateway.inference.exchange import Reply
from gateway.protocol.errors import (
    BudgetExceeded,
    FailClosed,
    GatewayError,
    NoDeploymentAvailable,
    PolicyDenied,
    RateLimited,
    ScopeDenied,
    Unauthenticated,
    UpstreamRefused,
)
from policies.engine.facts import Zone
from tests.gateway.inference.conftest import House, destination, snapshot
from tests.gateway.providers.fault_server import FaultServer

HELLO = {"model": "house-first", "messages": [{"role": "user", "content": "hello"}]}
PRIVATE = {"model": "house-first", "messages": [{"role": "user", "content": "4111111111111111"}]}
STREAM = {**HELLO, "stream": True}

Scenario = Callable[[House, FaultServer, FaultServer], Awaitable[None]]


def play(house: House, scenario: Scenario, document: dict[str, Any] | None = None) -> None:
    """Run a scenario against one on-prem and one cloud server."""

    async def run() -> None:
        async with FaultServer() as onprem, FaultServer() as cloud:
            house.snapshots.snapshot = snapshot(onprem.base_url, cloud.base_url, document)
            try:
                await scenario(house, onprem, cloud)
            finally:
                for provider in house.gateway.providers.values():
                    await provider.aclose()

    asyncio.run(run())


async def drain(reply: Reply) -> bytes:
    try:
        return b"".join([chunk async for chunk in reply.chunks])
    finally:
        await reply.aclose()


def test_the_decision_is_journaled_before_the_upstream_hears_of_it(house: House) -> None:
    async def scenario(house: House, onprem: FaultServer, cloud: FaultServer) -> None:
        onprem.mode = "slow_first_byte"
        running = asyncio.ensure_future(house.run(HELLO))
        await onprem.arrived.wait()
        assert len(house.decisions()) == 1
        assert house.outcomes() == []
        onprem.release.set()
        await running
        assert [each.status for each in house.outcomes()] == [200]

    play(house, scenario)


def test_the_records_say_what_happened_and_never_what_was_said(house: House) -> None:
    async def scenario(house: House, onprem: FaultServer, cloud: FaultServer) -> None:
        await house.run({**PRIVATE, "user": "jane.roe@clinic.example"})

    play(house, scenario)
    (decision,), (outcome,) = house.decisions(), house.outcomes()
    assert decision.id == outcome.id
    assert decision.classes == {"PAYMENT_CARD": 1, "EMAIL_ADDRESS": 1}
    assert decision.sensitivity == "confidential"
    assert decision.candidates == ["llama"]
    assert [drop[:3] for drop in decision.dropped] == [["claude", "cloud", "sensitivity"]]
    assert (outcome.deployment, outcome.zone, outcome.model) == ("llama", "on_prem", "llama-model")
    assert (outcome.prompt_tokens, outcome.completion_tokens) == (3, 2)
    assert outcome.attempts == [["llama", "on_prem", "ok"]]
    written = b"".join(path.read_bytes() for path in house.journal_dir.iterdir() if path.is_file())
    assert b"4111" not in written
    assert b"jane" not in written


def test_what_recognizers_raise_never_falls_back_to_the_cloud(house: House) -> None:
    async def scenario(house: House, onprem: FaultServer, cloud: FaultServer) -> None:
        onprem.mode = "failing"
        with pytest.raises(NoDeploymentAvailable):
            await house.run(PRIVATE)
        assert cloud.received == []

    play(house, scenario)
    assert house.outcomes()[0].attempts == [["llama", "on_prem", "http_500"]]


def test_a_clean_request_falls_back_only_within_the_permit(house: House) -> None:
    async def scenario(house: House, onprem: FaultServer, cloud: FaultServer) -> None:
        onprem.mode = "failing"
        reply = await house.run(HELLO)
        assert dict(reply.headers)[b"x-sluice-deployment"] == b"claude"

    play(house, scenario)
    assert [attempt[2] for attempt in house.outcomes()[0].attempts] == ["http_500", "ok"]


def test_a_deployment_that_failed_goes_last_for_a_while(house: House) -> None:
    async def scenario(house: House, onprem: FaultServer, cloud: FaultServer) -> None:
        onprem.mode = "failing"
        await house.run(HELLO)
        onprem.mode = "ok"
        await house.run(HELLO)
        assert len(onprem.received) == 1
        house.clock.moved_s = 2
        await house.run(HELLO)
        assert len(onprem.received) == 2

    play(house, scenario)


def test_a_denial_is_journaled_and_nothing_is_sent(house: House) -> None:
    async def scenario(house: House, onprem: FaultServer, cloud: FaultServer) -> None:
        with pytest.raises(PolicyDenied) as refused:
            await house.run({**PRIVATE, "model": "vendor"})
        assert refused.value.headers["x-sluice-decision"] == house.decisions()[0].id
        assert cloud.received == []
        assert onprem.received == []

    play(house, scenario)
    assert house.decisions()[0].decision == "denied"
    assert house.outcomes()[0].error == "policy_denied"
    assert house.gate.reservations == []


def test_what_was_never_decided_leaves_no_outcome_alone(house: House) -> None:
    async def scenario(house: House, onprem: FaultServer, cloud: FaultServer) -> None:
        with pytest.raises(GatewayError) as refused:
            await house.run({**HELLO, "messages": "hello"})
        assert refused.value.status == 400
        await (await house.run(HELLO)).aclose()

    play(house, scenario)
    assert len(house.decisions()) == 1
    assert [each.id for each in house.outcomes()] == [each.id for each in house.decisions()]


def test_a_model_that_cannot_take_a_sound_is_not_called_unknown(house: House) -> None:
    async def scenario(house: House, onprem: FaultServer, cloud: FaultServer) -> None:
        sound = {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}}
        with pytest.raises(GatewayError) as refused:
            await house.run({**HELLO, "messages": [{"role": "user", "content": [sound]}]})
        assert refused.value.status == 404
        assert "does not take every modality" in str(refused.value)
        with pytest.raises(GatewayError) as unknown:
            await house.run({**HELLO, "model": "nope"})
        assert "has no model 'nope'" in str(unknown.value)

    play(house, scenario)


def test_an_unknown_model_name_is_not_recorded(house: House) -> None:
    async def scenario(house: House, onprem: FaultServer, cloud: FaultServer) -> None:
        with pytest.raises(GatewayError) as refused:
            await house.run({**HELLO, "model": "4111111111111111"})
        assert refused.value.status == 404

    play(house, scenario)
    assert house.decisions()[0].alias == "(unknown)"


def test_a_journal_that_cannot_be_written_sends_nothing(house: House) -> None:
    async def scenario(house: House, onprem: FaultServer, cloud: FaultServer) -> None:
        house.journal.close()
        for body in (HELLO, PRIVATE, {**PRIVATE, "model": "vendor"}):
            with pytest.raises(FailClosed) as refused:
                await house.run(body)
            assert refused.value.param == "journal"
        assert onprem.received == []
        assert cloud.received == []

    play(house, scenario)
    assert [each.ended for each in house.gate.reservations] == [["released"]] * 2


@pytest.mark.parametrize(
    ("age_s", "on_prem", "cloud"), [(4.9, True, True), (5.1, True, False), (901, False, False)]
)
def test_a_stale_snapshot_serves_on_prem_and_then_nothing(
    house: House, age_s: float, on_prem: bool, cloud: bool
) -> None:
    async def scenario(house: House, onprem: FaultServer, cloud_server: FaultServer) -> None:
        house.snapshots.age_s = age_s
        for model, may in (("private", on_prem), ("vendor", cloud)):
            if may:
                assert (await house.run({**HELLO, "model": model})).status == 200
            else:
                with pytest.raises((PolicyDenied, FailClosed)):
                    await house.run({**HELLO, "model": model})
        assert bool(onprem.received) is on_prem
        assert bool(cloud_server.received) is cloud

    play(house, scenario)


def test_without_a_snapshot_nothing_is_sent(house: House) -> None:
    with pytest.raises(FailClosed) as refused:
        asyncio.run(house.run(HELLO))
    assert refused.value.param == "snapshot"


def test_a_project_whose_policy_is_missing_is_denied(house: House) -> None:
    async def scenario(house: House, onprem: FaultServer, cloud: FaultServer) -> None:
        house.change(projects={})
        with pytest.raises(FailClosed) as refused:
            await house.run(HELLO)
        assert refused.value.param == "policy"
        assert onprem.received == []

    play(house, scenario)


def test_a_label_that_cannot_be_computed_sends_nothing(house: House) -> None:
    class Broken:
        def analyse(self, texts: list[str]) -> Any:
            raise KeyError(texts[0])

    async def scenario(house: House, onprem: FaultServer, cloud: FaultServer) -> None:
        assert house.snapshots.snapshot is not None
        view = house.snapshots.snapshot.projects["lab"]
        broken = type(view)(slug="lab", policy=view.policy, analyser=Broken(), models=view.models)
        house.change(projects={"lab": broken})
        with pytest.raises(FailClosed) as refused:
            await house.run(HELLO)
        assert refused.value.param == "label"
        assert "hello" not in str(refused.value)
        assert onprem.received == []

    play(house, scenario)


def test_the_switch_counts_between_two_attempts(house: House) -> None:
    async def scenario(house: House, onprem: FaultServer, cloud: FaultServer) -> None:
        onprem.mode = "slow_first_byte"
        running = asyncio.ensure_future(house.run(HELLO))
        await onprem.arrived.wait()
        house.change(egress_stopped=True)
        onprem.mode = "ok"
        for task in list(onprem._tasks):
            task.cancel()
        with pytest.raises(NoDeploymentAvailable):
            await running
        assert cloud.received == []

    play(house, scenario)


def test_a_deployment_that_changed_after_the_decision_gets_nothing(house: House) -> None:
    async def scenario(house: House, onprem: FaultServer, cloud: FaultServer) -> None:
        onprem.mode = "slow_first_byte"
        running = asyncio.ensure_future(house.run(HELLO))
        await onprem.arrived.wait()
        async with FaultServer() as elsewhere:
            assert house.snapshots.snapshot is not None
            house.change(
                destinations={
                    **house.snapshots.snapshot.destinations,
                    "claude": destination("claude", elsewhere.base_url, Zone.CLOUD),
                }
            )
            for task in list(onprem._tasks):
                task.cancel()
            with pytest.raises(NoDeploymentAvailable):
                await running
            assert elsewhere.received == []
            assert cloud.received == []

    play(house, scenario)


def test_what_waited_longer_than_the_permit_is_decided_again(house: House) -> None:
    async def scenario(house: House, onprem: FaultServer, cloud: FaultServer) -> None:
        onprem.mode = "slow_first_byte"
        running = asyncio.ensure_future(house.run(HELLO))
        await onprem.arrived.wait()
        house.clock.moved_s = 31
        for task in list(onprem._tasks):
            task.cancel()
        reply = await running
        assert dict(reply.headers)[b"x-sluice-deployment"] == b"claude"
        assert len(onprem.received) == 1

    play(house, scenario)
    first, second = house.decisions()
    assert first.id != second.id
    assert [each.error for each in house.outcomes()] == ["permit_expired", ""]


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
    assert house.gate.reservations[0].ended == ["settled 3 2"]


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
    assert house.gate.reservations[0].ended == ["settled None None"]


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
