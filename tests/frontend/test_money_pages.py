"""Usage and budgets: who sees what, who may change what, and that figures are the service's."""

import csv
import html
import io
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from frontend.money.plot import plot_of, short
from gateway.accounts.models import Project, User
from gateway.inference.limits import AtEnd, Period, Scope
from gateway.usage.models import Budget, RateLimit, UsageDay
from gateway.usage.services.budgets import BudgetSpec, set_budget
from gateway.usage.services.reports import Line
from tests.frontend.conftest import BY, House, SignIn

PAGES = ("/usage/", "/usage/usage.csv", "/budgets/")
NEW = {
    "act": "save",
    "name": "month",
    "amount": "25.5",
    "period": "month",
    "scope": "project",
    "end": "warn",
}


def used(project: Project, person: User | None, cost_usd: int, **other: Any) -> None:
    """One request of today."""
    fields: dict[str, Any] = {
        "day": datetime.now(UTC).date(),
        "project": project.slug,
        "person": f"user:{person.pk}" if person is not None else "",
        "key_prefix": "",
        "channel": "chat",
        "alias": "auto",
        "deployment": "claude",
        "zone": "cloud",
        "requests": 1,
        "prompt_tokens": 1000,
        "completion_tokens": 200,
        "cached_tokens": 0,
        "cost_nano": cost_usd * 10**9,
        "estimated": 0,
        "unpriced": 0,
    }
    UsageDay.objects.create(**fields | other)


@pytest.fixture
def spent(house: House) -> House:
    used(house.lab, house.people["member"], 3)
    used(house.lab, house.people["editor"], 4, deployment="llama", zone="on_prem")
    used(house.other, house.people["stranger"], 50)
    return house


def page_of(answer: Any) -> str:
    return html.unescape(answer.content.decode())


def budget(house: House, name: str = "month", **other: Any) -> Budget:
    fields: dict[str, Any] = {
        "name": name,
        "amount_usd": Decimal(10),
        "period": Period.MONTH,
        "scope": Scope.PROJECT,
    }
    return set_budget(by=BY, project=house.lab, spec=BudgetSpec(**fields | other))


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize(
    "who", ["owner", "editor", "member", "auditor", "admin", "stranger", "nobody", ""]
)
def test_everybody_who_is_signed_in_has_a_page_of_what_they_may_see(
    spent: House, signed_in: SignIn, page: str, who: str
) -> None:
    client = signed_in(who) if who else Client()
    assert client.get(page).status_code == (200 if who else 302)


@pytest.mark.parametrize(
    ("who", "cost"),
    [
        ("owner", "$7.00"),
        ("editor", "$7.00"),
        ("auditor", "$7.00"),
        ("member", "$3.00"),
        ("admin", "$57.00"),
        ("stranger", "$50.00"),
    ],
)
def test_members_see_their_own_and_who_oversees_a_project_all_of_it(
    spent: House, signed_in: SignIn, who: str, cost: str
) -> None:
    page = page_of(signed_in(who).get("/usage/"))
    assert f"<dt>Cost</dt><dd>{cost}</dd>" in page
    assert ("Other" in page) is (who in {"admin", "stranger"})


def test_who_used_nothing_is_told_so_in_a_sentence(spent: House, signed_in: SignIn) -> None:
    assert "Nothing was used" in page_of(signed_in("nobody").get("/usage/"))


def test_a_project_of_others_cannot_be_asked_for(spent: House, signed_in: SignIn) -> None:
    for page in ("/usage/", "/usage/usage.csv"):
        assert signed_in("member").get(f"{page}?project=other").status_code == 403


def test_the_address_filters_and_sums(spent: House, signed_in: SignIn) -> None:
    client = signed_in("admin")
    page = page_of(client.get("/usage/?by=zone&project=lab"))
    assert "<dd>$7.00</dd>" in page
    assert "57 %" in page
    assert "43 %" in page
    page = page_of(client.get("/usage/?zone=on_prem&measure=tokens"))
    assert "<dd>$4.00</dd>" in page
    people = page_of(client.get("/usage/?by=person&project=lab"))
    assert "member@example.org" in people
    assert "stranger@example.org" not in people.split("<thead>")[1]


