"""Budgets, limits and prices in the configuration file."""

import textwrap
from decimal import Decimal

import pytest

from gateway.accounts.services import create_api_key
from gateway.audit.models import AuditEvent
from gateway.inference.limits import AtEnd, Period, Scope
from gateway.snapshot.now import snapshot_now
from gateway.usage.models import Budget
from policies.services.configuration import (
    Authority,
    ConfigFile,
    ConfigurationError,
    apply,
    diff,
    export,
)
from tests.support.world import SETUP, World, make_world

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> World:
    return make_world()


def file(text: str) -> ConfigFile:
    return ConfigFile(textwrap.dedent(text))


def applied(text: str, *, prune: bool = False) -> str:
    plan = apply(file(text), authority=Authority(SETUP), yes_widen=True, prune=prune)
    assert diff(file(text), prune=prune).steps == ()
    exported = ConfigFile(export())
    assert diff(exported).steps == ()
    return plan.as_text()


PROJECT = """\
    projects:
      - slug: research
        rate_limits: {requests_per_minute: 60, tokens_per_minute: 100000, concurrency: 4}
        budgets:
          - {name: month, amount_usd: 99.5, period: month, hard: true, at_end: on_prem}
          - {name: each, amount_usd: 5, period: week, for: each_member}
          - {name: one, amount_usd: 1, period: day, for: {member: member@research.example}}
    """


def test_budgets_and_limits_reach_the_snapshot(world: World) -> None:
    told = applied(PROJECT)
    assert "budget month of research" in told
    limits = snapshot_now().limits
    rates = limits.projects["research"]
    assert (rates.requests_per_minute, rates.concurrency) == (60, 4)
    by_name = {rule.name: rule for rule in limits.budgets}
    assert by_name["month"].amount_nano == 99_500_000_000
    assert (by_name["month"].hard, by_name["month"].at_end) == (True, AtEnd.ON_PREM)
    assert (by_name["each"].scope, by_name["each"].person) == (Scope.MEMBER, "")
    assert by_name["one"].person == f"user:{world.member.pk}"
    types = set(AuditEvent.objects.values_list("type", flat=True))
    assert {"budget.changed", "limit.changed"} <= types


def test_a_budget_changes_and_goes_only_when_pruned(world: World) -> None:
    applied(PROJECT)
    shorter = """\
        projects:
          - slug: research
            rate_limits: {}
            budgets: [{name: month, amount_usd: 10, period: total}]
        """
    told = applied(shorter)
    assert "99.500000000 USD" in told
    assert Budget.objects.count() == 3
    applied(shorter, prune=True)
    budget = Budget.objects.get()
    assert (budget.amount_usd, budget.period, budget.hard) == (Decimal(10), Period.TOTAL, False)
    assert snapshot_now().limits.projects == {}


def test_a_key_has_its_budget_by_its_prefix(world: World) -> None:
    made = create_api_key(by=SETUP, project=world.project, name="k", owner=world.member)
    applied(
        f"""\
        projects:
          - slug: research
            budgets:
              - {{name: k, amount_usd: 1, period: day, for: {{key: {made.key.prefix}}}}}
        """
    )
    (rule,) = snapshot_now().limits.budgets
    assert rule.key == str(made.key.pk)


def test_the_organisation_has_budgets_of_its_own(world: World) -> None:
    applied(
        """\
        organisation:
          budgets:
            - {name: all, amount_usd: 1000, period: month}
            - {name: each, amount_usd: 0.01, period: day, for: each_member, hard: true}
        """
    )
    scopes = {rule.name: (rule.scope, rule.project) for rule in snapshot_now().limits.budgets}
    assert scopes == {"all": (Scope.ORGANISATION, ""), "each": (Scope.MEMBER, "")}


DEPLOYMENT = """\
    deployments:
      - name: llama
        base_url: http://127.0.0.1:9911/v1
        model: llama-3
        zone: on_prem
        price: %s
        rate_limits: {concurrency: 8}
    """


def test_a_price_is_by_token_or_by_the_hour_and_may_be_taken_back(world: World) -> None:
    applied(DEPLOYMENT % "{input: 0.1, output: 0.123456, cached_input: 0}")
    snapshot = snapshot_now()
    price = snapshot.prices["llama"]
    assert (price.input, price.output) == (Decimal("0.1"), Decimal("0.123456"))
    assert price.cached_input == 0
    assert snapshot.limits.deployments["llama"].concurrency == 8
    applied(DEPLOYMENT % "{gpu_hour: 3, gpus: 2, shared_by: 12}")
    assert snapshot_now().prices["llama"].per_hour == Decimal("0.5")
    applied(DEPLOYMENT % "shipped")
    assert snapshot_now().prices["llama"].is_free


@pytest.mark.parametrize(
    ("budget", "problem"),
    [
        ("{name: b, amount_usd: 0, period: day}", ":5:"),
        ("{name: b, amount_usd: -1, period: day}", "not an amount"),
        ("{name: b, amount_usd: .inf, period: day}", "not an amount"),
        ("{name: b, amount_usd: much, period: day}", "not an amount"),
        ("{name: b, amount_usd: 1, period: year}", "no period 'year'"),
        ("{name: b, amount_usd: 1, period: day, for: organisation}", "no subject"),
        ("{name: b, amount_usd: 1, period: day, for: {member: x@y.example}}", "no member"),
        ("{name: b, amount_usd: 1, period: day, for: {key: sk-sluice-nobody}}", "no key"),
        ("{name: b, amount_usd: 1, period: day, for: {}}", "not one subject"),
        ("{name: b, amount_usd: 1, period: day, at_end: stop}", "no way to end 'stop'"),
        ("{name: b, amount_usd: 1, period: day, webhook: ftp://x}", "https://"),
        ("{name: b, amount_usd: 1, period: day, emails: [nobody]}", "not an e-mail address"),
        ("{name: 'a b', amount_usd: 1, period: day}", "letters, digits"),
        ("{name: b, amount: 1, period: day}", "no field 'amount'"),
    ],
)
def test_what_is_wrong_with_a_budget_is_said_with_its_line(
    world: World, budget: str, problem: str
) -> None:
    text = f"""\
        projects:
          - slug: research
            budgets:
              - {{name: fine, amount_usd: 1, period: day}}
              - {budget}
        """
    with pytest.raises(ConfigurationError) as caught:
        diff(file(text))
    assert problem in str(caught.value)
    assert all(each.line == 5 for each in caught.value.problems)
    assert not Budget.objects.exists()


@pytest.mark.parametrize(
    ("price", "problem"),
    [
        ("{input: -1}", "not an amount"),
        ("{input: 0.0000001}", "six digits"),
        ("{gpus: 0}", "too small"),
        ("cheap", "no price 'cheap'"),
        ("{inputs: 1}", "Did you mean 'input'"),
    ],
)
def test_what_is_wrong_with_a_price_is_said_with_its_line(
    world: World, price: str, problem: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        diff(file(DEPLOYMENT % price))
    assert problem in str(caught.value)
    assert caught.value.problems[0].line == 6


def test_a_limit_of_nothing_is_refused(world: World) -> None:
    with pytest.raises(ConfigurationError, match="too small"):
        diff(file("projects: [{slug: research, rate_limits: {concurrency: 0}}]"))
