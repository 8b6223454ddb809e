"""`/api/deployments`, aliases, grants and changes: what they do. Who may: test_roles.py."""

import json
from pathlib import Path
from typing import Any

import pytest

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


def test_while_a_change_waits_there_is_no_other(stage: Stage) -> None:
    Organisation.objects.update(second_person_for_widening=True)
    assert ask(stage, "admin", "PUT", "deployments/claude", WIDER).status_code == 400


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
