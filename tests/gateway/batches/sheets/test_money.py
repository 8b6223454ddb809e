"""Before a run: what is left of the budgets. After it: what each row cost, as it was settled."""

import csv
import io
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.core.management import call_command
from django.utils import timezone

from gateway.accounts.acting import actor_name
from gateway.accounts.models import User
from gateway.accounts.roles import OrganisationRole
from gateway.batches.finalizing import finalize
from gateway.batches.models import Batch
from gateway.batches.sheets import runs
from gateway.batches.sheets.budgets import budgets_left
from gateway.batches.sheets.results import download
from gateway.batches.sheets.writing import Format
from gateway.batches.validating import validate
from gateway.deployments.models import Deployment
from gateway.inference.limits import AtEnd, Period, Scope
from gateway.usage.models import UsageDay
from gateway.usage.prices import PriceTerms
from gateway.usage.services.budgets import BudgetSpec, set_budget, set_price
from tests.gateway.batches.conftest import results
from tests.gateway.batches.sheets.conftest import IBAN, Lab
from tests.gateway.batches.sheets.test_runs import said, table
from tests.support.world import SETUP, person


def priced(lab: Lab) -> None:
    """Claude: 1,000 USD for a million tokens in, 3,000 for as many out."""
    claude = Deployment.objects.get(name="claude")
    set_price(
        by=SETUP, deployment=claude, terms=PriceTerms(input=Decimal(1000), output=Decimal(3000))
    )


def spent(lab: Lab, person: User, usd: str) -> None:
    UsageDay.objects.create(
        day=timezone.now().date(),
        project=lab.project.slug,
        person=actor_name(person),
        cost_nano=int(Decimal(usd) * 10**9),
        requests=1,
        prompt_tokens=1,
        completion_tokens=1,
        cached_tokens=0,
        estimated=0,
        unpriced=0,
    )


def budget(lab: Lab, name: str, amount: str, scope: Scope, **fields: Any) -> None:
    project = None if scope is Scope.ORGANISATION else lab.project
    spec = BudgetSpec(
        name=name, amount_usd=Decimal(amount), period=Period.MONTH, scope=scope, **fields
    )
    set_budget(by=SETUP, project=project, spec=spec)


def test_what_is_left_is_told_with_the_least_first_and_whether_it_is_enough(lab: Lab) -> None:
    priced(lab)
    budget(lab, "team", "10", Scope.PROJECT, hard=True, at_end=AtEnd.ON_PREM)
    budget(lab, "each", "1", Scope.MEMBER, hard=True)
    budget(lab, "house", "100", Scope.ORGANISATION)
    spent(lab, lab.member, "0.99")
    spent(lab, lab.colleague, "5")
    sheet = lab.estimated(table("one", "two"), max_tokens=10)
    assert sheet.estimate is not None
    assert Decimal(sheet.estimate["cost_usd"]["most"]) > Decimal("0.01")
    each, team, house = budgets_left(lab.member, sheet)
    assert (each.name, each.left_usd, each.enough) == ("each", Decimal("0.01"), False)
    assert (team.name, team.left_usd, team.enough) == ("team", Decimal("4.01"), True)
    # What the organisation has left is for those who oversee it.
    assert (house.name, house.left_usd, house.enough) == ("house", None, True)


def test_what_was_spent_last_month_does_not_count(lab: Lab) -> None:
    budget(lab, "each", "1", Scope.MEMBER)
    spent(lab, lab.member, "0.4")
    sheet = lab.estimated(table("one"))
    (left,) = budgets_left(lab.member, sheet, now=timezone.now() + timedelta(days=40))
    assert left.left_usd == 1
    assert left.enough is None  # nobody knows what vendor.example asks


def test_nobody_else_reads_it_and_nobody_once_there_is_nothing_to_decide(lab: Lab) -> None:
    priced(lab)
    budget(lab, "each", "1", Scope.MEMBER)
    sheet = lab.estimated(table("one"))
    assert budgets_left(lab.colleague, sheet) == []
    assert budgets_left(person("root@sluice.example", OrganisationRole.ADMIN), sheet) == []
    lab.answer(said)
    assert budgets_left(lab.member, lab.worked(runs.run(lab.member, sheet))) == []


def test_the_shell_says_what_is_left(lab: Lab) -> None:
    priced(lab)
    budget(lab, "each", "0.001", Scope.MEMBER, hard=True)
    sheet = lab.estimated(table("one"), max_tokens=10)
    out = io.StringIO()
    call_command("batch", "show", sheet.pk, stdout=out)
    assert (
        "Budget each (member, this month): 0.001000000 USD left, not enough for the highest cost; "
        "rows would be refused." in out.getvalue()
    )


def test_each_row_costs_what_its_request_was_settled_with(lab: Lab) -> None:
    priced(lab)
    lab.answer(said)
    sheet = lab.ran(table("hello", f"pay {IBAN}"))
    first, second = lab.rows(sheet)
    # 10 tokens in, 2 out.
    assert (first["_zone"], Decimal(first["_cost"])) == ("cloud", Decimal("0.016"))
    assert (second["_zone"], Decimal(second["_cost"])) == ("on_prem", Decimal(0))
    assert sheet.cost_nano == 16_000_000
    # A price that changes afterwards changes nothing of what was paid.
    claude = Deployment.objects.get(name="claude")
    set_price(by=SETUP, deployment=claude, terms=PriceTerms(input=Decimal(9), output=Decimal(9)))
    content = b"".join(download(f"user:{lab.member.pk}", sheet, Format.CSV)).decode("utf-8-sig")
    assert [row["_cost"] for row in csv.DictReader(io.StringIO(content))] == [
        "0.016000000",
        "0.000000000",
    ]


def test_the_receipt_of_a_batch_has_tokens_and_cost(lab: Lab) -> None:
    priced(lab)
    lab.answer(said)
    sheet = lab.estimated(table("hello"))
    batch = runs.run(lab.member, sheet).batch
    assert batch is not None
    validate(batch.pk, process=lab.presence.name)
    lab.drive(batch.pk)
    finalize(batch.pk, process=lab.presence.name)
    (line,) = results(Batch.objects.get(pk=batch.pk).output_file_id)
    receipt = line["sluice"]
    assert (receipt["prompt_tokens"], receipt["completion_tokens"]) == (10, 2)
    assert (receipt["cost_usd"], receipt["tokens_estimated"]) == ("0.016000000", False)
