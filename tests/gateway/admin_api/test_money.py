"""`/api/usage`, budgets, limits and prices: every route for every kind of caller."""

import json
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from gateway.accounts.models import User
from gateway.accounts.roles import OrganisationRole, Role
from gateway.accounts.services import add_member, create_api_key
from gateway.audit.models import AuditEvent
from gateway.inference.limits import Period, Scope
from gateway.usage.models import Budget, UsageDay, UsageRecord
from gateway.usage.services.budgets import BudgetSpec, set_budget
from tests.support.world import SETUP, World, make_world, person, project_with

pytestmark = pytest.mark.django_db

BUDGET = {"amount_usd": "10.50", "period": "month", "scope": "member"}
WHOLE = {**BUDGET, "scope": "project", "hard": True}


@pytest.fixture
def world() -> World:
    return make_world()


@pytest.fixture
def people(world: World) -> dict[str, User]:
    found = {
        "admin": world.admin,
        "organisation auditor": person("auditor@sluice.example", OrganisationRole.AUDITOR),
        "owner": world.owner,
        "editor": person("editor@research.example"),
        "project auditor": person("auditor@research.example"),
        "member": world.member,
        "stranger": project_with("other", olga=Role.OWNER)[1]["olga"],
    }
    for name, role in (("editor", Role.EDITOR), ("project auditor", Role.AUDITOR)):
        add_member(by=SETUP, project=world.project, user=found[name], role=role)
    for number, (who, project) in enumerate(
        [(world.member, "research"), (world.owner, "research"), (found["stranger"], "other")]
    ):
        used(number, f"user:{who.pk}", project)
    spec = BudgetSpec(name="each", amount_usd=Decimal(2), period=Period.TOTAL, scope=Scope.MEMBER)
    set_budget(by=SETUP, project=world.project, spec=spec)
    return found


def used(number: int, who: str, project: str) -> None:
    common = {
        "project": project,
        "person": who,
        "key_prefix": "",
        "channel": "api",
        "alias": "auto",
        "deployment": "claude",
        "zone": "cloud",
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "cached_tokens": 0,
        "cost_nano": 1_000_000_000,
    }
    UsageDay.objects.create(
        day=date(2026, 3, 1 + number), requests=1, estimated=0, unpriced=0, **common
    )
    UsageRecord.objects.create(
        decision_id=f"dec_{number}",
        at="2026-03-01T00:00:00Z",
        endpoint="chat.completions",
        model="m",
        estimated=False,
        **common,
    )


def ask(user: User | None, method: str, path: str, body: object = None) -> Any:
    client = Client()
    if user is not None:
        client.force_login(user)
    send = getattr(client, method.lower())
    if body is None:
        return send(f"/api/{path}")
    return send(f"/api/{path}", json.dumps(body), content_type="application/json")


# Who: what each of these answers them.
ROUTES: list[tuple[tuple[str, str, Any], dict[str, int]]] = [
    (("GET", "usage", None), {}),
    (("GET", "usage?project=research", None), {"stranger": 403}),
    (("GET", "usage.csv?project=research", None), {"stranger": 403}),
    (("GET", "usage/dec_0", None), {"editor": 200, "stranger": 404}),
    (("GET", "usage/dec_1", None), {"member": 404, "stranger": 404}),
    (
        ("GET", "usage/dec_9", None),
        dict.fromkeys(
            (
                *("admin", "organisation auditor", "owner", "editor", "project auditor", "member"),
                "stranger",
            ),
            404,
        ),
    ),
    (("GET", "budgets?project=research", None), {"project auditor": 403, "stranger": 404}),
    (
        ("GET", "budgets", None),
        {**dict.fromkeys(("owner", "editor", "project auditor", "member", "stranger"), 404)},
    ),
    (
        ("PUT", "budgets/b", {**BUDGET, "project": "research"}),
        {
            "organisation auditor": 403,
            "editor": 403,
            "project auditor": 403,
            "member": 403,
            "stranger": 404,
        },
    ),
    (
        ("PUT", "budgets/whole", {**WHOLE, "project": "research"}),
        {
            "organisation auditor": 403,
            "owner": 403,
            "editor": 403,
            "project auditor": 403,
            "member": 403,
            "stranger": 404,
        },
    ),
    (
        ("PUT", "budgets/b", BUDGET),
        dict.fromkeys(
            ("organisation auditor", "owner", "editor", "project auditor", "member", "stranger"),
            403,
        ),
    ),
    (("GET", "limits/project/research", None), {"project auditor": 403, "stranger": 404}),
    (
        ("PUT", "limits/project/research", {"concurrency": 3}),
        {
            **dict.fromkeys(("organisation auditor", "owner", "editor", "member"), 403),
            "project auditor": 403,
            "stranger": 404,
        },
    ),
    (
        ("GET", "prices/llama", None),
        dict.fromkeys(("owner", "editor", "project auditor", "member", "stranger"), 404),
    ),
    (
        ("PUT", "prices/llama", {"input": "1"}),
        {
            **dict.fromkeys(("owner", "editor", "project auditor", "member", "stranger"), 404),
            "organisation auditor": 403,
        },
    ),
]


