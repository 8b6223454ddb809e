"""Batch input for the tests: rows, and the calls that OpenAI's guide makes with them."""

import json
from dataclasses import dataclass, field
from typing import Any

import openai
from openai.types import Batch

from tests.support.sluice import Sluice

IBAN = "DE89 3704 0044 0532 0130 00"
ENDED = {"failed", "completed", "expired", "cancelled"}


def chat_row(custom_id: str, text: str, *, model: str = "cloud-first") -> dict[str, Any]:
    return {
        "custom_id": custom_id,
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": {"model": model, "messages": [{"role": "user", "content": text}]},
    }


def jsonl(rows: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def begin(client: openai.OpenAI, content: bytes, **options: Any) -> Batch:
    """Upload and create, as OpenAI's guide does."""
    file = client.files.create(file=("rows.jsonl", content), purpose="batch")
    return client.batches.create(
        input_file_id=file.id,
        endpoint=options.pop("endpoint", "/v1/chat/completions"),
        completion_window="24h",
        **options,
    )


@dataclass
class Ended:
    """A batch that has ended, with the lines of its two files."""

    batch: Batch
    output: list[dict[str, Any]] = field(default_factory=list)
    errors: list[dict[str, Any]] = field(default_factory=list)


def wait_for_end(sluice: Sluice, client: openai.OpenAI, batch_id: str) -> Ended:
    sluice.wait_for(lambda: client.batches.retrieve(batch_id).status in ENDED, "batch ended")
    batch = client.batches.retrieve(batch_id)
    return Ended(
        batch,
        lines_of(client, batch.output_file_id),
        lines_of(client, batch.error_file_id),
    )


def lines_of(client: openai.OpenAI, file_id: str | None) -> list[dict[str, Any]]:
    if file_id is None:
        return []
    return [json.loads(line) for line in client.files.content(file_id).text.splitlines()]
