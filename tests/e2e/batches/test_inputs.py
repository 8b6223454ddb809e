"""Bad input: what is wrong is said with its line, and nothing is half made."""

import socket
from typing import Any

import openai
import pytest

from tests.e2e.batches.conftest import make_key
from tests.e2e.batches.rows import begin, chat_row, jsonl, wait_for_end
from tests.e2e.conftest import Lab

GOOD = jsonl([chat_row("good", "hello")])


def changed(**fields: Any) -> bytes:
    return jsonl([{**chat_row("bad", "Jane Roe"), **fields}])


@pytest.mark.parametrize(
    ("content", "line", "code"),
    [
        pytest.param(b"", None, "empty_file", id="empty"),
        pytest.param(b"\n \r\n\n", None, "empty_file", id="only empty lines"),
        pytest.param(GOOD + b'{"custom_id": "x"\n', 2, "invalid_json_line", id="broken in the end"),
        pytest.param(
            GOOD + b"[1]\n" + jsonl([chat_row("last", "x")]), 2, "invalid_json_line", id="no object"
        ),
        pytest.param(GOOD + changed(body="x"), 2, "missing_required_parameter", id="body"),
        pytest.param(GOOD + changed(method="GET"), 2, "invalid_method", id="method"),
        pytest.param(GOOD + changed(url="/v1/embeddings"), 2, "mismatched_url", id="url"),
        pytest.param(GOOD + changed(url="/v1/responses"), 2, "mismatched_url", id="responses"),
        pytest.param(GOOD + changed(custom_id=7), 2, "invalid_custom_id", id="custom_id"),
        pytest.param(GOOD * 2, 2, "duplicate_custom_id", id="duplicate custom_id"),
        pytest.param(
            GOOD + jsonl([chat_row("b", "Jürg")]).decode().encode("utf-16-le"),
            2,
            "invalid_json_line",
            id="UTF-16 in the middle",
        ),
        pytest.param(
            GOOD + b'{"custom_id": "J\xfcrg", "method": "POST"}\n', 2, "invalid_utf8", id="Latin-1"
        ),
        pytest.param(
            GOOD + b'{"custom_id": "a", "custom_id": "b"}\n', 2, "duplicate_key", id="a key twice"
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_line(
    lab: Lab, content: bytes, line: int | None, code: str
) -> None:
    client = lab.client
    ended = wait_for_end(lab.sluice, client, begin(client, content).id).batch
    assert ended.status == "failed"
    assert ended.failed_at is not None
    assert (ended.output_file_id, ended.error_file_id) == (None, None)
    assert ended.errors is not None
    problem = (ended.errors.data or [])[0]
    assert (problem.code, problem.line) == (code, line)
    assert problem.message
    assert "Jane" not in ended.model_dump_json()
    assert not lab.cloud.received
    assert not lab.onprem.received


def test_a_model_that_nobody_has_fails_its_row_alone(lab: Lab) -> None:
    client = lab.client
    rows = [chat_row("good", "hello"), chat_row("bad", "hello", model="gpt-nobody-has")]
    ended = wait_for_end(lab.sluice, client, begin(client, jsonl(rows)).id)
    assert ended.batch.status == "completed"
    assert [line["custom_id"] for line in ended.output] == ["good"]
    assert ended.errors[0]["custom_id"] == "bad"
    assert ended.errors[0]["response"]["body"]["error"]["code"] == "model_not_found"


def test_more_rows_than_the_project_may_are_refused_by_the_first_that_is_too_many(
    lab: Lab,
) -> None:
    client = lab.client
    content = jsonl([chat_row(str(number), "hello") for number in range(2501)])
    ended = wait_for_end(lab.sluice, client, begin(client, content).id).batch
    assert ended.errors is not None
    problem = (ended.errors.data or [])[0]
    assert (problem.code, problem.line) == ("too_many_rows", 2501)
    assert not lab.cloud.received


def test_a_claim_of_ten_gigabytes_is_refused_before_a_byte_is_read(lab: Lab) -> None:
    head = (
        f"POST /v1/files HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {lab.api_key}\r\n"
        "content-type: multipart/form-data; boundary=x\r\n"
        f"content-length: {10 * 1024**3}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", lab.sluice.port), timeout=30) as connection:
        connection.sendall(head.encode())
        answer = connection.recv(4096)
    assert b" 413 " in answer.split(b"\r\n", 1)[0]
    assert list(lab.sluice.var.glob("incoming/*")) == []


def test_too_large_a_file_is_refused_and_leaves_nothing(lab: Lab) -> None:
    before = {file.id for file in lab.client.files.list()}
    with pytest.raises(openai.APIStatusError) as refused:
        lab.client.files.create(file=("big", b"x" * 5_100_000), purpose="batch")
    assert refused.value.status_code == 413
    assert list(lab.sluice.var.glob("incoming/*")) == []
    assert {file.id for file in lab.client.files.list()} == before


@pytest.mark.parametrize(
    ("options", "param"),
    [
        ({"endpoint": "/v1/responses"}, "endpoint"),
        ({"endpoint": "/v1/moderations"}, "endpoint"),
        ({"completion_window": "soon"}, "completion_window"),
        ({"completion_window": "31d"}, "completion_window"),
        ({"input_file_id": "file-" + "0" * 24}, "id"),
        ({"metadata": {"a": 1}}, "metadata"),
        ({"metadata": {str(number): "" for number in range(17)}}, "metadata"),
        ({"metadata": {"k" * 65: ""}}, "metadata"),
        ({"output_expires_after": {"anchor": "created_at", "seconds": 60}}, None),
    ],
)
def test_a_batch_that_cannot_be_is_refused_and_not_made(
    lab: Lab, options: dict[str, Any], param: str | None
) -> None:
    client = lab.client
    file = client.files.create(file=("rows", GOOD), purpose="batch")
    wanted = {
        "input_file_id": file.id,
        "endpoint": "/v1/chat/completions",
        "completion_window": "24h",
        **options,
    }
    newest = client.batches.list(limit=1).data[:1]
    with pytest.raises(openai.APIStatusError) as refused:
        client.post("/batches", body=wanted, cast_to=object)
    assert refused.value.status_code in {400, 404}
    if param:
        assert refused.value.param == param
    assert client.batches.list(limit=1).data[:1] == newest
    assert client.files.delete(file.id).deleted  # nothing holds it


def test_a_project_runs_no_more_batches_at_once_than_it_may(lab: Lab) -> None:
    key = make_key(lab.sluice, "--project", "other", "--service", "limits")
    lab.sluice.settle()
    client = lab.sluice.client(key)
    lab.onprem.server.mode = "slow_first_byte"
    content = jsonl([chat_row("a", "hello", model="private")])
    first = begin(client, content)
    with pytest.raises(openai.BadRequestError) as refused:
        begin(client, content)
    assert refused.value.code == "too_many_batches"
    lab.onprem.reset("ok")
    wait_for_end(lab.sluice, client, first.id)
    wait_for_end(lab.sluice, client, begin(client, content).id)
