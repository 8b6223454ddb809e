"""The pages of a draft: rules, statements and recipes by forms. Nothing of it is in effect."""

import html
import re
from typing import Any

import pytest
from django.test import Client

from gateway.accounts.models import Group
from gateway.deployments.models import Deployment
from policies.models import PolicyDraft, PolicyRevision
from policies.services.publishing import publish
from tests.frontend.conftest import BY, House, SignIn
from tests.frontend.test_policy_pages import lab as lab  # noqa: PLC0414 -- a fixture

POLICY = "/p/lab/policy/"
DRAFT = f"{POLICY}draft/"
RULE = f"{DRAFT}rule/"
RECIPES = f"{POLICY}recipes/"
COMPARE = f"{POLICY}compare/"
HEALTH = {"id": "health-stays", "categories": "health", "effect": "allow_only", "zones": "on_prem"}


def page_of(answer: Any) -> str:
    return html.unescape(answer.content.decode())


def add_rule(client: Client, version: int = 0, at: str = "", **fields: Any) -> Any:
    form = {"act": "save", "version": version, **HEALTH, **fields}
    return client.post(f"{RULE}?at={at}" if at else RULE, form, follow=True)


def draft_rules() -> list[str]:
    return [rule["id"] for rule in PolicyDraft.objects.get().document["rules"]]


@pytest.mark.parametrize(
    ("who", "edits", "compares"),
    [
        ("owner", 200, 200),
        ("editor", 200, 200),
        ("member", 403, 200),
        ("auditor", 403, 200),
        ("admin", 200, 200),
        ("stranger", 404, 404),
        ("nobody", 404, 404),
        ("", 302, 302),
    ],
)
def test_a_draft_is_for_those_who_may_change_the_policy(
    lab: House, signed_in: SignIn, who: str, edits: int, compares: int
) -> None:
    client = signed_in(who) if who else Client()
    for page in (DRAFT, RULE, RECIPES):
        assert client.get(page).status_code == edits, page
    assert client.get(COMPARE).status_code == compares


ORGANISATION_PAGES = [f"/policy/{end}/" for end in ("draft", "draft/rule", "recipes", "compare")]


@pytest.mark.parametrize("page", ORGANISATION_PAGES)
@pytest.mark.parametrize(("who", "status"), [("admin", 200), ("owner", 403), ("nobody", 403)])
def test_the_organisations_draft_is_its_admins(
    lab: House, signed_in: SignIn, page: str, who: str, status: int
) -> None:
    assert signed_in(who).get(page).status_code == status


@pytest.mark.parametrize("who", ["member", "auditor"])
def test_who_may_only_look_cannot_send_a_form_either(
    lab: House, signed_in: SignIn, who: str
) -> None:
    client = signed_in(who)
    assert add_rule(client).status_code == 403
    form = {"act": "never", "version": 0, "never_least": "restricted", "zones": "cloud"}
    assert client.post(DRAFT, form).status_code == 403
    filled = {"act": "add", "version": 0, "what": "health"}
    assert client.post(f"{RECIPES}?recipe=stays-on-prem", filled).status_code == 403
    exception = {"act": "exception-add", "name": "x"}
    assert client.post(POLICY, exception).status_code in {200, 400, 403}
    assert client.post(POLICY, {"act": "shadow-end"}).status_code == 403
    assert not PolicyDraft.objects.exists()


def test_a_rule_is_added_by_a_form_and_is_not_in_effect(lab: House, signed_in: SignIn) -> None:
    page = page_of(add_rule(signed_in("editor")))
    assert "Draft 1 saved." in page
    assert 'data-rule="project:health-stays"' in page
    assert "new" in page
    assert not PolicyRevision.objects.exists()
    [rule] = PolicyDraft.objects.get().document["rules"]
    assert rule == {
        "id": "health-stays",
        "when": {"category": "health"},
        "then": {"allow_only": {"zone": "on_prem"}},
    }


def test_a_look_shows_the_sentence_and_saves_nothing(lab: House, signed_in: SignIn) -> None:
    client = signed_in("editor")
    answer = client.post(RULE, {"act": "look", "version": 0, **HEALTH})
    assert "allow_only:" in page_of(answer)
    part = client.post(RULE, {"version": 0, **HEALTH}, headers={"hx-request": "true"})
    assert part.content.decode().startswith('<div id="preview"')
    assert not PolicyDraft.objects.exists()


