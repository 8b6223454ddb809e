"""The box where a text is tried: label, findings, every matching rule, masked form, destination."""

import base64
import html
import re
from datetime import timedelta
from hashlib import sha512
from types import SimpleNamespace
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from gateway.snapshot.build import Builder
from policies.models import PolicyDraft
from policies.services import exceptions
from policies.services.drafts import save_draft
from policies.services.publishing import publish
from tests.frontend.conftest import BY, House, SignIn
from tests.frontend.test_policy_pages import lab as lab  # noqa: PLC0414 -- a fixture

PAGES = {"lab": "/p/lab/policy/", "organisation": "/policy/"}
CODE = "def notify(queue):\n    return queue.pop()  # ada@example.org\n"
IBAN = "Pay to DE89 3704 0044 0532 0130 00."
MASK = {
    "id": "mails-masked",
    "when": {"category": "code"},
    "then": {"mask": ["EMAIL_ADDRESS"], "for": {"deployment": "claude"}},
}
FIRST = {"id": "code-first", "when": {"category": "code"}, "then": {"prefer": ["claude"]}}
SEEN = {"id": "seen", "when": {"category": "code"}, "then": {"deny": True}, "shadow": True}
NO_PAYMENT = {"id": "no-payment", "when": {"category": "payment"}, "then": {"deny": True}}


def document(*rules: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "project-policy", "project": "lab", "rules": list(rules)}


def organisations(*rules: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "organisation-policy", "rules": list(rules)}


@pytest.fixture
def running(lab: House, monkeypatch: pytest.MonkeyPatch) -> House:
    """As if a gateway ran here, with what the database has now."""
    gateway = SimpleNamespace(fresh_snapshot=lambda: (Builder().build(), 0.0))
    monkeypatch.setattr("gateway.runtime.gateway", lambda: gateway)
    return lab


def trial(client: Client, page: str, *, scripts: bool = True, **fields: str) -> str:
    """What stands on the page after the text was tried; with scripts only the part that changes."""
    form = {"act": "try", "alias": "auto", **fields}
    headers = {"hx-request": "true"} if scripts else {}
    answer = client.post(page, form, headers=headers)
    assert answer.status_code == 200, answer.content
    return html.unescape(answer.content.decode())


def marked(page: str) -> list[str]:
    return re.findall(r'data-rule="([\w:-]+)" data-matched', page)


def told(page: str) -> set[str]:
    found = re.search(r'id="trial"[^>]*data-rules="([^"]*)"', page)
    assert found is not None
    return set(found[1].split())


def masked_form(page: str) -> str:
    found = re.search(r'<pre class="masked-form"[^>]*>(.*?)</pre>', page, re.DOTALL)
    return found[1] if found else ""


def test_it_shows_label_findings_rules_destination_and_what_the_vendor_would_get(
    running: House, signed_in: SignIn
) -> None:
    publish(by=BY, project=running.lab, document=document(MASK, FIRST))
    page = trial(signed_in("member"), PAGES["lab"], text=CODE)
    assert "Goes to claude" in page
    assert "source code" in page
    assert "e-mail address" in page
    assert told(page) == {"project:mails-masked", "project:code-first"}
    form = masked_form(page)
    assert "def notify(queue):" in form
    assert "XEMAIL" in form
    assert "ada@example.org" not in form


def test_the_masked_form_is_there_where_the_second_choice_masks_too(
    running: House, signed_in: SignIn
) -> None:
    publish(by=BY, project=running.lab, document=document(MASK))
    page = trial(signed_in("member"), PAGES["lab"], text=CODE)
    assert "Stays on your servers" in page
    assert "XEMAIL" in masked_form(page)


def test_findings_are_shown_of_what_would_not_be_sent(running: House, signed_in: SignIn) -> None:
    publish(by=BY, project=None, document=organisations(NO_PAYMENT))
    page = trial(signed_in("member"), PAGES["lab"], text=IBAN)
    assert "Would not be sent" in page
    assert "IBAN" in page.partition('id="trial"')[2].partition("places")[0]
    assert told(page) == {"organisation:no-payment"}


