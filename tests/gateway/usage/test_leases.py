"""Leases: limits that hold across processes, without a store call per request."""

import asyncio
import json
import subprocess
import sys
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from redis.asyncio import Redis

from gateway.inference.contracts import Principal, Refusal, Reservation
from gateway.inference.limits import NO_LIMITS, Ask
from gateway.usage.gate import UNLIMITED, LeaseGate
from gateway.usage.store_server import StoreServer, running_store, stop

# Longer than any test, so that none of them sees a window end unless it wants to.
LONG_S = 10**9


def principal(*, per_minute: int | None, key: str = "") -> Principal:
    return Principal(
        actor="user:1",
        project="p",
        key_id=key or uuid.uuid4().hex,
        requests_per_minute=per_minute,
    )


def wish(who: Principal) -> Ask:
    return Ask(principal=who, limits=NO_LIMITS, tokens=1)


def reserve(gate: LeaseGate, who: Principal) -> Reservation | Refusal | None:
    return gate.reserve(wish(who))


async def ask(gate: LeaseGate, who: Principal) -> Reservation | Refusal:
    return reserve(gate, who) or await gate.renew(wish(who))


async def ask_many(gate: LeaseGate, who: Principal, count: int) -> int:
    """How many of `count` were granted."""
    answers = [await ask(gate, who) for _ in range(count)]
    return sum(not isinstance(answer, Refusal) for answer in answers)


def with_gates(
    server: StoreServer, count: int, body: Callable[..., Awaitable[None]], *, window_s: int = LONG_S
) -> None:
    async def run() -> None:
        gates = [LeaseGate(server.url, window_s=window_s) for _ in range(count)]
        try:
            await body(*gates)
        finally:
            for gate in gates:
                await gate.aclose()

    asyncio.run(run())


@pytest.mark.parametrize("limit", [1, 2, 5, 60, 1000])
def test_a_limit_is_exact_in_its_window(store: StoreServer, limit: int) -> None:
    async def body(gate: LeaseGate) -> None:
        assert await ask_many(gate, principal(per_minute=limit), limit + 30) == limit

    with_gates(store, 1, body)


@pytest.mark.parametrize("limit", [1, 5])
def test_a_small_limit_is_exact_between_processes(store: StoreServer, limit: int) -> None:
    async def body(one: LeaseGate, two: LeaseGate) -> None:
        who = principal(per_minute=limit)
        granted = 0
        for _ in range(limit + 3):
            granted += await ask_many(one, who, 1) + await ask_many(two, who, 1)
        assert granted == limit

    with_gates(store, 2, body)


def test_a_refusal_says_which_limit_and_when_to_come_back(store: StoreServer) -> None:
    async def body(gate: LeaseGate) -> None:
        who = principal(per_minute=1)
        await ask(gate, who)
        refusal = await ask(gate, who)
        assert isinstance(refusal, Refusal)
        assert refusal.code == "rate_limited"
        assert "1 requests per minute" in refusal.message
        assert refusal.retry_after_s is not None
        assert 1 <= refusal.retry_after_s <= 60

    with_gates(store, 1, body, window_s=60)


def test_a_key_without_a_limit_needs_no_store(short_path: Path) -> None:
    async def run() -> None:
        gate = LeaseGate(f"unix://{short_path}/nobody.sock")
        who = principal(per_minute=None)
        assert reserve(gate, who) is UNLIMITED
        assert await gate.renew(wish(who)) is UNLIMITED
        UNLIMITED.settle(tokens=0, cost_nano=0)
        UNLIMITED.release()
        await gate.aclose()

    asyncio.run(run())


def test_a_limit_of_nothing_refuses(store: StoreServer) -> None:
    async def body(gate: LeaseGate) -> None:
        assert await ask_many(gate, principal(per_minute=0), 3) == 0

    with_gates(store, 1, body)


def test_most_requests_ask_no_store(store: StoreServer) -> None:
    async def body(gate: LeaseGate) -> None:
        who = principal(per_minute=2000)
        assert reserve(gate, who) is None  # no lease yet
        await ask(gate, who)
        awaited = 0
        for _ in range(1500):
            if reserve(gate, who) is None:
                awaited += 1
                await gate.renew(wish(who))
            await asyncio.sleep(0)
        async with Redis.from_url(store.url) as client:
            taken = int(await client.hget(f"sluice:lease:{{requests:{who.key_id}}}", "taken") or 0)
        assert awaited < 150
        assert 1501 <= taken <= 1701  # what was used and at most two chunks of 100

    with_gates(store, 1, body)


def test_keys_do_not_share_a_limit(store: StoreServer) -> None:
    async def body(gate: LeaseGate) -> None:
        assert await ask_many(gate, principal(per_minute=2), 5) == 2
        assert await ask_many(gate, principal(per_minute=3), 5) == 3

    with_gates(store, 1, body)


def test_sessions_without_a_key_are_counted_by_person(store: StoreServer) -> None:
    async def body(gate: LeaseGate) -> None:
        who = Principal(actor=f"user:{uuid.uuid4()}", project="p", requests_per_minute=2)
        assert await ask_many(gate, who, 5) == 2

    with_gates(store, 1, body)


def test_what_was_not_sent_may_be_used_again_once(store: StoreServer) -> None:
    async def body(gate: LeaseGate) -> None:
        who = principal(per_minute=2)
        first, second = await ask(gate, who), await ask(gate, who)
        assert not isinstance(first, Refusal)
        assert not isinstance(second, Refusal)
        first.release()
        first.release()
        second.settle(tokens=1, cost_nano=0)
        second.release()
        assert await ask_many(gate, who, 5) == 1

    with_gates(store, 1, body)


