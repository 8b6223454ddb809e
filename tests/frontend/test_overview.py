"""The overview: who sees it, that its numbers are those of the day, and the switch."""

import html
import re
from datetime import timedelta
from pathlib import Path

import pytest
from django.test import Client
from django.utils import timezone

from gateway.accounts.models import Organisation
from gateway.accounts.services import keys
from gateway.audit.models import AuditEvent
from gateway.deployments.services import add_grant, create_deployment
from tests.frontend.audit_rows import load_requests
from tests.frontend.conftest import BY, House, SignIn
from tests.support.world import local_spec

PAGE = "/overview/"


@pytest.fixture
def requests(house: House, tmp_path: Path) -> House:
    load_requests(house, tmp_path / "journal")
    return house


def text(client: Client, query: str = "", path: str = PAGE) -> str:
    page = html.unescape(client.get(f"{path}{query}").content.decode())
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


def day_of_the_rows() -> str:
    """They are some seconds old, which a midnight may lie between."""
    return f"?day={timezone.now() - timedelta(seconds=3):%Y-%m-%d}"


@pytest.mark.parametrize(
    ("who", "status"),
    [
        ("owner", 200),
        ("auditor", 200),
        ("admin", 200),
        ("stranger", 200),
        ("editor", 403),
        ("member", 403),
        ("nobody", 403),
    ],
)
def test_the_overview_is_for_those_who_own_or_audit(
    requests: House, signed_in: SignIn, who: str, status: int
) -> None:
    assert signed_in(who).get(PAGE).status_code == status


def test_who_is_not_signed_in_is_sent_to_the_door(requests: House) -> None:
    answer = Client().get(PAGE)
    assert (answer.status_code, answer["location"]) == (302, "/login/?next=/overview/")


@pytest.mark.parametrize(
    ("who", "path", "status"),
    [
        ("owner", "other", 404),
        ("stranger", "lab", 404),
        ("admin", "none", 404),
        ("admin", "lab", 200),
    ],
)
def test_a_project_of_others_is_none(
    requests: House, signed_in: SignIn, who: str, path: str, status: int
) -> None:
    assert signed_in(who).get(f"{PAGE}?project={path}").status_code == status


def test_the_day_is_summed_for_what_the_reader_may_see(requests: House, signed_in: SignIn) -> None:
    day = day_of_the_rows()
    assert "1 of 5 requests. None of them restricted." in text(signed_in("admin"), day)
    assert "1 of 4 requests." in text(signed_in("admin"), f"{day}&project=lab")
    owner = text(signed_in("owner"), day)
    assert "1 of 4 requests." in owner
    assert "e-mail address 2" in owner
    assert "A rule denies it (no-secrets) 1" in owner
    assert "1 request was allowed and has not ended" in owner
    assert "0 of 1 request. Everything stayed inside." in text(signed_in("stranger"), day)


def test_the_hours_are_a_table_too(requests: House, signed_in: SignIn) -> None:
    page = text(signed_in("owner"), day_of_the_rows())
    assert re.search(r"\d\d:00 1 0 0 1 1 3", page)  # on-prem, two clouds, masked, blocked, all


@pytest.mark.parametrize("day", ["tomorrow", "2999-01-01", "2026-13-01", "1066-10-14"])
def test_a_day_that_is_none_is_told(requests: House, signed_in: SignIn, day: str) -> None:
    answer = signed_in("admin").get(f"{PAGE}?day={day}")
    assert answer.status_code == 400
    assert "This is no day" in answer.content.decode()


def test_a_day_before_has_nothing_of_today(requests: House, signed_in: SignIn) -> None:
    assert "Nothing was asked." in text(signed_in("admin"), "?day=2026-01-01")


@pytest.mark.parametrize("who", ["owner", "editor", "member", "auditor", "stranger", "nobody"])
def test_the_switch_is_the_admins(house: House, signed_in: SignIn, who: str) -> None:
    answer = signed_in(who).post("/overview/egress", {"act": "stop", "sure": "yes"})
    assert answer.status_code == 403
    assert not Organisation.load().egress_stopped
    assert 'id="switch"' not in signed_in(who).get(PAGE).content.decode()


def test_the_switch_wants_to_be_sure_and_says_so_on_every_page(
    house: House, signed_in: SignIn
) -> None:
    admin, member = signed_in("admin"), signed_in("member")
    told = admin.post("/overview/egress", {"act": "stop"}, follow=True)
    assert "Nothing was changed" in told.content.decode()
    assert not Organisation.load().egress_stopped
    told = admin.post(
        "/overview/egress", {"act": "stop", "sure": "yes", "reason": "a drill"}, follow=True
    )
    assert "Stopped." in told.content.decode()
    assert Organisation.load().egress_stopped
    for path in ("/", "/p/lab/policy/", "/search/"):
        assert "Nothing leaves the house." in text(member, path=path)
    assert "Nothing leaves the house." not in Client().get("/login/").content.decode()
    event = AuditEvent.objects.get(type="egress.stopped")
    assert event.actor == f"user:{house.people['admin'].pk}"
    assert event.details == {"reason": "a drill"}
    admin.post("/overview/egress", {"act": "resume", "sure": "yes"})
    assert "Nothing leaves the house." not in text(member, path="/")


def test_the_switch_needs_the_page_it_stands_on(house: House, signed_in: SignIn) -> None:
    client = signed_in("admin", enforce_csrf_checks=True)
    assert client.post("/overview/egress", {"act": "stop", "sure": "yes"}).status_code == 403
    assert client.get("/overview/egress").status_code == 405


def test_first_steps_are_ticked_from_what_is_there_and_say_where_to_go(
    house: House, signed_in: SignIn, tmp_path: Path
) -> None:
    admin = signed_in("admin")
    page = text(admin, path="/")
    assert "1 Connect a model" in page and "Add a deployment" in page
    assert "Open projects" in page
    row = create_deployment(by=BY, spec=local_spec())
    page = admin.get(PAGE).content.decode()
    assert "Connect a model<span" in page
    assert 'href="/deployments/llama/#grants"' in page
    add_grant(by=BY, project=house.lab, deployment=row)
    load_requests(house, tmp_path / "journal")
    page = text(admin)
    assert "Give it to a project (done)" in page
    assert "Send the first message (done)" in page
    keys.create_api_key(by=BY, project=house.lab, name="k", owner=house.people["owner"])
    assert "First steps" not in text(admin)


def test_first_steps_are_shown_to_admins_until_they_are_put_away(
    house: House, signed_in: SignIn
) -> None:
    admin = signed_in("admin")
    assert "First steps" in text(admin)
    assert "First steps" not in text(signed_in("owner"))
    back = admin.post("/overview/first-steps", {"back": "//elsewhere.example/"})
    assert back["location"] == PAGE
    assert "First steps" not in text(admin)
