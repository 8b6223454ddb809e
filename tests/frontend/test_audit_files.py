"""The audit as a file: what the filters show, for whoever may see it, and an event."""

import asyncio
import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connections
from django.http import StreamingHttpResponse
from django.test import AsyncClient, Client

from gateway.audit.models import AuditEvent
from tests.frontend.audit_rows import load_requests
from tests.frontend.conftest import House, SignIn

FILES = ["/audit/decisions.csv", "/audit/decisions.jsonl", "/audit/changes.csv"]


@pytest.fixture
def requests(house: House, tmp_path: Path) -> House:
    load_requests(house, tmp_path / "journal")
    return house


def content(client: Client, path: str) -> str:
    answer: Any = client.get(path)
    assert isinstance(answer, StreamingHttpResponse), path
    assert "no-store" in answer["Cache-Control"]
    return answer.getvalue().decode()


def decided(text: str) -> list[str]:
    return [row["decision_id"] for row in csv.DictReader(io.StringIO(text))]


def exports() -> list[AuditEvent]:
    return list(AuditEvent.objects.filter(type="audit.exported").order_by("seq"))


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["dec_1", "dec_2", "dec_3", "dec_5"]),
        ("?zone=cloud", ["dec_2"]),
        ("?category=health&span=24", ["dec_1"]),
        ("?who=member@example.org", ["dec_1", "dec_2", "dec_3"]),
        ("?until=2020-01-01", []),
    ],
)
def test_a_file_has_what_the_filters_show(
    requests: House, signed_in: SignIn, query: str, found: list[str]
) -> None:
    assert decided(content(signed_in("owner"), f"/audit/decisions.csv{query}")) == found


def test_a_line_of_json_has_the_record_as_it_was_hashed(requests: House, signed_in: SignIn) -> None:
    [line] = content(signed_in("auditor"), "/audit/decisions.jsonl?zone=cloud").splitlines()
    told = json.loads(line)
    assert told["decision"]["id"] == "dec_2"
    assert told["hash"]
    assert told["outcome"]["deployment"] == "claude"


def test_more_than_a_page_of_the_search_is_handed_out(
    requests: House, signed_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.audit.export.MOST_ROWS", 2)
    monkeypatch.setattr("frontend.audit.files.LINES_PER_BLOCK", 2)
    found = decided(content(signed_in("admin"), "/audit/decisions.csv?span="))
    assert found == ["dec_1", "dec_2", "dec_3", "dec_4", "dec_5"]


def test_changes_are_handed_out_as_they_are_filtered(requests: House, signed_in: SignIn) -> None:
    text = content(signed_in("admin"), "/audit/changes.csv?type=member.added&project=lab")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert {(row["type"], row["project"]) for row in rows} == {("member.added", "lab")}
    mine = content(signed_in("auditor"), "/audit/changes.jsonl").splitlines()
    assert {json.loads(line)["event"]["project"] for line in mine} == {"lab"}


def test_handing_out_is_an_event_that_names_conditions_and_not_their_values(
    requests: House, signed_in: SignIn
) -> None:
    content(signed_in("auditor"), "/audit/decisions.csv?category=health")
    content(signed_in("auditor"), "/audit/changes.jsonl?type=member.added")
    first, second = exports()
    assert first.actor == f"user:{requests.people['auditor'].pk}"
    assert first.details["conditions"] == ["projects", "category", "since"]
    assert (first.details["kind"], first.details["format"]) == ("requests", "csv")
    assert (second.details["kind"], second.details["conditions"]) == (
        "events",
        ["projects", "types"],
    )
    assert "health" not in first.body
    assert first.project == "lab"


@pytest.mark.parametrize("path", FILES)
@pytest.mark.parametrize(
    ("who", "status"),
    [("owner", 200), ("auditor", 200), ("admin", 200), ("editor", 403), ("member", 403)],
)
def test_files_are_for_those_who_audit(
    requests: House, signed_in: SignIn, path: str, who: str, status: int
) -> None:
    assert signed_in(who).get(path).status_code == status
    assert len(exports()) == (1 if status == 200 else 0)


@pytest.mark.parametrize("path", FILES)
def test_nobody_gets_another_projects_file(requests: House, signed_in: SignIn, path: str) -> None:
    assert signed_in("owner").get(f"{path}?project=other").status_code == 403
    assert exports() == []
    text = content(signed_in("stranger"), path)
    assert "dec_1" not in text
    assert "lab" not in text
    assert Client().get(path).status_code == 302


@pytest.mark.parametrize(
    ("path", "status"), [("/audit/decisions.csv?zone=moon", 400), ("/audit/decisions.xml", 404)]
)
def test_what_cannot_be_handed_out_is_no_event(
    requests: House, signed_in: SignIn, path: str, status: int
) -> None:
    assert signed_in("owner").get(path).status_code == status
    assert exports() == []


@pytest.mark.django_db(transaction=True)
def test_on_an_event_loop_it_streams_too(requests: House) -> None:
    async def scenario() -> bytes:
        client = AsyncClient()
        await client.aforce_login(requests.people["owner"])
        answer: Any = await client.get("/audit/decisions.csv?zone=cloud")
        assert answer.is_async
        found = b"".join([block async for block in answer])
        await sync_to_async(connections.close_all)()  # the test client leaves the view's open
        return found

    assert decided(asyncio.run(scenario()).decode()) == ["dec_2"]


def test_the_page_leads_to_the_file_of_its_filters(requests: House, signed_in: SignIn) -> None:
    page = signed_in("owner").get("/audit/?zone=cloud&span=24").content.decode()
    assert '"/audit/decisions.csv?zone=cloud&amp;span=24"' in page
    assert '"/audit/decisions.jsonl?zone=cloud&amp;span=24"' in page
    page = signed_in("owner").get("/audit/changes/?type=member.added").content.decode()
    assert '"/audit/changes.csv?type=member.added"' in page
