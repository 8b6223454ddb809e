"""OpenAI's batch flow through the SDK, with a worker and two recording model servers."""

import io
import json
from typing import Any

import openai
import pytest

from tests.e2e.batches.rows import IBAN, begin, chat_row, jsonl, lines_of, wait_for_end
from tests.e2e.conftest import Lab


def test_each_row_goes_where_it_may_and_comes_back_in_order(lab: Lab) -> None:
    rows = [
        chat_row(
            f"row-{number}", f"Check {IBAN}, case {number}" if number % 3 == 0 else f"Say {number}"
        )
        for number in range(60)
    ]
    client = lab.client
    begun = begin(client, jsonl(rows), metadata={"nightly": "yes"})
    assert begun.object == "batch"
    assert begun.metadata == {"nightly": "yes"}
    ended = wait_for_end(lab.sluice, client, begun.id)

    assert ended.batch.status == "completed", ended
    assert ended.batch.request_counts is not None
    counts = ended.batch.request_counts
    assert (counts.total, counts.completed, counts.failed) == (60, 60, 0)
    assert ended.batch.error_file_id is None
    assert [line["custom_id"] for line in ended.output] == [row["custom_id"] for row in rows]
    for number, line in enumerate(ended.output):
        receipt = line["sluice"]
        assert receipt["zone"] == ("on_prem" if number % 3 == 0 else "cloud")
        assert receipt["deployment"] == ("llama" if number % 3 == 0 else "claude")
        assert receipt["attempt"] == 1
        assert line["response"]["status_code"] == 200
        assert line["response"]["body"]["choices"][0]["message"]["content"] == "Hello there"
        assert line["error"] is None
    assert len(lab.cloud.received) == 40
    assert len(lab.onprem.received) == 20
    assert b"3704" not in lab.cloud.everything
    assert b"case" not in lab.cloud.everything

    # The output carries the join of its rows' labels, and is stored under it.
    raw = client.files.with_raw_response.content(ended.batch.output_file_id or "")
    assert raw.headers["x-sluice-sensitivity"] == "confidential"
    assert "payment" in raw.headers["x-sluice-categories"]


def test_openais_own_example_runs_as_it_stands(lab: Lab) -> None:
    """The guide's calls, in its order: upload, create, retrieve, content."""
    client = lab.client
    batch_input_file = client.files.create(
        file=io.BytesIO(jsonl([chat_row("request-1", "Hello"), chat_row("request-2", "World")])),
        purpose="batch",
    )
    batch_input_file_id = batch_input_file.id
    batch = client.batches.create(
        input_file_id=batch_input_file_id,
        endpoint="/v1/chat/completions",
        completion_window="24h",
        metadata={"description": "nightly eval job"},
    )
    assert batch.status in {"validating", "in_progress", "finalizing", "completed"}
    assert batch.metadata == {"description": "nightly eval job"}
    ended = wait_for_end(lab.sluice, client, batch.id).batch
    assert ended.status == "completed"
    assert ended.in_progress_at is not None
    assert ended.finalizing_at is not None
    assert ended.completed_at is not None
    assert (ended.failed_at, ended.expired_at, ended.cancelled_at) == (None, None, None)
    assert ended.expires_at is not None
    assert ended.expires_at - ended.created_at == 24 * 3600
    assert ended.usage is not None
    assert ended.usage.total_tokens == 10
    file_response = client.files.content(ended.output_file_id or "")
    assert [json.loads(line)["custom_id"] for line in file_response.text.splitlines()] == [
        "request-1",
        "request-2",
    ]


def test_completions_and_embeddings_are_batched_too(lab: Lab) -> None:
    client = lab.client
    lab.onprem.server.answering = lambda body: {
        "object": "list",
        "model": body["model"],
        "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}],
        "usage": {"prompt_tokens": 4, "total_tokens": 4},
    }
    lab.onprem.server.mode = "answering"
    for url, body in (
        ("/v1/embeddings", {"model": "private", "input": "hello"}),
        ("/v1/completions", {"model": "private", "prompt": "hello"}),
    ):
        row = {"custom_id": "a", "method": "POST", "url": url, "body": body}
        ended = wait_for_end(lab.sluice, client, begin(client, jsonl([row]), endpoint=url).id)
        assert ended.batch.endpoint == url
        assert ended.output[0]["response"]["body"]["data"][0]["embedding"] == [0.5]
        assert lab.onprem.received[-1].path == url


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(
            b'{"custom_id": "request-1", "method": "POST", "url": "/v1/chat/completions", "body": '
            b'{"model": "cloud-first", "messages": [{"role": "user", "content": "Hi"}], '
            b'"max_completion_tokens": 1000}}\n',
            id="vLLM",
        ),
        pytest.param(
            b'{"custom_id": "request-1", "method": "POST", "url": "/chat/completions", "body": '
            b'{"model": "cloud-first", "messages": [{"role": "user", "content": "Hi"}]}}',
            id="LiteLLM, no line break at the end",
        ),
        pytest.param(
            b'\xef\xbb\xbf{"custom_id": "request-1", "method": "POST", "url": '
            b'"/v1/chat/completions", "body": {"model": "cloud-first", "messages": '
            b'[{"role": "user", "content": "Hi"}]}}\r\n\r\n',
            id="Windows",
        ),
    ],
)
def test_input_files_of_others_are_taken_as_they_are(lab: Lab, content: bytes) -> None:
    client = lab.client
    ended = wait_for_end(lab.sluice, client, begin(client, content).id)
    assert ended.batch.status == "completed", ended.batch
    assert [line["custom_id"] for line in ended.output] == ["request-1"]


