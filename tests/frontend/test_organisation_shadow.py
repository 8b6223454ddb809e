"""What the organisation has in shadow, from its page: where admins choose, and nowhere else."""

import html
import re
from pathlib import Path
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
from tests.policies.services.deciding import decide_for, record

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
    assert "It is decided beside what is in effect, and changes nothing." in page
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
    assert "There is no draft and no old revision now." in words(client.get(PAGE))
    assert running() == {}


def test_an_old_revision_is_put_in_shadow_from_the_page(stage: House, signed_in: SignIn) -> None:
    for document in (DRAFT, {**DRAFT, "rules": []}):
        publish(by=BY, project=None, document=document)
    client = signed_in("admin")
    page = words(client.get(PAGE))
    assert "the draft revision 1 " in page
    assert "revision 2 " not in page.partition("What the draft")[2].partition("In these")[0]
    form = {"act": "shadow-start", "version": "1", "which": "1", "projects": ["lab"]}
    client.post(PAGE, form)
    assert running() == {"lab": "organisation, revision 1"}
    assert Shadow.objects.filter(document=DRAFT).count() == 1
    answer = client.post(PAGE, form | {"which": "7"})
    assert "There is no such revision." in words(answer)
    own: list[dict[str, Any]] = [{**PROJECT, "rules": [STAYS]}, PROJECT]
    for each in own:
        publish(by=BY, project=stage.lab, document=each)
    editor = signed_in("editor")
    assert "What revision 1 " in words(editor.get("/p/lab/policy/"))
    editor.post("/p/lab/policy/", {"act": "shadow-start", "which": "1"})
    assert running() == {"lab": "revision 1"}
    assert Shadow.objects.filter(document=own[0]).count() == 1


def test_shadow_rules_are_compared_on_the_pages(
    stage: House, signed_in: SignIn, tmp_path: Path
) -> None:
    publish(by=BY, project=None, document={**DRAFT, "rules": [{**STAYS, "shadow": True}]})
    mask = {"mask": ["EMAIL_ADDRESS"], "for": {"zone": ["on_prem", "cloud"]}}
    rules = [{"id": "mails", "then": mask, "shadow": True}]
    publish(by=BY, project=stage.lab, document={**PROJECT, "rules": rules})
    asks = stage.people["member"]
    decided = decide_for(asks, stage.lab, "mail ann@example.org")
    record(tmp_path, asks, stage.lab, decided)
    for who in ("editor", "auditor"):
        page = words(signed_in(who).get("/p/lab/policy/"))
        assert "mails matched once since" in page
        assert "1 would be masked otherwise: 1 EMAIL_ADDRESS masked (placeholder)." in page
        assert "code-stays (organisation) matched 0 times" in page
    assert "would move" not in words(signed_in("member").get("/p/lab/policy/"))
    assert "code-stays (organisation) matched 0 times" in words(signed_in("admin").get(PAGE))
    assert "matched 0 times" not in words(signed_in("org-approver").get(PAGE))


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
    assert "Put it in shadow" not in page
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


def test_a_decision_says_what_was_in_shadow(
    stage: House, signed_in: SignIn, tmp_path: Path
) -> None:
    mask = {"mask": ["EMAIL_ADDRESS"], "for": {"zone": ["on_prem", "cloud"]}}
    rules = [{"id": "mails", "then": mask, "shadow": True}]
    publish(by=BY, project=stage.lab, document={**PROJECT, "rules": rules})
    stops = {**PROJECT, "rules": [{"id": "stop", "then": {"deny": True}}]}
    shadows.start_shadow(by=BY, project=stage.lab, document=stops)
    asks = stage.people["member"]
    decided = decide_for(asks, stage.lab, "mail ann@example.org")
    record(tmp_path, asks, stage.lab, decided)
    page = words(signed_in("auditor").get(f"/audit/{decided.permit.decision_id}/"))
    assert "The policy in shadow: it would have been refused." in page
    assert (
        "project:mails: it would have gone to llama with this masked: "
        "e-mail address: placeholder." in page
    )
