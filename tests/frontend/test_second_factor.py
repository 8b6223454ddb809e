"""Second factors, sessions and throttling: the whole way, and what an attacker tries."""

import html
import re
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.test import Client

from gateway.accounts.models import User
from gateway.accounts.roles import OrganisationRole
from gateway.accounts.services import change_organisation, deactivate_user
from gateway.audit.models import AuditEvent
from tests.frontend.conftest import BY, PASSWORD, House, SignIn
from tests.support.authenticator_app import code_of

SETUP = "/account/second-factor/"


def sign_in(
    name: str, password: str = PASSWORD, client: Client | None = None
) -> tuple[Client, Any]:
    client = client or Client()
    given = {"username": f"{name}@example.org", "password": password}
    return client, client.post("/login/", given)


def secret_on(page: Any) -> str:
    found = re.search(r'id="secret">([A-Z2-7 ]+)<', page.content.decode())
    assert found is not None
    return found[1]


def set_up(client: Client) -> tuple[str, list[str]]:
    """Read in the secret, type the code; returns the secret and the recovery codes."""
    secret = secret_on(client.get(SETUP))
    page = client.post(SETUP, {"code": code_of(secret)})
    codes = re.search(r'<pre id="codes">([\d\s]+)</pre>', page.content.decode())
    assert codes is not None, page.content.decode()
    return secret, codes[1].split()


def events(*types: str) -> list[str]:
    return [event.body for event in AuditEvent.objects.filter(type__in=types).order_by("seq")]


def test_with_a_second_factor_the_password_alone_opens_nothing(house: House) -> None:
    client, _ = sign_in("member")
    secret, _ = set_up(client)
    other, answer = sign_in("member")
    assert answer.headers["Location"] == "/login/code/"
    assert other.get("/").status_code == 302
    assert other.get("/api/me").status_code in {401, 403}
    answer = other.post("/login/code/", {"code": code_of(secret, steps=1)})
    assert answer.headers["Location"] == "/"
    assert other.get("/").status_code == 200
    assert '"password+second_factor"' in events("user.logged_in")[-1]


def test_a_code_counts_once(house: House) -> None:
    client, _ = sign_in("member")
    secret, _ = set_up(client)
    setting_up = code_of(secret)
    assert sign_in("member")[0].post("/login/code/", {"code": setting_up}).status_code == 200
    code = code_of(secret, steps=1)
    assert sign_in("member")[0].post("/login/code/", {"code": code}).status_code == 302
    again = sign_in("member")[0].post("/login/code/", {"code": code})
    assert again.status_code == 200
    assert "not right, or was used already" in again.content.decode()
    assert len([body for body in events("login.failed") if "wrong_code" in body]) == 2


def test_a_recovery_code_counts_once_and_they_are_shown_once(house: House) -> None:
    client, _ = sign_in("member")
    _, codes = set_up(client)
    assert len(codes) == len(set(codes)) == 10
    assert codes[0] not in client.get("/account/").content.decode()
    assert sign_in("member")[0].post("/login/code/", {"code": codes[0]}).status_code == 302
    assert sign_in("member")[0].post("/login/code/", {"code": codes[0]}).status_code == 200
    assert sign_in("member")[0].post("/login/code/", {"code": codes[1]}).status_code == 302


def test_guessing_codes_ends(house: House) -> None:
    secret, _ = set_up(sign_in("member")[0])
    client, _ = sign_in("member")
    for _n in range(5):
        assert client.post("/login/code/", {"code": "000000"}).status_code == 200
    right = client.post("/login/code/", {"code": code_of(secret, steps=1)})
    assert right.status_code == 200
    assert client.get("/").status_code == 302


def test_its_secret_is_sealed(house: House) -> None:
    secret, codes = set_up(sign_in("member")[0])
    data = str(list(Authenticator.objects.values_list("data", flat=True)))
    assert secret.replace(" ", "") not in data
    assert all(code not in data for code in codes)
    assert data.count("gAAAAA") == 2


def test_setting_one_up_ends_the_sessions_that_began_without(house: House) -> None:
    first, _ = sign_in("member")
    second, _ = sign_in("member")
    set_up(second)
    assert first.get("/").status_code == 302
    assert second.get("/").status_code == 200
    assert '"kind":"totp"' in events("second_factor.added")[0]


@pytest.mark.parametrize("path", ["/", "/account/", "/keys/", "/admin/", "/p/lab/policy/"])
def test_where_one_is_needed_nothing_comes_before_it(house: House, path: str) -> None:
    client, _ = sign_in("admin")
    change_organisation(by=BY, second_factor_for=[OrganisationRole.ADMIN])
    assert client.get(path).headers["Location"] == SETUP
    assert client.post("/people/groups/", {"act": "set", "slug": "x"}).headers["Location"] == SETUP
    answer = client.get("/api/me")
    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "second_factor_needed"
    set_up(client)
    assert client.get("/account/").status_code == 200
    assert sign_in("member")[0].get("/account/").status_code == 200