@pytest.mark.parametrize(("route", "refused"), ROUTES, ids=lambda each: str(each)[:60])
def test_each_route_answers_each_kind_of_caller(
    people: dict[str, User], route: tuple[str, str, Any], refused: dict[str, int]
) -> None:
    assert ask(None, *route).status_code in {401, 403}
    got = {name: ask(user, *route).status_code for name, user in people.items()}
    assert got == dict.fromkeys(people, 200) | refused


def test_usage_is_what_each_may_see(people: dict[str, User]) -> None:
    question = "usage?first=2026-01-01&last=2026-12-31&by=project,person"
    seen = {
        name: sorted(line["project"] for line in ask(user, "GET", question).json()["lines"])
        for name, user in people.items()
    }
    assert seen["admin"] == ["other", "research", "research"]
    assert seen["organisation auditor"] == seen["admin"]
    assert seen["owner"] == seen["editor"] == seen["project auditor"] == ["research", "research"]
    assert seen["member"] == ["research"]
    assert seen["stranger"] == ["other"]


def test_usage_is_a_file_too(people: dict[str, User]) -> None:
    answer = ask(people["owner"], "GET", "usage.csv?first=2026-01-01&last=2026-12-31&by=day")
    assert answer["Content-Type"].startswith("text/csv")
    lines = b"".join(answer.streaming_content).decode().splitlines()
    assert lines[0].startswith("day,requests,")
    assert lines[1] == "2026-03-01,1,10,5,0,1.000000000,0,0"
    event = AuditEvent.objects.get(type="usage.exported")
    assert event.actor == f"user:{people['owner'].pk}"
    span = {"first": "2026-01-01", "last": "2026-12-31"}
    assert event.details == {"by": ["day"], **span, "rows": len(lines) - 1}


def test_a_question_that_makes_no_sense_is_refused(people: dict[str, User]) -> None:
    for question in ("usage?by=weather", "usage?first=yesterday", "usage?first=0000-00-00"):
        answer = ask(people["admin"], "GET", question)
        assert answer.status_code == 400
        assert answer.json()["error"]["code"] == "invalid_request"


def test_a_member_sees_how_they_stand_and_not_the_others(
    people: dict[str, User], world: World
) -> None:
    (budget,) = ask(people["member"], "GET", "budgets?project=research").json()["budgets"]
    assert [(one["subject"], one["percent"]) for one in budget["standing"]] == [
        (f"user:{world.member.pk}", 50)
    ]
    (budget,) = ask(people["owner"], "GET", "budgets?project=research").json()["budgets"]
    assert len(budget["standing"]) == 2


def test_a_budget_is_made_changed_and_taken_away(people: dict[str, User]) -> None:
    owner = people["owner"]
    made = ask(owner, "PUT", "budgets/b", {**BUDGET, "project": "research"}).json()
    assert (made["amount_usd"], made["member"]) == ("10.5", None)
    ask(owner, "PUT", "budgets/b", {**BUDGET, "project": "research", "amount_usd": "11"})
    assert Budget.objects.get(name="b").amount_usd == Decimal(11)
    assert ask(people["editor"], "DELETE", "budgets/b?project=research").status_code == 403
    assert ask(owner, "DELETE", "budgets/b?project=research").status_code == 204
    assert not Budget.objects.filter(name="b").exists()


def test_an_owner_does_not_lift_what_holds_the_project(people: dict[str, User]) -> None:
    body = {**WHOLE, "project": "research"}
    assert ask(people["admin"], "PUT", "budgets/whole", body).status_code == 200
    soft = {**body, "hard": False}
    assert ask(people["owner"], "PUT", "budgets/whole", soft).status_code == 403
    assert ask(people["owner"], "DELETE", "budgets/whole?project=research").status_code == 403


@pytest.mark.parametrize(
    "wrong",
    [
        {"amount_usd": "0"},
        {"amount_usd": "-3"},
        {"amount_usd": "NaN"},
        {"period": "year"},
        {"scope": "organisation"},
        {"member": "nobody@research.example"},
        {"key": "sk-sluice-nobody"},
        {"scope": "project", "member": "member@research.example"},
        {"emails": ["nobody"]},
        {"webhook": "file:///etc/passwd"},
    ],
)
def test_a_budget_that_makes_no_sense_is_refused(
    people: dict[str, User], wrong: dict[str, object]
) -> None:
    body = {**BUDGET, "project": "research", **wrong}
    answer = ask(people["admin"], "PUT", "budgets/b", body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_request")
    assert not Budget.objects.filter(name="b").exists()


def test_a_key_reaches_its_own_project_alone(people: dict[str, User], world: World) -> None:
    made = create_api_key(
        by=world.owner, project=world.project, name="k", owner=world.owner, scopes=["admin"]
    )
    headers = {"authorization": f"Bearer {made.text}"}
    get = Client().get
    span = "first=2026-01-01&last=2026-12-31&by=project"
    assert get("/api/usage?project=other", headers=headers).status_code == 404
    lines = get(f"/api/usage?{span}", headers=headers).json()["lines"]
    assert [line["project"] for line in lines] == ["research"]
    assert get("/api/usage/dec_2", headers=headers).status_code == 404
    assert get("/api/prices/llama", headers=headers).status_code == 404
    limits = f"/api/limits/key/{made.key.prefix}"
    changed = Client().put(
        limits, '{"tokens_per_minute": 5}', content_type="application/json", headers=headers
    )
    assert changed.json()["tokens_per_minute"] == 5
