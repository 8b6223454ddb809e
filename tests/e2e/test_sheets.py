"""A spreadsheet all the way, with a real server, worker and store: each row where it may go."""

import csv
import io
import json
import os
import signal
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.batches.rows import IBAN
from tests.e2e.conftest import CONFIG, Lab
from tests.support.sluice import Sluice
from tests.support.upstream import Upstream

MEMBER = "ada@lab.example"
WITH_MEMBER = CONFIG.replace(
    "    grants: [llama, claude]\n",
    f"    grants: [llama, claude]\n    members: [{{{{email: {MEMBER}, role: member}}}}]\n",
)
ROWS = 300


@dataclass
class Office:
    """The API of one project's spreadsheets."""

    lab: Lab
    key: str

    def ask(
        self, method: str, path: str = "", body: Any = None, *, expect: int = 200
    ) -> dict[str, Any]:
        content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        type_ = "text/csv" if isinstance(body, bytes) else "application/json"
        status, answer = self.lab.sluice.request(
            method,
            f"/api/projects/lab/sheets{path}",
            content if content is not None or method == "GET" else b"{}",
            Authorization=f"Bearer {self.key}",
            **{"Content-Type": type_},
        )
        assert status == expect, answer
        told: dict[str, Any] = json.loads(answer)
        return told

    def until(self, sheet_id: str, *statuses: str) -> dict[str, Any]:
        self.lab.sluice.wait_for(
            lambda: self.ask("GET", f"/{sheet_id}")["status"] in statuses, f"{statuses}"
        )
        return self.ask("GET", f"/{sheet_id}")

    def download(self, sheet_id: str) -> list[dict[str, str]]:
        status, answer = self.lab.sluice.request(
            "GET",
            f"/api/projects/lab/sheets/{sheet_id}/download?as=csv",
            Authorization=f"Bearer {self.key}",
        )
        assert status == 200, answer
        return list(csv.DictReader(io.StringIO(answer.decode(), newline="")))


@pytest.fixture(scope="module")
def sheet_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    var = Path(tmp_path_factory.mktemp("sheets")) / "var"
    var.mkdir()
    sluice = Sluice(var, demo=False, worker=True)
    with Upstream() as onprem, Upstream() as cloud:
        try:
            sluice.start()
            sluice.apply(WITH_MEMBER.format(onprem=onprem.base_url, cloud=cloud.base_url))
            made = sluice.manage(
                *("key", "create", "sheets", "--project", "lab"),
                *("--user", MEMBER, "--scope", "admin"),
            )
            key = next(word for word in made.split() if word.startswith("sk-sluice-"))
            yield Office(Lab(sluice, onprem, cloud, key), key)
        finally:
            sluice.stop()


@pytest.fixture
def office(sheet_server: Office) -> Iterator[Office]:
    for upstream in (sheet_server.lab.onprem, sheet_server.lab.cloud):
        upstream.server.answering = _echo
        upstream.reset("answering")
    yield sheet_server
    for upstream in (sheet_server.lab.onprem, sheet_server.lab.cloud):
        upstream.reset()


def _echo(body: dict[str, Any]) -> dict[str, Any]:
    said = body["messages"][-1]["content"]
    return {
        "id": "c",
        "object": "chat.completion",
        "model": body["model"],
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": f"={said}"},
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 5, "completion_tokens": 1, "total_tokens": 6},
    }


def is_sensitive(number: int) -> bool:
    return number % 3 == 0


def text(number: int) -> str:
    return f"case {number}: pay {IBAN}" if is_sensitive(number) else f"note {number} is fine"


def table() -> bytes:
    content = io.StringIO()
    writer = csv.writer(content)
    writer.writerow(["number", "text"])
    writer.writerows([number, text(number)] for number in range(ROWS))
    return content.getvalue().encode()


def kill_workers(sluice: Sluice) -> None:
    pids = sluice.pids("celery")
    assert pids
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


