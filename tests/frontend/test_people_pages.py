"""Pages of projects, people, keys and invitations: who reaches them, and what they refuse."""

import html
import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from gateway.accounts.entry_models import Invitation
from gateway.accounts.models import APIKey, Group, Membership, Project, ServiceAccount, User
from gateway.accounts.roles import Role
from gateway.accounts.services import add_member, create_api_key, create_service_account, invite
from gateway.audit.models import AuditEvent
from tests.frontend.conftest import BY, House, SignIn

WHO = ("owner", "editor", "member", "auditor", "admin", "stranger", "nobody")
EVERYBODY = dict.fromkeys(WHO, 200)
OF_LAB = EVERYBODY | {"stranger": 404, "nobody": 404}
ADMINS = dict.fromkeys(WHO, 403) | {"admin": 200}
PAGES = {
    "/account/": EVERYBODY,
    "/projects/": EVERYBODY,
    "/projects/lab/": OF_LAB,
    "/projects/no-such/": dict.fromkeys(WHO, 404),
    "/keys/": EVERYBODY,
    "/roles/": EVERYBODY,
    "/people/": ADMINS,
    "/people/groups/": ADMINS,
    "/people/signing-in/": ADMINS,
    "/people/{member}/": ADMINS,
    "/keys/{key}/": OF_LAB | {"member": 200, "auditor": 404},
}
FORMS = {
    "/projects/lab/change": {"owner": 302, "admin": 302},
    "/projects/lab/archive": {"owner": 302, "admin": 302},
    "/projects/lab/members": {"owner": 302, "admin": 302},
    "/projects/lab/members/remove": {"owner": 302, "admin": 302},
    "/projects/lab/accounts": {"owner": 302, "editor": 302, "admin": 302},
    "/projects/lab/accounts/robot/end": {"owner": 302, "editor": 302, "admin": 302},
    "/people/{member}/act": {"admin": 302},
    "/people/invitations": {"owner": 200, "admin": 200},
}
GIVEN = {
    "name": "ci",
    "sensitivity": "internal",
    "archived": "1",
    "email": "member@example.org",
    "role": "member",
    "act": "sessions",
}


@pytest.fixture
def filled(house: House) -> dict[str, str]:
    """A key of the member, and a service account; their names in addresses."""
    member = house.people["member"]
    made = create_api_key(by=member, project=house.lab, name="notebook", owner=member)
    create_service_account(by=BY, project=house.lab, name="robot")
    return {"member": str(member.pk), "key": str(made.key.pk)}


def text_of(answer: object) -> str:
    return html.unescape(answer.content.decode())  # type: ignore[attr-defined]


@pytest.mark.parametrize("path", PAGES)
def test_each_page_is_for_whom_it_is(filled: dict[str, str], signed_in: SignIn, path: str) -> None:
    address = path.format(**filled)
    found = {who: signed_in(who).get(address).status_code for who in WHO}
    assert found == PAGES[path]
    answer = Client().get(address)
    assert answer.status_code == 302
    assert answer.headers["Location"].startswith("/login/")


@pytest.mark.parametrize("path", FORMS)
@pytest.mark.parametrize("who", WHO)
def test_each_form_is_for_whom_it_is(
    filled: dict[str, str], signed_in: SignIn, path: str, who: str
) -> None:
    address = path.format(**filled)
    given = dict(GIVEN)
    if path.endswith("invitations"):
        given |= {"email": "new@example.org", "project": "lab"}
    before = AuditEvent.objects.count()
    answer = signed_in(who).post(address, given)
    outside = path.startswith(("/projects", "/people/inv")) and who in {"stranger", "nobody"}
    assert answer.status_code == FORMS[path].get(who, 404 if outside else 403)
    if who not in FORMS[path]:
        assert AuditEvent.objects.count() == before
    assert signed_in(who, enforce_csrf_checks=True).post(address, given).status_code == 403
    assert Client().post(address, given).headers["Location"].startswith("/login/")


