"""`/api/projects/…/sheets`: every route for every kind of caller, and one table all the way."""

from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from gateway.accounts.roles import OrganisationRole, Role
from gateway.accounts.services import add_member, create_api_key
from gateway.audit.models import AuditEvent
from gateway.batches.models import Batch
from gateway.batches.sheets.models import Sheet
from gateway.files.models import Purpose, StoredFile
from gateway.files.uploads import Upload
from tests.support.world import SETUP, World, make_world, person, project_with

pytestmark = pytest.mark.django_db
JSON = "application/json"
TABLE = b"id,text\n1,hello\n2,pay DE89 3704 0044 0532 0130 00\n"
SETUP_BODY = {"model": "auto", "template": "{{text}}"}


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
def world() -> World:
    return make_world()


def logged_in(user: Any) -> Client:
    client = Client()
    client.force_login(user)
    return client


def uploaded(client: Client, *, name: str = "rows.csv", project: str = "research") -> Any:
    return client.post(
        f"/api/projects/{project}/sheets?name={name}", TABLE, content_type="text/csv"
    )


@pytest.fixture
def sheet(world: World) -> Sheet:
    made = uploaded(logged_in(world.member))
    assert made.status_code == 201, made.content
    return Sheet.objects.get(pk=made.json()["id"])


# method, address behind the sheet, body: what the one who made it gets
ROUTES: dict[tuple[str, str], tuple[object, int]] = {
    ("get", ""): (None, 200),
    ("get", "/preview"): (None, 409),  # no setup yet
    ("post", "/estimate"): (None, 409),
    ("post", "/run"): (None, 409),
    ("post", "/pause"): (None, 409),
    ("post", "/retry"): (None, 409),
    ("put", "/setup"): (SETUP_BODY, 200),
    ("get", "/download"): (None, 200),
    ("post", "/cancel"): (None, 200),
    ("delete", ""): (None, 204),
}
# Who may look at it and stop it, and who may go on with it.
STOPPING = {("get", ""), ("get", "/preview"), ("post", "/cancel"), ("post", "/pause")}
LOOKING = STOPPING | {("get", "/download"), ("post", "/run"), ("post", "/retry")}


def caller(world: World, who: str) -> Client:
    if who == "nobody":
        return Client()
    if who == "member":
        return logged_in(world.member)
    if who == "admin":
        return logged_in(world.admin)
    if who == "other project":
        return logged_in(project_with("other", olga=Role.OWNER)[1]["olga"])
    if who == "organisation auditor":
        return logged_in(person("auditor@sluice.example", OrganisationRole.AUDITOR))
    user = person(f"{who.replace(' ', '.')}@research.example")
    role = {"auditor": Role.AUDITOR, "colleague": Role.MEMBER, "editor": Role.EDITOR}[who]
    add_member(by=SETUP, project=world.project, user=user, role=role)
    return logged_in(user)


@pytest.mark.parametrize(
    ("who", "refusal"),
    [
        ("nobody", 401),
        ("other project", 404),
        ("organisation auditor", 403),
        ("auditor", 403),
        ("admin", 403),  # administers, and was never made a member
        ("colleague", None),
        ("editor", None),
        ("member", None),
    ],
)
def test_who_may_do_what(world: World, sheet: Sheet, who: str, refusal: int | None) -> None:
    client = caller(world, who)
    found, expected = {}, {}
    for (method, path), (body, for_its_maker) in ROUTES.items():
        options: dict[str, Any] = {}
        if method != "get":
            options = {"data": body or {}, "content_type": JSON}
        ask = getattr(client, method)
        answer = ask(f"/api/projects/research/sheets/{sheet.pk}{path}", **options)
        found[method, path] = answer.status_code
        theirs = for_its_maker if who == "member" or (method, path) in LOOKING else 403
        expected[method, path] = refusal or theirs
        if answer.status_code >= 400:
            assert set(answer.json()["error"]) >= {"message", "type", "param", "code"}
    assert found == expected


@pytest.mark.parametrize("who", ["nobody", "other project", "auditor", "admin", "member"])
def test_who_may_list_and_upload(world: World, who: str) -> None:
    client = caller(world, who)
    refusal = {"nobody": 401, "other project": 404, "auditor": 403, "admin": 403}.get(who)
    assert client.get("/api/projects/research/sheets").status_code == (refusal or 200)
    assert uploaded(client).status_code == (refusal or 201)
    assert Sheet.objects.count() == (0 if refusal else 1)


def test_a_sheet_of_another_project_looks_like_none(world: World, sheet: Sheet) -> None:
    other, _ = project_with("other")
    add_member(by=SETUP, project=other, user=world.member)
    client = logged_in(world.member)
    answers = [
        client.get(f"/api/projects/other/sheets/{pk}").json()["error"]["message"]
        for pk in (sheet.pk, "sheet_0")
    ]
    assert [answer.split(":")[0] for answer in answers] == ["No such sheet"] * 2


@pytest.mark.parametrize("path", ["/setup", "/run", "/download"])
def test_a_wrong_method_is_405(world: World, sheet: Sheet, path: str) -> None:
    client = logged_in(world.member)
    assert client.patch(f"/api/projects/research/sheets/{sheet.pk}{path}").status_code == 405


