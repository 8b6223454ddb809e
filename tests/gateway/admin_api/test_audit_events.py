"""`/api/audit/events`: who sees which changes, conditions, pages, files."""

import csv
import json
from typing import Any

import pytest
from django.http import HttpResponse, StreamingHttpResponse
from django.test import Client

from gateway.accounts.models import User
from gateway.accounts.roles import OrganisationRole, Role
from gateway.accounts.services import add_member, create_api_key
from gateway.audit.event_types import EventType
from gateway.audit.models import AuditEvent
from gateway.audit.services import record_event
from tests.support.world import SETUP, person, project_with

pytestmark = pytest.mark.django_db


@pytest.fixture
def people() -> dict[str, User]:
    project, found = project_with("research", owner=Role.OWNER, member=Role.MEMBER)
    found["auditor"] = person("auditor@research.example")
    add_member(by=SETUP, project=project, user=found["auditor"], role=Role.AUDITOR)
    found["organisation"] = person("auditor@sluice.example", OrganisationRole.AUDITOR)
    found["stranger"] = project_with("other", olga=Role.OWNER)[1]["olga"]
    for slug in ("research", "other", ""):
        record_event(
            actor="user:ada",
            type=EventType.EXCEPTION_ENDED,
            object_type="exception",
            object_id=f"x-{slug}",
            project=slug,
            details={"name": "ward"},
        )
    return found


def ask(user: User, path: str = "events", **given: Any) -> HttpResponse | StreamingHttpResponse:
    client = Client()
    client.force_login(user)
    response = client.get(f"/api/audit/{path}", given)
    assert isinstance(response, HttpResponse | StreamingHttpResponse)
    return response


def ids(response: object) -> list[str]:
    assert isinstance(response, HttpResponse)
    assert response.status_code == 200
    return [event["object_id"] for event in json.loads(response.content)["events"]]


ENDED = {"type": "exception.ended"}


@pytest.mark.parametrize(
    ("who", "sees"),
    [
        ("organisation", ["x-", "x-other", "x-research"]),
        ("owner", ["x-research"]),
        ("auditor", ["x-research"]),
        ("stranger", ["x-other"]),
    ],
)
def test_each_sees_the_changes_of_the_projects_they_audit(
    people: dict[str, User], who: str, sees: list[str]
) -> None:
    assert ids(ask(people[who], **ENDED)) == sees


@pytest.mark.parametrize("path", ["events", "events.csv", "events.jsonl"])
@pytest.mark.parametrize(("who", "project"), [("member", ""), ("stranger", "research")])
def test_whoever_audits_nothing_of_it_is_refused(
    people: dict[str, User], who: str, project: str, path: str
) -> None:
    assert ask(people[who], path, project=project).status_code == 403
    assert Client().get(f"/api/audit/{path}").status_code in {401, 403}


def test_a_key_reaches_its_own_project_alone(people: dict[str, User]) -> None:
    project, _ = project_with("third")
    add_member(by=SETUP, project=project, user=people["owner"], role=Role.OWNER)
    key = create_api_key(
        by=SETUP, project=project, owner=people["owner"], name="k", scopes={"admin"}
    )
    client = Client(headers={"authorization": f"Bearer {key.text}"})
    assert ids(client.get("/api/audit/events", ENDED)) == []
    assert client.get("/api/audit/events", {"project": "research"}).status_code == 404


def test_conditions_and_pages(people: dict[str, User]) -> None:
    who = people["organisation"]
    first = json.loads(ask(who, **ENDED, limit=2).getvalue())
    assert [event["object_id"] for event in first["events"]] == ["x-", "x-other"]
    assert first["events"][0]["details"] == {"name": "ward"}
    assert ids(ask(who, **ENDED, after=first["next"])) == ["x-research"]
    assert ids(ask(who, object_id="x-other", actor="user:ada")) == ["x-other"]
    assert ids(ask(who, since="2999-01-01T00:00Z")) == []
    searched = AuditEvent.objects.filter(type="audit.searched")
    assert [row.details["conditions"] for row in searched.order_by("seq")] == [
        ["types"],
        ["actor", "object_id"],
        ["since"],
    ]  # a page behind the first is no question of its own


@pytest.mark.parametrize(
    "given",
    [{"type": "no.such"}, {"since": "soon"}, {"limit": 0}, {"after": "x"}],
    ids="-".join,
)
def test_what_makes_no_sense_is_named(people: dict[str, User], given: dict[str, Any]) -> None:
    response = ask(people["organisation"], **given)
    assert response.status_code == 400
    assert next(iter(given)) in response.getvalue().decode()


def test_files_hold_what_was_found_and_are_events(people: dict[str, User]) -> None:
    table = ask(people["owner"], "events.csv", **ENDED).getvalue().decode()
    [row] = csv.DictReader(table.splitlines())
    assert (row["object_id"], row["actor"]) == ("x-research", "user:ada")
    lines = ask(people["owner"], "events.jsonl", **ENDED).getvalue().decode().splitlines()
    assert [json.loads(line)["event"]["object_id"] for line in lines] == ["x-research"]
    told = AuditEvent.objects.filter(type="audit.exported").order_by("seq")
    assert [(row.actor, row.details["format"]) for row in told] == [
        (f"user:{people['owner'].pk}", "csv"),
        (f"user:{people['owner'].pk}", "jsonl"),
    ]
    assert ask(people["owner"], "events.xml").status_code == 404