def test_an_admin_creates_a_project_and_puts_somebody_in(signed_in: SignIn) -> None:
    client = signed_in("admin")
    given = {"name": "Ward 7", "slug": "ward-7", "sensitivity": "restricted", "category": "health"}
    assert client.post("/projects/", given).headers["Location"] == "/projects/ward-7/"
    project = Project.objects.get(slug="ward-7")
    assert (project.floor_sensitivity, project.floor_categories) == ("restricted", ["health"])
    client.post("/projects/ward-7/members", {"email": "Nobody@Example.org", "role": "owner"})
    assert Membership.objects.get(project=project).role == "owner"


@pytest.mark.parametrize("who", [who for who in WHO if who != "admin"])
def test_nobody_else_creates_one(signed_in: SignIn, who: str) -> None:
    given = {"name": "Mine", "slug": "mine", "sensitivity": "public"}
    assert signed_in(who).post("/projects/", given).status_code == 403
    assert not Project.objects.filter(slug="mine").exists()


def test_an_owner_raises_the_floor_and_only_an_admin_lowers_it(
    house: House, signed_in: SignIn
) -> None:
    owner, address = signed_in("owner"), "/projects/lab/change"
    owner.post(address, {"name": "Lab", "sensitivity": "confidential"})
    house.lab.refresh_from_db()
    assert house.lab.floor_sensitivity == "confidential"
    lowered = {"name": "Lab", "sensitivity": "public"}
    assert owner.post(address, lowered).status_code == 403
    assert signed_in("admin").post(address, lowered).status_code == 302
    house.lab.refresh_from_db()
    assert house.lab.floor_sensitivity == "public"


def test_the_last_owner_neither_leaves_nor_steps_down(house: House, signed_in: SignIn) -> None:
    client = signed_in("owner")
    for path, given in (
        ("members", {"email": "owner@example.org", "role": "member"}),
        ("members/remove", {"email": "owner@example.org"}),
    ):
        page = client.post(f"/projects/lab/{path}", given, follow=True)
        assert "A project keeps an owner" in text_of(page)
    assert Membership.objects.get(project=house.lab, user=house.people["owner"]).role == "owner"
    add_member(by=BY, project=house.lab, user=house.people["editor"], role=Role.OWNER)
    client.post("/projects/lab/members", {"email": "owner@example.org", "role": "member"})
    assert Membership.objects.get(project=house.lab, user=house.people["owner"]).role == "member"


@pytest.mark.parametrize(
    "given", [{"act": "role", "role": "none"}, {"act": "deactivate"}], ids=["role", "off"]
)
def test_the_last_admin_stays_one(house: House, signed_in: SignIn, given: dict[str, str]) -> None:
    admin = house.people["admin"]
    page = signed_in("admin").post(f"/people/{admin.pk}/act", given, follow=True)
    assert "The last active admin must stay one" in text_of(page)
    admin.refresh_from_db()
    assert admin.is_admin


def test_somebody_switched_off_is_out_at_once_and_in_again_later(
    house: House, signed_in: SignIn
) -> None:
    member, admin = signed_in("member"), signed_in("admin")
    pk = house.people["member"].pk
    assert member.get("/").status_code == 200
    admin.post(f"/people/{pk}/act", {"act": "deactivate"})
    assert member.get("/").status_code == 302
    admin.post(f"/people/{pk}/act", {"act": "reactivate"})
    assert member.get("/").status_code == 302  # the session stays ended
    assert signed_in("member").get("/").status_code == 200


def test_groups_are_made_filled_and_removed(signed_in: SignIn) -> None:
    client = signed_in("admin")
    client.post(
        "/people/groups/", {"act": "set", "slug": "doctors", "members": "member@example.org"}
    )
    assert [each.email for each in Group.objects.get(slug="doctors").members.all()] == [
        "member@example.org"
    ]
    page = client.post(
        "/people/groups/", {"act": "set", "slug": "doctors", "members": "x@example.org"}
    )
    assert page.status_code == 400
    assert "x@example.org" in text_of(page)
    assert Group.objects.get(slug="doctors").members.count() == 1
    client.post("/people/groups/", {"act": "remove", "slug": "doctors"})
    assert not Group.objects.exists()


