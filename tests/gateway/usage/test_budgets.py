"""Budgets over the real store and the real database: what one or more processes may spend."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from django.utils import timezone

from gateway.audit.models import Writer
from gateway.database_threads import in_database_thread
from gateway.inference.contracts import Principal, Refusal, Reservation
from gateway.inference.limits import (
    Ask,
    AtEnd,
    BudgetRule,
    Limits,
    Period,
    Scope,
    window_at,
)
from gateway.inference.prices import FREE, Price
from gateway.usage.gate import UNLIMITED, LeaseGate
from gateway.usage.models import Budget, BudgetSpend, UsageDay
from gateway.usage.rebuilding import DatabaseLedger
from gateway.usage.store_server import StoreServer, running_store

pytestmark = pytest.mark.django_db(transaction=True)

CENT = 10_000_000
# One token, one cent: 10,000 USD per million. No prompt, so that amounts are round.
PRICE = Price(input=Decimal(0), output=Decimal(10_000))
WHO = Principal(actor="user:1", project="research", key_id="key-1")


def budget(amount_usd: int = 1, **fields: object) -> BudgetRule:
    row = Budget.objects.create(
        name=f"b-{uuid.uuid4().hex[:12]}",
        scope=Scope.ORGANISATION.value,
        amount_nano=amount_usd * 100 * CENT,
        period=Period.MONTH.value,
        hard=True,
    )
    defaults: dict[str, object] = {
        "id": row.pk,
        "name": row.name,
        "scope": Scope.ORGANISATION,
        "amount_nano": row.amount_nano,
        "period": Period.MONTH,
        "hard": True,
        "at_end": AtEnd.REFUSE,
    }
    return BudgetRule(**(defaults | fields))  # type: ignore[arg-type]


def writer(ending: str = "") -> str:
    return Writer.objects.create(
        pk=uuid.uuid4().hex,
        role="web",
        host="h",
        pid=1,
        started_at=timezone.now(),
        directory="d",
        base_hash="",
        last_hash="",
        ending=ending,
    ).pk


def window(rule: BudgetRule) -> str:
    return window_at(rule.period, datetime.now(UTC)).name


def ask(*rules: BudgetRule, tokens: int | None = 1, who: Principal = WHO, **fields: object) -> Ask:
    defaults: dict[str, object] = {
        "principal": who,
        "limits": Limits(budgets=rules),
        "tokens": 1,
        "output_limit": tokens,
        "prices": (PRICE,),
    }
    return Ask(**(defaults | fields))  # type: ignore[arg-type]


async def reserve(gate: LeaseGate, wish: Ask) -> Reservation | Refusal:
    return gate.reserve(wish) or await gate.renew(wish)


def with_gates(
    server: StoreServer, holders: list[str], body: Callable[..., Awaitable[None]]
) -> None:
    async def run() -> None:
        gates = [LeaseGate(server.url, holder=name, ledger=DatabaseLedger()) for name in holders]
        try:
            for gate in gates:
                await gate._greet()
            await body(*gates)
        finally:
            for gate in gates:
                await gate.aclose()

    asyncio.run(run())


def forget_refusals(gate: LeaseGate) -> None:
    """As after the quarter of a second for which a "no" of the store is believed."""
    for holding in gate.holdings._all.values():
        holding.refused_until = holding.unknown_until = 0.0


def granted(answer: Reservation | Refusal) -> Reservation:
    assert not isinstance(answer, Refusal), answer.message
    return answer


def refused(answer: Reservation | Refusal) -> Refusal:
    assert isinstance(answer, Refusal)
    return answer


def test_a_budget_is_spent_to_the_cent_and_not_beyond(store: StoreServer) -> None:
    rule, holders = budget(), [writer(), writer()]

    async def body(*gates: LeaseGate) -> None:
        spent = 0
        for turn in range(130):
            answer = await reserve(gates[turn % 2], ask(rule))
            if not isinstance(answer, Refusal):
                answer.settle(tokens=1, cost_nano=CENT)
                spent += 1
        # The rest of the other's chunk, when the first one is refused, is all that may be left.
        assert 95 <= spent <= 100

    with_gates(store, holders, body)


def test_the_answer_is_limited_to_what_the_rest_pays_for(store: StoreServer) -> None:
    rule = budget(amount_usd=10)

    async def body(gate: LeaseGate) -> None:
        first = granted(await reserve(gate, ask(rule, tokens=600)))
        assert (first.output_limit, first.reserved_nano) == (600, 600 * CENT)
        rest = granted(await reserve(gate, ask(rule, tokens=900)))
        assert (rest.output_limit, rest.reserved_nano) == (400, 400 * CENT)
        assert refused(await reserve(gate, ask(rule, tokens=900))).code == "budget_exceeded"

    with_gates(store, [writer()], body)


def test_an_answer_without_a_limit_gets_one(store: StoreServer) -> None:
    rule = budget(amount_usd=1000)

    async def body(gate: LeaseGate) -> None:
        answer = granted(await reserve(gate, ask(rule, tokens=None, choices=2)))
        assert answer.output_limit is not None
        assert answer.reserved_nano == 2 * answer.output_limit * CENT

    with_gates(store, [writer()], body)


def test_what_was_reserved_and_not_used_is_there_for_the_next(store: StoreServer) -> None:
    rule = budget()

    async def body(gate: LeaseGate) -> None:
        for _ in range(10):
            granted(await reserve(gate, ask(rule, tokens=90))).settle(tokens=1, cost_nano=CENT)
        granted(await reserve(gate, ask(rule, tokens=80))).release()
        granted(await reserve(gate, ask(rule, tokens=80)))

    with_gates(store, [writer()], body)


def test_more_than_was_reserved_is_paid_for_all_the_same(store: StoreServer) -> None:
    rule = budget()

    async def body(one: LeaseGate, two: LeaseGate) -> None:
        granted(await reserve(one, ask(rule))).settle(tokens=1, cost_nano=98 * CENT)
        granted(await reserve(one, ask(rule))).settle(tokens=1, cost_nano=CENT)
        # What is left is the first one's lease.
        refused(await reserve(two, ask(rule)))
        granted(await reserve(one, ask(rule))).settle(tokens=1, cost_nano=CENT)
        refused(await reserve(one, ask(rule)))

    with_gates(store, [writer(), writer()], body)


def test_a_budget_that_is_lowered_holds_at_once(store: StoreServer) -> None:
    rule = budget(amount_usd=100)
    lower = replace(rule, amount_nano=3 * 100 * CENT)

    async def body(gate: LeaseGate) -> None:
        granted(await reserve(gate, ask(rule, tokens=200))).settle(tokens=1, cost_nano=200 * CENT)
        refused(await reserve(gate, ask(lower, tokens=101)))
        granted(await reserve(gate, ask(lower, tokens=100)))

    with_gates(store, [writer()], body)


def test_unused_leases_return_when_a_process_ends(store: StoreServer) -> None:
    rule = budget()

    async def body(one: LeaseGate, two: LeaseGate) -> None:
        granted(await reserve(one, ask(rule, tokens=100))).settle(tokens=1, cost_nano=CENT)
        await one.holdings.aclose()
        granted(await reserve(two, ask(rule, tokens=99)))

    with_gates(store, [writer(), writer()], body)


def test_every_budget_that_applies_must_have_enough(store: StoreServer) -> None:
    large, small = budget(amount_usd=100), budget(scope=Scope.MEMBER)
    other = Principal(actor="user:2", project="research")

    async def body(gate: LeaseGate) -> None:
        for who in (WHO, other):
            granted(await reserve(gate, ask(large, small, who=who, tokens=100)))
            refusal = refused(await reserve(gate, ask(large, small, who=who)))
            assert small.name in refusal.message

    with_gates(store, [writer()], body)


def test_budgets_of_others_do_not_matter(store: StoreServer) -> None:
    rules = (
        budget(project="elsewhere", scope=Scope.PROJECT),
        budget(scope=Scope.MEMBER, person="user:7"),
        budget(scope=Scope.KEY, key="key-7"),
        budget(hard=False),
    )

    async def body(gate: LeaseGate) -> None:
        for rule in rules:
            assert gate.reserve(ask(rule, tokens=10**9)) is UNLIMITED

    with_gates(store, [writer()], body)


def test_what_costs_nothing_needs_no_money(store: StoreServer) -> None:
    rule = budget(at_end=AtEnd.ON_PREM)

    async def body(gate: LeaseGate) -> None:
        granted(await reserve(gate, ask(rule, tokens=100)))
        assert refused(await reserve(gate, ask(rule))).stay_on_prem
        assert gate.state(WHO, Limits(budgets=(rule,))).on_prem_only
        free = granted(await reserve(gate, ask(rule, prices=(FREE,))))
        assert (free.reserved_nano, free.output_limit) == (0, None)

    with_gates(store, [writer()], body)


def test_a_price_that_nobody_knows_is_refused_under_a_hard_budget(store: StoreServer) -> None:
    rule = budget()

    async def body(gate: LeaseGate) -> None:
        refusal = refused(await reserve(gate, ask(rule, prices=(PRICE, None))))
        assert "no price is known" in refusal.message

    with_gates(store, [writer()], body)


def used(rule: BudgetRule, nano: int, *, leased_by: str = "") -> None:
    UsageDay.objects.create(
        day=datetime.now(UTC).date(),
        **dict.fromkeys(
            ("project", "person", "channel", "alias", "deployment", "zone"), f"x{rule.id}"
        ),
        key_prefix=leased_by,
        **dict.fromkeys(("requests", "prompt_tokens", "completion_tokens", "cached_tokens"), 1),
        cost_nano=nano,
        estimated=0,
        unpriced=0,
    )
    if leased_by:
        BudgetSpend.objects.create(
            budget_id=rule.id,
            subject="organisation",
            window=window(rule),
            writer=leased_by,
            nano=nano,
        )


def test_a_new_budget_counts_what_was_spent_in_its_period(store: StoreServer) -> None:
    rule = budget()
    used(rule, 60 * CENT)

    async def body(gate: LeaseGate) -> None:
        granted(await reserve(gate, ask(rule, tokens=40)))
        refused(await reserve(gate, ask(rule)))

    with_gates(store, [writer()], body)


def test_a_store_that_forgot_is_rebuilt_and_nothing_is_spent_twice(store: StoreServer) -> None:
    rule, names = budget(), [writer(), writer()]

    async def body(one: LeaseGate, two: LeaseGate) -> None:
        granted(await reserve(one, ask(rule, tokens=70))).settle(tokens=1, cost_nano=60 * CENT)
        await one._store._redis.flushall()
        # The first has not said again what it holds: nobody is granted anything.
        await two._greet()
        refused(await reserve(two, ask(rule, tokens=1)))
        await one._greet()
        forget_refusals(two)
        granted(await reserve(two, ask(rule, tokens=30)))
        refused(await reserve(two, ask(rule, tokens=10)))

    with_gates(store, names, body)


def test_what_a_dead_process_held_comes_back_when_its_journal_is_loaded(
    store: StoreServer,
) -> None:
    rule, dead, alive = budget(), writer(), writer()
    wish = ask(rule, tokens=80)

    async def body(one: LeaseGate, two: LeaseGate) -> None:
        granted(await reserve(one, ask(rule, tokens=90))).settle(tokens=1, cost_nano=20 * CENT)
        refused(await reserve(two, ask(rule, tokens=90)))
        await in_database_thread(_bury)
        await two._establish(two.applicable.of(WHO, wish.limits).money[0])
        forget_refusals(two)
        granted(await reserve(two, wish))
        refused(await reserve(two, ask(rule, tokens=10)))

    def _bury() -> None:
        used(rule, 20 * CENT, leased_by=dead)
        Writer.objects.filter(pk=dead).update(ending="died")

    with_gates(store, [dead, alive], body)


def test_a_store_that_is_gone_refuses_once_the_lease_is_used_up(
    short_path: Path,
) -> None:
    rule, name = budget(amount_usd=100), writer()

    async def run(url: str, stop: Callable[[], None]) -> None:
        gate = LeaseGate(url, holder=name, ledger=DatabaseLedger())
        await gate._greet()
        granted(await reserve(gate, ask(rule))).settle(tokens=1, cost_nano=CENT)
        stop()
        spent = 0
        while not isinstance(answer := await reserve(gate, ask(rule)), Refusal):
            answer.settle(tokens=1, cost_nano=CENT)
            spent += 1
        # What the lease had, and no more; waiting helps, so it is no budget that is used up.
        assert 1 <= spent < 2 * 500
        assert answer.code == "rate_limited"
        await gate.aclose()

    with running_store(short_path) as server:
        asyncio.run(run(server.url, server.process.kill))


def test_a_window_that_ended_is_followed_by_a_new_one(store: StoreServer) -> None:
    rule, name = budget(period=Period.DAY), writer()
    clock = [datetime(2026, 3, 1, 23, 59, tzinfo=UTC).timestamp()]

    async def run() -> None:
        gate = LeaseGate(store.url, holder=name, ledger=DatabaseLedger(), wall=lambda: clock[0])
        await gate._greet()
        late = granted(await reserve(gate, ask(rule, tokens=100)))
        refused(await reserve(gate, ask(rule)))
        clock[0] += 120
        early = granted(await reserve(gate, ask(rule, tokens=100)))
        assert (late.leased[0][2], early.leased[0][2]) == ("2026-03-01", "2026-03-02")
        late.settle(tokens=1, cost_nano=0)
        refused(await reserve(gate, ask(rule)))
        await gate.aclose()

    asyncio.run(run())
