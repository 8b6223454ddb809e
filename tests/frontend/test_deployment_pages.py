"""The pages of deployments and aliases: who sees them, who changes what, and what is told."""

import html
import re
from typing import Any

import pytest
from django.test import Client

from gateway.accounts.models import Organisation
from gateway.accounts.roles import OrganisationRole
from gateway.deployments.models import AliasTarget, Deployment, Grant, ModelAlias, WaitingChange
from gateway.deployments.services import add_grant, create_deployment, set_alias
from gateway.deployments.services.proposals import propose
from policies.services.publishing import publish
from tests.frontend.conftest import BY, House, SignIn, person
from tests.policies.services.policy_documents import project_policy
from tests.support.world import cloud_spec, local_spec

LIST = "/deployments/"
PAGE = "/deployments/claude/"
ALIAS = "/aliases/auto/"
FORM: dict[str, Any] = {
    "act": "save",
    "name": "claude",
    "base_url": "https://vendor.example/v1",
    "upstream_model": "big-1",
    "provider": "openai_compatible",
    "zone": "cloud",
    "sensitivity": "internal",
    "categories": ["code"],
    "endpoints": ["chat.completions"],
    "modalities": ["text"],
    "connect_timeout_s": "5",
    "first_byte_timeout_s": "120",
    "idle_timeout_s": "60",
    "enabled": "on",
}


@pytest.fixture
def lab(house: House) -> House:
    local = create_deployment(by=BY, spec=local_spec())
    cloud = create_deployment(by=BY, spec=cloud_spec(), credential="vendor-secret-1")
    for row in (local, cloud):
        add_grant(by=BY, project=house.lab, deployment=row)
    set_alias(by=BY, name="auto", deployments=[local, cloud])
    for role in (OrganisationRole.APPROVER, OrganisationRole.AUDITOR):
        house.people[f"org-{role.value}"] = person(f"org-{role.value}", role)
    house.people["second"] = person("second", OrganisationRole.ADMIN)
    return house


def text(answer: Any) -> str:
    page = html.unescape(answer.content.decode())
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


def save(client: Client, **fields: Any) -> Any:
    return client.post(PAGE, FORM | fields, follow=True)


def clearance() -> tuple[str, list[str] | None]:
    row = Deployment.objects.get(name="claude")
    return row.clearance_sensitivity, row.clearance_categories


@pytest.mark.parametrize("path", [LIST, PAGE, ALIAS])
@pytest.mark.parametrize(
    ("who", "status"),
    [
        *((who, 403) for who in ("owner", "editor", "member", "auditor", "stranger", "nobody")),
        *((who, 200) for who in ("admin", "org-approver", "org-auditor")),
    ],
)
def test_deployments_are_shown_to_the_organisations_people(
    lab: House, signed_in: SignIn, who: str, status: int, path: str
) -> None:
    assert signed_in(who).get(path).status_code == status


@pytest.mark.parametrize("path", [LIST, PAGE, ALIAS, "/deployments/new/", "/aliases/new"])
def test_who_is_not_signed_in_is_sent_to_the_door(lab: House, path: str) -> None:
    answer = Client().get(path)
    assert (answer.status_code, answer["location"]) == (302, f"/login/?next={path}")


@pytest.mark.parametrize("path", ["/deployments/none/", "/aliases/none/"])
def test_what_is_not_there_is_a_404_for_those_who_may_know(
    lab: House, signed_in: SignIn, path: str
) -> None:
    assert signed_in("admin").get(path).status_code == 404
    assert signed_in("owner").get(path).status_code == 403


ACTS = ["save", "look", "test", "enable", "disable", "remove", "grants", "agree", "withdraw"]


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("who", ["owner", "member", "nobody", "org-auditor", "org-approver"])
def test_who_may_only_look_changes_nothing(
    lab: House, signed_in: SignIn, who: str, act: str
) -> None:
    before = list(Deployment.objects.order_by("pk").values())
    answer = signed_in(who).post(
        PAGE, FORM | {"act": act, "sensitivity": "restricted", "sure": "yes"}
    )
    # What waits for nobody cannot be agreed to, which an approver is told.
    assert answer.status_code == (400 if act in {"agree", "withdraw"} and "org" in who else 403)
    assert list(Deployment.objects.order_by("pk").values()) == before
    assert Grant.objects.count() == 2


@pytest.mark.parametrize(
    "path", [PAGE, "/deployments/new/", "/deployments/discover", ALIAS, "/aliases/new"]
)
def test_a_form_from_elsewhere_is_refused(lab: House, signed_in: SignIn, path: str) -> None:
    client = signed_in("admin", enforce_csrf_checks=True)
    assert client.post(path, FORM).status_code == 403