def test_where_one_is_needed_it_is_not_removed(house: House) -> None:
    client, _ = sign_in("admin")
    set_up(client)
    change_organisation(by=BY, second_factor_for=list(OrganisationRole))
    client.post("/account/second-factor/remove")
    assert Authenticator.objects.filter(user=house.people["admin"]).exists()
    change_organisation(by=BY, second_factor_for=[])
    client.post("/account/second-factor/remove")
    assert not Authenticator.objects.filter(user=house.people["admin"]).exists()
    assert '"kind":"own"' in events("second_factor.removed")[-1]


def test_an_admin_takes_a_lost_one_away_and_the_sessions_end(
    house: House, signed_in: SignIn
) -> None:
    client, _ = sign_in("member")
    set_up(client)
    pk = house.people["member"].pk
    signed_in("admin").post(f"/people/{pk}/act", {"act": "factor"})
    assert client.get("/").status_code == 302
    assert sign_in("member")[1].headers["Location"] == "/"


def test_a_session_that_only_stands_open_changes_no_second_factor(
    house: House, signed_in: SignIn
) -> None:
    client = signed_in("member")  # a session without a login that was just now
    assert client.get(SETUP).headers["Location"].startswith("/account/prove/")
    wrong = client.post("/account/prove/", {"password": "wrong", "next": SETUP})
    assert wrong.status_code == 200
    proved = client.post("/account/prove/", {"password": PASSWORD, "next": SETUP})
    assert proved.headers["Location"] == SETUP
    assert client.get(SETUP).status_code == 200


# --- Sessions ---


def test_sessions_are_listed_and_ended(house: House) -> None:
    agent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
    other = Client(headers={"user-agent": agent})
    sign_in("member", client=other)
    other.get("/")
    client, _ = sign_in("member")
    page = html.unescape(client.get("/account/").content.decode())
    assert "Firefox on Linux" in page
    assert "this one" in page
    row = UserSession.objects.get(user_agent=agent)
    client.post("/account/sessions", {"session": str(row.pk)})
    assert other.get("/").status_code == 302
    assert client.get("/").status_code == 200
    assert '"count":1' in events("session.ended")[0]


def test_a_session_of_somebody_else_is_not_ended(house: House, signed_in: SignIn) -> None:
    victim, _ = sign_in("member")
    victim.get("/")
    row = UserSession.objects.get(user=house.people["member"])
    signed_in("stranger").post("/account/sessions", {"session": str(row.pk)})
    assert victim.get("/").status_code == 200


def test_another_password_ends_the_other_sessions_and_not_this_one(house: House) -> None:
    other, _ = sign_in("member")
    client, _ = sign_in("member")
    wrong = client.post("/account/", {"old": "wrong", "new": "another long pass phrase"})
    assert wrong.status_code == 400
    weak = client.post("/account/", {"old": PASSWORD, "new": "password12"})
    assert weak.status_code == 400
    answer = client.post("/account/", {"old": PASSWORD, "new": "another long pass phrase"})
    assert answer.status_code == 302
    assert client.get("/").status_code == 200
    assert other.get("/").status_code == 302
    assert sign_in("member", "another long pass phrase")[1].headers["Location"] == "/"


def test_no_row_of_a_session_is_left_of_somebody_switched_off(house: House) -> None:
    sign_in("member")
    deactivate_user(by=BY, user=house.people["member"])
    assert not Session.objects.exists()


# --- Throttling ---


def test_attempts_end_alike_for_an_account_and_for_none(house: House) -> None:
    pages = {}
    for name in ("member", "unknown"):
        for _n in range(5):
            assert sign_in(name, "wrong")[1].status_code == 200
        answer = sign_in(name, "wrong")[1]
        assert answer.status_code == 429
        pages[name] = re.findall(r'id="login-problem".*?</div>', answer.content.decode(), re.S)
    assert pages["member"] == pages["unknown"] != []
    # The right password does not help now, and tells nothing.
    assert sign_in("member")[1].status_code == 429
    assert sign_in("editor")[1].status_code == 302
    reasons = [body for body in events("login.failed") if "throttled" in body]
    assert len(reasons) == 3


def test_attempts_from_one_network_end_whatever_is_tried(house: House) -> None:
    for number in range(20):
        sign_in(f"guess{number}", "wrong")
    assert sign_in("member")[1].status_code == 429


def test_signing_in_rightly_is_never_counted(house: House) -> None:
    for _n in range(25):
        assert sign_in("member")[1].status_code == 302


def test_an_account_without_a_password_cannot_be_entered_by_one(house: House) -> None:
    User.objects.filter(email="member@example.org").update(password="!")
    assert sign_in("member", "!")[1].status_code == 200
