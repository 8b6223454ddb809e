"""`/api/policies/recipes`: who may, what is offered, what comes out, and that nothing is saved."""

import json
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.test import Client

from gateway.audit.models import AuditEvent
from policies.models import PolicyDraft, PolicyRevision
from policies.services.drafts import save_draft
from policies.services.publishing import publish
from policies.services.recipes import cook, offered
from tests.gateway.admin_api.test_routes import Stage
from tests.gateway.admin_api.test_routes import stage as stage  # noqa: PLC0414 -- the fixture
from tests.support.world import SETUP

pytestmark = pytest.mark.django_db

PATH = "/api/policies/recipes"
STAYS = {"recipe": "stays-on-prem", "answers": {"what": ["health"]}}


def post(client: Client, **changes: object) -> Any:
    body = {"project": "research", **STAYS, **changes}
    return client.post(PATH, json.dumps(body), content_type="application/json")


# who: (GET of `research`, POST of it, POST of a project that does not exist)
ROUTES = {
    "nobody": (401, 401, 401),
    "stranger": (404, 404, 404),
    "other project": (404, 404, 404),
    "approver": (404, 404, 404),
    "project auditor": (403, 403, 404),
    "member": (403, 403, 404),
    "editor": (200, 200, 404),
    "owner": (200, 200, 404),
    "admin": (200, 200, 404),
}


@pytest.mark.parametrize("who", ROUTES)
def test_who_may_use_recipes(stage: Stage, who: str) -> None:
    client = stage.client(who)
    found = (
        client.get(PATH, {"project": "research"}).status_code,
        post(client).status_code,
        post(client, project="unknown").status_code,
    )
    assert found == ROUTES[who]


def test_blanks_come_with_what_they_may_hold_here(stage: Stage) -> None:
    told = stage.client("editor").get(PATH, {"project": "research"}).json()["recipes"]
    by_id = {recipe["id"]: recipe for recipe in told}
    assert by_id["stays-on-prem"]["sentence"] == "{what} data never leaves the house."
    (what,) = by_id["stays-on-prem"]["blanks"]
    assert "health" in what["choices"]
    to = next(blank for blank in by_id["masked-for"]["blanks"] if blank["name"] == "to")
    assert to["choices"] == ["claude"]


def test_a_filled_recipe_is_a_document_that_can_be_published_and_nothing_is_saved(
    stage: Stage,
) -> None:
    events = AuditEvent.objects.count()
    told = post(stage.client("editor")).json()
    assert told["problems"] == []
    assert told["sentence"] == "Health data never leaves the house."
    assert not PolicyDraft.objects.exists()
    assert not PolicyRevision.objects.exists()
    assert AuditEvent.objects.count() == events
    project = stage.world.project
    publish(by=SETUP, document=told["document"], project=project)
    # A second time it replaces its own rule and adds nothing.
    assert post(stage.client("editor")).json()["document"] == told["document"]


def test_what_is_not_cleared_is_told_with_the_deployments_that_could_be(stage: Stage) -> None:
    answers = {"what": ["health"], "to": ["claude"], "masked": ["EMAIL_ADDRESS"]}
    told = post(stage.client("editor"), recipe="masked-for", answers=answers).json()
    (need,) = told["needs"]
    assert told["forms"] == {need: ["claude"]}


def test_the_services_are_for_who_may_edit_the_policy(stage: Stage) -> None:
    world = stage.world
    for by, project in ((world.owner, None), (world.member, world.project)):
        with pytest.raises(PermissionDenied):
            offered(by=by, project=project)
        with pytest.raises(PermissionDenied):
            cook(by=by, project=project, recipe="stays-on-prem", answers={"what": ["health"]})


def test_it_adds_to_the_draft_and_says_what_is_wrong_there(stage: Stage) -> None:
    kept = {"id": "mine", "then": {"prefer": ["claude"]}}
    wrong = {"text": "hello", "alias": "auto", "expect": {"denied": True}}
    document = {"kind": "project-policy", "project": "research", "rules": [kept], "tests": [wrong]}
    save_draft(by=SETUP, project=stage.world.project, document=document)
    told = post(stage.client("editor")).json()
    assert told["document"]["rules"][0] == kept
    assert [problem["pointer"] for problem in told["problems"]] == ["/tests/0"]


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"recipe": "nothing-ever"}, "recipe"),
        ({"answers": {"what": ["helth"]}}, "what"),
        ({"answers": ["health"]}, "answers"),
        ({"answers": {"what": ["health"], "who": "me"}}, "who"),
    ],
)
def test_a_wrong_answer_is_400_and_says_which(
    stage: Stage, changes: dict[str, object], word: str
) -> None:
    response = post(stage.client("editor"), **changes)
    assert response.status_code == 400
    assert word in json.dumps(response.json()["error"])
