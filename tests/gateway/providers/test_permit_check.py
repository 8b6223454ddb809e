"""A call that disagrees with its permit sends nothing."""

import asyncio
from datetime import datetime, timedelta

import pytest

from gateway.providers.calls import PermitViolation
from gateway.providers.http_client import HttpClient
from gateway.providers.openai_compatible import OpenAICompatible
from gateway.providers.permit_check import check_permit
from policies.engine.facts import Zone
from policies.engine.permit import Candidate, Outcome, Permit
from tests.gateway.providers.calls_for_tests import NOW, call, clock, destination, permit, run
from tests.gateway.providers.fault_server import FaultServer

HERE = Candidate("llama", Zone.ON_PREM)

VIOLATIONS = {
    "nothing allowed": permit(),
    "denied": permit(HERE, outcome=Outcome.DENIED),
    "expired": permit(HERE, expires_in=timedelta(0)),
    "another deployment": permit(Candidate("claude", Zone.ON_PREM)),
    "another zone": permit(Candidate("llama", Zone.CLOUD)),
}


@pytest.mark.parametrize("granted", VIOLATIONS.values(), ids=VIOLATIONS.keys())
def test_a_violation_opens_no_connection(granted: Permit) -> None:
    async def main() -> None:
        async with FaultServer() as server:
            provider = OpenAICompatible(clock=clock)
            try:
                with pytest.raises(PermitViolation):
                    await provider.send(call(destination(server.base_url), granted=granted))
                await asyncio.sleep(0)
                assert not server.connections
                assert not server.received
            finally:
                await provider.aclose()

    run(main())


def test_a_permit_holds_until_it_expires() -> None:
    granted = permit(Candidate("claude", Zone.CLOUD), HERE)
    asked = call(destination("http://127.0.0.1:1/v1"), granted=granted)
    check_permit(asked, now=NOW)
    check_permit(asked, now=granted.expires_at - timedelta(microseconds=1))
    with pytest.raises(PermitViolation, match="expired"):
        check_permit(asked, now=granted.expires_at)


class Moving:
    """A clock that stands still until the test moves it."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


def test_a_permit_that_ran_out_while_connecting_sends_nothing() -> None:
    async def main() -> None:
        async with FaultServer() as server:
            clock = Moving()

            async def slow_resolver(_host: str, _port: int) -> list[str]:
                clock.now += timedelta(seconds=31)
                return ["127.0.0.1"]

            provider = OpenAICompatible(client=HttpClient(resolver=slow_resolver), clock=clock)
            to = destination(server.base_url.replace("127.0.0.1", "llama.internal"))
            try:
                with pytest.raises(PermitViolation, match="expired"):
                    await provider.send(call(to))
                assert not server.received
            finally:
                await provider.aclose()

    run(main())


def test_a_permit_that_ran_out_since_is_not_used_for_the_one_retry() -> None:
    async def main() -> None:
        async with FaultServer() as server:
            clock = Moving()
            provider = OpenAICompatible(clock=clock)
            to = destination(server.base_url)
            try:
                await (await provider.send(call(to))).read(10_000)
                server.mode = "slow_first_byte"
                server.arrived.clear()
                waiting = asyncio.ensure_future(provider.send(call(to)))
                await server.arrived.wait()
                clock.now += timedelta(seconds=31)
                # The server gives up on the kept connection without a word.
                server.cut_all()
                with pytest.raises(PermitViolation, match="expired"):
                    await waiting
                assert len(server.received) == 2
            finally:
                await provider.aclose()

    run(main())