def test_a_rule_is_changed_moved_and_removed(lab: House, signed_in: SignIn) -> None:
    client = signed_in("editor")
    add_rule(client)
    add_rule(client, version=1, id="legal-stays", categories="legal")
    assert draft_rules() == ["health-stays", "legal-stays"]
    client.post(DRAFT, {"act": "rule-up", "version": 2, "at": 1})
    assert draft_rules() == ["legal-stays", "health-stays"]
    add_rule(client, version=3, at="0", id="legal-first", categories="legal")
    assert draft_rules() == ["legal-first", "health-stays"]
    client.post(DRAFT, {"act": "rule-remove", "version": 4, "at": 0})
    assert draft_rules() == ["health-stays"]


def test_what_no_policy_could_say_is_refused_at_the_form(lab: House, signed_in: SignIn) -> None:
    client = signed_in("editor")
    add_rule(client)
    page = page_of(add_rule(client, version=1, categories="legal"))
    assert "is taken by the rule" in page
    assert draft_rules() == ["health-stays"]


def test_a_form_made_from_an_older_draft_overwrites_nobody(lab: House, signed_in: SignIn) -> None:
    add_rule(signed_in("editor"))
    answer = add_rule(signed_in("owner"), id="other", categories="legal")
    assert answer.status_code == 409
    assert draft_rules() == ["health-stays"]
    late = signed_in("owner").post(DRAFT, {"act": "rule-remove", "version": 0, "at": 0})
    assert late.status_code == 409
    assert draft_rules() == ["health-stays"]


@pytest.mark.parametrize("at", ["7", "-1", "x", "99999999999"])
def test_a_place_that_is_not_there_is_no_error_of_ours(
    lab: House, signed_in: SignIn, at: str
) -> None:
    client = signed_in("editor")
    add_rule(client)
    assert client.get(f"{RULE}?at={at}").status_code == 404
    answer = client.post(DRAFT, {"act": "rule-remove", "version": 1, "at": at})
    assert answer.status_code == 400
    assert draft_rules() == ["health-stays"]


def test_a_statement_is_made_changed_and_taken_back(lab: House, signed_in: SignIn) -> None:
    client = signed_in("editor")
    form = {"act": "never", "version": 0, "never_least": "restricted", "zones": "cloud"}
    page = page_of(client.post(DRAFT, form, follow=True))
    said = re.sub("<[^>]+>", "", page)
    assert "Data that is restricted never reaches cloud deployments." in said
    form |= {"version": 1, "at": 0, "never_categories": "health", "never_least": ""}
    client.post(DRAFT, form)
    assert PolicyDraft.objects.get().document["never"] == [
        {"label": {"category": ["health"]}, "zone": "cloud"}
    ]
    client.post(DRAFT, {"act": "never-remove", "version": 2, "at": 0})
    assert PolicyDraft.objects.get().document["never"] == []


def test_a_statement_about_nothing_is_refused_with_its_field(lab: House, signed_in: SignIn) -> None:
    answer = signed_in("editor").post(DRAFT, {"act": "never", "version": 0, "zones": "cloud"})
    assert answer.status_code == 400
    assert "Say which data is meant." in page_of(answer)


def test_a_rule_that_does_not_read_is_shown_with_its_reason_and_can_be_removed(
    lab: House, signed_in: SignIn
) -> None:
    client = signed_in("editor")
    add_rule(client)
    draft = PolicyDraft.objects.get()
    draft.document["rules"].append({"id": "odd", "then": {"alow": 1}})
    draft.document["rules"].append("no rule at all")
    draft.save()
    page = page_of(client.get(DRAFT))
    assert "There is no field 'alow' here." in page
    client.post(DRAFT, {"act": "rule-remove", "version": 1, "at": 2})
    client.post(DRAFT, {"act": "rule-remove", "version": 2, "at": 1})
    assert draft_rules() == ["health-stays"]


def test_a_recipe_shows_what_it_adds_before_it_is_added(lab: House, signed_in: SignIn) -> None:
    client = signed_in("editor")
    where = f"{RECIPES}?recipe=masked-for"
    filled = {"version": 0, "what": "code", "to": "claude", "masked": "EMAIL_ADDRESS"}
    page = page_of(client.post(where, {"act": "look", **filled}))
    assert "Code may go to claude with e-mail addresses masked." in page
    assert "What may still surprise" in page
    assert not PolicyDraft.objects.exists()
    page = page_of(client.post(where, {"act": "add", **filled}, follow=True))
    assert "Added to the draft" in page
    assert "from a recipe" in page
    assert draft_rules() == ["masked-for-code"]