def test_a_key_is_shown_once_with_what_was_asked_for(house: House, signed_in: SignIn) -> None:
    client = signed_in("member")
    page = client.post(
        "/keys/",
        {
            "name": "notebook",
            "owner": "me:lab",
            "expires": "30",
            "scope": ["chat.completions"],
            "sensitivity": "confidential",
            "category": "health",
            "restores": "nothing",
        },
    )
    assert page.status_code == 200
    assert "no-store" in page.headers["Cache-Control"]
    found = re.search(r'id="key-text">(sk-sluice-[a-z0-9]{8}-[\w-]{43})<', page.content.decode())
    assert found is not None
    key = APIKey.objects.get(name="notebook")
    assert (key.user, key.project) == (house.people["member"], house.lab)
    assert (key.scopes, key.restores) == (["chat.completions"], "nothing")
    assert (key.floor_sensitivity, key.floor_categories) == ("confidential", ["health"])
    assert key.expires_at is not None
    assert timedelta(29) < key.expires_at - timezone.now() <= timedelta(30)
    assert found[1] not in client.get("/keys/").content.decode()
    assert found[1] not in client.get(f"/keys/{key.pk}/").content.decode()
    assert all(found[1] not in event.body for event in AuditEvent.objects.all())


@pytest.mark.parametrize(
    ("who", "owner"),
    [
        ("member", "me:other"),
        ("member", "account:{robot}"),
        ("auditor", "me:lab"),
        ("stranger", "account:{robot}"),
        ("admin", "me:lab"),
        ("editor", "user:{member}"),
        ("editor", ""),
    ],
)
def test_nobody_makes_a_key_that_acts_as_what_is_not_theirs(
    filled: dict[str, str], signed_in: SignIn, who: str, owner: str
) -> None:
    robot = ServiceAccount.objects.get().pk
    given = {
        "name": "x",
        "owner": owner.format(robot=robot, member=filled["member"]),
        "sensitivity": "public",
    }
    before = APIKey.objects.count()
    assert signed_in(who).post("/keys/", given).status_code == 400
    assert APIKey.objects.count() == before


def test_a_key_is_rotated_with_an_overlap_and_revoked(
    filled: dict[str, str], signed_in: SignIn
) -> None:
    client, address = signed_in("member"), f"/keys/{filled['key']}/"
    page = client.post(f"{address}rotate", {"overlap": "7"})
    assert "It takes the place of" in text_of(page)
    old = APIKey.objects.get(pk=filled["key"])
    assert old.expires_at is not None
    assert old.expires_at - timezone.now() > timedelta(6)
    assert APIKey.objects.filter(name="notebook", expires_at=None).count() == 1
    client.post(f"{address}revoke", {"reason": "lost laptop"})
    old.refresh_from_db()
    assert old.revoked_at is not None


@pytest.mark.parametrize("act", ["rotate", "revoke"])
@pytest.mark.parametrize("who", ["stranger", "nobody", "auditor"])
def test_a_key_of_another_project_is_none_at_all(
    filled: dict[str, str], signed_in: SignIn, who: str, act: str
) -> None:
    answer = signed_in(who).post(f"/keys/{filled['key']}/{act}", {"overlap": "0"})
    assert answer.status_code == 404
    key = APIKey.objects.get(pk=filled["key"])
    assert (key.revoked_at, key.expires_at) == (None, None)


def test_an_editor_revokes_everybodys_key_and_rotates_none_of_a_persons(
    filled: dict[str, str], signed_in: SignIn
) -> None:
    client = signed_in("editor")
    assert client.post(f"/keys/{filled['key']}/rotate", {"overlap": "0"}).status_code == 403
    client.post(f"/keys/{filled['key']}/revoke")
    assert APIKey.objects.get(pk=filled["key"]).revoked_at is not None


# --- Invitations ---


