"""The policy's page: who sees it, who edits it, and that only publishing puts it in effect."""

import html
import re

import pytest
from django.test import Client

from gateway.accounts.models import Organisation
from gateway.deployments.models import AliasTarget, Deployment, Grant, ModelAlias
from policies.models import PolicyDraft, PolicyRevision
from policies.services.publishing import publish
from tests.frontend.conftest import BY, House, SignIn

PAGE = "/p/lab/policy/"
DRAFT = "/p/lab/policy/draft/"
GOOD = """\
kind: project-policy
project: lab
rules:
- id: health-stays
  when: {category: health}
  then: {allow_only: {zone: on_prem}}
never:
- {label: {at_least: restricted}, zone: [cloud]}
"""
MISSPELT = GOOD.replace("allow_only", "alow_only")
LEAKS = """\
kind: project-policy
project: lab
never:
- {label: {at_least: public}, zone: [cloud]}
"""


@pytest.fixture
def lab(house: House) -> House:
    alias = ModelAlias.objects.create(name="auto")
    for place, (name, zone) in enumerate((("llama", "on_prem"), ("claude", "cloud"))):
        row = Deployment.objects.create(
            name=name,
            zone=zone,
            base_url="http://127.0.0.1:9/v1",
            upstream_model=name,
            enabled=True,
            clearance_sensitivity="restricted" if zone == "on_prem" else "internal",
            clearance_categories=None if zone == "on_prem" else ["code"],
        )
        Grant.objects.create(project=house.lab, deployment=row)
        AliasTarget.objects.create(alias=alias, deployment=row, position=place)
    return house


def post(client: Client, act: str, **fields: object) -> str:
    """Press a button; the page that follows, as text."""
    form = {"act": act, "version": "0", "base": "0", "reason": "for a test", **fields}
    page = PAGE if act in {"agree", "reject", "withdraw", "roll-back"} else DRAFT
    answer = client.post(page, form, follow=True)
    text = html.unescape(answer.content.decode())
    return f"{answer.status_code} {text}"


@pytest.mark.parametrize(
    ("who", "project", "organisation"),
    [
        ("owner", 200, 403),
        ("editor", 200, 403),
        ("member", 200, 403),
        ("auditor", 200, 403),
        ("admin", 200, 200),
        ("stranger", 404, 403),
        ("nobody", 404, 403),
    ],
)
def test_a_policy_is_shown_to_those_it_is_about(
    lab: House, signed_in: SignIn, who: str, project: int, organisation: int
) -> None:
    client = signed_in(who)
    assert client.get(PAGE).status_code == project
    assert client.get("/policy/").status_code == organisation


@pytest.mark.parametrize("act", ["save", "publish", "discard", "roll-back"])
@pytest.mark.parametrize("who", ["member", "auditor"])
def test_who_may_only_look_has_no_buttons_and_no_way_around_them(
    lab: House, signed_in: SignIn, who: str, act: str
) -> None:
    client = signed_in(who)
    assert 'name="document"' not in client.get(PAGE).content.decode()
    answer = client.post(PAGE, {"act": act, "document": GOOD, "version": "0", "number": "1"})
    assert answer.status_code == 403
    assert not PolicyRevision.objects.exists()
    assert not PolicyDraft.objects.exists()


def test_a_form_from_elsewhere_is_refused(lab: House, signed_in: SignIn) -> None:
    client = signed_in("editor", enforce_csrf_checks=True)
    assert client.post(PAGE, {"act": "publish", "document": GOOD}).status_code == 403


def test_a_draft_is_kept_shown_as_differences_and_not_in_effect(
    lab: House, signed_in: SignIn
) -> None:
    page = post(signed_in("editor"), "save", document=GOOD)
    assert "Draft 1 saved." in page
    assert "New rule health-stays:" in page
    seen = signed_in("member").get(PAGE).content.decode()
    assert "This project has no rules of its own." in seen
    assert not PolicyRevision.objects.exists()


def test_publishing_puts_it_in_effect_with_its_reason(lab: House, signed_in: SignIn) -> None:
    page = post(signed_in("editor"), "publish", document=GOOD, reason="as the board decided")
    assert "Revision 1 is in effect." in page
    assert 'data-rule="project:health-stays"' in page
    assert "as the board decided" in page
    [revision] = PolicyRevision.objects.all()
    assert revision.author == f"user:{lab.people['editor'].pk}"
    assert not PolicyDraft.objects.exists()