def test_a_table_with_personal_rows_survives_pause_and_kill_and_leaks_none(office: Office) -> None:
    lab = office.lab
    sheet_id = office.ask("POST", "?name=feedback.csv", table(), expect=201)["id"]
    office.ask("PUT", f"/{sheet_id}/setup", {"model": "cloud-first", "template": "Say {{text}}"})
    shown = office.ask("GET", f"/{sheet_id}/preview?count=2")["data"]
    assert {row["destination"]["zone"] for row in shown} == {"cloud", "on_prem"}
    office.ask("POST", f"/{sheet_id}/estimate", expect=202)
    estimate = office.until(sheet_id, "ready")["estimate"]
    assert {each["zone"]: each["rows"] for each in estimate["destinations"]} == {
        **{"cloud": 200, "on_prem": 100}
    }
    assert not lab.cloud.received
    assert not lab.onprem.received

    # Held back in the middle, so that rows are under way when the pause comes.
    lab.cloud.server.mode = "slow_first_byte"
    office.ask("POST", f"/{sheet_id}/run")
    assert lab.cloud.asked(within_s=60)
    assert office.ask("POST", f"/{sheet_id}/pause")["status"] == "pausing"
    lab.cloud.server.mode = "answering"
    lab.cloud.release()
    paused = office.until(sheet_id, "paused")
    assert paused["counts"]["pending"] > 0

    # And the workers killed while rows are with the server.
    before = len(lab.cloud.received)
    lab.cloud.server.mode = "slow_first_byte"
    office.ask("POST", f"/{sheet_id}/run")
    lab.sluice.wait_for(lambda: len(lab.cloud.received) > before, "rows under way")
    kill_workers(lab.sluice)
    lab.cloud.server.mode = "answering"
    lab.cloud.release()
    ended = office.until(sheet_id, "completed", "failed")
    assert (ended["status"], ended["counts"]["completed"]) == ("completed", ROWS)

    rows = office.download(sheet_id)
    assert [row["number"] for row in rows] == [str(number) for number in range(ROWS)]
    for number, row in enumerate(rows):
        assert row["text"] == text(number)
        assert row["_zone"] == ("on_prem" if is_sensitive(number) else "cloud")
        # No spreadsheet program takes an answer for a formula. What the killed workers had sent
        # was answered by the mode of that moment.
        assert row["answer"] in {f"'=Say {text(number)}", "Hello there"}
    _no_sensitive_row_left(lab)
    # Whatever was asked for twice says so, and nothing that cannot have been.
    noted = {
        row["text"] for row in rows if row["_error"].startswith("may have been paid for twice")
    }
    said = [json.loads(each.body)["messages"][-1]["content"] for each in lab.cloud.received]
    assert {each for each, times in Counter(said).items() if times > 1} <= {
        f"Say {each}" for each in noted
    }
    assert 0 < len(noted) <= 128


def _no_sensitive_row_left(lab: Lab) -> None:
    assert b"3704" not in lab.cloud.everything
    assert b"case" not in lab.cloud.everything
    said = Counter(json.loads(each.body)["messages"][-1]["content"] for each in lab.cloud.received)
    clean = {f"Say {text(number)}" for number in range(ROWS) if not is_sensitive(number)}
    assert set(said) == clean
    # Asked for twice: at most what was under way when the workers died.
    assert sum(said.values()) - len(clean) <= 128


def test_the_command_runs_a_table_and_saves_the_answers(office: Office, tmp_path: Path) -> None:
    path, out = tmp_path / "rows.csv", tmp_path / "answers.jsonl"
    path.write_text(f"id,text\n1,hello\n2,pay {IBAN}\n")
    run = ("batch", "run", str(path), "--template", "Say {{text}}", "--model", "cloud-first")
    dry = office.lab.sluice.manage(*run, "--project", "lab", "--dry-run")
    assert "2 rows. Nothing has been sent." in dry
    assert not office.lab.cloud.received
    done = office.lab.sluice.manage(*run, "--project", "lab", "--yes", "--out", str(out))
    assert "2 rows: 2 answered, 0 failed, 0 left" in done
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert [row["_zone"] for row in rows] == ["cloud", "on_prem"]
    assert [row["answer"] for row in rows] == ["=Say hello", f"=Say pay {IBAN}"]
    again = office.lab.sluice.manage(
        *run, "--project", "lab", "--yes", "--out", str(out), check=False
    )
    assert "is there already" in again
    sheet_id = next(word for word in done.split() if word.startswith("sheet_"))
    listed = office.lab.sluice.manage("batch", "list", "--project", "lab")
    assert f"{sheet_id}  rows.csv  completed" in listed


def test_the_command_says_what_is_wrong_with_a_table(office: Office, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("id,text\n1,a\n2,b,c\n")
    said = office.lab.sluice.manage(
        *("batch", "run", str(path), "--template", "{{text}}", "--project", "lab", "--yes"),
        check=False,
    )
    assert "rows.csv, line 3, column C: this row has more cells than the header" in said
    assert "Traceback" not in said
