"""Signing in by an identity provider that speaks the real protocol, and what its claims give."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client
from pytest_django import Settings

from gateway.accounts.login.claims import read_rules
from gateway.accounts.models import Group, Membership, Organisation, User
from gateway.accounts.roles import OrganisationRole, Role
from gateway.accounts.services import add_member, change_organisation, deactivate_user, set_group
from gateway.audit.models import AuditEvent
from gateway.login_settings import OpenIDConnect, providers
from tests.frontend.conftest import BY, PASSWORD, House
from tests.support.identity_provider import (
    CLIENT_ID,
    CLIENT_SECRET,
    IdentityProvider,
    claims_of,
)

DOOR = "/login/with/oidc/"
RULES = """\
physicians -> group doctors
research -> project lab editor
everybody -> project lab member
platform -> organisation admin
"""


@pytest.fixture
def provider(house: House, settings: Settings) -> Iterator[IdentityProvider]:
    with IdentityProvider() as running:
        oidc = OpenIDConnect(
            issuer=running.issuer,
            client_id=CLIENT_ID,
            client_secret=CLIENT_SECRET,
            name="Example",
        )
        settings.OPENID_CONNECT = oidc
        settings.SOCIALACCOUNT_PROVIDERS = providers(oidc)
        set_group(by=BY, slug="doctors", members=[])
        change_organisation(by=BY, claim_rules=read_rules(RULES))
        yield running


def come(
    provider: IdentityProvider, name: str, client: Client | None = None, at: str = DOOR
) -> Any:
    """The whole way of a browser that is `name` at the provider; our last answer."""
    client = client or Client()
    there = client.get(at)
    asked = {name: each[0] for name, each in parse_qs(urlsplit(there["Location"]).query).items()}
    code = provider.code_for(name, asked)
    return client.get(urlsplit(asked["redirect_uri"]).path, {"code": code, "state": asked["state"]})


def entered(answer: Any) -> bool:
    return "_auth_user_id" in answer.client.session


def test_somebody_new_gets_an_account_and_what_the_claims_give(provider: IdentityProvider) -> None:
    provider.people["ada"] = claims_of("ada", "physicians", "everybody")
    answer = come(provider, "ada")
    assert answer.headers["Location"] == "/"
    ada = User.objects.get(email="ada@example.org")
    assert (ada.name, ada.organisation_role) == ("Ada", "none")
    assert not ada.has_usable_password()
    assert [group.slug for group in ada.access_groups.all()] == ["doctors"]
    assert Membership.objects.get(user=ada).role == "member"
    assert answer.client.get("/p/lab/").status_code == 200
    logins = AuditEvent.objects.filter(type="user.logged_in", actor=f"user:{ada.pk}")
    assert '"oidc"' in logins.get().body


def test_what_a_claim_gave_goes_with_it_and_what_was_given_by_hand_stays(
    provider: IdentityProvider, house: House
) -> None:
    provider.people["ada"] = claims_of("ada", "physicians", "research")
    come(provider, "ada")
    ada = User.objects.get(email="ada@example.org")
    assert Membership.objects.get(user=ada).role == "editor"
    add_member(by=BY, project=house.other, user=ada, role=Role.MEMBER)
    provider.people["ada"] = claims_of("ada", "everybody")
    come(provider, "ada")
    assert not ada.access_groups.exists()
    roles = dict(Membership.objects.filter(user=ada).values_list("project__slug", "role"))
    assert roles == {"lab": "member", "other": "member"}
    provider.people["ada"] = claims_of("ada")
    come(provider, "ada")
    assert [each.project.slug for each in Membership.objects.filter(user=ada)] == ["other"]


def test_a_role_that_was_changed_by_hand_is_no_longer_the_claims(
    provider: IdentityProvider, house: House
) -> None:
    provider.people["ada"] = claims_of("ada", "everybody")
    come(provider, "ada")
    ada = User.objects.get(email="ada@example.org")
    add_member(by=BY, project=house.lab, user=ada, role=Role.OWNER)
    provider.people["ada"] = claims_of("ada")
    come(provider, "ada")
    assert Membership.objects.get(user=ada).role == "owner"


def test_a_role_in_the_organisation_takes_a_rule_that_says_so(provider: IdentityProvider) -> None:
    provider.people["ada"] = claims_of("ada", "platform", "admin", "organisation")
    come(provider, "ada")
    ada = User.objects.get(email="ada@example.org")
    assert ada.organisation_role == "admin"
    provider.people["ada"] = claims_of("ada", "admin", "organisation")
    come(provider, "ada")
    ada.refresh_from_db()
    assert ada.organisation_role == "none"
    Organisation.objects.update(claim_rules=[])
    provider.people["ben"] = claims_of("ben", "admin", "organisation", "platform")
    assert not entered(come(provider, "ben"))


def test_somebody_whom_no_rule_knows_gets_no_account(provider: IdentityProvider) -> None:
    provider.people["eve"] = claims_of("eve", "visitors")
    answer = come(provider, "eve")
    assert not entered(answer)
    assert "no account here for you" in answer.client.get("/login/").content.decode()
    assert not User.objects.filter(email="eve@example.org").exists()


def test_a_verified_address_leads_to_its_account(provider: IdentityProvider, house: House) -> None:
    provider.people["member"] = claims_of("member")
    assert entered(come(provider, "member"))
    assert User.objects.filter(email="member@example.org").count() == 1
    # From then on by the provider's id, whatever address it says.
    provider.people["member"]["email"] = "renamed@example.org"
    assert entered(come(provider, "member"))


@pytest.mark.parametrize("said", [False, None, "true", 1])
def test_an_address_that_is_not_verified_leads_nowhere(
    provider: IdentityProvider, said: object
) -> None:
    provider.people["member"] = claims_of("member", "everybody", email_verified=said)
    assert not entered(come(provider, "member"))


def test_an_admin_is_not_become_by_an_address(provider: IdentityProvider, house: House) -> None:
    provider.people["admin"] = claims_of("admin")
    answer = come(provider, "admin")
    assert not entered(answer)
    assert "sign in with your password" in answer.client.get("/login/").content.decode()


def test_an_admin_links_it_by_a_form_of_their_own_page(
    provider: IdentityProvider, house: House
) -> None:
    provider.people["admin"] = claims_of("admin")
    client = Client()
    client.post("/login/", {"username": "admin@example.org", "password": PASSWORD})
    # A link from elsewhere links nothing.
    assert client.get(f"{DOOR}?process=connect").headers["Location"] == "/account/"
    assert client.post("/account/link").status_code == 200
    come(provider, "admin", client, f"{DOOR}?process=connect")
    assert AuditEvent.objects.filter(type="identity.linked").count() == 1
    assert entered(come(provider, "admin"))
    assert client.post("/account/unlink").status_code == 302
    assert not entered(come(provider, "admin"))


def test_somebody_switched_off_stays_out(provider: IdentityProvider, house: House) -> None:
    provider.people["member"] = claims_of("member", "everybody")
    come(provider, "member")
    deactivate_user(by=BY, user=house.people["member"])
    assert not entered(come(provider, "member"))


@pytest.mark.parametrize(
    "fault", ["signature", "issuer", "audience", "expired", "subject", "redirect"]
)
def test_a_provider_that_does_it_wrong_lets_nobody_in(
    provider: IdentityProvider, fault: str
) -> None:
    provider.people["ada"] = claims_of("ada", "everybody")
    provider.faults.add(fault)
    client = Client()
    answer = client.get(DOOR) if fault == "redirect" else come(provider, "ada", client)
    assert answer.headers["Location"] == "/login/"
    assert not entered(answer)
    assert not User.objects.filter(email="ada@example.org").exists()
    failed = AuditEvent.objects.get(type="login.failed")
    assert "ada" not in failed.body


def test_a_code_and_a_state_count_once_and_only_in_their_browser(
    provider: IdentityProvider,
) -> None:
    provider.people["ada"] = claims_of("ada", "everybody")
    client = Client()
    there = client.get(DOOR)
    asked = {name: each[0] for name, each in parse_qs(urlsplit(there["Location"]).query).items()}
    back = {"code": provider.code_for("ada", asked), "state": asked["state"]}
    assert not entered(Client().get(f"{DOOR}back/", back))
    assert entered(client.get(f"{DOOR}back/", back))
    assert not entered(Client().get(f"{DOOR}back/", back))


def test_nothing_but_the_protocol_goes_out(provider: IdentityProvider) -> None:
    provider.people["ada"] = claims_of("ada", "everybody")
    come(provider, "ada")
    names = {path: sorted(given) for path, given in provider.asked}
    assert names == {
        "/.well-known/openid-configuration": [],
        "/jwks": [],
        "/userinfo": [],
        "/token": sorted(
            ["client_id", "client_secret", "code", "code_verifier", "grant_type", "redirect_uri"]
        ),
    }


def test_without_a_provider_there_is_no_such_door(house: House, client: Client) -> None:
    assert client.get(DOOR).status_code == 404
    assert "Sign in with" not in client.get("/login/").content.decode()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("physicians", "Line 1: write"),
        ("x -> group nobody-made-it", "there is no group"),
        ("x -> project no-such", "there is no project"),
        ("x -> project lab boss", "is no role"),
        ("x -> organisation none", "it gives a group"),
        ("x -> everything", "it gives a group"),
    ],
)
def test_a_rule_that_says_nothing_is_named_with_its_line(
    house: House, line: str, words: str
) -> None:
    client = Client()
    client.force_login(house.people["admin"])
    page = client.post("/people/signing-in/", {"rules": line})
    assert page.status_code == 400
    assert words in page.content.decode()
    assert Group.objects.count() == 0
    assert Organisation.load().claim_rules == []


def test_the_providers_second_factor_counts_for_whom_it_asked_and_nobody_else(
    provider: IdentityProvider, house: House
) -> None:
    change_organisation(by=BY, second_factor_for=list(OrganisationRole))
    provider.people["ada"] = claims_of("ada", "everybody", amr=["pwd", "mfa"])
    provider.people["ben"] = claims_of("ben", "everybody", amr=["pwd"])
    assert come(provider, "ada").client.get("/account/").status_code == 200
    assert come(provider, "ben").client.get("/account/").status_code == 302
    # A login that began with the provider's word and went on as somebody else.
    client = Client()
    session = client.session
    session["second_factor_by_provider"] = str(User.objects.get(email="ada@example.org").pk)
    session.save()
    client.cookies["sessionid"] = session.session_key or ""
    client.post("/login/", {"username": "member@example.org", "password": PASSWORD})
    assert client.get("/account/").status_code == 302