@pytest.mark.parametrize("reason", ["", "  "])
def test_nothing_is_published_without_a_reason(lab: House, signed_in: SignIn, reason: str) -> None:
    page = post(signed_in("editor"), "publish", document=GOOD, reason=reason)
    assert page.startswith("400 ")
    assert "To publish it, say why" in page
    assert "health-stays" in page
    assert not PolicyRevision.objects.exists()


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (MISSPELT, "Line 6: "),
        ("kind: project-policy\n\tproject: lab", "A tab stands here."),
        ("kind: project-policy\nkind: project-policy", "Line 2: "),
        ("- a list", "A policy is a mapping."),
        (LEAKS, "Line 4: "),
    ],
)
def test_what_does_not_hold_is_named_with_its_line_and_what_was_written_stays(
    lab: House, signed_in: SignIn, document: str, words: str
) -> None:
    for act in ("check", "publish"):
        page = post(signed_in("editor"), act, document=document)
        assert page.startswith("400 ")
        assert words in page
        kept = re.search(r'<textarea class="code"[^>]*>(.*?)</textarea>', page, re.DOTALL)
        assert kept is not None
        assert kept[1] == document
        assert not PolicyRevision.objects.exists()
        PolicyDraft.objects.all().delete()


def test_a_check_says_what_was_proven(lab: House, signed_in: SignIn) -> None:
    page = post(signed_in("editor"), "check", document=GOOD)
    assert page.startswith("200 ")
    assert "All of it holds." in page
    assert "states" in page
    assert not PolicyDraft.objects.exists()


def test_two_editors_do_not_overwrite_each_other(lab: House, signed_in: SignIn) -> None:
    post(signed_in("editor"), "save", document=GOOD)
    page = post(signed_in("owner"), "save", document=LEAKS)
    assert page.startswith("409 ")
    assert PolicyDraft.objects.get().document["rules"]


def test_an_old_revision_is_published_again(lab: House, signed_in: SignIn) -> None:
    client = signed_in("editor")
    post(client, "publish", document=GOOD)
    post(client, "publish", document="kind: project-policy\nproject: lab\n", base="1")
    assert "This project has no rules of its own." in client.get(PAGE).content.decode()
    page = post(client, "roll-back", number="1")
    assert "Revision 3 is in effect." in page
    assert 'data-rule="project:health-stays"' in page


def test_a_second_person_agrees_and_never_the_author(lab: House, signed_in: SignIn) -> None:
    Organisation.load()
    Organisation.objects.update(second_person_for_project_policies=True)
    page = post(signed_in("editor"), "publish", document=GOOD)
    assert "It waits for a second person" in page
    found = re.search(r'name="publication" value="([^"]+)"', page)
    assert found is not None
    refused = signed_in("editor").post(PAGE, {"act": "agree", "publication": found[1]})
    assert refused.status_code == 403
    assert not PolicyRevision.objects.exists()
    page = post(signed_in("admin"), "agree", publication=found[1])
    assert "Revision 1 is in effect." in page


def test_a_publication_of_another_project_cannot_be_reached_from_here(
    lab: House, signed_in: SignIn
) -> None:
    Organisation.load()
    Organisation.objects.update(second_person_for_project_policies=True)
    page = post(signed_in("editor"), "publish", document=GOOD)
    found = re.search(r'name="publication" value="([^"]+)"', page)
    assert found is not None
    answer = signed_in("admin").post(
        "/p/other/policy/", {"act": "agree", "publication": found[1]}, follow=True
    )
    assert answer.status_code == 409
    assert not PolicyRevision.objects.exists()


def test_the_organisations_rules_stand_in_each_project_and_cannot_be_edited_there(
    lab: House, signed_in: SignIn
) -> None:
    publish(
        by=BY,
        project=None,
        document={
            "kind": "organisation-policy",
            "rules": [{"id": "no-secrets", "when": {"category": "secret"}, "then": {"deny": True}}],
        },
    )
    page = signed_in("editor").get(PAGE).content.decode()
    assert 'data-rule="organisation:no-secrets"' in page
    assert 'class="rule locked"' in page
    assert "no-secrets" not in signed_in("editor").get(DRAFT).content.decode()


def test_the_matrix_says_who_is_cleared_for_what(lab: House, signed_in: SignIn) -> None:
    page = signed_in("member").get(PAGE).content.decode()
    lines = re.findall(r'<tr[^>]*><th scope="row">(\w+)<br>.*?</tr>', page, re.DOTALL)
    assert lines == ["claude", "llama"]
    rows = re.findall(r"<tr[^>]*><th scope=.row.>.*?</tr>", page, re.DOTALL)
    assert [row.count("may have it") for row in rows] == [2, 4]
