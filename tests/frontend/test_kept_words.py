"""What the audit's pages say of what was written: kept or not, how long, and who may read it."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from gateway.audit.holds import place_hold
from gateway.audit.models import AuditEvent, RequestRecord
from gateway.audit.sealing_models import HoldSubject
from gateway.content.keys import Exchange, Sealer, destroy_keys
from gateway.content.models import KeptContent, KeyScope
from gateway.content.services import keep_content
from tests.frontend.audit_rows import load_requests
from tests.frontend.conftest import BY, House, SignIn

SAID = "the heron <b>waits</b> at the weir"
ASKED = {"model": "auto", "messages": [{"role": "system", "content": "Be brief."}]}
ASKED["messages"] += [{"role": "user", "content": [{"type": "text", "text": SAID}]}]  # type: ignore[operator]
NOT_KEPT = "not kept here"


@pytest.fixture
def keeping(house: House, tmp_path: Path) -> House:
    """Lab keeps content for 30 days; dec_2's is there."""
    load_requests(house, tmp_path / "journal")
    keep_content(by=BY, project=house.lab, days=30)
    store("dec_2", house, {"choices": [{"message": {"content": "At dawn."}}]})
    return house


def store(decision: str, house: House, answer: object, **other: object) -> None:
    record = RequestRecord.objects.get(decision_id=decision)
    raw = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    project = str(house.lab.pk)
    sealed = Sealer(make=True).seal(
        Exchange(json.dumps(ASKED).encode(), raw),
        project=project,
        person=record.actor,
        decision_id=decision,
    )
    values = {"at": record.at, "expires_at": record.at + timedelta(days=30), "whole": True}
    KeptContent.objects.create(
        decision_id=decision,
        project=house.lab,
        person=record.actor,
        sealed=sealed,
        **(values | other),
    )


def read(client: Client, decision: str = "dec_2") -> str:
    return client.post(f"/audit/{decision}/").content.decode()


def reads() -> list[AuditEvent]:
    return list(AuditEvent.objects.filter(type="content.read"))


def test_the_page_says_that_it_is_kept_and_opening_it_reads_nothing(
    keeping: House, signed_in: SignIn
) -> None:
    page = signed_in("auditor").get("/audit/dec_2/").content.decode()
    assert "is kept, encrypted, until" in page
    assert "Read it" in page
    assert NOT_KEPT not in page
    assert "heron" not in page
    assert reads() == []


def test_who_may_reads_it_as_plain_text_and_that_is_an_event(
    keeping: House, signed_in: SignIn
) -> None:
    page = read(signed_in("auditor"))
    assert "the heron &lt;b&gt;waits&lt;/b&gt; at the weir" in page
    assert "Be brief." in page
    assert "At dawn." in page
    [event] = reads()
    assert event.actor == f"user:{keeping.people['auditor'].pk}"
    assert event.object_id == "dec_2"


@pytest.mark.parametrize("who", ["owner", "admin"])
def test_owners_and_admins_read_it_too(keeping: House, signed_in: SignIn, who: str) -> None:
    assert "At dawn." in read(signed_in(who))


@pytest.mark.parametrize("who", ["editor", "member", "stranger", "nobody"])
def test_nobody_else_gets_as_far_as_the_page(keeping: House, signed_in: SignIn, who: str) -> None:
    assert signed_in(who).post("/audit/dec_2/").status_code == 404
    assert reads() == []


def test_a_form_of_another_site_reads_nothing(keeping: House, signed_in: SignIn) -> None:
    client = signed_in("auditor", enforce_csrf_checks=True)
    assert client.post("/audit/dec_2/").status_code == 403
    assert reads() == []


def test_a_streamed_answer_is_put_together(keeping: House, signed_in: SignIn) -> None:
    pieces = [json.dumps({"choices": [{"delta": {"content": each}}]}) for each in ("At ", "dusk.")]
    stream = "".join(f"data: {piece}\n\n" for piece in pieces) + "data: [DONE]\n\n"
    store("dec_1", keeping, stream.encode(), whole=False)
    page = read(signed_in("owner"), "dec_1")
    assert "At dusk." in page
    assert "this is its beginning" in page


def test_what_is_no_json_is_shown_as_it_was_received(keeping: House, signed_in: SignIn) -> None:
    store("dec_1", keeping, b"[" * 20_000)
    assert "[[[[" in read(signed_in("owner"), "dec_1")


def test_of_a_request_before_that_nothing_is_kept_and_the_page_says_so(
    keeping: House, signed_in: SignIn
) -> None:
    page = read(signed_in("auditor"), "dec_1")
    assert "This project keeps what is written and answered for 30 days" in page
    assert "Of this request nothing is" in page
    assert reads() == []


def test_what_is_past_its_day_is_not_offered(keeping: House, signed_in: SignIn) -> None:
    KeptContent.objects.update(expires_at=timezone.now())
    page = read(signed_in("auditor"))
    assert "heron" not in page
    assert "Of this request nothing is" in page


def test_what_a_legal_hold_keeps_past_its_day_is_said_and_read(
    keeping: House, signed_in: SignIn
) -> None:
    KeptContent.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    place_hold(actor="system:test", kind=HoldSubject.PROJECT, subject="lab", reason="a court asks")
    client = signed_in("auditor")
    assert "a legal hold keeps it" in client.get("/audit/dec_2/").content.decode()
    assert "At dawn." in read(client)


def test_what_was_erased_is_not_shown(keeping: House, signed_in: SignIn) -> None:
    destroy_keys(KeyScope.PERSON, [f"user:{keeping.people['member'].pk}"])
    page = read(signed_in("auditor"))
    assert "nobody reads it again" in page
    assert "heron" not in page


def test_another_key_encryption_key_opens_nothing(
    keeping: House, signed_in: SignIn, settings: Settings
) -> None:
    settings.KEY_ENCRYPTION_KEY = Fernet.generate_key().decode()
    page = read(signed_in("auditor"))
    assert "does not open with this installation" in page
    assert "heron" not in page


def test_in_an_archived_project_it_is_kept_and_not_read(keeping: House, signed_in: SignIn) -> None:
    keeping.lab.archived = True
    keeping.lab.save()
    page = signed_in("admin").get("/audit/dec_2/").content.decode()
    assert "is kept, encrypted, until" in page
    assert "Read it" not in page
    assert signed_in("admin").post("/audit/dec_2/").status_code == 403


def test_the_list_says_what_is_kept_and_where(keeping: House, signed_in: SignIn) -> None:
    lab = signed_in("auditor").get("/audit/").content.decode()
    assert "What was written is kept, encrypted: Lab (30 days)." in lab
    everywhere = signed_in("admin").get("/audit/").content.decode()
    assert "is kept, encrypted, in Lab (30 days); elsewhere only classes and counts" in everywhere
    elsewhere = signed_in("stranger").get("/audit/").content.decode()
    assert NOT_KEPT in elsewhere
    narrowed = signed_in("admin").get("/audit/?project=other").content.decode()
    assert NOT_KEPT in narrowed
    assert "Lab (30 days)" not in narrowed


def test_the_projects_page_says_it_to_its_members(keeping: House, signed_in: SignIn) -> None:
    assert "kept for 30 days" in signed_in("member").get("/projects/lab/").content.decode()
    assert "not kept in the audit" in signed_in("stranger").get("/projects/other/").content.decode()