def test_a_recipe_says_what_no_policy_can_do(lab: House, signed_in: SignIn) -> None:
    filled = {"act": "look", "what": "health", "to": "claude", "masked": "EMAIL_ADDRESS"}
    page = page_of(signed_in("editor").post(f"{RECIPES}?recipe=masked-for", filled))
    assert "It still needs" in page
    assert "claude must be cleared for restricted and health" in page
    assert "An admin of the organisation can change that" in page
    assert "/deployments/" not in page
    page = page_of(signed_in("admin").post(f"{RECIPES}?recipe=masked-for", filled))
    assert '<a href="/deployments/claude/#what">Open the form of claude</a>' in page
    assert "An admin of the organisation can change that" not in page


def test_a_recipe_of_the_organisation_goes_into_its_draft(lab: House, signed_in: SignIn) -> None:
    filled = {"act": "look", "version": 0, "what": "health"}
    where = "/policy/recipes/?recipe=stays-on-prem"
    assert signed_in("owner").post(where, {**filled, "act": "add"}).status_code == 403
    client = signed_in("admin")
    assert '<a href="/policy/recipes/">' in page_of(client.get("/policy/draft/"))
    page = page_of(client.post(where, filled))
    assert "Health data never leaves the house." in page
    assert "What would keep the draft from being published" not in page
    assert not PolicyDraft.objects.exists()
    page = page_of(client.post(where, {**filled, "act": "add"}, follow=True))
    assert "Added to the draft: Health data never leaves the house." in page
    draft = PolicyDraft.objects.get()
    assert draft.policy.project is None
    revision = publish(by=BY, project=None, document=draft.document)
    assert [rule["id"] for rule in revision.document["rules"]] == ["stays-on-prem-health"]


def test_what_a_recipe_needs_of_a_budget_leads_to_its_form_filled_in(
    lab: House, signed_in: SignIn
) -> None:
    Group.objects.create(slug="interns")
    filled = {"act": "look", "version": 0, "group": "interns", "amount": "200"}
    where = f"{RECIPES}?recipe=then-on-prem"
    page = page_of(signed_in("owner").post(where, filled))
    assert "A budget of 200 a month" in page
    link = re.search(r'<a href="(/budgets/edit/[^"]*)">Make this budget', page)
    assert link is not None
    form = page_of(signed_in("owner").get(link[1]))
    assert 'name="amount" value="200"' in form
    assert re.search(r'value="member"[^>]* checked', form)
    assert re.search(r'value="warn"[^>]* checked', form)
    nonsense = link[1].replace("amount=200", "amount=2e9").replace("scope=member", "scope=x")
    form = page_of(signed_in("owner").get(nonsense))
    assert "2e9" not in form
    page = page_of(signed_in("editor").post(where, filled))
    assert "Make this budget" not in page
    assert "An owner of the project can make it." in page


def test_a_recipe_mends_an_organisation_policy_that_does_not_read(
    lab: House, signed_in: SignIn
) -> None:
    rule = {"id": "first", "then": {"prefer": ["claude"]}}
    document = {"kind": "organisation-policy", "rules": [rule]}
    publish(by=BY, project=None, document=document)
    Deployment.objects.filter(name="claude").update(name="renamed")
    filled = {"act": "look", "version": 0, "what": "health"}
    page = page_of(signed_in("admin").post("/policy/recipes/?recipe=stays-on-prem", filled))
    assert "What would keep the draft from being published" in page


def test_an_empty_blank_is_named_and_an_unknown_recipe_is_none(
    lab: House, signed_in: SignIn
) -> None:
    client = signed_in("editor")
    answer = client.post(f"{RECIPES}?recipe=stays-on-prem", {"act": "add"})
    assert answer.status_code == 400
    assert "Choose at least one." in page_of(answer)
    assert client.get(f"{RECIPES}?recipe=no-such").status_code == 404


def test_a_draft_is_tried_and_compared_before_it_is_published(
    lab: House, signed_in: SignIn
) -> None:
    client = signed_in("editor")
    add_rule(client)
    page = page_of(client.get(COMPARE))
    assert "New rule health-stays:" in page
    assert '<div class="come">' in page
    assert "the draft" not in page_of(signed_in("member").get(COMPARE))
    assert signed_in("member").get(f"{COMPARE}?before=draft").status_code == 404
    assert client.get(f"{COMPARE}?before=41&after=current").status_code == 404