def test_the_file_has_what_the_page_has(spent: House, signed_in: SignIn) -> None:
    answer = signed_in("owner").get("/usage/usage.csv?by=person")
    assert answer["Content-Type"].startswith("text/csv")
    text = b"".join(answer).decode()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert {Decimal(row["cost_usd"]) for row in rows} == {Decimal(3), Decimal(4)}


@pytest.mark.parametrize(
    "query",
    [
        "first=yesterday",
        "first=2026-02-31",
        "first=2026-11-30&last=2026-11-01",
        "first=1999-01-01",
        "by=secret",
        "measure=x",
        "zone=moon",
    ],
)
def test_what_is_no_question_is_answered_in_words(
    spent: House, signed_in: SignIn, query: str
) -> None:
    answer = signed_in("owner").get(f"/usage/?{query}")
    assert answer.status_code == 400
    assert 'role="alert"' in page_of(answer)
    assert signed_in("owner").get(f"/usage/usage.csv?{query}").status_code == 400


def test_costs_that_nobody_knows_are_said_and_not_counted_as_nothing(
    spent: House, signed_in: SignIn
) -> None:
    used(spent.lab, spent.people["owner"], 0, deployment="x", unpriced=1, estimated=1)
    page = page_of(signed_in("owner").get("/usage/"))
    assert "1 request has no known price" in page
    assert "1 request is estimated" in page
    assert "+ unknown" in page


def test_bars_are_as_high_as_their_part_of_the_scale() -> None:
    def line(day: str, zone: str, dollars: int) -> Line:
        return Line(
            names=(day, zone),
            requests=1,
            prompt_tokens=0,
            completion_tokens=0,
            cached_tokens=0,
            cost_usd=Decimal(dollars),
            estimated=0,
            unpriced=0,
        )

    lines = [line("2026-11-01", "cloud", 3), line("2026-11-01", "on_prem", 1)]
    lines.append(line("2026-11-03", "cloud", 8))
    plot = plot_of(lines, first=date(2026, 11, 1), last=date(2026, 11, 3), measure="cost")
    assert plot.ticks == ["$8.00", "$6.00", "$4.00", "$2.00", "$0"]
    assert [(piece.zone, piece.y, piece.height) for piece in plot.pieces] == [
        ("on_prem", 87.5, 12.5),
        ("cloud", 50.0, 37.5),
        ("cloud", 0.0, 100.0),
    ]
    assert [row[0] for row in plot.rows] == ["2026-11-01", "2026-11-03"]
    year = plot_of(lines, first=date(2026, 1, 1), last=date(2026, 12, 31), measure="cost")
    assert year.bars == 53
    assert plot_of([], first=date(2026, 1, 1), last=date(2026, 1, 2), measure="cost").empty


def test_large_numbers_are_short() -> None:
    assert [short(each) for each in (0, 999, 1500, 310_000, 2_100_000)] == [
        *("0", "999", "1.5 k", "310 k", "2.1 M")
    ]


@pytest.mark.parametrize(
    ("who", "whole", "member"),
    [
        ("owner", 200, 200),
        ("editor", 403, 403),
        ("member", 403, 403),
        ("auditor", 403, 403),
        ("admin", 200, 200),
        ("stranger", 404, 404),
        ("nobody", 404, 404),
    ],
)
def test_who_owns_a_project_sets_its_budgets(
    house: House, signed_in: SignIn, who: str, whole: int, member: int
) -> None:
    client = signed_in(who)
    assert client.get("/budgets/edit/?project=lab").status_code == whole
    answer = client.post("/budgets/edit/?project=lab", NEW, follow=True)
    assert answer.status_code == whole
    assert Budget.objects.count() == (whole == 200)
    each = {**NEW, "name": "each", "scope": "member", "end": "refuse"}
    assert client.post("/budgets/edit/?project=lab", each, follow=True).status_code == member


