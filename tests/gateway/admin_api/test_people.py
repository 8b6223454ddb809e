"""`/api/projects/{slug}/members`, keys and invitations: what they do. Who may: test_roles.py."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from gateway.accounts.models import APIKey, Membership, User
from gateway.accounts.roles import OrganisationRole, Role
from gateway.accounts.services import add_member, create_api_key, invite
from tests.support.world import SETUP, World, make_world, person, project_with

pytestmark = pytest.mark.django_db


@pytest.fixture
def people() -> dict[str, User]:
    world: World = make_world()
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
    create_api_key(by=SETUP, project=world.project, name="k", owner=world.member)
    invite(by=SETUP, email="new@research.example", project=world.project)
    return found


def ask(who: User | str | None, method: str, path: str, body: object = None) -> Any:
    client = Client()
    headers = {}
    if isinstance(who, User):
        client.force_login(who)
    elif who is not None:
        headers["Authorization"] = f"Bearer {who}"
    send = getattr(client, method.lower())
    place = f"/api/projects/research/{path}"
    if body is None:
        return send(place, headers=headers)
    return send(place, json.dumps(body), content_type="application/json", headers=headers)


def test_a_new_key_is_given_once_and_listed_without_its_text(people: dict[str, User]) -> None:
    given = {
        "name": "ci",
        "scopes": ["embeddings"],
        "sensitivity": "confidential",
        "categories": ["health"],
        "restores": "nothing",
    }
    made = ask(people["member"], "POST", "keys", given).json()
    assert made["key"].startswith(f"{made['prefix']}-")
    assert made["floor"] == {"sensitivity": "confidential", "categories": ["health"]}
    listed = ask(people["member"], "GET", "keys")
    assert [each["name"] for each in listed.json()["keys"]] == ["k", "ci"]
    assert made["key"] not in listed.content.decode()
    assert ask(people["project auditor"], "GET", "keys").json()["keys"] == []


def test_a_rotated_key_ends_after_the_overlap(people: dict[str, User]) -> None:
    old = APIKey.objects.get(name="k")
    made = ask(people["member"], "POST", f"keys/{old.prefix}/rotate", {"overlap_hours": 2}).json()
    old.refresh_from_db()
    assert old.expires_at is not None
    new = APIKey.objects.get(prefix=made["prefix"])
    assert abs(old.expires_at - new.created_at - timedelta(hours=2)) < timedelta(minutes=1)


def test_no_key_makes_a_way_in_that_outlives_it(people: dict[str, User]) -> None:
    project = Membership.objects.filter(user=people["owner"])[0].project
    text = create_api_key(
        by=people["owner"], project=project, name="a", owner=people["owner"], scopes=["admin"]
    ).text
    assert ask(text, "GET", "members").status_code == 200
    for path, body in (
        ("keys", {"name": "another"}),
        (f"keys/{APIKey.objects.get(name='a').prefix}/rotate", {"overlap_hours": 1}),
        ("invitations", {"email": "x@research.example"}),
    ):
        assert ask(text, "POST", path, body).status_code == 403
    assert (
        ask(text, "PUT", f"members/{people['editor'].email}", {"role": "member"}).status_code == 200
    )


def test_the_last_owner_stays_one(people: dict[str, User]) -> None:
    owner = people["owner"]
    for answer in (
        ask(owner, "DELETE", f"members/{owner.email}"),
        ask(owner, "PUT", f"members/{owner.email}", {"role": "member"}),
    ):
        assert answer.status_code == 400
        assert "keeps an owner" in answer.json()["error"]["message"]
