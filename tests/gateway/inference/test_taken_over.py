"""A decision made a moment before it is needed is taken over only while everything in it holds."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from gateway.inference.exchange import Inbound
from gateway.inference.limits import BudgetState
from gateway.inference.path import new_id
from gateway.protocol.errors import GatewayError
from tests.gateway.inference.conftest import House
from tests.gateway.inference.scenario import HELLO, PRIVATE, play
from tests.gateway.providers.fault_server import FaultServer


def test_it_is_taken_over_and_recorded_once(house: House) -> None:
    async def scenario(house: House, onprem: FaultServer, cloud: FaultServer) -> None:
        inbound = house.inbound(HELLO)
        decided = house.gateway.decide(inbound, decision_id=new_id("dec_"))
        house.clock.moved_s = 29.0
        await house.gateway.run(inbound, decided=decided)
        assert [each.id for each in house.decisions()] == [decided.permit.decision_id]
        assert [each.id for each in house.outcomes()] == [decided.permit.decision_id]
        assert len(onprem.received) == 1

    play(house, scenario)


def test_a_denial_that_is_taken_over_sends_nothing(house: House) -> None:
    async def scenario(house: House, onprem: FaultServer, cloud: FaultServer) -> None:
        inbound = house.inbound({**PRIVATE, "model": "vendor"})
        decided = house.gateway.decide(inbound, decision_id=new_id("dec_"))
        with pytest.raises(GatewayError) as refused:
            await house.gateway.run(inbound, decided=decided)
        assert refused.value.headers["x-sluice-decision"] == decided.permit.decision_id
        assert onprem.received == cloud.received == []

    play(house, scenario)
    assert [each.decision for each in house.decisions()] == ["denied"]


def _time_passes(house: House, inbound: Inbound) -> Inbound:
    house.clock.moved_s = 30.0
    return inbound


def _clock_goes_back(house: House, inbound: Inbound) -> Inbound:
    house.clock.moved_s = -1.0
    return inbound


def _another_configuration(house: House, inbound: Inbound) -> Inbound:
    house.change(version=2)
    return inbound


def _another_body(house: House, inbound: Inbound) -> Inbound:
    return replace(inbound, body=house.inbound(PRIVATE).body)


def _somebody_else(house: House, inbound: Inbound) -> Inbound:
    return replace(inbound, principal=replace(inbound.principal, actor="user:2"))


def _a_declaration(house: House, inbound: Inbound) -> Inbound:
    return replace(inbound, declared="health")


def _a_stale_snapshot(house: House, inbound: Inbound) -> Inbound:
    house.snapshots.age_s = 6.0
    return inbound


def _a_warning(house: House, inbound: Inbound) -> Inbound:
    house.gate.told = BudgetState(word="warned")
    return inbound


def _a_spent_budget(house: House, inbound: Inbound) -> Inbound:
    house.gate.told = BudgetState(word="exhausted", on_prem_only=True)
    return inbound


CHANGES: list[Callable[[House, Inbound], Inbound]] = [
    _time_passes,
    _clock_goes_back,
    _another_configuration,
    _another_body,
    _somebody_else,
    _a_declaration,
    _a_stale_snapshot,
    _a_warning,
    _a_spent_budget,
]


@pytest.mark.parametrize("change", CHANGES, ids=[each.__name__.strip("_") for each in CHANGES])
def test_it_is_made_anew_after(house: House, change: Callable[[House, Inbound], Inbound]) -> None:
    async def scenario(house: House, onprem: FaultServer, cloud: FaultServer) -> None:
        inbound = house.inbound({**HELLO, "model": "cloud-first"})
        decided = house.gateway.decide(inbound, decision_id=new_id("dec_"))
        inbound = change(house, inbound)
        await house.gateway.run(inbound, decided=decided)
        [record] = house.decisions()
        assert record.id != decided.permit.decision_id
        if change in {_another_body, _a_declaration, _a_stale_snapshot, _a_spent_budget}:
            assert cloud.received == []  # where the earlier decision would have sent it

    play(house, scenario)


def test_a_key_that_has_expired_meanwhile_sends_nothing(house: House) -> None:
    async def scenario(house: House, onprem: FaultServer, cloud: FaultServer) -> None:
        ends = house.clock.now().timestamp() + 5
        house.principal = replace(house.principal, expires_at=ends)
        inbound = house.inbound(HELLO)
        decided = house.gateway.decide(inbound, decision_id=new_id("dec_"))
        house.clock.moved_s = 6.0
        assert house.clock.now() > datetime.fromtimestamp(ends, UTC)
        with pytest.raises(GatewayError) as refused:
            await house.gateway.run(inbound, decided=decided)
        assert refused.value.status == 401
        assert onprem.received == cloud.received == []

    play(house, scenario)
