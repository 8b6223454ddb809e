"""Every address of the chat, and who gets what there.

No gateway runs in these tests, so whoever may send gets as far as 503 `fail_closed`: had a check
been missing, a refusal below would turn into that.
"""

from dataclasses import dataclass
from typing import Any

import pytest
from django.test import Client

from gateway.accounts.services import people, projects
from gateway.chat.conversations import Wanted, create_conversation, set_visibility
from gateway.chat.messages import ask, finish
from gateway.chat.models import State, Visibility
from gateway.chat.prompts import Content, save_prompt
from gateway.chat.receipts import Receipt
from gateway.chat.sealing import Seal
from gateway.chat.sharing import create_link
from tests.frontend.conftest import BY, House, SignIn

# Who: whose conversation it is (a member), the project's owner and editor, who see no more of it
# than others, those of lesser or no role.
WHO = ["member", "owner", "editor", "auditor", "admin", "stranger", "nobody", "signed out"]
JSON = "application/json"


@dataclass(frozen=True)
class Talk:
    cid: str
    person: int
    reply: int
    link: int
    secret: str
    prompt: int

    def at(self, path: str) -> str:
        return path.format(**self.__dict__)


@pytest.fixture
def talk(house: House) -> Talk:
    owner = house.people["member"]
    conversation = create_conversation(owner, house.lab, Wanted(model="auto", title="Herons"))
    exchange = ask(owner, conversation.pk, "How many?", model="auto")
    seal = Seal(conversation)
    finish(exchange.reply.pk, seal, state=State.DONE, text="7", receipt=Receipt(), passes_on={})
    link = create_link(owner, conversation.pk, days=7)
    prompt = save_prompt(owner, house.lab, Content(title="P", text="x"), shared=False)
    return Talk(
        conversation.pk, exchange.person.pk, exchange.reply.pk, link.id, link.secret, prompt
    )


def fetch(client: Client, method: str, path: str, body: Any = None) -> int:
    if method == "GET":
        return client.get(path).status_code
    if isinstance(body, dict) and body.get("form"):
        return client.post(path, {k: v for k, v in body.items() if k != "form"}).status_code
    return client.post(path, body or {}, content_type=JSON).status_code


