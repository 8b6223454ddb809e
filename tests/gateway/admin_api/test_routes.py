"""`/api`: every route for every kind of caller, in one table."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from gateway.accounts.models import APIKey
from gateway.accounts.roles import OrganisationRole, Role
from gateway.accounts.services import (
    CreatedKey,
    add_member,
    create_api_key,
    create_service_account,
    deactivate_user,
    revoke_api_key,
)
from gateway.audit.models import AuditEvent
from policies.engine.labels import Label, Sensitivity
from tests.support.world import SETUP, World, make_world, person, project_with

pytestmark = pytest.mark.django_db


@dataclass(frozen=True)
class Stage:
    """The world, and somebody in each role."""

    world: World
    client: Callable[[str], Client]


@pytest.fixture
def stage() -> Stage:
    world = make_world()
    people = {
        "admin": world.admin,
        "owner": world.owner,
        "member": world.member,
        "editor": person("editor@research.example"),
        "project auditor": person("auditor@research.example"),
        "organisation auditor": person("auditor@sluice.example", OrganisationRole.AUDITOR),
        "approver": person("approver@sluice.example", OrganisationRole.APPROVER),
        "stranger": person("eve@elsewhere.example"),
        "other project": project_with("other", olga=Role.OWNER)[1]["olga"],
    }
    for name, role in (("editor", Role.EDITOR), ("project auditor", Role.AUDITOR)):
        add_member(by=SETUP, project=world.project, user=people[name], role=role)

    def client(name: str) -> Client:
        made = Client()
        if name != "nobody":
            made.force_login(people[name])
        return made

    return Stage(world, client)


def explain_body(**changes: object) -> str:
    body: dict[str, object] = {
        "project": "research",
        "request": {"model": "auto", "messages": [{"role": "user", "content": "hello"}]},
    }
    return json.dumps(body | changes)


def explain(client: Client, **changes: object) -> Any:
    return client.post(
        "/api/policies/explain", explain_body(**changes), content_type="application/json"
    )


# who: (GET /api/me, POST explain of `research`, POST explain of a project that does not exist)
ROUTES = {
    "nobody": (401, 401, 401),
    "stranger": (200, 404, 404),
    "other project": (200, 404, 404),
    "approver": (200, 404, 404),
    "organisation auditor": (200, 403, 404),
    "project auditor": (200, 403, 404),
    "member": (200, 200, 404),
    "editor": (200, 200, 404),
    "owner": (200, 200, 404),
    "admin": (200, 200, 404),
}


@pytest.mark.parametrize("who", ROUTES)
def test_who_may_do_what(stage: Stage, who: str) -> None:
    client = stage.client(who)
    found = (
        client.get("/api/me").status_code,
        explain(client).status_code,
        explain(client, project="unknown").status_code,
    )
    assert found == ROUTES[who]


def test_a_foreign_project_and_an_unknown_one_look_the_same(stage: Stage) -> None:
    client = stage.client("stranger")
    assert explain(client).json() == explain(client, project="unknown").json()


@pytest.mark.parametrize(
    ("method", "path"), [("post", "/api/me"), ("get", "/api/policies/explain")]
)
def test_a_wrong_method_is_405(stage: Stage, method: str, path: str) -> None:
    assert getattr(stage.client("member"), method)(path).status_code == 405


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"endpoint": "chat"}, "endpoint"),
        ({"request": "hello"}, "request"),
        ({"project": ["a"]}, "project"),
        ({"declare": "confidental"}, "confidental"),
        ({"request": {"messages": []}}, "model"),
    ],
)
def test_a_bad_body_is_400_and_says_where(
    stage: Stage, changes: dict[str, object], word: str
) -> None:
    response = explain(stage.client("member"), **changes)
    assert response.status_code == 400
    assert word in json.dumps(response.json()["error"])


def test_something_that_is_not_json_is_400(stage: Stage) -> None:
    response = stage.client("member").post(
        "/api/policies/explain", "{", content_type="application/json"
    )
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "parse_error"


def test_an_explanation_tells_label_rules_and_destinations_and_never_text(stage: Stage) -> None:
    text = "transfer to DE89 3704 0044 0532 0130 00 please"
    message = {"role": "user", "content": text}
    response = explain(stage.client("member"), request={"model": "auto", "messages": [message]})
    told = response.json()
    assert told["label"]["sensitivity"] == "confidential"
    assert "payment" in told["label"]["categories"]
    assert "IBAN" in json.dumps(told["findings"])
    assert [candidate["deployment"] for candidate in told["candidates"]] == ["llama"]
    assert "claude" in json.dumps(told["dropped"])
    assert "3704" not in response.content.decode()


def test_explaining_leaves_no_event_behind(stage: Stage) -> None:
    before = AuditEvent.objects.count()
    explain(stage.client("member"))
    assert AuditEvent.objects.count() == before


def test_a_session_without_the_csrf_token_changes_nothing(stage: Stage) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(stage.world.member)
    assert explain(client).status_code == 403


class TestWithAKey:
    @pytest.fixture
    def made(self, stage: Stage) -> CreatedKey:
        return create_api_key(
            by=SETUP,
            project=stage.world.project,
            name="k",
            owner=stage.world.member,
            scopes={"admin"},
        )

    def me(self, text: str) -> int:
        return Client().get("/api/me", headers={"authorization": f"Bearer {text}"}).status_code

    def test_the_scope_admin_admits(self, stage: Stage, made: CreatedKey) -> None:
        response = Client().get("/api/me", headers={"authorization": f"Bearer {made.text}"})
        assert response.json()["email"] == stage.world.member.email
        assert response.json()["key"] == made.key.prefix

    def test_a_key_without_the_scope_is_403(self, stage: Stage) -> None:
        plain = create_api_key(
            by=SETUP, project=stage.world.project, name="k", owner=stage.world.member
        )
        assert self.me(plain.text) == 403

    @pytest.mark.parametrize("text", ["", "sk-sluice-abcdefgh-x", "x" * 5000, "\u00e9"])
    def test_a_key_that_does_not_exist_is_401(self, stage: Stage, text: str) -> None:
        assert self.me(text) == 401

    def test_a_revoked_key_is_401(self, stage: Stage, made: CreatedKey) -> None:
        revoke_api_key(by=SETUP, key=made.key)
        assert self.me(made.text) == 401

    def test_an_expired_key_is_401(self, stage: Stage, made: CreatedKey) -> None:
        APIKey.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
        assert self.me(made.text) == 401

    def test_a_deactivated_persons_key_is_401(self, stage: Stage, made: CreatedKey) -> None:
        deactivate_user(by=SETUP, user=stage.world.member)
        assert self.me(made.text) == 401

    def test_a_service_account_that_acts_for_nobody_is_403(self, stage: Stage) -> None:
        account = create_service_account(by=SETUP, project=stage.world.project, name="robot")
        key = create_api_key(
            by=SETUP, project=stage.world.project, name="k", owner=account, scopes={"admin"}
        )
        assert self.me(key.text) == 403

    def test_a_key_sees_its_own_project_alone(self, stage: Stage, made: CreatedKey) -> None:
        other, _ = project_with("second")
        add_member(by=SETUP, project=other, user=stage.world.member)
        client = Client(headers={"authorization": f"Bearer {made.text}"})
        assert explain(client).status_code == 200
        assert explain(client, project="second").status_code == 404
        assert [item["slug"] for item in client.get("/api/me").json()["projects"]] == ["research"]

    def test_a_request_is_explained_as_a_key_of_the_project_would_be_decided(
        self, stage: Stage
    ) -> None:
        floored = create_api_key(
            by=SETUP,
            project=stage.world.project,
            name="k",
            owner=stage.world.owner,
            floor=Label(Sensitivity.RESTRICTED),
        )
        told = explain(stage.client("editor"), key=floored.key.prefix).json()
        assert told["label"]["sensitivity"] == "restricted"
        assert explain(stage.client("member"), key=floored.key.prefix).status_code == 404
        assert explain(stage.client("editor"), key="sk-sluice-unknown1").status_code == 404


def test_half_a_surrogate_pair_is_a_bad_request(stage: Stage) -> None:
    response = stage.client("member").post(
        "/api/policies/explain",
        r'{"project": "research", "request": {"model": "auto", "x": "\ud83d"}}',
        content_type="application/json",
    )
    assert response.status_code == 400


def test_a_program_at_a_wrong_address_reads_json_and_a_person_a_page(client: Client) -> None:
    for path in ("/chat/completions", "/api/nope"):
        answer = client.post(path, {"model": "auto"}, content_type="application/json")
        assert answer.status_code == 404
        assert answer.json()["error"]["code"] == "not_found"
        assert "/v1" in answer.json()["error"]["message"]
    page = client.get("/nope")
    assert page.status_code == 404
    assert page["content-type"].startswith("text/html")
