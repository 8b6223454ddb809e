"""Tests of a policy by a form, and a recipe's YAML beside its sentence."""

import html
from typing import Any

import pytest
import yaml
from django.test import Client

from policies.models import PolicyDraft
from policies.services.drafts import save_draft
from tests.frontend.conftest import BY, House, SignIn
from tests.frontend.test_policy_pages import lab as lab  # noqa: PLC0414 -- a fixture

DRAFT = "/p/lab/policy/draft/"
RECIPE = "/p/lab/policy/recipes/?recipe=stays-on-prem"
TEXT = "  def f(): pass\n"
TEST = {"test_text": TEXT, "test_alias": "auto", "test_outcome": "on_prem"}


def add(client: Client, version: int = 0, **fields: Any) -> Any:
    form = {"act": "test-add", "version": version, **TEST, **fields}
    return client.post(DRAFT, form, follow=True)


def page_of(answer: Any) -> str:
    return html.unescape(answer.content.decode())


def drafted() -> list[dict[str, Any]]:
    return list(PolicyDraft.objects.get().document["tests"])


@pytest.mark.parametrize(
    ("fields", "written"),
    [
        ({}, {"text": TEXT, "alias": "auto", "expect": {"zone": "on_prem"}}),
        (
            {"test_outcome": "denied", "test_declare": "restricted"},
            {"text": TEXT, "alias": "auto", "declare": "restricted", "expect": {"denied": True}},
        ),
        (
            {"test_outcome": "cloud", "test_deployment": "claude", "test_masked": "0"},
            {
                "text": TEXT,
                "alias": "auto",
                "expect": {"zone": "cloud", "deployment": "claude", "masked": 0},
            },
        ),
    ],
)
def test_a_test_is_written_as_the_form_says(
    lab: House, signed_in: SignIn, fields: dict[str, Any], written: dict[str, Any]
) -> None:
    answer = add(signed_in("editor"), **fields)
    assert "Draft 1 saved." in page_of(answer)
    assert [
        {"text": t["text"].replace("\r\n", "\n"), **{k: t[k] for k in t if k != "text"}}
        for t in drafted()
    ] == [written]


def test_a_test_of_the_form_is_run_by_the_check(lab: House, signed_in: SignIn) -> None:
    client = signed_in("editor")
    add(client, test_outcome="denied")
    document = yaml.safe_dump(PolicyDraft.objects.get().document)
    answer = client.post(DRAFT, {"act": "check", "version": "1", "document": document})
    assert answer.status_code == 400
    assert "It should be denied" in page_of(answer)


def test_each_test_is_listed_with_where_it_is_to_go_and_goes_alone(
    lab: House, signed_in: SignIn
) -> None:
    client = signed_in("editor")
    add(client, test_outcome="cloud", test_masked="2")
    page = page_of(add(client, version=1, test_outcome="denied"))
    listed = page.partition('id="tests"')[2].partition('id="add-test"')[0]
    assert 'data-badge="masked"' in listed
    assert "2 masked" in listed
    assert 'data-badge="blocked"' in listed
    client.post(DRAFT, {"act": "test-remove", "version": 2, "at": 0})
    assert [each["expect"] for each in drafted()] == [{"denied": True}]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"test_text": ""}, "This field is required."),
        ({"test_alias": "no-such"}, "no-such is not one of the available choices"),
        ({"test_outcome": "denied", "test_masked": "1"}, "What is refused goes nowhere"),
        ({"test_outcome": "denied", "test_deployment": "llama"}, "What is refused goes nowhere"),
        ({"test_masked": "-1"}, "greater than or equal to 0"),
    ],
)
def test_what_makes_no_test_is_named_and_what_was_typed_stays(
    lab: House, signed_in: SignIn, fields: dict[str, Any], words: str
) -> None:
    answer = add(signed_in("editor"), **fields)
    page = page_of(answer)
    assert answer.status_code == 400
    assert words in page
    assert 'id="add-test" open' in page
    if "test_text" not in fields:
        assert "def f(): pass" in page
    assert not PolicyDraft.objects.exists()


def test_a_draft_of_another_version_is_not_overwritten(lab: House, signed_in: SignIn) -> None:
    add(signed_in("editor"))
    assert add(signed_in("owner")).status_code == 409
    assert len(drafted()) == 1


@pytest.mark.parametrize("who", ["member", "auditor"])
def test_who_only_looks_adds_none(lab: House, signed_in: SignIn, who: str) -> None:
    assert add(signed_in(who)).status_code == 403
    assert not PolicyDraft.objects.exists()


def test_a_draft_whose_tests_are_no_tests_can_still_be_opened(
    lab: House, signed_in: SignIn
) -> None:
    wrong = {"kind": "project-policy", "project": "lab", "tests": ["no", {"expect": 3}, {}]}
    save_draft(by=BY, project=lab.lab, document=wrong, version=0)
    page = signed_in("editor").get(DRAFT)
    assert page.status_code == 200
    assert page_of(page).count('value="test-remove"') == 3


def preview(client: Client, **fields: Any) -> str:
    """What stands beside the blanks while they are filled."""
    headers = {"hx-request": "true"}
    answer = client.post(RECIPE, {"version": "0", "act": "look", **fields}, headers=headers)
    assert answer.status_code == 200
    return page_of(answer)


def test_a_recipe_shows_the_yaml_that_it_would_write(lab: House, signed_in: SignIn) -> None:
    client = signed_in("editor")
    page = preview(client, what="health")
    assert "<main" not in page
    assert "&id" not in page
    shown = yaml.safe_load(
        page.partition('<pre class="yaml"')[2].partition(">")[2].split("</pre")[0]
    )
    client.post(RECIPE, {"version": "0", "act": "add", "what": "health"})
    written = PolicyDraft.objects.get().document
    assert shown["rules"] == written["rules"]
    assert shown["never"] == written["never"]
    assert shown["tests"] == written["tests"]


def test_a_blank_that_is_filled_changes_the_yaml_and_saves_nothing(
    lab: House, signed_in: SignIn
) -> None:
    client = signed_in("editor")
    assert "legal" in preview(client, what=["health", "legal"])
    assert "legal" not in preview(client, what="health")
    assert "Fill every blank" in preview(client)
    assert not PolicyDraft.objects.exists()


def test_what_is_in_effect_can_be_read_as_yaml(lab: House, signed_in: SignIn) -> None:
    client = signed_in("editor")
    assert '<pre class="yaml"' not in page_of(client.get("/p/lab/policy/"))
    client.post(RECIPE, {"version": "0", "act": "add", "what": "health"})
    document = yaml.safe_dump(PolicyDraft.objects.get().document)
    form = {"act": "publish", "version": "1", "base": "0", "document": document, "reason": "why"}
    client.post(DRAFT, form)
    page = page_of(signed_in("member").get("/p/lab/policy/"))
    assert "id: stays-on-prem-health" in page.partition('<pre class="yaml"')[2]