def test_the_organisations_budgets_and_limits_are_its_admins(
    house: House, signed_in: SignIn
) -> None:
    form = {**NEW, "scope": "organisation"}
    for who in ("owner", "member", "nobody"):
        assert signed_in(who).post("/budgets/edit/", form).status_code == 403
        assert signed_in(who).get("/budgets/limits/?project=lab").status_code == 403
    client = signed_in("admin")
    assert "The budget month holds." in page_of(client.post("/budgets/edit/", form, follow=True))
    client.post("/budgets/limits/?project=lab", {"requests_per_minute": "60"})
    assert RateLimit.objects.get().requests_per_minute == 60
    assert "60 requests a minute" in page_of(client.get("/budgets/"))
    client.post("/budgets/limits/?project=lab", {"requests_per_minute": ""})
    assert not RateLimit.objects.exists()


def test_whom_a_hard_budget_holds_cannot_lift_it(house: House, signed_in: SignIn) -> None:
    answer = signed_in("owner").post("/budgets/edit/?project=lab", {**NEW, "end": "refuse"})
    assert answer.status_code == 403
    assert "is set by an admin" in page_of(answer)
    budget(house, hard=True, at_end=AtEnd.ON_PREM)
    page = page_of(signed_in("owner").get("/budgets/"))
    assert "then only on-prem" in page
    assert "name=month" not in page
    where = "/budgets/edit/?project=lab&name=month"
    assert signed_in("owner").post(where, {"act": "remove"}).status_code == 403
    assert Budget.objects.exists()
    signed_in("admin").post(where, {"act": "remove"})
    assert not Budget.objects.exists()


def test_a_budget_is_changed_and_what_was_spent_in_its_period_counts(
    spent: House, signed_in: SignIn
) -> None:
    budget(spent)
    client = signed_in("owner")
    assert "$7.00 spent, $3.00 left (70 %)" in page_of(client.get("/budgets/"))
    form = {**NEW, "name": "otherwise", "amount": "7"}
    client.post("/budgets/edit/?project=lab&name=month", form)
    row = Budget.objects.get()
    assert (row.name, row.amount_usd) == ("month", Decimal(7))
    assert "(100 %)" in page_of(client.get("/budgets/"))


def test_a_new_budget_never_changes_one_of_its_name(house: House, signed_in: SignIn) -> None:
    budget(house)
    answer = signed_in("owner").post("/budgets/edit/?project=lab", NEW)
    assert answer.status_code == 400
    assert "There is a budget of this name." in page_of(answer)


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("amount", "0", "above 0"),
        ("amount", "lots", "number"),
        ("emails", "ada", "not an e-mail address"),
        ("webhook", "ftp://x", "https://"),
        ("scope", "organisation", "Select a valid choice"),
        ("name", "two words", "valid"),
    ],
)
def test_a_wrong_field_says_what_it_wants(
    house: House, signed_in: SignIn, field: str, value: str, words: str
) -> None:
    answer = signed_in("owner").post("/budgets/edit/?project=lab", {**NEW, field: value})
    assert answer.status_code == 400
    assert words in page_of(answer)
    assert not Budget.objects.exists()


def test_of_what_members_spent_a_member_sees_their_own(spent: House, signed_in: SignIn) -> None:
    budget(spent, scope=Scope.MEMBER)
    own = page_of(signed_in("member").get("/budgets/"))
    assert "$3.00 spent" in own
    assert "$4.00 spent" not in own
    assert "New budget" not in own
    everybody = page_of(signed_in("auditor").get("/budgets/"))
    assert "$3.00 spent" in everybody
    assert "$4.00 spent" in everybody


def test_days_before_the_first_are_not_counted(spent: House, signed_in: SignIn) -> None:
    long_ago = datetime.now(UTC).date() - timedelta(days=40)
    used(spent.lab, spent.people["member"], 9, day=long_ago)
    assert "<dd>$3.00</dd>" in page_of(signed_in("member").get("/usage/"))
    wide = f"/usage/?first={long_ago}"
    assert "<dd>$12.00</dd>" in page_of(signed_in("member").get(wide))
