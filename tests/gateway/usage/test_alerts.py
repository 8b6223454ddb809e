"""Budgets that reach a part of their amount: recorded once a period, and told at least once."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from gateway.accounts.models import ControlVersion
from gateway.audit.models import AuditEvent
from gateway.deployments.services import stop_egress
from gateway.inference.contracts import Principal
from gateway.inference.limits import Period, Scope
from gateway.snapshot.now import snapshot_now
from gateway.usage.gate import LeaseGate
from gateway.usage.models import Budget, BudgetAlert, UsageDay
from gateway.usage.services.alerts import find_reached
from gateway.usage.services.budgets import BudgetSpec, set_budget
from gateway.usage.services.telling import tell
from gateway.usage.tasks import look_at_budgets
from tests.gateway.audit.receivers import WebReceiver
from tests.gateway.usage.mail_server import MailServer
from tests.support.world import SETUP, World, make_world

pytestmark = pytest.mark.django_db

MARCH = datetime(2026, 3, 10, tzinfo=UTC)
APRIL = datetime(2026, 4, 10, tzinfo=UTC)


@pytest.fixture
def world() -> World:
    return make_world()


@pytest.fixture(autouse=True)
def _own_state(settings: Settings, tmp_path: Path) -> None:
    settings.VAR_DIR = tmp_path
    settings.AUDIT_KEY_FILE = tmp_path / "audit.key"
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"


@pytest.fixture
def mail(settings: Settings) -> Iterator[MailServer]:
    with MailServer() as server:
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.port
        yield server


def budget(world: World, **fields: object) -> Budget:
    defaults: dict[str, object] = {
        "name": "month",
        "amount_usd": Decimal(10),
        "period": Period.MONTH,
        "scope": Scope.PROJECT,
    }
    spec = BudgetSpec(**(defaults | fields))  # type: ignore[arg-type]
    return set_budget(by=SETUP, project=world.project, spec=spec)


def spend(amount: Decimal | int, *, at: datetime = MARCH, person: str = "user:1") -> None:
    UsageDay.objects.create(
        day=at.date(),
        project="research",
        person=person,
        key_prefix="",
        channel="api",
        alias=f"alias-{UsageDay.objects.count()}",
        deployment="claude",
        zone="cloud",
        requests=1,
        prompt_tokens=1,
        completion_tokens=1,
        cached_tokens=0,
        cost_nano=int(amount * 10**9),
        estimated=0,
        unpriced=0,
    )


def reached(*, now: datetime = MARCH) -> list[int]:
    return [alert.percent for alert in find_reached(now=now)]


def test_each_part_is_reached_once_in_each_period(world: World) -> None:
    budget(world)
    assert reached() == []
    spend(5)
    assert reached() == [50]
    assert reached() == []
    spend(5)
    assert reached() == [80, 100]
    spend(50)
    assert reached() == []
    assert reached(now=APRIL) == []
    spend(9, at=APRIL)
    assert reached(now=APRIL) == [50, 80]
    events = AuditEvent.objects.filter(type="budget.reached").order_by("seq")
    assert [event.details["percent"] for event in events] == [50, 80, 100, 50, 80]


def test_each_member_is_looked_at_alone(world: World) -> None:
    budget(world, scope=Scope.MEMBER)
    spend(6, person="user:1")
    spend(2, person="user:2")
    assert [(each.subject, each.percent) for each in find_reached(now=MARCH)] == [("user:1", 50)]


def test_rules_may_ask_how_a_budget_stands(world: World) -> None:
    budget(world, period=Period.TOTAL)
    version = ControlVersion.objects.get().version
    gate = LeaseGate("unix:///nowhere")
    who = Principal(actor="user:1", project="research")
    words = []
    for amount in (5, 3, 2):
        spend(amount)
        find_reached()
        words.append(gate.state(who, snapshot_now().limits).word)
    assert words == ["ok", "warned", "exhausted"]
    assert ControlVersion.objects.get().version == version + 3


def test_mail_and_webhook_are_told_once_it_worked(world: World, mail: MailServer) -> None:
    statuses = [500, 204, 204]
    with WebReceiver(lambda: statuses.pop(0)) as web:
        budget(
            world,
            period=Period.TOTAL,
            emails=("ada@hospital.example",),
            webhook=f"http://127.0.0.1:{web.port}/hook?token=x",
            hard=True,
        )
        spend(Decimal("5.000000001"))
        look_at_budgets()
        assert BudgetAlert.objects.get().sent_at is None
        look_at_budgets()
        look_at_budgets()
        assert BudgetAlert.objects.get().sent_at is not None
        told = [json.loads(posted.body) for posted in web.posted]
    assert [each["percent"] for each in told] == [50, 50]  # the first was refused
    assert (told[1]["spent_usd"], told[1]["project"]) == ("5.000000001", "research")
    assert len(mail.kept) == 2
    assert mail.kept[0]["To"] == "ada@hospital.example"
    assert "50 % spent" in mail.kept[0]["Subject"]


def test_without_a_mail_server_it_stays_to_be_told(
    world: World, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.EMAIL_HOST = ""
    budget(world, period=Period.TOTAL, emails=("ada@hospital.example",))
    spend(5)
    find_reached()
    assert tell() == 0
    assert "SLUICE_EMAIL_URL" in caplog.text
    assert "ada@" not in caplog.text


def test_what_is_stopped_tells_nobody_elsewhere(
    world: World, settings: Settings, mail: MailServer, caplog: pytest.LogCaptureFixture
) -> None:
    budget(world, period=Period.TOTAL, emails=("ada@hospital.example",))
    spend(5)
    find_reached()
    stop_egress(by=SETUP)
    settings.ON_PREM_NETWORKS = ()
    assert tell() == 0
    assert "stopped" in caplog.text
    assert mail.kept == []


def test_whoever_wants_to_know_nothing_is_told_nothing(world: World) -> None:
    budget(world, period=Period.TOTAL)
    spend(5)
    find_reached()
    assert tell() == 1