# What each address answers, by who asks. In the order of WHO; the conversation is private.
TABLE: list[tuple[str, str, Any, list[int]]] = [
    ("GET", "/c/{cid}/", None, [200, 404, 404, 404, 404, 404, 404, 302]),
    ("GET", "/c/{cid}/earlier?before={reply}", None, [200, 404, 404, 404, 404, 404, 404, 302]),
    ("GET", "/c/{cid}/export.md", None, [200, 404, 404, 404, 404, 404, 404, 302]),
    ("GET", "/c/{cid}/export.json", None, [200, 404, 404, 404, 404, 404, 404, 302]),
    ("GET", "/c/{cid}/messages/{reply}/text", None, [200, 404, 404, 404, 404, 404, 404, 401]),
    ("POST", "/c/{cid}/title", {"form": 1, "title": "x"}, [302, 404, 404, 404, 404, 404, 404, 302]),
    ("POST", "/c/{cid}/pin", {"form": 1, "pinned": "1"}, [302, 404, 404, 404, 404, 404, 404, 302]),
    ("POST", "/c/{cid}/settings", {"form": 1}, [302, 404, 404, 404, 404, 404, 404, 302]),
    (
        "POST",
        "/c/{cid}/share",
        {"form": 1, "visibility": "private"},
        [302, 404, 404, 404, 404, 404, 404, 302],
    ),
    ("POST", "/c/{cid}/links", {"form": 1, "days": "7"}, [302, 404, 404, 404, 404, 404, 404, 302]),
    ("POST", "/c/{cid}/links/{link}/end", {"form": 1}, [302, 404, 404, 404, 404, 404, 404, 302]),
    ("POST", "/c/{cid}/delete", {"form": 1}, [302, 404, 404, 404, 404, 404, 404, 302]),
    (
        "POST",
        "/chat/preview",
        {"conversation": "{cid}", "text": "x", "model": "auto"},
        [503, 404, 404, 404, 404, 404, 404, 401],
    ),
    (
        "POST",
        "/chat/preview",
        {"project": "lab", "text": "x"},
        [503, 503, 503, 403, 403, 404, 404, 401],
    ),
    ("POST", "/c/{cid}/messages", {"text": "x"}, [503, 404, 404, 404, 404, 404, 404, 401]),
    ("POST", "/c/{cid}/messages/{reply}/again", {}, [503, 404, 404, 404, 404, 404, 404, 401]),
    ("POST", "/c/{cid}/messages/{reply}/stop", {}, [200, 404, 404, 404, 404, 404, 404, 401]),
    ("POST", "/c/{cid}/messages/{person}/back", {}, [400, 404, 404, 404, 404, 404, 404, 401]),
    (
        "POST",
        "/c/{cid}/messages/{reply}/feedback",
        {"good": True},
        [200, 404, 404, 404, 404, 404, 404, 401],
    ),
    ("POST", "/c/{cid}/typing", {}, [503, 404, 404, 404, 404, 404, 404, 401]),
    ("POST", "/p/lab/messages", {"text": "x"}, [503, 503, 503, 403, 403, 404, 404, 401]),
    ("POST", "/p/lab/files", {"form": 1}, [400, 400, 400, 403, 403, 404, 404, 401]),
    ("POST", "/files/a00/drop", {}, [404, 404, 404, 404, 404, 404, 404, 401]),
    ("GET", "/p/lab/prompts/", None, [200, 200, 200, 403, 403, 404, 404, 302]),
    ("GET", "/p/lab/prompts/new", None, [200, 200, 200, 403, 403, 404, 404, 302]),
    ("GET", "/p/lab/prompts/{prompt}", None, [200, 404, 404, 403, 403, 404, 404, 302]),
    (
        "POST",
        "/p/lab/prompts/{prompt}/delete",
        {"form": 1},
        [302, 404, 404, 403, 403, 404, 404, 302],
    ),
    ("POST", "/p/lab/begin", {"form": 1}, [503, 503, 503, 403, 403, 404, 404, 302]),
    # A link opens to everybody who signs in.
    ("GET", "/s/{secret}/", None, [302, 302, 302, 302, 302, 302, 302, 302]),
    ("GET", "/s/no-such-secret/", None, [404, 404, 404, 404, 404, 404, 404, 302]),
    ("GET", "/search/", None, [200, 200, 200, 200, 200, 200, 200, 302]),
    ("POST", "/search/results", {"form": 1, "q": "x"}, [200, 200, 200, 200, 200, 200, 200, 302]),
    ("GET", "/shortcuts/", None, [200, 200, 200, 200, 200, 200, 200, 302]),
]


@pytest.mark.parametrize(
    ("method", "path", "body", "expected"), TABLE, ids=[f"{row[0]} {row[1]}" for row in TABLE]
)
def test_every_address_answers_each_person_as_the_table_says(
    signed_in: SignIn, talk: Talk, method: str, path: str, body: Any, expected: list[int]
) -> None:
    if body and "conversation" in body:
        body = {**body, "conversation": talk.cid}
    # Who may least comes first, so that nothing is gone when the others ask.
    found = {}
    for who in reversed(WHO):
        client = Client() if who == "signed out" else signed_in(who)
        found[who] = fetch(client, method, talk.at(path), body)
    assert [found[who] for who in WHO] == expected


def test_the_table_names_every_address_of_the_chat() -> None:
    from django.urls import get_resolver  # noqa: PLC0415

    ours = {
        str(pattern.pattern)
        for pattern in get_resolver("frontend.urls").url_patterns
        if getattr(pattern, "callback", None) is not None
        and pattern.callback.__module__.startswith("frontend.views.")
        and pattern.callback.__module__.rsplit(".", 1)[1]
        in {"chat", "conversations", "conversation_forms", "library"}
    }
    shapes = {
        pattern.replace("<str:cid>", "{cid}")
        .replace("<int:mid>", "{mid}")
        .replace("<slug:slug>", "lab")
        .replace("<int:pid>", "{prompt}")
        .replace("<int:link>", "{link}")
        .replace("<str:secret>", "{secret}")
        .replace("<str:aid>", "a00")
        .replace("export.<str:format>", "export.md")
        for pattern in ours
    } - {"", "p/lab/"}  # those are in test_pages
    named = {
        row[1][1:].split("?")[0].replace("{reply}", "{mid}").replace("{person}", "{mid}")
        for row in TABLE
    }
    assert shapes - named == set()


