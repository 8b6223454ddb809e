"""The pages of the spreadsheets: who sees them, and the way from a table to its answers."""

import re
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from pytest_django import Settings

from gateway.accounts.models import Project
from gateway.batches.sheets.estimating import estimate
from gateway.batches.sheets.models import Sheet
from gateway.deployments.services import add_grant, create_deployment, set_alias
from tests.frontend.conftest import BY, House, SignIn
from tests.frontend.test_pages import ELSEWHERE, INLINE
from tests.support.world import cloud_spec, local_spec

TABLE = b"ward,note\nA,fine\nB,pay DE89 3704 0044 0532 0130 00\n"
FORM = {"template": "Say {{note}}", "model": "auto", "kind": "chat"}


@pytest.fixture(autouse=True)
def places(settings: Settings, tmp_path: Path) -> None:
    settings.INCOMING_DIR = tmp_path / "incoming"
    settings.STORAGES = settings.STORAGES | {
        "files": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": tmp_path / "files"},
        }
    }


@pytest.fixture
def lab(house: House) -> Project:
    deployments = [create_deployment(by=BY, spec=spec) for spec in (cloud_spec(), local_spec())]
    for deployment in deployments:
        add_grant(by=BY, project=house.lab, deployment=deployment)
    set_alias(by=BY, name="auto", deployments=deployments)
    return house.lab


def upload(client: Client, content: bytes = TABLE, name: str = "feedback.csv") -> str:
    answer = client.post("/p/lab/batches/", {"table": SimpleUploadedFile(name, content)})
    assert answer.status_code == 302, answer.content.decode()
    return str(answer["location"])


def page(client: Client, address: str, status: int = 200) -> str:
    answer = client.get(address)
    assert answer.status_code == status
    text = answer.content.decode()
    assert INLINE.findall(text) == []
    assert ELSEWHERE.findall(text) == []
    return text


@pytest.mark.parametrize(
    ("who", "status"),
    [("member", 200), ("owner", 200), ("auditor", 403), ("admin", 403), ("stranger", 404)],
)
def test_the_pages_are_for_those_who_may_write_there(
    signed_in: SignIn, lab: Project, who: str, status: int
) -> None:
    address = upload(signed_in("member"))
    client = signed_in(who)
    assert client.get("/p/lab/batches/").status_code == status
    assert client.get(address).status_code == status
    assert client.get(f"{address}answers.csv").status_code == status
    changes = client.post(f"{address}cancel").status_code
    assert changes == (302 if status == 200 else status)
    assert client.get("/p/lab/batches/sheet_0/").status_code == (404 if status == 200 else status)


def test_somebody_who_is_not_signed_in_is_sent_to_the_door(client: Client, lab: Project) -> None:
    assert client.get("/p/lab/batches/")["location"].startswith("/login/")


def test_a_table_is_set_up_estimated_and_offered_to_run(signed_in: SignIn, lab: Project) -> None:
    client = signed_in("member")
    assert "No table yet" in page(client, "/p/lab/batches/")
    address = upload(client)
    first = page(client, address)
    assert "2 rows · 2 columns" in first
    assert 'data-insert="{{ward}}"' in first
    # A column whose cells hold something says so.
    assert re.search(r"chip holds[^>]*>note · [^<]*payment", first)

    assert client.post(address, FORM)["location"] == address
    waiting = page(client, address)
    assert f'hx-get="{address}live?seen=estimating"' in waiting
    assert client.get(f"{address}live?seen=estimating").headers.get("HX-Refresh") is None
    sheet = Sheet.objects.get()
    assert estimate(sheet.pk, process="test")
    assert client.get(f"{address}live?seen=estimating").headers["HX-Refresh"] == "true"

    ready = page(client, address)
    assert "Run 2 rows" in ready
    assert 'data-badge="on_prem"' in ready
    assert '<mark class="open" title="IBAN account number, sent as it is">DE89 3704' in ready
    assert '<span class="sr"> (IBAN account number, sent as it is)</span>' in ready
    assert "hx-get" not in ready.partition('id="live"')[2].partition(">")[0]
    assert client.post(f"{address}run").status_code == 302
    running = page(client, address)
    assert "0 of 2 done" in running
    assert f'action="{address}pause"' in running
    client.post(f"{address}pause")
    assert Sheet.objects.get().status == "pausing"


def test_what_is_wrong_with_a_table_stands_at_its_field(signed_in: SignIn, lab: Project) -> None:
    bad = SimpleUploadedFile("feedback.csv", b"a,b\n1,2,3\n")
    answer = signed_in("member").post("/p/lab/batches/", {"table": bad})
    assert answer.status_code == 400
    assert "feedback.csv, line 2, column C" in answer.content.decode()
    assert not Sheet.objects.exists()


def test_what_is_wrong_with_a_prompt_stands_at_its_field(signed_in: SignIn, lab: Project) -> None:
    client = signed_in("member")
    address = upload(client)
    answer = client.post(address, FORM | {"template": "{{nope}}"})
    assert answer.status_code == 400
    assert "names no column of the table" in answer.content.decode()
    assert client.post(address, FORM | {"schema": "{"}).status_code == 400


def test_what_cannot_be_done_now_is_said_on_the_page(signed_in: SignIn, lab: Project) -> None:
    client = signed_in("member")
    address = upload(client)
    assert client.post(f"{address}run").status_code == 302
    assert "Estimate it first" in page(client, address)
    assert client.get(f"{address}run").status_code == 405


def test_markup_in_a_cell_is_text(signed_in: SignIn, lab: Project) -> None:
    client = signed_in("member")
    address = upload(client, b"<b>x</b>,note\n1,<script>alert(1)</script>\n", "<i>.csv")
    client.post(address, FORM)
    estimate(Sheet.objects.get().pk, process="test")
    shown = page(client, address)
    assert "<script>alert" not in shown
    assert "&lt;script&gt;alert(1)" in shown
    assert "<b>x</b>" not in shown


def test_only_whoever_made_it_is_offered_to_run_it(signed_in: SignIn, lab: Project) -> None:
    client = signed_in("member")
    address = upload(client)
    client.post(address, FORM)
    estimate(Sheet.objects.get().pk, process="test")
    others = page(signed_in("owner"), address)
    assert f'action="{address}run"' not in others
    assert signed_in("owner").post(f"{address}run").status_code == 302
    assert Sheet.objects.get().status == "ready"
