"""The life of a policy over HTTP: what is refused and where, and what waits for whom."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from gateway.accounts.models import Organisation
from gateway.accounts.services import change_organisation
from policies.services.publishing import current_revision
from tests.gateway.admin_api.policy_routes import exception_body
from tests.gateway.admin_api.policy_stage import Stage, make_stage, organisation_policy
from tests.gateway.admin_api.policy_stage import project_policy as policy_of
from tests.support.world import SETUP

pytestmark = pytest.mark.django_db
RESEARCH = "/api/projects/research"
CLAUDE_FIRST = {"id": "claude-first", "then": {"prefer": ["claude"]}}
# What a test expects that does not come out: auto goes to the house first.
FAILING = {"text": "a private thought", "alias": "auto", "expect": {"deployment": "claude"}}


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return make_stage(tmp_path, foreign_too=False)


def send(client: Client, method: str, path: str, body: object = None) -> Any:
    data = body if isinstance(body, str) else json.dumps(body) if body is not None else ""
    return client.generic(method, path, data, content_type="application/json")


def project_policy(*rules: object, **more: object) -> dict[str, Any]:
    return policy_of("research", *rules, **more)


def number(stage: Stage) -> int:
    revision = current_revision(stage.world.project)
    assert revision is not None
    return revision.number


def publish(stage: Stage, document: object, *, who: str = "editor", base: int = 2) -> Any:
    body = {"document": document, "base": base, "reason": "because"}
    return send(stage.client(who), "POST", f"{RESEARCH}/policy/publish", body)


@pytest.mark.parametrize(
    ("rule", "pointer", "sentence"),
    [
        ({"id": "x", "then": {"prefer": ["lama"]}}, "/rules/1/then/prefer/0", "'lama'"),
        ({"id": "x", "then": {"deny": 3}}, "/rules/1/then/deny", "number"),
        ({"id": "x", "wen": {}, "then": {"deny": True}}, "/rules/1/wen", "no field 'wen'"),
        ({"id": "ask-first", "then": {"deny": True}}, "/rules/1/id", "taken"),
        ({"id": "x", "when": {"group": "none"}, "then": {"deny": True}}, "/rules/1/when/group", ""),
        (7, "/rules/1", "number"),
    ],
)
def test_a_wrong_document_is_refused_with_a_pointer_and_a_sentence(
    stage: Stage, rule: object, pointer: str, sentence: str
) -> None:
    for response in (
        publish(stage, project_policy(rule)),
        send(
            stage.client("editor"),
            "POST",
            f"{RESEARCH}/policy/check",
            {"document": project_policy(rule)},
        ),
    ):
        error = response.json()["error"]
        assert (response.status_code, error["code"]) == (400, "invalid_document")
        assert error["param"] == pointer
        assert sentence in error["problems"][0]["sentence"]
        assert error["problems"][0]["advice"]
    assert number(stage) == 2


def test_a_project_cannot_name_what_is_not_granted_to_it(stage: Stage) -> None:
    stage.world.project.grants.all().delete()
    response = publish(stage, project_policy(CLAUDE_FIRST))
    assert response.status_code == 400
    assert "llama" not in response.content.decode()


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, ""),
        ({"document": {}, "version": 1}, ""),
        ({"document": {}}, "/base"),
        ({"document": []}, "/document"),
        ({"version": "x"}, "/version"),
        ({"version": 1, "reason": "x" * 501}, "/reason"),
    ],
)
def test_a_wrong_body_is_refused_with_its_place(stage: Stage, body: object, pointer: str) -> None:
    response = send(stage.client("editor"), "POST", f"{RESEARCH}/policy/publish", body)
    assert response.status_code == 400
    assert response.json()["error"]["problems"][0]["pointer"] == pointer


def test_a_document_with_a_key_twice_has_no_meaning(stage: Stage) -> None:
    text = '{"base": 2, "document": {"kind": "project-policy", "rules": [], "rules": []}}'
    response = send(stage.client("editor"), "POST", f"{RESEARCH}/policy/publish", text)
    assert (response.status_code, response.json()["error"]["code"]) == (400, "duplicate_key")
    assert number(stage) == 2


def test_a_failing_test_is_422_and_named_and_its_text_is_not(stage: Stage) -> None:
    response = publish(stage, project_policy(tests=[FAILING]))
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (422, "not_published")
    assert error["problems"][0]["pointer"] == "/tests/0"
    assert "it goes to llama" in error["problems"][0]["sentence"]
    assert "private" not in response.content.decode()
    assert number(stage) == 2
    path = f"{RESEARCH}/policy/tests"
    body = {"document": project_policy(tests=[FAILING])}
    (test,) = send(stage.client("editor"), "POST", path, body).json()
    assert (test["passed"], test["deployment"]) == (False, "llama")


def test_a_statement_is_proven_or_contradicted_in_words(stage: Stage) -> None:
    path = f"{RESEARCH}/policy/prove"
    restricted = {"label": {"at_least": "restricted"}, "zone": ["cloud"]}
    code = {"label": {"category": "code"}, "zone": ["cloud"]}
    body = {"statements": [restricted, code]}
    holds, broken = send(stage.client("editor"), "POST", path, body).json()
    assert (holds["proven"], holds["counterexample"]) == (True, None)
    assert not broken["proven"]
    assert "reaches claude (cloud) as internal (code)" in broken["counterexample"]
    response = publish(stage, project_policy(never=[code]))
    assert response.json()["error"]["param"] == "/never/0"


def test_over_another_base_or_version_it_is_409_and_nothing_is_lost(stage: Stage) -> None:
    editor = stage.client("editor")
    assert publish(stage, project_policy(CLAUDE_FIRST), base=1).status_code == 409
    save = {"document": project_policy(CLAUDE_FIRST), "version": 1}
    assert send(editor, "PUT", f"{RESEARCH}/policy/draft", save).json()["version"] == 2
    assert send(editor, "PUT", f"{RESEARCH}/policy/draft", save).status_code == 409
    gone = send(editor, "DELETE", f"{RESEARCH}/policy/draft?version=1")
    assert (gone.status_code, gone.json()["error"]["code"]) == (409, "conflict")
    draft = send(editor, "GET", f"{RESEARCH}/policy/draft").json()
    assert draft["document"] == project_policy(CLAUDE_FIRST)


def test_a_draft_goes_from_saved_to_rolled_back(stage: Stage) -> None:
    editor = stage.client("editor")
    body = {"document": project_policy(CLAUDE_FIRST, florr=1), "version": 1}
    draft = send(editor, "PUT", f"{RESEARCH}/policy/draft", body).json()
    assert draft["problems"][0]["pointer"] == "/florr"
    body = {"document": project_policy(CLAUDE_FIRST), "version": 2}
    assert send(editor, "PUT", f"{RESEARCH}/policy/draft", body).json()["problems"] == []
    told = send(editor, "POST", f"{RESEARCH}/policy/check", {"document": body["document"]}).json()
    assert told["passes"]
    assert "New rule claude-first: Always: claude first." in told["difference"]["sentences"]
    published = send(editor, "POST", f"{RESEARCH}/policy/publish", {"version": 3})
    assert (published.status_code, published.json()["revision"]["number"]) == (201, 3)
    assert send(editor, "GET", f"{RESEARCH}/policy/draft").status_code == 404
    member = stage.client("member")
    shown = send(member, "GET", f"{RESEARCH}/policy").json()
    assert [rule["id"] for rule in shown["rules"]] == ["ask-first", "claude-first"]
    assert shown["exceptions"][0]["name"] == "trial"
    assert shown["rules"][0]["suspended_by"] == ["trial"]
    diff = send(member, "GET", f"{RESEARCH}/policy/diff?before=2&after=3").json()
    assert diff["changes"]["rules"]["added"] == [CLAUDE_FIRST]
    back = send(editor, "POST", f"{RESEARCH}/policy/rollback", {"number": 2})
    assert back.json()["revision"]["number"] == 4
    revisions = send(member, "GET", f"{RESEARCH}/policy/revisions").json()
    assert [(row["number"], row["in_effect"]) for row in revisions] == [
        (4, True),
        (3, False),
        (2, False),
        (1, False),
    ]


def test_a_publication_waits_for_a_second_person_who_is_not_its_author(stage: Stage) -> None:
    pending = f"/api/publications/{stage.own['publication']}"
    assert send(stage.client("editor"), "POST", f"{pending}/withdraw").status_code == 200
    change_organisation(
        by=SETUP,
        second_person_for_organisation_policy=True,
        second_person_for_project_policies=True,
    )
    waiting = publish(stage, project_policy(CLAUDE_FIRST))
    assert waiting.status_code == 202
    key = waiting.json()["waiting"]["id"]
    admin, approver = stage.client("admin"), stage.client("approver")
    listed = [row["id"] for row in send(approver, "GET", "/api/publications").json()]
    assert key in listed
    seen = send(approver, "GET", f"/api/publications/{key}").json()
    assert seen["verdict"]["passes"]
    assert seen["document"] == project_policy(CLAUDE_FIRST)
    assert (
        send(stage.client("editor"), "POST", f"/api/publications/{key}/approve").status_code == 403
    )
    done = send(approver, "POST", f"/api/publications/{key}/approve", {"note": "fine"})
    assert (done.status_code, done.json()["number"]) == (201, 3)
    assert send(approver, "POST", f"/api/publications/{key}/approve").status_code == 409
    body = {"document": organisation_policy(CLAUDE_FIRST), "base": 2}
    waiting = send(admin, "POST", "/api/organisation/policy/publish", body)
    key = waiting.json()["waiting"]["id"]
    own = send(admin, "POST", f"/api/publications/{key}/approve")
    assert (own.status_code, own.json()["error"]["code"]) == (403, "permission_denied")


def test_an_exception_on_the_organisations_rule_takes_an_admin(stage: Stage) -> None:
    body = {"document": organisation_policy(CLAUDE_FIRST), "base": 2}
    send(stage.client("admin"), "POST", "/api/organisation/policy/publish", body)
    wanted = {
        "name": "second",
        "rules": ["organisation:claude-first"],
        "owner": "owner@research.example",
        "reason": "a trial",
        "ends_at": "2027-01-01T00:00:00Z",
    }
    path = f"{RESEARCH}/exceptions"
    for who, status in (("owner", 403), ("editor", 403), ("admin", 201)):
        assert send(stage.client(who), "POST", path, wanted).status_code == status
    wanted |= {"name": "third", "rules": ["project:none"], "groups": ["doctors"]}
    error = send(stage.client("admin"), "POST", path, wanted).json()["error"]
    assert {problem["pointer"] for problem in error["problems"]} == {"/rules", "/groups"}
    wanted["owner"] = "nobody@research.example"
    error = send(stage.client("admin"), "POST", path, wanted).json()["error"]
    assert error["param"] == "/owner"
    overview = send(stage.client("admin"), "GET", "/api/organisation/policy").json()
    assert [row["name"] for row in overview["exceptions"]] == ["second"]


def test_an_approval_is_asked_for_by_decision_and_granted_by_another(stage: Stage) -> None:
    body = {"project": "research", "decision": stage.own["decision"], "reason": "please"}
    asked = send(stage.client("member"), "POST", "/api/approvals", body).json()
    assert (asked["state"], asked["may_decide"]) == ("waiting", False)
    key = asked["id"]
    grant = f"/api/approvals/{key}/grant"
    assert send(stage.client("member"), "POST", grant).status_code == 403
    (seen,) = send(stage.client("editor"), "GET", "/api/approvals?state=waiting").json()[:1]
    assert (seen["id"], seen["may_decide"]) == (key, True)
    granted = send(stage.client("editor"), "POST", grant, {"hours": 2, "note": "go"}).json()
    assert granted["state"] == "granted"
    assert send(stage.client("admin"), "POST", grant).status_code == 409
    assert send(stage.client("editor"), "POST", grant, {"hours": 0}).status_code == 400
    body["decision"] = "dec_unknown"
    assert send(stage.client("member"), "POST", "/api/approvals", body).status_code == 400


def test_words_are_shown_to_editors_alone(stage: Stage) -> None:
    listed = send(stage.client("member"), "GET", f"{RESEARCH}/word-lists")
    assert listed.json() == [
        {"name": "codenames", "data_class": "CODENAMES", "category": "legal", "count": 1}
    ]
    assert "Bluebird" not in listed.content.decode()
    one = f"{RESEARCH}/word-lists/codenames"
    assert send(stage.client("editor"), "GET", one).json()["words"] == ["Bluebird"]
    body = {"category": "no-such", "words": ["x"]}
    error = send(stage.client("editor"), "PUT", one, body).json()["error"]
    assert error["param"] == "/category"


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"patterns": [r"(a+)+$"]}, "/patterns/0"),
        ({"patterns": [r"(?=x)y"]}, "/patterns/0"),
        ({"patterns": ["["]}, "/patterns/0"),
        ({"must_match": ["nothing of it"]}, "/must_match/0"),
        ({"category": "no-such"}, "/category"),
    ],
)
def test_a_pattern_is_checked_when_it_is_saved(
    stage: Stage, changes: dict[str, object], pointer: str
) -> None:
    body = {"category": "code", "patterns": [r"\bTK-\d{6}\b"], "must_match": ["TK-123456"]}
    path = f"{RESEARCH}/recognizers/ticket-number"
    response = send(stage.client("editor"), "PUT", path, body | changes)
    error = response.json()["error"]
    assert (response.status_code, error["param"]) == (400, pointer)
    assert send(stage.client("editor"), "GET", path).status_code == 404
    assert send(stage.client("editor"), "PUT", path, body).status_code == 200


def test_an_exception_that_takes_a_second_person_waits_for_one(stage: Stage) -> None:
    Organisation.objects.update_or_create(pk=1, defaults={"second_person_for_widening": True})
    body = exception_body(stage.own)
    asked = send(stage.client("editor"), "POST", f"{RESEARCH}/exceptions", body)
    assert asked.status_code == 202
    told = asked.json()
    assert (told["state"], told["name"], told["may_agree"]) == ("waiting", "second", False)
    assert list(told["says"]) == ["project:ask-first"]
    path = f"/api/exceptions/waiting/{told['id']}"
    assert send(stage.client("editor"), "POST", f"{path}/approve").status_code == 403
    assert send(stage.client("approver"), "GET", path).json()["may_agree"]
    made = send(stage.client("approver"), "POST", f"{path}/approve", {"note": "go"})
    assert (made.status_code, made.json()["name"]) == (201, "second")
    again = send(stage.client("admin"), "POST", f"{path}/reject", {})
    assert (again.status_code, again.json()["error"]["code"]) == (409, "conflict")
    listed = send(stage.client("admin"), "GET", "/api/exceptions/waiting").json()
    assert told["id"] not in {row["id"] for row in listed}


def test_a_recognizer_that_a_policy_names_stays(stage: Stage) -> None:
    rule = {"id": "x", "when": {"data_class": "BADGE"}, "then": {"deny": True}}
    assert publish(stage, project_policy(rule)).status_code == 201
    response = send(stage.client("editor"), "DELETE", f"{RESEARCH}/recognizers/badge")
    assert (response.status_code, response.json()["error"]["code"]) == (409, "conflict")


def test_the_shadow_is_a_document_a_draft_or_a_revision(stage: Stage) -> None:
    editor, path = stage.client("editor"), f"{RESEARCH}/shadow"
    for body, source in (
        ({"document": project_policy()}, "document"),
        ({"version": 1}, "draft 1"),
        ({"revision": 1}, "revision 1"),
    ):
        assert send(editor, "PUT", path, body).json()["source"] == source
    assert send(editor, "PUT", path, {}).status_code == 400
    assert send(editor, "PUT", path, {"version": 9}).status_code == 409
    organisation = {"document": organisation_policy()}
    assert send(editor, "PUT", path, organisation).status_code == 403
    assert send(editor, "DELETE", path).status_code == 204
    assert send(editor, "GET", path).status_code == 404
    results = send(stage.client("project auditor"), "GET", f"{path}/results").json()
    assert results["policy"]["sentence"] == "0 of 0 would move."
    assert results["rules"] == []


def test_the_schema_is_whole() -> None:
    # Every route has its row there: the generator warns about what it cannot read.
    from drf_spectacular.drainage import GENERATOR_STATS  # noqa: PLC0415
    from drf_spectacular.generators import SchemaGenerator  # noqa: PLC0415

    with GENERATOR_STATS.silence():
        generator = SchemaGenerator()  # type: ignore[no-untyped-call]
        made = generator.get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    assert not GENERATOR_STATS
    assert made["openapi"].startswith("3.1")
