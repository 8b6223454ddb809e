"""Requests and tokens a minute, and requests at once: of a key, a project and a deployment, as they
are set in the database and held by two processes over the real store."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Final

import pytest
from django.core.exceptions import PermissionDenied

from gateway.accounts.models import APIKey
from gateway.accounts.services import create_api_key
from gateway.audit.models import AuditEvent
from gateway.inference.contracts import Principal, Refusal, Reservation
from gateway.inference.limits import Ask, Limits, Rates
from gateway.protocol.errors import RateLimited
from gateway.snapshot.build import Builder
from gateway.usage.gate import LeaseGate
from gateway.usage.services.budgets import set_rates
from gateway.usage.store_server import StoreServer
from tests.gateway.inference.conftest import House, house
from tests.gateway.inference.scenario import HELLO, drain, play
from tests.gateway.providers.fault_server import FaultServer
from tests.support.world import SETUP, World, make_world

__all__ = ["house"]  # a fixture
pytestmark = pytest.mark.django_db(transaction=True)
LONG_S: Final = 10**9  # no window ends in a test
SUBJECTS: Final = ("key", "project", "deployment")


@dataclass
class Limited:
    """A world with a key of its owner's; each test's own, since the store goes on."""

    world: World
    key: APIKey

    def limits(self, subject: str, rates: Rates) -> Limits:
        """Set them as an admin does, and read them as a process does."""
        row = {
            "key": self.key,
            "project": self.world.project,
            "deployment": self.world.local,
        }[subject]
        set_rates(by=SETUP, rates=rates, **{subject: row})  # type: ignore[arg-type]
        return Builder().build().limits

    def ask(self, subject: str, limits: Limits, tokens: int = 1) -> Ask:
        who = Principal(
            actor=f"user:{self.world.owner.pk}", project="research", key_id=str(self.key.pk)
        )
        name = self.world.local.name if subject == "deployment" else ""
        return Ask(principal=who, limits=limits, tokens=tokens, deployment=name)


@pytest.fixture
def limited() -> Limited:
    world = make_world()
    made = create_api_key(by=SETUP, project=world.project, owner=world.owner, name="laptop")
    return Limited(world, made.key)


@pytest.fixture(autouse=True)
def _subjects_of_this_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """Projects and deployments have the same names in every test; in the store they must not."""
    own = uuid.uuid4().hex
    before = LeaseGate.__init__

    def begin(self: LeaseGate, *args: object, **kwargs: object) -> None:
        before(self, *args, **kwargs)  # type: ignore[arg-type]
        work_out = self.applicable._rates
        self.applicable._rates = lambda limited: work_out(  # type: ignore[method-assign]
            [(f"{own}:{subject}", rates, whose) for subject, rates, whose in limited]
        )

    monkeypatch.setattr(LeaseGate, "__init__", begin)


def with_two(store: StoreServer, body: Callable[[LeaseGate, LeaseGate], Awaitable[None]]) -> None:
    async def run() -> None:
        gates = [LeaseGate(store.url, window_s=LONG_S, holder=uuid.uuid4().hex) for _ in range(2)]
        try:
            for gate in gates:
                await gate._greet()
            await body(*gates)
        finally:
            for gate in gates:
                await gate.aclose()

    asyncio.run(run())


async def reserve(gate: LeaseGate, ask: Ask) -> Reservation | Refusal:
    return gate.reserve(ask) or await gate.renew(ask)


def refused(answer: Reservation | Refusal) -> Refusal:
    assert isinstance(answer, Refusal)
    return answer


def granted(answer: Reservation | Refusal) -> Reservation:
    assert not isinstance(answer, Refusal), answer.message
    return answer


@pytest.mark.parametrize("subject", SUBJECTS)
def test_requests_a_minute(store: StoreServer, limited: Limited, subject: str) -> None:
    limits = limited.limits(subject, Rates(requests_per_minute=5))
    wish = limited.ask(subject, limits)

    async def body(one: LeaseGate, two: LeaseGate) -> None:
        answers = [await reserve(gate, wish) for gate in (one, two) * 4]
        assert sum(not isinstance(each, Refusal) for each in answers) == 5
        refusal = refused(answers[-1])
        assert refusal.code == "rate_limited"
        assert "5 requests per minute" in refusal.message
        assert refusal.retry_after_s is not None

    with_two(store, body)


@pytest.mark.parametrize("subject", SUBJECTS)
def test_tokens_a_minute_are_settled_by_what_was_used(
    store: StoreServer, limited: Limited, subject: str
) -> None:
    limits = limited.limits(subject, Rates(tokens_per_minute=1000))
    wish = limited.ask(subject, limits, tokens=600)

    async def body(one: LeaseGate, two: LeaseGate) -> None:
        granted(await reserve(one, wish)).settle(tokens=100, cost_nano=0)
        granted(await reserve(one, wish)).settle(tokens=1100, cost_nano=0)
        for gate in (one, two):
            assert "1000 tokens per minute" in refused(await reserve(gate, wish)).message

    with_two(store, body)


@pytest.mark.parametrize("subject", SUBJECTS)
def test_requests_at_once(store: StoreServer, limited: Limited, subject: str) -> None:
    limits = limited.limits(subject, Rates(concurrency=2))
    wish = limited.ask(subject, limits)

    async def body(one: LeaseGate, two: LeaseGate) -> None:
        first = granted(await reserve(one, wish))
        granted(await reserve(two, wish))
        for gate in (one, two):
            refusal = refused(await reserve(gate, wish))
            assert (refusal.code, refusal.retry_after_s) == ("rate_limited", 1)
            assert "2 requests under way" in refusal.message
        first.settle(tokens=1, cost_nano=0)
        while isinstance(await reserve(two, wish), Refusal):  # noqa: ASYNC110
            await asyncio.sleep(0.05)

    with_two(store, body)


@pytest.mark.parametrize("subject", SUBJECTS)
def test_others_are_not_concerned(store: StoreServer, limited: Limited, subject: str) -> None:
    limits = limited.limits(subject, Rates(requests_per_minute=1))
    wish = limited.ask(subject, limits)
    other = {
        "key": replace(wish.principal, key_id=str(uuid.uuid4())),  # type: ignore[type-var]
        "project": replace(wish.principal, project="other"),  # type: ignore[type-var]
    }.get(subject)
    elsewhere = (
        Ask(principal=wish.principal, limits=limits, tokens=1, deployment="claude")
        if other is None
        else Ask(principal=other, limits=limits, tokens=1)
    )

    async def body(one: LeaseGate, two: LeaseGate) -> None:
        granted(await reserve(one, wish))
        refused(await reserve(two, wish))
        for _ in range(3):
            granted(await reserve(two, elsewhere))

    with_two(store, body)


@pytest.mark.parametrize(
    ("limit", "asked"),
    [(19, 1), (20, 1), (39, 1), (40, 2), (100, 5)],
)
def test_below_forty_requests_a_minute_each_is_asked_for(
    store: StoreServer, limited: Limited, limit: int, asked: int
) -> None:
    """As docs/money.md says: a lease is a twentieth, in whole requests."""
    wish = limited.ask("key", limited.limits("key", Rates(requests_per_minute=limit)))

    async def body(one: LeaseGate, two: LeaseGate) -> None:
        granted(await reserve(one, wish))
        assert sum(one.minutes.held().values()) == asked - 1

    with_two(store, body)


@pytest.mark.parametrize("concurrency", [1, 19, 20, 40])
def test_below_twenty_at_once_nothing_is_held_idle(
    store: StoreServer, limited: Limited, concurrency: int
) -> None:
    wish = limited.ask("key", limited.limits("key", Rates(concurrency=concurrency)))

    async def body(one: LeaseGate, two: LeaseGate) -> None:
        granted(await reserve(one, wish))
        ((slot, _),) = one.applicable.to(wish).slots
        assert slot.keep == concurrency // 20
        assert slot.left == max(0, concurrency // 20 - 1)

    with_two(store, body)


def test_a_limit_is_set_by_who_may_and_is_an_event(limited: Limited) -> None:
    rates = Rates(requests_per_minute=3)
    world = limited.world
    set_rates(by=world.owner, rates=rates, key=limited.key)
    for subject in ({"project": world.project}, {"deployment": world.local}):
        with pytest.raises(PermissionDenied):
            set_rates(by=world.owner, rates=rates, **subject)
    with pytest.raises(PermissionDenied):
        set_rates(by=world.member, rates=rates, key=limited.key)
    [event] = AuditEvent.objects.filter(type="limit.changed")
    assert (event.object_type, event.details["requests_per_minute"]) == ("key", 3)
    set_rates(by=world.owner, rates=None, key=limited.key)
    assert Builder().build().limits.keys == {}


@dataclass
class _Full:
    """A gate under which some deployments are at their limit."""

    full: frozenset[str]
    own: LeaseGate

    def __getattr__(self, name: str) -> object:
        return getattr(self.own, name)

    def reserve(self, ask: Ask) -> Reservation | Refusal | None:
        if ask.deployment in self.full:
            return Refusal(code="rate_limited", message="full", retry_after_s=7)
        return self.own.reserve(ask)


@pytest.mark.parametrize(
    ("full", "served"),
    [((), "llama"), (("llama",), "claude"), (("llama", "claude"), None)],
    ids=["none", "the first", "all"],
)
def test_a_deployment_at_its_limit_is_passed_over_and_refused_when_no_other_may_serve(
    house: House, full: tuple[str, ...], served: str | None
) -> None:
    async def scenario(house: House, onprem: FaultServer, cloud: FaultServer) -> None:
        house.change(
            limits=Limits(deployments=dict.fromkeys(("llama", "claude"), Rates(concurrency=1)))
        )
        house.gateway.budget = _Full(frozenset(full), house.gate)  # type: ignore[assignment, arg-type]
        if served is None:
            with pytest.raises(RateLimited) as refused:
                await house.run(HELLO)
            assert refused.value.headers["retry-after"] == "7"
            assert onprem.received == cloud.received == []
        else:
            await drain(await house.run(HELLO))

    play(house, scenario)
    [outcome] = house.outcomes()
    assert (outcome.deployment or None) == served
