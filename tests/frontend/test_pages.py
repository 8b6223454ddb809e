import re

import pytest
from django.test import Client

from frontend.middleware import CONTENT_SECURITY_POLICY
from tests.frontend.conftest import House, SignIn

INLINE = re.compile(
    r"<style|\sstyle=|\son[a-z]+=|javascript:|<script(?![^>]*\ssrc=)", re.IGNORECASE
)
ELSEWHERE = re.compile(r"""(?:src|href|action)=["'](?:https?:)?//""")


@pytest.mark.parametrize(
    ("who", "status"),
    [
        ("owner", 200),
        ("editor", 200),
        ("member", 200),
        ("auditor", 403),
        ("admin", 403),
        ("stranger", 404),
        ("nobody", 404),
    ],
)
def test_a_project_page_is_for_those_who_may_write_there(
    signed_in: SignIn, who: str, status: int
) -> None:
    assert signed_in(who).get("/p/lab/").status_code == status


def test_a_project_of_others_looks_like_none_at_all(signed_in: SignIn) -> None:
    client = signed_in("member")
    others, none = client.get("/p/other/"), client.get("/p/no-such/")
    assert others.content == none.content
    assert b"Other" not in others.content


def test_the_rail_names_only_ones_own_projects(signed_in: SignIn) -> None:
    page = signed_in("member").get("/").content.decode()
    assert "Lab" in page
    assert "Other" not in page


def test_somebody_without_a_project_is_told_what_to_do(signed_in: SignIn) -> None:
    page = signed_in("nobody").get("/")
    assert page.status_code == 200
    assert "You are not in a project yet" in page.content.decode()


def test_without_a_running_gateway_the_page_says_that_nothing_is_sent(signed_in: SignIn) -> None:
    page = signed_in("member").get("/").content.decode()
    assert "Nothing can be sent right now" in page


def test_the_administration_is_offered_to_staff_only(signed_in: SignIn) -> None:
    assert 'href="/admin/"' in signed_in("admin").get("/").content.decode()
    assert 'href="/admin/"' not in signed_in("member").get("/").content.decode()


@pytest.mark.parametrize(
    "path", ["/login/", "/", "/no/such/page", "/static/components/chat/chat.js"]
)
def test_every_answer_carries_the_content_security_policy(signed_in: SignIn, path: str) -> None:
    client = Client() if path == "/login/" else signed_in("member")
    answer = client.get(path)
    assert answer.headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY


@pytest.mark.parametrize("path", ["/login/", "/", "/no/such/page"])
def test_pages_have_nothing_inline_and_nothing_from_elsewhere(signed_in: SignIn, path: str) -> None:
    client = Client() if path == "/login/" else signed_in("member")
    page = client.get(path).content.decode()
    assert "<html" in page
    assert INLINE.findall(page) == []
    assert ELSEWHERE.findall(page) == []


def test_the_theme_of_the_cookie_is_written_into_the_page(client: Client, db: None) -> None:
    client.cookies["theme"] = "dark"
    assert 'data-theme="dark"' in client.get("/login/").content.decode()
    client.cookies["theme"] = '"><script>'
    assert "data-theme" not in client.get("/login/").content.decode().split(">", 2)[1]


def test_a_static_file_is_served_whole_and_again_as_unchanged(client: Client, db: None) -> None:
    first = client.get("/static/frontend/css/tokens.css")
    assert first.status_code == 200
    assert first.headers["Content-Type"].startswith("text/css")
    assert int(first.headers["Content-Length"]) == len(first.content) > 1000
    since = first.headers["Last-Modified"]
    again = client.get("/static/frontend/css/tokens.css", headers={"If-Modified-Since": since})
    assert (again.status_code, again.content) == (304, b"")


def test_the_page_of_one_project_is_remembered(signed_in: SignIn, house: House) -> None:
    client = signed_in("stranger")
    client.get("/p/other/")
    assert client.session["project"] == "other"


def test_the_administration_opens_for_staff_and_offers_no_page_that_changes_a_password(
    signed_in: SignIn,
) -> None:
    page = signed_in("admin").get("/admin/")
    assert page.status_code == 200
    assert "password_change" not in page.content.decode()
    assert signed_in("member").get("/admin/").status_code in {302, 403}
