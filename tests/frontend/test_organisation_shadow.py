"""The organisation's draft in shadow, from its page: where admins choose, and nowhere else."""

import html
import re
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied

from gateway.accounts.roles import OrganisationRole
from policies.models import Shadow
from policies.services import shadows
from policies.services.drafts import save_draft
from policies.services.publishing import publish
from tests.frontend.conftest import BY, House, SignIn, person
from tests.frontend.test_policy_pages import lab as lab  # noqa: PLC0414 -- a fixture

PAGE = "/policy/"
STAYS = {
    "id": "code-stays",
    "when": {"category": "code"},
    "then": {"allow_only": {"zone": "on_prem"}},
}
DRAFT = {"kind": "organisation-policy", "rules": [STAYS]}
PROJECT = {"kind": "project-policy", "project": "lab", "rules": []}


@pytest.fixture
def stage(lab: House) -> House:
    for role in (OrganisationRole.APPROVER, OrganisationRole.AUDITOR):
        lab.people[f"org-{role.value}"] = person(f"org-{role.value}", role)
    save_draft(by=BY, project=None, document=DRAFT)
    return lab


def words(answer: Any) -> str:
    page = html.unescape(answer.content.decode())
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


def start(client: Any, *projects: str) -> Any:
    form = {"act": "shadow-start", "version": "1", "projects": projects}
    return client.post(PAGE, form, follow=True)


def running() -> dict[str, str]:
    rows = Shadow.objects.filter(ended_at__isnull=True)
    return dict(rows.values_list("project__slug", "source"))


def test_an_admin_puts_the_draft_in_shadow_in_chosen_projects(
    stage: House, signed_in: SignIn
) -> None:
    client = signed_in("admin")
    assert "Nothing of the organisation is in shadow." in words(client.get(PAGE))
    page = words(start(client, "lab", "other"))
    assert "The draft is decided beside what is in effect, and changes nothing." in page
    assert running() == {slug: "organisation, draft 1" for slug in ("lab", "other")}
    assert Shadow.objects.filter(document=DRAFT).count() == 2
    page = words(client.get(f"{PAGE}?shadow=lab"))
    assert "Lab organisation, draft 1, since" in page
    assert "Other (organisation, draft 1)" in page
    assert "0 of 0 would move." in page
    assert "would move." not in words(client.get(PAGE))
    client.post(PAGE, {"act": "shadow-end", "project": "lab"})
    assert running().keys() == {"other"}


def test_nothing_chosen_unknown_or_without_a_draft_starts_nothing(
    stage: House, signed_in: SignIn
) -> None:
    client = signed_in("admin")
    answer = start(client)
    assert answer.status_code == 400
    assert "Choose at least one project." in words(answer)
    assert start(client, "lab", "no-such").status_code == 400
    client.post("/policy/draft/", {"act": "discard", "version": "1"})
    assert "There is no draft to put in shadow." in words(start(client, "lab"))
    assert "There is no draft now." in words(client.get(PAGE))
    assert running() == {}


def test_a_projects_own_shadow_is_not_ended_from_here(stage: House, signed_in: SignIn) -> None:
    shadows.start_shadow(by=BY, project=stage.lab, document=PROJECT, source="draft 7")
    client = signed_in("admin")
    page = words(client.get(PAGE))
    assert "Lab (draft 7)" in page
    assert "What it would move in Lab" not in page
    answer = client.post(PAGE, {"act": "shadow-end", "project": "lab"})
    assert answer.status_code == 400
    assert running() == {"lab": "draft 7"}
    shadows.end_organisation_shadow(by=BY, project=stage.lab)
    assert running() == {"lab": "draft 7"}


@pytest.mark.parametrize(
    ("who", "sees", "starts"),
    [
        ("org-auditor", True, 403),
        ("org-approver", False, 403),
        ("owner", False, 403),
        ("editor", False, 403),
        ("nobody", False, 403),
    ],
)
def test_who_is_no_admin_starts_and_ends_nothing(
    stage: House, signed_in: SignIn, who: str, sees: bool, starts: int
) -> None:
    shadows.start_organisation_shadows(
        by=BY, projects=[stage.other], document=DRAFT, source="organisation, draft 1"
    )
    client = signed_in(who)
    page = words(client.get(f"{PAGE}?shadow=other"))
    assert ("What it would move in Other" in page) is sees
    assert ("0 of 0 would move." in page) is sees
    assert "Put the draft in shadow" not in page
    assert "End it" not in page
    assert start(client, "lab").status_code == starts
    assert start(client).status_code == starts
    assert client.post(PAGE, {"act": "shadow-end", "project": "other"}).status_code == starts
    assert running().keys() == {"other"}


def test_the_services_are_for_admins_and_read_the_document_first(stage: House) -> None:
    with pytest.raises(PermissionDenied):
        shadows.start_organisation_shadows(
            by=stage.people["owner"], projects=[stage.lab], document=DRAFT, source="x"
        )
    with pytest.raises(ValueError, match="then"):
        shadows.start_organisation_shadows(
            by=BY, projects=[stage.lab], document={**DRAFT, "rules": [{"id": "no"}]}, source="x"
        )
    assert running() == {}
    shadows.start_organisation_shadows(by=BY, projects=[stage.lab], document=DRAFT, source="x")
    with pytest.raises(PermissionDenied):
        shadows.end_organisation_shadow(by=stage.people["owner"], project=stage.lab)
    assert running() == {"lab": "x"}


def test_the_project_says_what_is_in_shadow_there(stage: House, signed_in: SignIn) -> None:
    publish(by=BY, project=stage.lab, document=PROJECT)
    start(signed_in("admin"), "lab")
    page = words(signed_in("editor").get("/p/lab/policy/"))
    assert "organisation, draft 1 is decided beside what is in effect since" in page