def test_a_process_that_ends_gives_back_what_it_did_not_use(store: StoreServer) -> None:
    async def run() -> None:
        who = principal(per_minute=100)
        one = LeaseGate(store.url, window_s=LONG_S)
        await ask(one, who)
        await one.aclose()
        two = LeaseGate(store.url, window_s=LONG_S)
        assert await ask_many(two, who, 110) == 99
        await two.aclose()

    asyncio.run(run())


def test_a_changed_limit_holds_at_once(store: StoreServer) -> None:
    async def body(gate: LeaseGate) -> None:
        key = uuid.uuid4().hex
        assert await ask_many(gate, principal(per_minute=100, key=key), 10) == 10
        assert await ask_many(gate, principal(per_minute=5, key=key), 5) == 0
        assert await ask_many(gate, principal(per_minute=200, key=key), 200) >= 180

    with_gates(store, 1, body)


def test_a_new_window_begins_anew(store: StoreServer) -> None:
    async def body(gate: LeaseGate) -> None:
        who = principal(per_minute=3)
        windows: Counter[int] = Counter()
        while len(windows) < 3:
            answer = await ask(gate, who)
            if not isinstance(answer, Refusal):
                windows[getattr(answer, "window")] += 1  # noqa: B009 - not in the protocol
            await asyncio.sleep(0.01)
        whole = sorted(windows)[1:-1]
        assert [windows[each] for each in whole] == [3] * len(whole)
        assert max(windows.values()) == 3

    with_gates(store, 1, body, window_s=1)


def test_many_tasks_at_once_share_one_question(store: StoreServer) -> None:
    async def body(gate: LeaseGate) -> None:
        who = principal(per_minute=50)
        answers = await asyncio.gather(*(ask(gate, who) for _ in range(200)))
        assert sum(not isinstance(answer, Refusal) for answer in answers) == 50

    with_gates(store, 1, body)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("limit", [7, 600])
def test_three_processes_never_pass_a_limit_and_waste_only_open_leases(
    store: StoreServer, limit: int
) -> None:
    subject, per_task = uuid.uuid4().hex, limit // 30 + 2
    command = [sys.executable, str(Path(__file__).with_name("spending.py")), store.url, subject]
    children = [
        subprocess.Popen(
            [*command, str(limit), "40", str(per_task)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
    granted: Counter[str] = Counter()
    held: Counter[str] = Counter()
    refused = 0
    for child in children:  # all are ready: let them go
        assert child.stdin is not None
        child.stdin.write("\n")
        child.stdin.flush()
    for child in children:
        report = json.loads(child.communicate()[0])
        granted.update(report["granted"])
        held.update(report["held"])
        refused += report["refused"]
    assert max(granted.values()) <= limit
    assert sum(granted.values()) + refused == 3 * 40 * per_task
    if len(granted) == 1:  # all within one minute: what was not granted is held by somebody
        assert refused > 0
        [window] = granted
        assert granted[window] + held[window] == limit


def spend_lease(gate: LeaseGate, who: Principal) -> int:
    """Use up what is held without asking the store; how much that was."""
    count = 0
    while True:
        answer = reserve(gate, who)
        if answer is None or isinstance(answer, Refusal):
            return count
        count += 1


def test_a_dead_store_refuses_when_leases_are_used_up_and_works_again_when_back(
    short_path: Path,
) -> None:
    async def run() -> None:
        gate = LeaseGate(f"unix://{short_path}/valkey.sock", window_s=LONG_S)
        who = principal(per_minute=200)
        with running_store(short_path) as server:
            assert await ask_many(gate, who, 4) == 4
            server.process.kill()
            server.process.wait()
            assert spend_lease(gate, who) == 6  # of the first ten
            for _ in range(3):
                refusal = await ask(gate, who)
                assert isinstance(refusal, Refusal)
                assert refusal.code == "rate_limited"
                assert "unreachable" in refusal.message
                assert refusal.retry_after_s == 1
        with running_store(short_path):
            for _ in range(100):
                if not isinstance(await ask(gate, who), Refusal):
                    break
                await asyncio.sleep(0.05)
            # It was killed, and still knows what this window took.
            assert await ask_many(gate, who, 300) == 200 - 10 - 1
        await gate.aclose()

    asyncio.run(run())


def test_a_store_that_forgot_does_not_let_a_process_pass_its_limit(store: StoreServer) -> None:
    async def body(gate: LeaseGate) -> None:
        who = principal(per_minute=20)
        assert await ask_many(gate, who, 15) == 15
        async with Redis.from_url(store.url) as client:
            assert await client.delete(f"sluice:lease:{{requests:{who.key_id}}}") == 1
        assert await ask_many(gate, who, 15) == 5

    with_gates(store, 1, body)


def test_a_store_that_hangs_refuses_instead_of_waiting(short_path: Path) -> None:
    async def run() -> None:
        gate = LeaseGate(f"unix://{short_path}/valkey.sock", window_s=LONG_S)
        who = principal(per_minute=2)
        with running_store(short_path) as server:
            assert await ask_many(gate, who, 1) == 1
            server.process.send_signal(19)  # SIGSTOP: it accepts and never answers
            answers = await asyncio.gather(*(ask(gate, who) for _ in range(20)))
            assert all(isinstance(answer, Refusal) for answer in answers)
            stop(server.process)
        await gate.aclose()

    asyncio.run(run())


def test_closing_with_a_dead_store_is_no_error(short_path: Path) -> None:
    async def run() -> None:
        gate = LeaseGate(f"unix://{short_path}/valkey.sock", window_s=LONG_S)
        with running_store(short_path):
            await ask(gate, principal(per_minute=100))
        await gate.aclose()

    asyncio.run(run())
