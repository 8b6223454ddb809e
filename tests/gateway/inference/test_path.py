"""The one path: decision before bytes, outcome always, nothing wider when something fails."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from gateway.protocol.errors import (
    FailClosed,
    GatewayError,
    NoDeploymentAvailable,
    PolicyDenied,
)
from policies.engine.facts import Zone
from tests.gateway.inference.conftest import House, destination
from tests.gateway.inference.scenario import HELLO, PRIVATE, play
from tests.gateway.providers.fault_server import FaultServer


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


REJECTED: list[tuple[object, str]] = [
    (b"{", "invalid_json"),
    (b'{"model": 1, "model": 2}', "duplicate_key"),
    ({**HELLO, "messages": "4111111111111111"}, "invalid_request"),
]


@pytest.mark.parametrize(("body", "reason"), REJECTED, ids=[reason for _, reason in REJECTED])
def test_what_cannot_be_read_is_recorded_without_a_word_of_it(
    house: House, body: object, reason: str
) -> None:
    async def scenario(house: House, onprem: FaultServer, cloud: FaultServer) -> None:
        with pytest.raises(GatewayError) as refused:
            await house.run(body)
        assert refused.value.status == 400
        assert refused.value.headers["x-sluice-decision"] == house.decisions()[0].id
        await (await house.run(HELLO)).aclose()

    play(house, scenario)
    first, second = house.decisions()
    assert (first.decision, first.reason, first.sensitivity) == ("rejected", reason, "restricted")
    assert (first.actor, first.alias, second.decision) == ("user:1", "(unknown)", "allowed")
    assert first.digest.startswith("k1:")
    assert [each.id for each in house.outcomes()] == [first.id, second.id]
    assert (house.outcomes()[0].status, house.outcomes()[0].error) == (400, reason)
    assert b"4111111111111111" not in b"".join(
        path.read_bytes() for path in house.journal_dir.rglob("*.jsonl")
    )


def test_what_could_not_be_labelled_is_recorded_and_goes_nowhere(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(house: House, onprem: FaultServer, cloud: FaultServer) -> None:
        with pytest.raises(FailClosed) as refused:
            await house.run(HELLO)
        assert refused.value.param == "label"
        assert onprem.received == cloud.received == []

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError

    monkeypatch.setattr("gateway.inference.deciding.label_request", broken)
    play(house, scenario)
    [record] = house.decisions()
    assert (record.decision, record.reason) == ("rejected", "fail_closed")
    assert house.outcomes()[0].status == 503


def test_a_scope_that_refuses_is_recorded(house: House) -> None:
    async def scenario(house: House, onprem: FaultServer, cloud: FaultServer) -> None:
        house.principal = replace(house.principal, scopes=frozenset({"embeddings"}))
        with pytest.raises(GatewayError):
            await house.run(HELLO)

    play(house, scenario)
    assert house.decisions()[0].reason == "scope_denied"


def test_a_journal_that_denies_does_not_hide_what_is_wrong_with_the_request(house: House) -> None:
    async def scenario(house: House, onprem: FaultServer, cloud: FaultServer) -> None:
        house.journal.close()
        with pytest.raises(GatewayError) as refused:
            await house.run(b"{")
        assert refused.value.status == 400

    play(house, scenario)
    assert house.records() == []


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
        data_classes: Mapping[str, str] = {}

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


def test_a_key_that_was_rotated_after_the_decision_is_the_one_that_is_used(house: House) -> None:
    async def scenario(house: House, onprem: FaultServer, cloud: FaultServer) -> None:
        onprem.mode = "slow_first_byte"
        running = asyncio.ensure_future(house.run(HELLO))
        await onprem.arrived.wait()
        assert house.snapshots.snapshot is not None
        places = house.snapshots.snapshot.destinations
        rotated = replace(places["claude"], credential="the-new-one")
        house.change(destinations={**places, "claude": rotated})
        for task in list(onprem._tasks):
            task.cancel()
        await running
        (received,) = cloud.received
        assert received.header("authorization") == "Bearer the-new-one"

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


MASKING = {
    "rules": [
        {
            "id": "mask-mail",
            "when": {"endpoint": "chat.completions"},
            "then": {"mask": ["EMAIL_ADDRESS"], "for": {"deployment": "claude"}},
        }
    ]
}


@pytest.mark.parametrize("model", ["vendor", "cloud-first"])
def test_what_must_be_masked_is_never_sent_as_it_is(house: House, model: str) -> None:
    body = {
        "model": model,
        "messages": [{"role": "user", "content": "ask jane.roe@clinic.example"}],
    }

    async def scenario(house: House, onprem: FaultServer, cloud: FaultServer) -> None:
        if model == "vendor":
            with pytest.raises(PolicyDenied):
                await house.run(body)
        else:
            reply = await house.run(body)
            assert dict(reply.headers)[b"x-sluice-deployment"] == b"llama"
        assert cloud.received == []
        # The same rule with nothing to mask leaves the candidate as it is.
        await house.run({**HELLO, "model": "vendor"})
        assert len(cloud.received) == 1

    play(house, scenario, MASKING)
    reasons = [drop[2] for drop in house.decisions()[0].dropped]
    assert reasons == ["masking_unavailable"]
