"""`/chat/preview` and `/chat/send`: who may, and what a bad request gets.

No gateway runs in these tests, so whoever may write gets as far as 503 `fail_closed`: had a check
been missing, a refusal below would turn into that.
"""

from typing import Any

import pytest
from django.test import Client

from gateway.accounts.services import people, projects
from tests.frontend.conftest import BY, House, SignIn

PATHS = ["/chat/preview", "/chat/send"]
DRAFT = {"project": "lab", "model": "auto", "messages": [{"role": "user", "content": "Hello"}]}


def ask(client: Client, path: str, **changes: Any) -> tuple[int, str | None, str | None]:
    answer = client.post(path, {**DRAFT, **changes}, content_type="application/json")
    error = answer.json()["error"]
    assert answer.headers["Cache-Control"] == "no-store"
    return answer.status_code, error["code"], error["param"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("who", "expected"),
    [
        ("owner", (503, "fail_closed", "snapshot")),
        ("editor", (503, "fail_closed", "snapshot")),
        ("member", (503, "fail_closed", "snapshot")),
        ("auditor", (403, "role_denied", None)),
        ("admin", (403, "role_denied", None)),
        ("stranger", (404, "not_found", "project")),
        ("nobody", (404, "not_found", "project")),
    ],
)
def test_only_those_who_may_write_in_the_project_reach_the_path(
    signed_in: SignIn, path: str, who: str, expected: tuple[int, str, str]
) -> None:
    assert ask(signed_in(who), path) == expected


@pytest.mark.parametrize("path", PATHS)
def test_signed_out_is_401_and_no_redirect(client: Client, db: None, path: str) -> None:
    assert ask(client, path) == (401, "invalid_api_key", None)


@pytest.mark.parametrize("path", PATHS)
def test_a_session_ends_with_the_account_and_the_membership(
    house: House, signed_in: SignIn, path: str
) -> None:
    leaving, moved = signed_in("editor"), signed_in("member")
    assert ask(leaving, path) == ask(moved, path) == (503, "fail_closed", "snapshot")
    people.deactivate_user(by=BY, user=house.people["editor"])
    projects.remove_member(by=BY, project=house.lab, user=house.people["member"])
    assert ask(leaving, path) == (401, "invalid_api_key", None)
    assert ask(moved, path) == (404, "not_found", "project")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("project", ["other", "no-such", "", None, 7, ["lab"]])
def test_a_project_of_others_and_an_unknown_one_are_the_same(
    signed_in: SignIn, path: str, project: object
) -> None:
    assert ask(signed_in("member"), path, project=project) == (404, "not_found", "project")


@pytest.mark.parametrize("path", PATHS)
def test_the_csrf_token_is_needed(signed_in: SignIn, path: str) -> None:
    client = signed_in("member", enforce_csrf_checks=True)
    assert client.post(path, DRAFT, content_type="application/json").status_code == 403


@pytest.mark.parametrize("path", PATHS)
def test_reading_is_no_way_to_send(signed_in: SignIn, path: str) -> None:
    assert signed_in("member").get(path).status_code == 405


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"7", b"\xff", b'{"model": "\xff"}'])
def test_what_is_no_json_object_is_400(signed_in: SignIn, path: str, body: bytes) -> None:
    answer = signed_in("member").post(path, body, content_type="application/json")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_request")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"model": ""}, "model"),
        ({"model": 3}, "model"),
        ({"messages": []}, "messages"),
        ({"messages": "hello"}, "messages"),
        ({"messages": ["hello"]}, "messages[0]"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0]"),
        ({"messages": [*DRAFT["messages"], {"role": "user"}]}, "messages[1]"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0]"),
    ],
)
def test_a_bad_draft_is_400_and_says_where(
    signed_in: SignIn, path: str, changes: dict[str, object], param: str
) -> None:
    assert ask(signed_in("member"), path, **changes) == (400, "invalid_request", param)
