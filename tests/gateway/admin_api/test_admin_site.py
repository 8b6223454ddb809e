"""The Django admin shows everything of ours, no secret, and changes nothing."""

import pytest
from django.apps import apps
from django.db.models import Model
from django.test import Client
from django.urls import reverse

from gateway.accounts.models import User
from gateway.accounts.roles import OrganisationRole
from gateway.accounts.services import create_api_key
from gateway.admin_api.admin_site import OUR_APPS, site
from gateway.deployments.models import Deployment
from policies.models import WordList
from tests.support.world import SETUP, World, make_world, person

pytestmark = pytest.mark.django_db

OURS = [
    model
    for label in OUR_APPS
    if label in apps.app_configs
    for model in apps.get_app_config(label).get_models()
]


@pytest.fixture
def world() -> World:
    world = make_world()
    WordList.objects.create(
        project=world.project, name="codenames", category="legal", words=["Bluebird"]
    )
    create_api_key(by=SETUP, project=world.project, name="k", owner=world.member)
    return world


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def test_every_model_of_ours_is_shown() -> None:
    assert set(site._registry) == set(OURS)
    assert {model._meta.label for model in OURS} >= {"accounts.APIKey", "audit.AuditEvent"}


@pytest.mark.parametrize("model", OURS, ids=lambda model: model._meta.label)
def test_it_can_be_looked_at_and_not_be_changed(world: World, model: type[Model]) -> None:
    client = client_of(world.admin)
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
    assert client.get(reverse(f"{name}_changelist")).status_code == 200
    assert client.get(reverse(f"{name}_add")).status_code == 403
    row = model._default_manager.first()
    if row is None:
        return
    before = list(model._default_manager.values())
    page = client.get(reverse(f"{name}_change", args=[row.pk]))
    assert page.status_code == 200
    assert b'name="_save"' not in page.content
    assert client.post(reverse(f"{name}_change", args=[row.pk]), {}).status_code == 403
    assert client.post(reverse(f"{name}_delete", args=[row.pk]), {"post": "yes"}).status_code == 403
    chosen = {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"}
    client.post(reverse(f"{name}_changelist"), chosen)
    assert list(model._default_manager.values()) == before


def test_no_secret_is_shown(world: World) -> None:
    client = client_of(world.admin)
    deployment = Deployment.objects.get(name="claude")
    key = world.member.keys.get()
    word_list = WordList.objects.get()
    pages = [
        client.get(reverse("admin:deployments_deployment_change", args=[deployment.pk])),
        client.get(reverse("admin:accounts_apikey_change", args=[key.pk])),
        client.get(reverse("admin:accounts_user_change", args=[world.admin.pk])),
        client.get(reverse("admin:policies_wordlist_change", args=[word_list.pk])),
        client.get(reverse("admin:deployments_deployment_changelist")),
        client.get(reverse("admin:accounts_apikey_changelist")),
    ]
    shown = "".join(page.content.decode() for page in pages)
    assert "codenames" in shown
    for secret in (deployment.credential, key.digest, world.admin.password, "Bluebird"):
        assert secret not in shown
    assert "vendor-secret-1" not in shown


@pytest.mark.parametrize(
    ("page", "lookup"),
    [
        ("accounts_user", "password__startswith=x"),
        ("accounts_apikey", "digest__startswith=x"),
        ("accounts_apikey", "user__password__startswith=x"),
        ("deployments_deployment", "credential__gt=x"),
        ("policies_wordlist", "words__contains=x"),
        ("policies_wordlist", "words=x"),
    ],
)
def test_no_secret_can_be_asked_for(world: World, page: str, lookup: str) -> None:
    # A list that says whether anything begins with x gives it away letter by letter.
    auditor = client_of(person("ada@sluice.example", OrganisationRole.AUDITOR))
    assert auditor.get(reverse(f"admin:{page}_changelist") + "?" + lookup).status_code == 400


def test_a_column_that_is_shown_can_be_asked_for(world: World) -> None:
    auditor = client_of(person("ada@sluice.example", OrganisationRole.AUDITOR))
    url = reverse("admin:policies_wordlist_changelist")
    assert auditor.get(f"{url}?name__startswith=code").status_code == 200


@pytest.mark.parametrize(
    ("role", "status"),
    [
        (OrganisationRole.ADMIN, 200),
        (OrganisationRole.AUDITOR, 200),
        (OrganisationRole.APPROVER, 302),
        (OrganisationRole.NONE, 302),
    ],
)
def test_admins_and_auditors_are_admitted(role: OrganisationRole, status: int) -> None:
    client = client_of(person("ada@sluice.example", role))
    assert client.get("/admin/").status_code == status


def test_strangers_are_sent_to_the_pages_log_in() -> None:
    response = Client().get("/admin/", follow=True)
    assert response.redirect_chain[-1][0].startswith("/login/")


def test_the_admin_changes_no_password() -> None:
    client = client_of(person("ada@sluice.example", OrganisationRole.ADMIN))
    assert client.get("/admin/password_change/").status_code == 404
