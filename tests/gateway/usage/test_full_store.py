"""A store that is full (its memory, or its disk) takes no leases: 429, never an overrun."""

import asyncio
import uuid
from pathlib import Path

import pytest
from redis import Redis

from gateway.inference.contracts import Principal, Refusal, Reservation
from gateway.inference.limits import NO_LIMITS, Ask
from gateway.usage.gate import UNLIMITED, LeaseGate
from gateway.usage.store_server import running_store

LIMIT = 200


def ask(key: str, limit: int | None) -> Ask:
    who = Principal(actor="user:1", project="p", key_id=key, requests_per_minute=limit)
    return Ask(principal=who, limits=NO_LIMITS, tokens=1)


async def reserve(gate: LeaseGate, wish: Ask) -> Reservation | Refusal:
    return gate.reserve(wish) or await gate.renew(wish)


@pytest.mark.parametrize(
    "how",
    [
        {"maxmemory": "1", "maxmemory-policy": "noeviction"},  # "OOM command not allowed"
        {"min-replicas-to-write": "1"},  # writes refused, as after an error of its disk
    ],
    ids=["memory", "writes"],
)
def test_leases_are_used_up_then_refused_and_granted_again(
    short_path: Path, how: dict[str, str]
) -> None:
    with running_store(short_path) as server, Redis.from_url(server.url) as store:
        before = {name: store.config_get(name)[name] for name in how}

        async def run() -> None:
            gate = LeaseGate(server.url, window_s=10**9)
            wish = ask(uuid.uuid4().hex, LIMIT)
            assert not isinstance(await reserve(gate, wish), Refusal)
            held = sum(gate.minutes.held().values())
            for name, value in how.items():
                store.config_set(name, value)
            answers = [await reserve(gate, wish) for _ in range(LIMIT)]
            granted = [each for each in answers if not isinstance(each, Refusal)]
            assert len(granted) <= held + LIMIT // 20  # one chunk may have been on its way
            refusal = answers[-1]
            assert isinstance(refusal, Refusal)
            assert (refusal.code, refusal.retry_after_s) == ("rate_limited", 1)
            assert "unreachable" in refusal.message
            assert gate.reserve(ask("none", None)) is UNLIMITED  # whoever has no limit goes on
            for name, value in before.items():
                store.config_set(name, value)
            while isinstance(await reserve(gate, wish), Refusal):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            await gate.aclose()

        asyncio.run(run())
