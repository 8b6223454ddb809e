"""Forms as a browser without scripts uses them: only what the page itself offers is sent, and the
page's own token counts."""

import re
from typing import Any

from django.test import Client

from gateway.accounts.models import APIKey, Membership, Organisation
from policies.models import PolicyDraft
from tests.frontend.conftest import PASSWORD, House
from tests.frontend.test_policy_pages import lab as lab  # noqa: PLC0414 -- a fixture
from tests.support.authenticator_app import code_of
from tests.support.forms import press

FACTOR = "/account/second-factor/"


def text(answer: Any) -> str:
    assert answer.status_code == 200, answer.status_code
    return str(answer.content.decode())


def came_in(name: str) -> Client:
    """Somebody who signed in on the page; every form needs its token."""
    client = Client(enforce_csrf_checks=True)
    given = {"username": f"{name}@example.org", "password": PASSWORD}
    assert press(client, "/login/", "Sign in", **given).status_code == 200
    return client


def test_a_password_is_changed(house: House) -> None:
    client = came_in("member")
    new = "another long pass phrase"
    page = press(client, "/account/", "Change the password", old=PASSWORD, new=new)
    assert "changed" in text(page)
    assert Client().login(username="member@example.org", password=new)


def test_a_second_factor_is_set_up_used_and_removed(house: House) -> None:
    client = came_in("member")
    page: Any = client.get(FACTOR)
    found = re.search(r'id="secret">([A-Z2-7 ]+)<', text(page))
    assert found is not None
    page = press(client, FACTOR, "Set it up", page=text(page), code=code_of(found[1]))
    assert "Your recovery codes" in text(page)

    other = Client(enforce_csrf_checks=True)
    given = {"username": "member@example.org", "password": PASSWORD}
    page = press(other, "/login/", "Sign in", **given)
    assert page.redirect_chain[-1][0] == "/login/code/"
    code = code_of(found[1], steps=1)
    page = press(other, "/login/code/", "Sign in", code=code)
    assert page.redirect_chain[-1][0] == "/"
    assert "Set it up" in text(press(other, "/account/", "Remove the second factor"))


def test_a_key_is_made_rotated_and_revoked(house: House) -> None:
    client = came_in("member")
    shown = text(press(client, "/keys/", "Make the key", name="notebook"))
    assert re.search(r"sk-sluice-\w+", shown)
    key = APIKey.objects.get()
    assert "sk-sluice-" in text(press(client, f"/keys/{key.pk}/", "Rotate it", overlap="1"))
    key.refresh_from_db()
    assert key.expires_at is not None
    press(client, f"/keys/{key.pk}/", "Revoke it", reason="lost")
    key.refresh_from_db()
    assert key.revoked_at is not None
    assert APIKey.objects.filter(revoked_at=None).count() == 1


def test_somebody_is_invited_and_comes_in(house: House) -> None:
    owner = came_in("owner")
    page = press(owner, "/projects/lab/", "Make a link", email="new@example.org", role="editor")
    found = re.search(r"/invitation/[\w-]+/", text(page))
    assert found is not None
    guest = Client(enforce_csrf_checks=True)
    page = press(guest, found[0], "Make my account", name="Nia", password="so long a phrase")
    assert page.status_code == 200
    member = Membership.objects.get(user__email="new@example.org")
    assert (member.project.slug, member.role) == ("lab", "editor")


def test_an_invitation_is_taken_back(house: House) -> None:
    owner = came_in("owner")
    page = press(owner, "/projects/lab/", "Make a link", email="new@example.org")
    found = re.search(r"/invitation/[\w-]+/", text(page))
    assert found is not None
    press(owner, "/projects/lab/", "Take it back: new@example.org")
    assert Client().get(found[0]).status_code == 410


def test_everything_that_leaves_is_stopped_and_let_go_again(house: House) -> None:
    admin = came_in("admin")
    press(admin, "/overview/", "Stop it now", reason="a drill", sure="yes")
    assert Organisation.load().egress_stopped
    press(admin, "/overview/", "Let it leave", reason="the drill ended", sure="yes")
    assert not Organisation.load().egress_stopped


def test_a_rule_goes_into_the_draft_and_is_published(lab: House) -> None:
    editor = came_in("editor")
    page = press(
        editor,
        "/p/lab/policy/draft/rule/",
        "Put it into the draft",
        id="health-stays",
        categories=["health"],
        effect="allow_only",
        zones=["on_prem"],
    )
    assert "health-stays" in text(page)
    [rule] = PolicyDraft.objects.get().document["rules"]
    assert rule["then"] == {"allow_only": {"zone": "on_prem"}}
    page = press(
        editor,
        "/p/lab/policy/draft/",
        "Add the test",
        test_text="The patient is well.",
        test_outcome="on_prem",
    )
    assert "There is no test yet" not in text(page)
    page = press(editor, "/p/lab/policy/draft/", "Publish", reason="patients first")
    assert "Revision 1 is in effect." in text(page)


def test_a_recipe_is_looked_at_and_added(lab: House) -> None:
    editor = came_in("editor")
    page = "/p/lab/policy/recipes/?recipe=stays-on-prem"
    answer = press(editor, page, "See what it adds", what=["health"])
    assert "rules:" in text(answer)
    press(editor, page, "Add to the draft", page=text(answer), what=["health"])
    assert PolicyDraft.objects.get().document["rules"]


def test_a_project_is_renamed_and_a_member_added(house: House) -> None:
    owner = came_in("owner")
    press(owner, "/projects/lab/", "Save", name="Laboratory")
    assert "Laboratory" in text(owner.get("/projects/lab/"))
    page = press(owner, "/projects/lab/", "Add", email="nobody@example.org", role="auditor")
    assert "nobody@example.org" in text(page)
