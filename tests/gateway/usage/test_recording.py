"""Usage comes from the journal with the outcome: exactly once, whatever was killed."""

import os
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from django.db import DatabaseError

from gateway.accounts.roles import OrganisationRole, Role
from gateway.audit.journal import FileJournal
from gateway.audit.loader import Loader
from gateway.audit.records import DecisionRecord, OutcomeRecord
from gateway.audit.sinks import sinks
from gateway.inference.limits import Period, Scope
from gateway.usage.models import BudgetSpend, UsageDay, UsageRecord
from gateway.usage.recording import UsageSink
from gateway.usage.services.budgets import BudgetSpec, set_budget
from gateway.usage.services.reports import By, Question, as_csv, receipt_of, report, total
from tests.support.world import SETUP, person, project_with

pytestmark = pytest.mark.django_db

AT = datetime(2026, 1, 31, 23, 59, 59, tzinfo=UTC).timestamp()
ALL = Question(first=date(2026, 1, 1), last=date(2026, 12, 31))


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[FileJournal]:
    with closing(FileJournal(tmp_path / "journal", reopen_after_s=0)) as made:
        yield made


@pytest.fixture
def loader(tmp_path: Path) -> Iterator[Loader]:
    (tmp_path / "journal").mkdir(exist_ok=True)
    made = Loader(tmp_path / "journal")
    assert made.lease.acquire()
    yield made
    made.lease.release()


def decision(number: int = 1, **fields: object) -> DecisionRecord:
    defaults: dict[str, object] = {
        "id": f"dec_{os.getpid()}_{number}",
        "request_id": f"req_{number}",
        "at": AT,
        "project": "research",
        "actor": "user:1",
        "key_prefix": "sk-a",
        "endpoint": "chat.completions",
        "alias": "auto",
        "digest": "0" * 64,
        "sensitivity": "internal",
        "decision": "allowed",
        "revision": "1" * 64,
    }
    return DecisionRecord(**(defaults | fields))  # type: ignore[arg-type]


def outcome(number: int = 1, **fields: object) -> OutcomeRecord:
    defaults: dict[str, object] = {
        "id": f"dec_{os.getpid()}_{number}",
        "at": AT + 2,
        "status": 200,
        "deployment": "gpt",
        "zone": "cloud",
        "model": "gpt-4o",
        "attempts": [["gpt", "cloud", "ok"]],
        "prompt_tokens": 100,
        "completion_tokens": 10,
        "cost_nano": 350_000,
    }
    return OutcomeRecord(**(defaults | fields))  # type: ignore[arg-type]


def test_an_outcome_becomes_a_record_and_a_part_of_its_day(
    journal: FileJournal, loader: Loader
) -> None:
    journal.append(decision())
    journal.append(outcome(cached_tokens=40))
    loader.load()
    record = UsageRecord.objects.get()
    assert (record.person, record.key_prefix, record.deployment) == ("user:1", "sk-a", "gpt")
    assert (record.prompt_tokens, record.completion_tokens, record.cached_tokens) == (100, 10, 40)
    assert record.cost_usd == Decimal("0.00035")
    assert not record.estimated
    day = UsageDay.objects.get()
    assert (day.day, day.requests, day.cost_nano) == (date(2026, 1, 31), 1, 350_000)


def test_an_outcome_that_comes_later_than_its_decision_is_joined(
    journal: FileJournal, loader: Loader
) -> None:
    journal.append(decision(on_behalf_of="user:2", channel="chat"))
    loader.load()
    assert not UsageRecord.objects.exists()
    journal.append(outcome())
    loader.load()
    record = UsageRecord.objects.get()
    assert (record.person, record.channel) == ("user:2", "chat")


def test_days_add_up_over_batches(journal: FileJournal, loader: Loader) -> None:
    for number in range(5):
        journal.append(decision(number))
        journal.append(outcome(number, cost_nano=None if number == 3 else 1))
        loader.load()
    day = UsageDay.objects.get()
    assert (day.requests, day.cost_nano, day.unpriced) == (5, 4, 1)
    assert day.prompt_tokens == 500


def test_what_nobody_answered_is_no_usage(journal: FileJournal, loader: Loader) -> None:
    journal.append(decision(decision="denied"))
    journal.append(outcome(status=403, deployment="", zone="", cost_nano=None))
    loader.load()
    assert not UsageRecord.objects.exists()
    assert not UsageDay.objects.exists()


def test_an_estimate_is_marked_as_one(journal: FileJournal, loader: Loader) -> None:
    journal.append(decision())
    journal.append(outcome(prompt_tokens=None, completion_tokens=None, estimated_tokens=[20, 3]))
    loader.load()
    record = UsageRecord.objects.get()
    assert (record.estimated, record.prompt_tokens, record.completion_tokens) == (True, 20, 3)
    assert UsageDay.objects.get().estimated == 1