def test_findings_are_shown_of_what_cannot_be_read_whole(running: House, signed_in: SignIn) -> None:
    blob = base64.b64encode(b"".join(sha512(bytes([n])).digest() for n in range(14))).decode()
    page = trial(signed_in("member"), PAGES["lab"], text=f"{IBAN}\n{blob}")
    assert "cannot be read" in page
    assert "IBAN" in page.partition('id="trial"')[2].partition("places")[0]


def test_without_scripts_every_matching_rule_is_marked_on_the_page(
    running: House, signed_in: SignIn
) -> None:
    publish(by=BY, project=running.lab, document=document(MASK, FIRST, SEEN))
    publish(by=BY, project=None, document=organisations(NO_PAYMENT))
    page = trial(signed_in("member"), PAGES["lab"], scripts=False, text=CODE)
    assert marked(page) == ["project:mails-masked", "project:code-first", "project:seen"]
    page = trial(signed_in("member"), PAGES["lab"], scripts=False, text=IBAN)
    assert marked(page) == ["organisation:no-payment"]


@pytest.mark.parametrize("scripts", [True, False])
def test_a_draft_is_tried_with_its_own_rules_and_they_are_marked(
    running: House, signed_in: SignIn, scripts: bool
) -> None:
    draft = document(MASK, FIRST)
    save_draft(by=BY, project=running.lab, document=draft, version=0)
    page = trial(
        signed_in("editor"), "/p/lab/policy/draft/", scripts=scripts, text=CODE, against="draft"
    )
    assert told(page) == {"project:mails-masked", "project:code-first"}
    assert "XEMAIL" in masked_form(page)
    if not scripts:
        assert marked(page) == ["project:mails-masked", "project:code-first"]


def test_who_may_not_edit_tries_what_is_in_effect_whatever_the_form_says(
    running: House, signed_in: SignIn
) -> None:
    save_draft(by=BY, project=running.lab, document=document(FIRST), version=0)
    page = trial(signed_in("member"), PAGES["lab"], text=CODE, against="draft")
    assert told(page) == set()


def test_an_exception_holds_in_a_draft_that_is_tried(running: House, signed_in: SignIn) -> None:
    publish(by=BY, project=running.lab, document=document(NO_PAYMENT))
    exceptions.create_exception(
        by=BY,
        project=running.lab,
        wanted=exceptions.ExceptionWanted(
            name="trial",
            rules=("project:no-payment",),
            reason="for a day",
            ends_at=timezone.now() + timedelta(days=1),
        ),
        owner=running.people["owner"],
    )
    save_draft(by=BY, project=running.lab, document=document(NO_PAYMENT, FIRST), version=0)
    page = trial(signed_in("editor"), PAGES["lab"], text=IBAN, against="draft")
    assert "Stays on your servers" in page


def test_the_organisations_policy_is_tried_in_a_project(running: House, signed_in: SignIn) -> None:
    publish(by=BY, project=None, document=organisations(NO_PAYMENT))
    shown = signed_in("admin").get(PAGES["organisation"]).content.decode()
    assert 'name="project"' in shown
    page = trial(signed_in("admin"), PAGES["organisation"], text=IBAN, project="lab")
    assert "Would not be sent" in page
    assert told(page) == {"organisation:no-payment"}
    page = trial(signed_in("admin"), PAGES["organisation"], text=IBAN)
    assert "Choose a project" in page


def test_the_organisations_draft_is_tried_in_a_project(running: House, signed_in: SignIn) -> None:
    save_draft(by=BY, project=None, document=organisations(NO_PAYMENT), version=0)
    page = trial(
        signed_in("admin"),
        "/policy/draft/",
        scripts=False,
        text=IBAN,
        project="lab",
        against="draft",
    )
    assert "Would not be sent" in page
    assert marked(page) == ["organisation:no-payment"]
    in_effect = trial(signed_in("admin"), PAGES["organisation"], text=IBAN, project="lab")
    assert told(in_effect) == set()


def test_nothing_of_a_text_is_kept(running: House, signed_in: SignIn) -> None:
    trial(signed_in("editor"), PAGES["lab"], text=IBAN)
    assert not PolicyDraft.objects.exists()
    assert IBAN not in html.unescape(signed_in("editor").get(PAGES["lab"]).content.decode())
