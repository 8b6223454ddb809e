"""`/api/deployments`, aliases, grants and changes: each route for each role, in one table."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction

from gateway.accounts.models import Organisation
from gateway.deployments.models import Deployment, Grant, ModelAlias, WaitingChange
from gateway.deployments.services.waiting import change_or_ask
from policies.engine.facts import Clearance
from policies.engine.labels import Sensitivity
from tests.gateway.admin_api.policy_stage import Stage, make_stage
from tests.support.world import cloud_spec

pytestmark = pytest.mark.django_db
NEW = {
    "base_url": "https://vendor.example/v1",
    "model": "big-1",
    "zone": "cloud",
    "clearance": {"sensitivity": "internal", "categories": ["code"]},
    "evidence": [{"kind": "contract", "reference": "DPA", "valid_until": "2099-01-01"}],
    "credential": "sk-very-secret",
    "enabled": True,
}
WIDER = NEW | {"clearance": {"sensitivity": "confidential", "categories": None}}
WIDE = Clearance(Sensitivity.CONFIDENTIAL, frozenset({"code", "personal"}))
# What others than the organisation's people get, on every route.
NOBODYS = {
    "nobody": 401,
    "service account": 403,
    **dict.fromkeys(("owner", "editor", "member", "project auditor", "outsider", "stranger"), 403),
    "editor's key": 403,
}
LOOK = NOBODYS | dict.fromkeys(("admin", "approver", "organisation auditor"), 200)
CHANGE = NOBODYS | {"approver": 403, "organisation auditor": 403}
GRANT = {
    **{"nobody": 401, "service account": 403, "admin": 204, "owner": 204, "editor": 204},
    **{"member": 403, "project auditor": 403, "organisation auditor": 403, "approver": 404},
    **{"outsider": 404, "stranger": 404, "editor's key": 204},
}
AGREE = CHANGE | {"admin": 403}  # it is the admin's own
ROUTES: list[tuple[str, str, Any, dict[str, int]]] = [
    ("GET", "deployments", None, LOOK),
    ("GET", "deployments/claude", None, LOOK),
    ("PUT", "deployments/new-one", NEW, CHANGE | {"admin": 200}),
    ("PUT", "deployments/claude", WIDER, CHANGE | {"admin": 400}),  # another change waits
    ("DELETE", "deployments/claude", None, CHANGE | {"admin": 400}),  # an alias names it
    ("POST", "deployments/llama/test", None, CHANGE | {"admin": 200}),
    ("GET", "deployment-changes", None, LOOK),
    ("POST", "deployment-changes/{change}/approve", None, AGREE | {"approver": 200}),
    ("POST", "deployment-changes/{change}/reject", {}, AGREE | {"approver": 204}),
    ("POST", "deployment-changes/{change}/withdraw", None, CHANGE | {"admin": 204}),
    ("GET", "aliases", None, LOOK),
    ("PUT", "aliases/meta/llama", {"deployments": ["llama"]}, CHANGE | {"admin": 200}),
    ("DELETE", "aliases/auto", None, CHANGE | {"admin": 204}),
    ("PUT", "projects/research/grants/claude", None, GRANT),
    ("DELETE", "projects/research/grants/claude", None, GRANT),
]


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    found = make_stage(tmp_path)
    organisation = Organisation.load()
    organisation.second_person_for_widening = True
    organisation.save()
    change_or_ask(
        by=found.world.admin,
        deployment=found.world.cloud,
        spec=cloud_spec(clearance=WIDE),
    )
    organisation.second_person_for_widening = False
    organisation.save()
    return found


def ask(stage: Stage, who: str, method: str, path: str, body: Any = None) -> Any:
    data = "" if body is None else json.dumps(body)
    key = WaitingChange.objects.get(deployment__name="claude").pk
    address = f"/api/{path}".replace("{change}", str(key))
    return stage.client(who).generic(method, address, data, content_type="application/json")


@pytest.mark.parametrize(
    ("method", "path", "body", "answers"), ROUTES, ids=[f"{r[0]} {r[1]}" for r in ROUTES]
)
def test_who_may_do_what(
    stage: Stage, method: str, path: str, body: Any, answers: dict[str, int]
) -> None:
    if method == "PUT" and path == "deployments/claude":
        Organisation.objects.update(second_person_for_widening=True)
    assert answers.keys() == stage.clients.keys()
    found = {}
    for who in answers:
        with transaction.atomic():
            found[who] = ask(stage, who, method, path, body).status_code
            transaction.set_rollback(True)
    assert found == answers


def test_what_is_told_can_be_put_and_has_no_credential(stage: Stage) -> None:
    made = ask(stage, "admin", "PUT", "deployments/new-one", NEW)
    told = ask(stage, "admin", "GET", "deployments/new-one").json()
    assert "sk-very-secret" not in made.content.decode() + str(told)
    assert told["has_credential"] is True
    assert told["clearance"] == NEW["clearance"]
    assert {each["project"]: each["usable"] for each in told["usable"]} == {
        "research": False,
        "other": False,
    }
    again = ask(stage, "admin", "PUT", "deployments/new-one", told)
    assert again.status_code == 200
    assert {key: again.json()[key] for key in told if key != "usable"} == {
        key: value for key, value in told.items() if key != "usable"
    }
    assert Deployment.objects.get(name="new-one").credential


def test_what_widens_waits_and_says_what_for(stage: Stage) -> None:
    Organisation.objects.update(second_person_for_widening=True)
    answer = ask(stage, "admin", "PUT", "deployments/new-one", NEW | {"reason": "a trial"})
    assert answer.status_code == 202
    waiting = answer.json()["waiting"]
    assert (waiting["reason"], waiting["after"]["clearance"]) == ("a trial", NEW["clearance"])
    assert answer.json()["clearance"] == {"sensitivity": "public", "categories": []}
    listed = ask_list(stage)
    assert [each["deployment"] for each in listed] == ["claude", "new-one"]


def ask_list(stage: Stage) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (
        stage.client("organisation auditor").get("/api/deployment-changes").json()["changes"]
    )
    return found


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("deployments/x", NEW | {"zone": "moon"}, "/zone"),
        ("deployments/x", NEW | {"base_url": "ftp://x"}, "/base_url"),
        ("deployments/x", NEW | {"endpoints": ["fly"]}, "/endpoints"),
        ("deployments/x", NEW | {"clearance": {"sensitivity": "much"}}, "/clearance/sensitivity"),
        ("deployments/x", {}, "/base_url"),
        ("aliases/x", {"deployments": []}, None),
    ],
)
def test_a_mistake_names_its_place(stage: Stage, path: str, body: Any, param: str | None) -> None:
    answer = ask(stage, "admin", "PUT", path, body)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)
    assert not Deployment.objects.filter(name="x").exists()


def test_grants_and_aliases_come_and_go(stage: Stage) -> None:
    assert ask(stage, "editor", "DELETE", "projects/research/grants/claude").status_code == 204
    assert not Grant.objects.filter(deployment__name="claude", project__slug="research").exists()
    assert ask(stage, "editor", "PUT", "projects/research/grants/none").status_code == 404
    ask(stage, "admin", "PUT", "aliases/auto", {"deployments": ["claude", "llama"]})
    assert ModelAlias.objects.get(name="auto").target_names() == ["claude", "llama"]