@pytest.mark.parametrize(
    ("path", "expected"), [("/c/{cid}/", 200), ("/c/{cid}/messages/{reply}/text", 200)]
)
def test_what_is_shared_is_read_by_members_alone(
    house: House, signed_in: SignIn, talk: Talk, path: str, expected: int
) -> None:
    set_visibility(house.people["member"], talk.cid, Visibility.MEMBERS)
    assert signed_in("editor").get(talk.at(path)).status_code == expected
    for who in ("auditor", "admin", "stranger", "nobody"):
        assert signed_in(who).get(talk.at(path)).status_code == 404


def test_a_guest_of_a_link_reads_and_changes_nothing(signed_in: SignIn, talk: Talk) -> None:
    guest = signed_in("stranger")
    page = guest.get(talk.at("/s/{secret}/"), follow=True)
    assert page.status_code == 200
    assert "you may read here" in page.content.decode()
    assert 'id="text"' not in page.content.decode()
    assert guest.post(talk.at("/c/{cid}/title"), {"title": "x"}).status_code == 404
    assert guest.post(talk.at("/c/{cid}/delete")).status_code == 404
    assert (
        guest.post(talk.at("/c/{cid}/messages/{reply}/stop"), {}, content_type=JSON).status_code
        == 404
    )


def test_a_session_ends_with_the_account_and_the_membership(
    house: House, signed_in: SignIn, talk: Talk
) -> None:
    path = talk.at("/c/{cid}/messages/{reply}/text")
    set_visibility(house.people["member"], talk.cid, Visibility.MEMBERS)
    leaving, moved = signed_in("member"), signed_in("editor")
    assert leaving.get(path).status_code == moved.get(path).status_code == 200
    people.deactivate_user(by=BY, user=house.people["member"])
    projects.remove_member(by=BY, project=house.lab, user=house.people["editor"])
    assert leaving.get(path).status_code == 401
    assert moved.get(path).status_code == 404


@pytest.mark.parametrize("row", [row for row in TABLE if row[0] == "POST"], ids=lambda row: row[1])
def test_the_csrf_token_is_needed(signed_in: SignIn, talk: Talk, row: Any) -> None:
    client = signed_in("member", enforce_csrf_checks=True)
    assert fetch(client, "POST", talk.at(row[1]), row[2]) == 403


@pytest.mark.parametrize("path", [row[1] for row in TABLE if row[0] == "POST"])
def test_reading_is_no_way_to_change(signed_in: SignIn, talk: Talk, path: str) -> None:
    if path == "/search/results":
        return  # a page of its own
    assert signed_in("member").get(talk.at(path)).status_code == 405


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"7", b"\xff", b'{"model": "\xff"}'])
def test_what_is_no_json_object_is_400(signed_in: SignIn, body: bytes) -> None:
    answer = signed_in("member").post("/chat/preview", body, content_type=JSON)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_request")


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"model": 3}, "model"),
        ({"text": ["x"]}, "text"),
        ({"attachments": "x"}, "attachments"),
        ({"attachments": [1]}, "attachments"),
        ({"conversation": "{cid}", "parent": "1"}, "parent"),
        ({"conversation": "{cid}", "parent": True}, "parent"),
        ({"prompt": "1"}, "prompt"),
        ({"settings": "x"}, "settings"),
        ({"settings": {"system": 1}}, "settings"),
        ({"settings": {"temperature": "warm"}}, "temperature"),
        ({"settings": {"temperature": "2.1"}}, "temperature"),
        ({"settings": {"top_p": "nan"}}, "top_p"),
        ({"settings": {"system": "x" * 50_001}}, "system"),
    ],
)
def test_a_bad_draft_is_400_and_says_where(
    signed_in: SignIn, talk: Talk, changes: dict[str, Any], param: str
) -> None:
    if "conversation" in changes:
        changes = {**changes, "conversation": talk.cid}
    body = {"project": "lab", "model": "auto", "text": "x", **changes}
    answer = signed_in("member").post("/chat/preview", body, content_type=JSON)
    error = answer.json()["error"]
    assert (answer.status_code, error["param"]) == (400, param)
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_page_of_a_conversation_has_nothing_inline(signed_in: SignIn, talk: Talk) -> None:
    from tests.frontend.test_pages import ELSEWHERE, INLINE  # noqa: PLC0415

    page = signed_in("member").get(talk.at("/c/{cid}/")).content.decode()
    assert "How many?" in page
    assert INLINE.findall(page) == []
    assert [each for each in ELSEWHERE.findall(page)] == []