def test_a_credential_goes_in_and_never_comes_out(lab: House, signed_in: SignIn) -> None:
    client = signed_in("admin")
    before = Deployment.objects.get(name="claude").credential
    page = save(client, credential="vendor-secret-2", categories=["nonsense"])
    assert page.status_code == 400
    assert "vendor-secret" not in page.content.decode()
    assert save(client).status_code == 200
    assert Deployment.objects.get(name="claude").credential == before
    page = save(client, credential="vendor-secret-2")
    assert "vendor-secret" not in page.content.decode()
    assert Deployment.objects.get(name="claude").credential not in {before, "vendor-secret-2"}


def test_widening_is_said_before_and_done_by_saving(lab: House, signed_in: SignIn) -> None:
    client = signed_in("admin")
    wide = {"sensitivity": "confidential", "categories": ["code", "personal"]}
    look = text(client.post(PAGE, FORM | wide | {"act": "look"}))
    assert "This widens claude from data up to internal: source code" in look
    assert clearance() == ("internal", ["code"])
    assert "Saved." in text(save(client, **wide))
    assert clearance() == ("confidential", ["code", "personal"])
    assert "This widens" not in text(client.post(PAGE, FORM | {"act": "look"}))


def test_kinds_above_the_sensitivity_are_left_out(lab: House, signed_in: SignIn) -> None:
    save(signed_in("admin"), categories=["code", "health", "personal"])
    assert clearance() == ("internal", ["code"])
    save(signed_in("admin"), sensitivity="restricted", categories=["*", "code"])
    assert clearance() == ("restricted", None)


def test_where_a_second_person_is_asked_for_it_waits_for_them(
    lab: House, signed_in: SignIn
) -> None:
    organisation = Organisation.load()
    organisation.second_person_for_widening = True
    organisation.save()
    admin, wide = signed_in("admin"), {"sensitivity": "confidential"}
    assert "A second admin or an approver must agree." in text(
        admin.post(PAGE, FORM | wide | {"act": "look"})
    )
    assert "waits for a second person" in text(save(admin, **wide, reason="the new contract"))
    assert clearance() == ("internal", ["code"])
    change = WaitingChange.objects.get()
    act = {"act": "agree", "change": str(change.pk)}
    assert admin.post(PAGE, act).status_code == 403
    approver = signed_in("org-approver")
    assert "the new contract" in text(approver.get(LIST))
    assert "It is in effect." in text(approver.post(PAGE, act, follow=True))
    assert clearance() == ("confidential", ["code"])
    assert "does not wait any more" in text(approver.post(PAGE, act | {"change": "x"}))


def test_moving_it_states_anew_what_may_go_there(lab: House, signed_in: SignIn) -> None:
    moved = FORM | {"base_url": "https://elsewhere.example/v1", "act": "look"}
    assert "It is somewhere else than before" in text(signed_in("admin").post(PAGE, moved))


def test_it_says_who_could_use_it_and_why_not(lab: House, signed_in: SignIn) -> None:
    page = text(signed_in("admin").get(PAGE))
    assert "Usable by 1 of 2 projects" in page
    assert "Other It is not granted to the project." in page
    assert "A function in Python goes as it is" in page
    less = text(signed_in("admin").post(PAGE, FORM | {"act": "look", "sensitivity": "public"}))
    assert "Usable by 0 of 2 projects" in less


def test_a_new_one_is_added_and_refusals_name_their_field(lab: House, signed_in: SignIn) -> None:
    client = signed_in("admin")
    new = FORM | {"name": "gpt", "credential": "sk-1"}
    bad = client.post("/deployments/new/", new | {"base_url": "ftp://x"})
    assert bad.status_code == 400
    assert "begins with http" in text(bad)
    taken = client.post("/deployments/new/", new | {"name": "new"})
    assert (taken.status_code, "Choose another name" in text(taken)) == (400, True)
    assert client.post("/deployments/new/", new | {"by_its_name": "on"}).status_code == 302
    assert ModelAlias.objects.get(name="gpt").target_names() == ["gpt"]
    row = Deployment.objects.get(name="gpt")
    assert (row.enabled, row.clearance_sensitivity) == (True, "internal")
    again = client.post("/deployments/new/", new)
    assert "There is a deployment" in text(again)


def test_projects_are_granted_and_taken(lab: House, signed_in: SignIn) -> None:
    client = signed_in("admin")
    client.post(PAGE, {"act": "grants", "project": ["other"]})
    granted = Grant.objects.filter(deployment__name="claude").values_list(
        "project__slug", flat=True
    )
    assert list(granted) == ["other"]


