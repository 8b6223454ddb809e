"""The audit's pages: who sees what, filters in the address, a decision step by step."""

import re
from pathlib import Path

import pytest
from django.test import Client

from gateway.audit.models import AuditEvent
from tests.frontend.audit_rows import load_requests
from tests.frontend.conftest import House, SignIn

PAGES = ["/audit/", "/audit/changes/", "/audit/dec_1/"]


@pytest.fixture
def requests(house: House, tmp_path: Path) -> House:
    load_requests(house, tmp_path / "journal")
    return house


def shown(client: Client, query: str = "") -> set[str]:
    """The decisions on a page of the list."""
    return set(re.findall(r"/audit/(dec_\d)/", client.get(f"/audit/{query}").content.decode()))


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize(
    ("who", "status"),
    [("owner", 200), ("auditor", 200), ("admin", 200), ("editor", 403), ("member", 403)],
)
def test_the_audit_is_for_those_who_audit(
    requests: House, signed_in: SignIn, who: str, status: int, path: str
) -> None:
    expected = 404 if status == 403 and "dec_" in path else status
    assert signed_in(who).get(path).status_code == expected


@pytest.mark.parametrize("path", PAGES)
def test_a_stranger_sees_nothing_of_another_project(
    requests: House, signed_in: SignIn, path: str
) -> None:
    answer = signed_in("stranger").get(path)
    assert answer.status_code == (404 if "dec_" in path else 200)
    assert b"dec_1" not in answer.content
    assert shown(signed_in("stranger")) == {"dec_4"}


@pytest.mark.parametrize("path", PAGES)
def test_who_is_not_signed_in_is_sent_to_the_door(requests: House, path: str) -> None:
    answer = Client().get(path)
    assert answer.status_code == 302
    assert answer["location"].startswith("/login/")


def test_an_admin_sees_every_project_and_an_owner_theirs(
    requests: House, signed_in: SignIn
) -> None:
    assert shown(signed_in("admin")) == {f"dec_{number}" for number in range(1, 6)}
    assert shown(signed_in("owner")) == {"dec_1", "dec_2", "dec_3", "dec_5"}
    assert signed_in("owner").get("/audit/?project=other").status_code == 403


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("?zone=cloud", {"dec_2"}),
        ("?zone=on_prem", {"dec_1"}),
        ("?category=health", {"dec_1"}),
        ("?class=EMAIL_ADDRESS", {"dec_2"}),
        ("?class=IBAN&zone=on_prem", {"dec_1"}),
        ("?class=OUR_OWN_NUMBER", set()),
        ("?deployment=claude", {"dec_2"}),
        ("?deployment=no-such", set()),
        ("?decision=denied", {"dec_3"}),
        ("?who=MEMBER@example.org", {"dec_1", "dec_2", "dec_3"}),
        ("?who=member@example.org&category=code&zone=cloud", {"dec_2"}),
        ("?until=2020-01-01", set()),
        ("?since=2020-01-01", {"dec_1", "dec_2", "dec_3", "dec_5"}),
        ("?category=nobody-has-it", set()),
    ],
)
def test_the_address_says_what_is_shown(
    requests: House, signed_in: SignIn, query: str, found: set[str]
) -> None:
    assert shown(signed_in("owner"), query) == found


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("?since=yesterday", "yesterday is no date"),
        ("?zone=moon", "There is no such zone"),
        ("?decision=maybe", "There is no such decision"),
        ("?span=5", "There is no such time"),
        ("?who=nobody-at-all@example.org", "Nobody has the e-mail address"),
        ("?after=9", "this is no page"),
    ],
)
def test_a_filter_that_makes_no_sense_is_named_and_what_was_typed_stays(
    requests: House, signed_in: SignIn, query: str, words: str
) -> None:
    answer = signed_in("owner").get(f"/audit/{query}")
    assert answer.status_code == 400
    assert words in answer.content.decode()
    if not query.startswith("?after"):
        assert f'value="{query.partition("=")[2]}"' in answer.content.decode()


def test_a_line_says_who_where_and_what_was_found(requests: House, signed_in: SignIn) -> None:
    page = signed_in("owner").get("/audit/?zone=cloud").content.decode()
    assert "member@example.org" in page
    assert "e-mail address (2), source code" in page
    assert 'data-badge="masked"' in page
    assert "health-stays (O), code-masked" in page


def test_a_decision_is_explained_step_by_step(requests: House, signed_in: SignIn) -> None:
    page = signed_in("auditor").get("/audit/dec_2/").content.decode()
    for words in (
        "confidential · source code · personal",
        "Declared by the caller: confidential.",
        "claude, llama",
        "llama (on_prem) failed: http_500.",
        "2 findings masked.",
        "2 masked values were put back.",
    ):
        assert words in page
    denied = signed_in("auditor").get("/audit/dec_3/").content.decode()
    assert "claude: a rule denies it (organisation:no-secrets)." in denied
    assert 'data-badge="blocked"' in denied
    unknown = signed_in("auditor").get("/audit/dec_5/").content.decode()
    assert "it may have been sent" in unknown or "under way" in unknown


def test_looking_is_itself_an_event_and_turning_pages_is_none(
    requests: House, signed_in: SignIn
) -> None:
    client = signed_in("auditor")
    before = AuditEvent.objects.filter(type="audit.searched").count()
    client.get("/audit/?category=health")
    [event] = AuditEvent.objects.filter(type="audit.searched").order_by("seq")[before:]
    assert event.details["conditions"] == ["projects", "category", "since"]
    assert "health" not in event.body


def test_a_long_list_turns_pages_without_losing_its_filters(
    requests: House, signed_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("frontend.audit.views.PAGE_ROWS", 2)
    client, query, pages = signed_in("owner"), "?span=", []
    while query:
        page = client.get(f"/audit/{query}").content.decode()
        pages.append(sorted(set(re.findall(r"/audit/(dec_\d)/", page))))
        older = re.search(r'href="(\?[^"]*after=[^"]*)"', page)
        query = older[1].replace("&amp;", "&") if older else ""
        assert not query or "span=" in query
    assert pages == [["dec_1", "dec_2"], ["dec_3", "dec_5"]]


def test_changes_say_who_changed_what(requests: House, signed_in: SignIn) -> None:
    page = signed_in("admin").get("/audit/changes/?type=member.added").content.decode()
    assert page.count("member.added") > 5
    assert "project.created" not in page.partition("<tbody>")[2]
    assert "Sluice (test)" in page
    mine = signed_in("auditor").get("/audit/changes/").content.decode()
    assert ">other<" not in mine.partition("<tbody>")[2]


def test_the_rail_offers_the_audit_to_those_who_may_read_it(
    requests: House, signed_in: SignIn
) -> None:
    assert 'href="/audit/"' in signed_in("owner").get("/").content.decode()
    assert 'href="/audit/"' not in signed_in("member").get("/").content.decode()