def test_a_transaction_that_fails_leaves_neither_outcome_nor_usage(
    journal: FileJournal, loader: Loader, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Failing:
        def loaded(self, writer: str, entries: object) -> None:
            raise DatabaseError

        def died(self, writer: str) -> None:
            raise DatabaseError

    journal.append(decision())
    journal.append(outcome())
    with monkeypatch.context() as patched:
        patched.setattr("gateway.audit.loader.sinks", [*sinks, Failing()])
        with pytest.raises(DatabaseError):
            loader.load()
    assert not UsageRecord.objects.exists()
    loader.load()
    loader.load()
    assert UsageDay.objects.get().requests == 1


def test_a_second_outcome_of_one_request_is_charged_to_nobody(
    journal: FileJournal, loader: Loader
) -> None:
    journal.append(decision())
    journal.append(outcome())
    journal.append(outcome(cost_nano=999))
    loader.load()
    journal.append(outcome(cost_nano=999))
    loader.load()
    assert UsageDay.objects.get().cost_nano == 350_000


def test_numbers_of_a_forged_journal_do_not_stop_the_loader(
    journal: FileJournal, loader: Loader
) -> None:
    journal.append(decision(leased=[["x", "y", "z"], ["7"], ["9" * 40, "a", "b"]]))
    journal.append(outcome(prompt_tokens=10**17, cost_nano=-(10**17), estimated_tokens=[1]))
    loader.load()
    assert UsageRecord.objects.get().cost_nano == 0


def test_names_of_a_forged_journal_do_not_stop_the_loader(
    journal: FileJournal, loader: Loader
) -> None:
    for id_ in ("x\0y", "z" * 300):
        journal.append(decision(id=id_, alias="a\0b"))
        journal.append(outcome(id=id_, model="m\0"))
    loader.load()
    assert sorted(UsageRecord.objects.values_list("pk", flat=True)) == ["x\ufffdy", "z" * 100]
    assert UsageDay.objects.get().alias == "a\ufffdb"


def test_what_a_dead_process_left_open_is_charged_as_reserved(
    journal: FileJournal, loader: Loader
) -> None:
    research, _ = project_with("research")
    spec = BudgetSpec(
        name="month", amount_usd=Decimal(5), period=Period.MONTH, scope=Scope.PROJECT, hard=True
    )
    budget = set_budget(by=SETUP, project=research, spec=spec)
    leased = [[str(budget.pk), "project", "2026-01-01"], ["999999", "project", "2026-01-01"]]
    journal.append(decision(1, leased=leased, reserved_nano=700))
    journal.append(outcome(1, cost_nano=500))
    journal.append(decision(2, leased=leased, reserved_nano=700))
    journal.append(decision(3, decision="denied"))
    journal.close()
    loader.load()
    lost = UsageRecord.objects.get(pk=decision(2).id)
    assert (lost.cost_nano, lost.estimated) == (700, True)
    spend = BudgetSpend.objects.get()
    assert (spend.budget, spend.nano, spend.writer) == (budget, 1200, journal.writer.id)
    assert UsageDay.objects.filter(project="research").count() == 2


def test_what_was_charged_is_not_charged_again_beside_what_is_new(
    journal: FileJournal, loader: Loader
) -> None:
    journal.append(decision(1, reserved_nano=700))
    loader.load()
    UsageSink().died(journal.writer.id)
    journal.append(decision(2, reserved_nano=30))
    loader.load()
    UsageSink().died(journal.writer.id)
    assert UsageRecord.objects.count() == 2
    assert UsageDay.objects.get().cost_nano == 730


def test_usage_is_summed_by_what_is_asked_and_seen_by_who_may(
    journal: FileJournal, loader: Loader
) -> None:
    _, people = project_with("research", owner=Role.OWNER, member=Role.MEMBER)
    project_with("other", stranger=Role.OWNER)
    member = people["member"]
    for number, (project, actor, cost) in enumerate(
        [
            ("research", f"user:{member.pk}", 1_000_000_000),
            ("research", "user:9", 2_000_000_000),
            ("other", "user:9", 4_000_000_000),
        ]
    ):
        journal.append(decision(number, project=project, actor=actor))
        journal.append(outcome(number, cost_nano=cost))
    loader.load()
    admin = person("admin@sluice.example", OrganisationRole.ADMIN)
    auditor = person("auditor@sluice.example", OrganisationRole.AUDITOR)
    by_project = Question(first=ALL.first, last=ALL.last, by=(By.PROJECT,))
    assert [(line.names, line.cost_usd) for line in report(admin, by_project)] == [
        (("other",), Decimal(4)),
        (("research",), Decimal(3)),
    ]
    assert total(auditor, ALL).cost_usd == Decimal(7)
    assert total(people["owner"], ALL).cost_usd == Decimal(3)
    assert total(member, ALL).cost_usd == Decimal(1)
    assert total(person("nobody@sluice.example"), ALL).requests == 0
    assert receipt_of(member, decision(0).id) is not None
    assert receipt_of(member, decision(1).id) is None
    assert receipt_of(people["owner"], decision(1).id) is not None
    rows = list(as_csv(by_project, report(admin, by_project)))
    assert rows[0].startswith("project,requests,prompt_tokens")
    assert rows[1].startswith("other,1,100,10,0,4.000000000,0,0")


def test_a_name_that_a_spreadsheet_would_run_is_quoted(
    journal: FileJournal, loader: Loader
) -> None:
    journal.append(decision(alias="=HYPERLINK()"))
    journal.append(outcome())
    loader.load()
    by_model = Question(first=ALL.first, last=ALL.last, by=(By.MODEL,))
    rows = list(as_csv(by_model, report(SETUP, by_model)))
    assert rows[1].startswith("'=HYPERLINK()")
