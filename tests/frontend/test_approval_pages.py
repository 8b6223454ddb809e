"""Approvals on their page: who sees, who decides, and that nobody decides about their own."""

import html
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.utils import timezone

from gateway.accounts.models import Organisation, Project
from gateway.accounts.roles import OrganisationRole
from policies.models import Approval, ApprovalState, RuleException, WaitingException
from policies.services.publishing import publish
from tests.frontend.conftest import BY, House, SignIn, person

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


# Exceptions that need a second person.

RULE = {
    "id": "code-stays",
    "when": {"category": "code"},
    "then": {"allow_only": {"zone": "on_prem"}},
}
POLICY = "/p/lab/policy/"


def waits(house: House, by: str = "editor") -> WaitingException:
    """An exception of a project's rule that somebody asked for on the policy's page."""
    Organisation.load()
    Organisation.objects.update(second_person_for_widening=True)
    document = {"kind": "project-policy", "project": "lab", "rules": [RULE]}
    publish(by=BY, project=house.lab, document=document)
    client = Client()
    client.force_login(house.people[by])
    form = {
        "act": "exception-add",
        "name": "trial",
        "rules": "project:code-stays",
        "ends": (timezone.now() + timedelta(days=3)).date().isoformat(),
        "owner": str(house.people[by].pk),
        "reason": "the ward moves",
    }
    page = html.unescape(client.post(POLICY, form, follow=True).content.decode())
    assert "It waits for a second person, who finds it on the page Approvals." in page
    assert "waits for a second person</a>" in page
    assert not RuleException.objects.exists()
    return WaitingException.objects.get()


def press(client: Client, act: str, waiting: WaitingException, **other: str) -> Any:
    return client.post(PAGE, {"act": act, "exception": str(waiting.pk), **other}, follow=True)


@pytest.mark.parametrize(
    ("who", "sees", "agrees", "withdraws"),
    [
        ("owner", True, 403, 200),
        ("editor", True, 403, 200),
        ("member", False, 404, 404),
        ("auditor", False, 404, 404),
        ("admin", True, 200, 200),
        ("approver", True, 200, 403),
        ("org-auditor", False, 404, 404),
        ("stranger", False, 404, 404),
        ("nobody", False, 404, 404),
    ],
)
def test_an_exception_is_agreed_to_by_admins_and_approvers(
    hall: House, signed_in: SignIn, who: str, sees: bool, agrees: int, withdraws: int
) -> None:
    hall.people["org-auditor"] = person("org-auditor", OrganisationRole.AUDITOR)
    waiting = waits(hall)
    client = signed_in(who)
    page = html.unescape(client.get(PAGE).content.decode())
    assert ("the ward moves" in page) is sees
    assert ("project:code-stays" in page) is sees
    assert ('value="exception-agree"' in page) is (agrees == 200)
    assert ('value="exception-withdraw"' in page) is (withdraws == 200)
    for act, status in (
        ("exception-reject", agrees),
        ("exception-agree", agrees),
        ("exception-withdraw", withdraws),
    ):
        with transaction.atomic():
            assert press(client, act, waiting).status_code == status, act
            assert RuleException.objects.exists() is (act == "exception-agree" and agrees == 200)
            transaction.set_rollback(True)


@pytest.mark.parametrize(("who", "told"), [("admin", False), ("second", True), ("owner", False)])
def test_the_overview_tells_who_may_agree(
    hall: House, signed_in: SignIn, who: str, told: bool
) -> None:
    hall.people["second"] = person("second", OrganisationRole.ADMIN)
    waits(hall, by="admin")
    page = html.unescape(signed_in(who).get("/overview/").content.decode())
    assert ("Exceptions waiting for a second person" in page) is told
    assert ('href="/approvals/#exceptions"' in page) is told


def test_an_admin_who_asked_leaves_it_to_somebody_else(hall: House, signed_in: SignIn) -> None:
    waiting = waits(hall, by="admin")
    client = signed_in("admin")
    page = client.get(PAGE).content.decode()
    assert "You asked. Somebody else decides." in page
    assert "exception-agree" not in page
    assert press(client, "exception-agree", waiting).status_code == 403
    assert not RuleException.objects.exists()
    page = press(signed_in("approver"), "exception-agree", waiting, note="until May")
    assert "The exception trial holds." in html.unescape(page.content.decode())
    assert RuleException.objects.get().created_by == f"user:{hall.people['admin'].pk}"
    seen = html.unescape(client.get(PAGE).content.decode())
    assert "agreed" in seen
    assert "until May" in seen


def test_a_rejected_exception_says_why_and_cannot_be_agreed_to(
    hall: House, signed_in: SignIn
) -> None:
    waiting = waits(hall)
    press(signed_in("approver"), "exception-reject", waiting, note="no contract")
    assert "no contract" in signed_in("editor").get(PAGE).content.decode()
    assert press(signed_in("admin"), "exception-agree", waiting).status_code == 409
    assert not RuleException.objects.exists()


def test_what_became_unsound_is_told_on_the_page(hall: House, signed_in: SignIn) -> None:
    waiting = waits(hall)
    changed = {**RULE, "when": {"category": ["code", "legal"]}}
    document = {"kind": "project-policy", "project": "lab", "rules": [changed]}
    publish(by=BY, project=hall.lab, document=document, approved_by=hall.people["approver"])
    answer = press(signed_in("admin"), "exception-agree", waiting)
    assert answer.status_code == 409
    assert "says something else since" in html.unescape(answer.content.decode())
    WaitingException.objects.update(ends_at=timezone.now())
    publish(
        by=BY,
        project=hall.lab,
        document={**document, "rules": [RULE]},
        approved_by=hall.people["approver"],
    )
    answer = press(signed_in("admin"), "exception-agree", waiting)
    assert answer.status_code == 400
    assert "This date is past." in html.unescape(answer.content.decode())
    assert press(signed_in("admin"), "exception-agree", waiting, exception="x").status_code == 404