def test_a_table_goes_in_is_set_up_previewed_and_comes_out(world: World) -> None:
    client = logged_in(world.member)
    made = uploaded(client).json()
    assert (made["status"], made["columns"]) == ("draft", ["id", "text"])
    assert made["counts"]["rows"] == 2
    address = f"/api/projects/research/sheets/{made['id']}"
    ready = client.put(f"{address}/setup", SETUP_BODY, content_type=JSON).json()
    assert ready["setup"]["template"] == "{{text}}"
    assert ready["answer_columns"] == ["answer"]
    shown = client.get(f"{address}/preview?count=2").json()["data"]
    assert [row["destination"]["zone"] for row in shown] == ["on_prem", "on_prem"]
    begun = client.post(f"{address}/estimate", content_type=JSON)
    assert (begun.status_code, begun.json()["status"]) == (202, "estimating")
    (listed,) = client.get("/api/projects/research/sheets").json()["data"]
    assert {**listed, "budgets": []} == client.get(address).json()


@pytest.mark.parametrize(
    ("word", "media_type", "start"),
    [
        ("csv", "text/csv; charset=utf-8", b"id,text,answer,_status"),
        ("jsonl", "application/jsonl; charset=utf-8", b'{"id":"1","text":"hello","answer":null'),
        (
            "xlsx",
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            b"PK\x03\x04",
        ),
    ],
)
def test_it_is_downloaded_in_three_formats_and_the_audit_knows(
    world: World, sheet: Sheet, word: str, media_type: str, start: bytes
) -> None:
    client = logged_in(world.member)
    address = f"/api/projects/research/sheets/{sheet.pk}"
    client.put(f"{address}/setup", SETUP_BODY, content_type=JSON)
    answer = client.get(f"{address}/download?as={word}")
    assert answer["content-type"] == media_type
    assert answer["content-disposition"] == f'attachment; filename="{sheet.pk}.{word}"'
    assert answer["cache-control"] == "no-store"
    assert answer.getvalue().startswith(start)
    event = AuditEvent.objects.filter(type="sheet.downloaded").get()
    assert event.details["format"] == word
    assert client.get(f"{address}/download?as=pdf").status_code == 400


def test_a_table_that_was_stored_by_its_id(world: World) -> None:
    actor = f"user:{world.member.pk}"
    upload = Upload(project=world.project, actor=actor)
    upload.write(TABLE)
    file = upload.finish(name="big.csv", purpose=Purpose.USER_DATA, declared="confidential")
    client = logged_in(world.member)
    made = client.post("/api/projects/research/sheets", {"file_id": file.pk}, content_type=JSON)
    assert made.status_code == 201
    assert (made.json()["name"], made.json()["declared"]) == ("big.csv", "confidential")
    none = client.post("/api/projects/research/sheets", {"file_id": "file-0"}, content_type=JSON)
    assert none.status_code == 404


def test_a_table_of_a_batchs_input_is_judged_by_what_its_rows_declared(world: World) -> None:
    actor = f"user:{world.member.pk}"
    upload = Upload(project=world.project, actor=actor)
    upload.write(TABLE)
    file = upload.finish(name="rows.csv", purpose=Purpose.BATCH, declared="legal")
    Batch.objects.create(
        project=world.project,
        actor=actor,
        endpoint="chat.completions",
        input_file_id=file.pk,
        passes_on="restricted, health",
        expires_at=timezone.now(),
    )
    client = logged_in(world.member)
    made = client.post("/api/projects/research/sheets", {"file_id": file.pk}, content_type=JSON)
    assert made.json()["declared"] == "restricted, health, legal"


def test_a_bad_table_is_400_and_leaves_nothing(world: World) -> None:
    client = logged_in(world.member)
    address = "/api/projects/research/sheets?name=rows.csv"
    answer = client.post(address, b"a,b\n1,2,3\n", content_type="text/csv")
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert (error["code"], error["line"], error["column"]) == ("broken_row", 2, "C")
    assert "rows.csv, line 2, column C" in error["message"]
    wrong = client.post(f"{address}&declare=helth", TABLE, content_type="text/csv")
    assert wrong.status_code == 400
    assert not StoredFile.objects.exists()


def test_a_body_beyond_the_limit_is_413(world: World, settings: Settings) -> None:
    settings.MAX_BODY_BYTES = 20
    assert uploaded(logged_in(world.member)).status_code == 413
    assert not StoredFile.objects.exists()


def test_a_key_with_the_scope_admin_acts_as_its_person(world: World) -> None:
    key = create_api_key(
        by=SETUP, project=world.project, name="k", owner=world.member, scopes={"admin"}
    )
    client = Client(headers={"authorization": f"Bearer {key.text}"})
    made = uploaded(client)
    assert made.json()["created_by"] == f"user:{world.member.pk}"
    other, _ = project_with("other")
    add_member(by=SETUP, project=other, user=world.member)
    assert uploaded(client, project="other").status_code == 404