def test_switching_removing_and_what_stands_in_the_way(lab: House, signed_in: SignIn) -> None:
    client = signed_in("admin")
    assert "It is off" in text(client.post(PAGE, {"act": "disable"}, follow=True))
    assert not Deployment.objects.get(name="claude").enabled
    client.post(PAGE, {"act": "enable"})
    assert "tick the box" in text(client.post(PAGE, {"act": "remove"}))
    named = client.post(PAGE, {"act": "remove", "sure": "yes"})
    assert (named.status_code, "The alias 'auto' names" in text(named)) == (400, True)


def test_what_was_found_is_confirmed_by_the_same_form(lab: House, signed_in: SignIn) -> None:
    client = signed_in("admin")
    [row] = propose(by=BY, found=(), vendor_keys={"openai": "sk-found"})
    assert "Found, and off until you confirm" in text(client.get(LIST))
    path = f"/deployments/{row.name}/"
    assert 'name="enabled" form="what" checked' in client.get(path).content.decode()
    fields = FORM | {"name": row.name, "base_url": row.base_url, "upstream_model": "gpt-4.1-mini"}
    assert (
        client.post(path, fields | {"sensitivity": "public", "categories": []}).status_code == 302
    )
    row.refresh_from_db()
    assert (row.proposed, row.enabled, row.clearance_sensitivity) == (False, True, "public")


def test_an_alias_is_ordered_by_numbers_made_and_removed(lab: House, signed_in: SignIn) -> None:
    client = signed_in("admin")
    places = {row.name: f"place-{row.pk}" for row in Deployment.objects.all()}
    client.post(ALIAS, {"act": "save", places["claude"]: "1", places["llama"]: "7"})
    assert ModelAlias.objects.get(name="auto").target_names() == ["claude", "llama"]
    bad = client.post(ALIAS, {"act": "save", places["claude"]: "first"})
    assert (bad.status_code, "is a number" in text(bad)) == (400, True)
    none = client.post(ALIAS, {"act": "save"})
    assert (none.status_code, "at least one deployment" in text(none)) == (400, True)
    client.post("/aliases/new", {"name": "meta/llama:3", places["llama"]: "1"})
    assert client.get("/aliases/meta/llama:3/").status_code == 200
    twice = client.post("/aliases/new", {"name": "auto", places["llama"]: "1"})
    assert (twice.status_code, "There is an alias" in text(twice)) == (400, True)
    client.post("/aliases/meta/llama:3/", {"act": "remove", "sure": "yes"})
    assert set(AliasTarget.objects.values_list("alias__name", flat=True)) == {"auto"}


@pytest.mark.parametrize("who", ["owner", "org-auditor", "org-approver"])
def test_aliases_are_the_admins(lab: House, signed_in: SignIn, who: str) -> None:
    client = signed_in(who)
    assert client.post(ALIAS, {"act": "remove", "sure": "yes"}).status_code == 403
    assert client.post("/aliases/new", {"name": "x"}).status_code == 403
    assert client.post("/deployments/discover").status_code == 403
    assert ModelAlias.objects.count() == 1


def eu_only(house: House) -> None:
    rule = {"id": "eu-only", "then": {"allow_only": {"region": "eu"}}}
    publish(by=BY, project=house.lab, document={**project_policy(rule), "project": "lab"})


def test_what_a_rule_reads_is_said_to_widen(lab: House, signed_in: SignIn) -> None:
    client = signed_in("admin")
    look = text(client.post(PAGE, FORM | {"act": "look", "region": "eu"}))
    assert "It stands in the audit as a widening" not in look
    eu_only(lab)
    look = text(client.post(PAGE, FORM | {"act": "look", "region": "eu"}))
    assert "What is stated of claude makes rules give it more than now." in look
    assert "Rule eu-only of project lab would let it stay." in look
    assert "It stands in the audit as a widening" in look


def test_the_second_person_sees_what_is_stated_and_which_rules_read_it(
    lab: House, signed_in: SignIn
) -> None:
    eu_only(lab)
    Organisation.load()
    Organisation.objects.update(second_person_for_widening=True)
    save(signed_in("admin"), region="eu", retention_days="7")
    assert Deployment.objects.get(name="claude").region == ""
    client = signed_in("org-approver")
    page = text(client.get(PAGE))
    assert "Region: not known eu" in page
    assert "Keeps requests, days: not known 7" in page
    assert "Rule eu-only of project lab would let it stay." in page
    change = WaitingChange.objects.get()
    assert client.post(PAGE, {"act": "agree", "change": str(change.pk)}).status_code == 302
    assert Deployment.objects.get(name="claude").region == "eu"