def invited(house: House, **changes: object) -> str:
    """The address of an invitation to the lab, made by its owner."""
    wanted = {"email": "new@example.org", "project": house.lab, "role": Role.MEMBER} | changes
    return f"/invitation/{invite(by=house.people['owner'], **wanted).secret}/"  # type: ignore[arg-type]


NEW = {"name": "Newcomer", "password": "a quite long pass phrase"}


def test_a_link_makes_an_account_once_and_leads_into_the_project(house: House) -> None:
    address, client = invited(house), Client()
    assert "To the project Lab, as Member." in text_of(client.get(address))
    assert client.post(address, NEW).headers["Location"] == "/p/lab/"
    assert client.get("/p/lab/").status_code == 200
    person = User.objects.get(email="new@example.org")
    assert Membership.objects.get(user=person).role == "member"
    again = Client().post(address, NEW | {"name": "Somebody else"})
    assert again.status_code == 410
    assert User.objects.filter(email="new@example.org").count() == 1


def test_an_invitation_is_stored_as_a_hash_alone(house: House) -> None:
    secret = invited(house).split("/")[2]
    row = Invitation.objects.get()
    assert secret not in str(vars(row))
    assert all(secret not in event.body for event in AuditEvent.objects.all())


@pytest.mark.parametrize("how", ["expired", "revoked", "author gone", "archived", "no such"])
def test_a_link_that_does_not_count_says_the_same_and_makes_nothing(
    house: House, signed_in: SignIn, how: str
) -> None:
    address = invited(house)
    row = Invitation.objects.get()
    if how == "expired":
        Invitation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    elif how == "revoked":
        assert signed_in("owner").post(f"/people/invitations/{row.pk}/end").status_code == 302
    elif how == "author gone":
        Membership.objects.filter(user=house.people["owner"]).update(role="member")
    elif how == "archived":
        Project.objects.filter(slug="lab").update(archived=True)
    else:
        address = "/invitation/none/"
    for answer in (Client().get(address), Client().post(address, NEW)):
        assert answer.status_code == 410
        assert "This link lets nobody in" in text_of(answer)
    assert not User.objects.filter(email="new@example.org").exists()


def test_a_weak_password_spends_no_invitation(house: House) -> None:
    address = invited(house)
    assert Client().post(address, NEW | {"password": "short"}).status_code == 400
    assert Client().post(address, NEW).status_code == 302


def test_whoever_has_an_account_joins_as_themselves_and_nobody_as_them(
    house: House, signed_in: SignIn
) -> None:
    address = invited(house, email="nobody@example.org")
    assert "has an account already" in text_of(Client().get(address))
    assert Client().post(address, NEW).status_code == 400
    assert signed_in("stranger").post(address).status_code == 403
    assert not Membership.objects.filter(user=house.people["nobody"]).exists()
    assert signed_in("nobody").post(address).status_code == 302
    assert Membership.objects.get(user=house.people["nobody"]).project == house.lab


def test_an_owner_invites_to_their_project_and_gives_no_role_in_the_organisation(
    signed_in: SignIn,
) -> None:
    client = signed_in("owner")
    given = {"email": "new@example.org", "role": "member", "days": "7", "way": "link"}
    page = client.post("/people/invitations", given | {"project": "lab"})
    assert re.search(r"/invitation/[\w-]{43}/", page.content.decode())
    assert client.post("/people/invitations", given).status_code == 403
    more = given | {"project": "lab", "organisation_role": "admin"}
    assert client.post("/people/invitations", more).status_code == 403
    assert client.post("/people/invitations", given | {"project": "other"}).status_code == 404
    assert Invitation.objects.count() == 1


@pytest.mark.parametrize("who", ["stranger", "editor", "member"])
def test_an_invitation_of_others_cannot_be_taken_back(
    house: House, signed_in: SignIn, who: str
) -> None:
    invited(house)
    pk = Invitation.objects.get().pk
    assert signed_in(who).post(f"/people/invitations/{pk}/end").status_code == 404
    assert Invitation.objects.get().revoked_at is None