def test_a_batch_can_be_cancelled_and_keeps_what_was_finished(lab: Lab) -> None:
    client = lab.client
    lab.onprem.server.mode = "slow_first_byte"
    rows = [chat_row(f"r{number}", "hello", model="private") for number in range(200)]
    begun = begin(client, jsonl(rows))
    lab.sluice.wait_for(lambda: len(lab.onprem.received) >= 8, "eight rows under way")
    cancelling = client.batches.cancel(begun.id)
    assert cancelling.status == "cancelling"
    assert cancelling.cancelling_at is not None
    lab.onprem.server.mode = "ok"
    lab.onprem.release()
    ended = wait_for_end(lab.sluice, client, begun.id)
    assert ended.batch.status == "cancelled"
    assert ended.batch.cancelled_at is not None
    counts = ended.batch.request_counts
    assert counts is not None
    # One that took too long on a busy machine was asked, and not completed.
    assert 1 <= counts.completed <= len(lab.onprem.received)
    assert counts.completed == len(ended.output)
    assert (counts.total, counts.failed) == (200, 200 - counts.completed)
    assert counts.failed >= 72  # all that had not been leased
    assert {line["error"]["code"] for line in ended.errors} == {"batch_cancelled"}
    with pytest.raises(openai.BadRequestError) as refused:
        client.batches.cancel(begun.id)
    assert refused.value.code == "batch_not_cancellable"


def test_rows_that_the_policy_refuses_are_in_the_error_file_with_the_way_out(lab: Lab) -> None:
    client = lab.client
    rows = [chat_row("clean", "hello", model="vendor"), chat_row("iban", IBAN, model="vendor")]
    ended = wait_for_end(lab.sluice, client, begin(client, jsonl(rows)).id)
    assert ended.batch.status == "completed"
    assert [line["custom_id"] for line in ended.output] == ["clean"]
    (refused,) = ended.errors
    assert refused["custom_id"] == "iban"
    assert refused["response"]["status_code"] == 403
    error = refused["response"]["body"]["error"]
    assert error["code"] == "policy_denied"
    assert error["dropped"][0]["deployment"] == "claude"
    assert refused["sluice"]["sensitivity"] == "confidential"
    assert b"3704" not in lab.cloud.everything


def test_results_expire_when_asked_to_and_lists_go_page_by_page(lab: Lab) -> None:
    client = lab.client
    made = []
    for number in range(3):
        begun = begin(
            client,
            jsonl([chat_row("a", str(number))]),
            extra_body={"output_expires_after": {"anchor": "created_at", "seconds": 3600}},
        )
        made.append(wait_for_end(lab.sluice, client, begun.id).batch)
    output = client.files.retrieve(made[0].output_file_id or "")
    assert output.purpose == "batch_output"
    assert output.expires_at is not None
    assert output.expires_at - output.created_at == 3600
    seen = [batch.id for batch in client.batches.list(limit=1)]
    assert seen[:3] == [batch.id for batch in reversed(made)]
    assert len(seen) == len(set(seen))


def test_a_file_lives_and_is_deleted_as_the_sdk_has_it(lab: Lab) -> None:
    client = lab.client
    content = jsonl([chat_row("a", "Jane Roe")])
    file = client.files.create(
        file=("rows of Jane.jsonl", content),
        purpose="batch",
        expires_after={"anchor": "created_at", "seconds": 7200},
    )
    assert (file.object, file.purpose, file.bytes) == ("file", "batch", len(content))
    assert file.filename == "rows of Jane.jsonl"
    assert file.expires_at == file.created_at + 7200
    assert client.files.content(file.id).content == content
    assert client.files.retrieve(file.id) == file
    assert file.id in [each.id for each in client.files.list(purpose="batch", limit=2)]
    blob = next(lab.sluice.var.glob(f"files/*/{file.id}"))
    assert b"Jane" not in blob.read_bytes()
    deleted = client.files.delete(file.id)
    assert (deleted.id, deleted.deleted) == (file.id, True)
    assert not blob.exists()
    with pytest.raises(openai.NotFoundError):
        client.files.retrieve(file.id)


def test_a_batch_holds_its_input_until_it_has_ended(lab: Lab) -> None:
    client = lab.client
    lab.onprem.server.mode = "slow_first_byte"
    begun = begin(client, jsonl([chat_row("a", "hello", model="private")]))
    with pytest.raises(openai.ConflictError) as refused:
        client.files.delete(begun.input_file_id)
    assert refused.value.code == "file_in_use"
    lab.onprem.reset("ok")
    wait_for_end(lab.sluice, client, begun.id)
    assert client.files.delete(begun.input_file_id).deleted


def test_what_is_declared_for_a_file_keeps_every_row_on_prem(lab: Lab) -> None:
    client = lab.client.with_options(default_headers={"x-sluice-declare": "health"})
    begun = begin(client, jsonl([chat_row(str(number), "hello") for number in range(5)]))
    ended = wait_for_end(lab.sluice, client, begun.id)
    assert {line["sluice"]["zone"] for line in ended.output} == {"on_prem"}
    assert not lab.cloud.received
    extra: dict[str, Any] = ended.batch.model_extra or {}
    assert extra["sluice"]["categories"] == ["health"]
    assert lines_of(client, ended.batch.output_file_id) == ended.output
