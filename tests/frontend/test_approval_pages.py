"""Approvals on their page: who sees, who decides, and that nobody decides about their own."""

import html
from typing import Any

import pytest
from django.test import Client

from gateway.accounts.models import Project
from gateway.accounts.roles import OrganisationRole
from policies.models import Approval, ApprovalState
from tests.frontend.conftest import House, SignIn, person

PAGE = "/approvals/"


@pytest.fixture
def hall(house: House) -> House:
    house.people["approver"] = person("approver", OrganisationRole.APPROVER)
    return house


def asked(
    house: House, project: Project, rule: str = "project:ask-first", by: str = "member"
) -> Approval:
    return Approval.objects.create(
        project=project,
        digest="ab" * 32,
        decision_id="dec_1",
        rules=[rule],
        alias="claude",
        endpoint="chat.completions",
        sensitivity="internal",
        categories=["code"],
        classes={"EMAIL_ADDRESS": 2},
        asked_by=f"user:{house.people[by].pk}",
        reason="it is public code",
    )


def decide(client: Client, act: str, approval: Approval, **other: Any) -> Any:
    form = {"act": act, "approval": approval.pk, "hours": "24", "note": "go", **other}
    return client.post(PAGE, form, follow=True)


@pytest.mark.parametrize(
    ("who", "sees", "decides"),
    [
        ("owner", True, True),
        ("editor", True, True),
        ("member", True, False),
        ("auditor", False, False),
        ("admin", True, True),
        ("approver", True, True),
        ("stranger", False, False),
        ("nobody", False, False),
    ],
)
def test_who_may_decide_has_buttons_and_nobody_else_a_way_around_them(
    hall: House, signed_in: SignIn, who: str, sees: bool, decides: bool
) -> None:
    approval = asked(hall, hall.lab)
    client = signed_in(who)
    page = html.unescape(client.get(PAGE).content.decode())
    assert ("it is public code" in page) is sees
    assert ('value="grant"' in page) is decides
    answer = decide(client, "grant", approval)
    assert answer.status_code == (200 if decides else 403 if sees else 404)
    approval.refresh_from_db()
    assert (approval.state == ApprovalState.GRANTED) is decides


def test_nobody_is_signed_in(db: None) -> None:
    assert Client().get(PAGE).status_code == 302


@pytest.mark.parametrize(("who", "status"), [("editor", 403), ("approver", 403), ("admin", 200)])
def test_rules_of_the_organisation_are_approved_by_its_admins(
    hall: House, signed_in: SignIn, who: str, status: int
) -> None:
    approval = asked(hall, hall.lab, rule="organisation:ask-first")
    assert decide(signed_in(who), "grant", approval).status_code == status


def test_an_editor_does_not_decide_about_what_they_asked(hall: House, signed_in: SignIn) -> None:
    approval = asked(hall, hall.lab, by="editor")
    client = signed_in("editor")
    assert "You asked. Somebody else decides." in client.get(PAGE).content.decode()
    assert decide(client, "grant", approval).status_code == 403


def test_what_is_decided_is_decided_once(hall: House, signed_in: SignIn) -> None:
    approval = asked(hall, hall.lab)
    page = decide(signed_in("editor"), "refuse", approval).content.decode()
    assert "It stays refused." in page
    assert decide(signed_in("owner"), "grant", approval).status_code == 409
    approval.refresh_from_db()
    assert approval.state == ApprovalState.REFUSED


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({"act": "grant", "approval": "x"}, 404),
        ({"act": "grant", "hours": "99999"}, 400),
        ({"act": "else"}, 400),
        ({"act": "ask", "project": "lab", "decision": "dec_none"}, 400),
        ({"act": "ask", "project": "other", "decision": "dec_none"}, 404),
    ],
)
def test_what_cannot_be_done_says_so(
    hall: House, signed_in: SignIn, form: dict[str, str], status: int
) -> None:
    approval = asked(hall, hall.lab)
    sent = {"approval": str(approval.pk), **form}
    assert signed_in("editor").post(PAGE, sent).status_code == status
    approval.refresh_from_db()
    assert approval.state == ApprovalState.WAITING
