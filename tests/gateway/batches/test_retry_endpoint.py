"""`/v1/batches/{id}/retry`: what a program reads of failed rows, and how it asks for them again."""

import asyncio
from collections.abc import MutableMapping
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from gateway.batches.models import Batch
from gateway.openai_api.stored.app import answer
from gateway.openai_api.stored.asking import Asked
from gateway.protocol.errors import GatewayError, InvalidRequest, ScopeDenied
from tests.gateway.batches.conftest import IBAN, Office, lines, results, row, run_to_end
from tests.gateway.inference.conftest import snapshot


@pytest.fixture
def ended(office: Office) -> Batch:
    rows = [row("a"), row("b", f"pay {IBAN}", model="vendor"), row("c", model="nobody-has-it")]
    return run_to_end(office, office.begun(lines(rows)))


def ask(office: Office, path: str, body: bytes | None = None, **changes: Any) -> dict[str, Any]:
    """The answer of one request to the stored objects. Raises GatewayError."""
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": body or b""}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    asked = Asked(
        method="POST" if body is not None else "GET",
        path=path,
        query={},
        content_type=b"application/json",
        content_length=len(body or b""),
        declared="",
        principal=replace(office.principal, **changes),
        snapshot=snapshot("http://127.0.0.1:1", "http://127.0.0.1:1"),
        request_id="req_1",
        receive=receive,
        send=send,
    )
    asyncio.run(answer(asked, send))
    told: dict[str, Any] = msgspec.json.decode(sent[-1]["body"])
    return told


def test_why_rows_failed_is_said_once_the_batch_has_ended(office: Office, ended: Batch) -> None:
    told = ask(office, f"/v1/batches/{ended.pk}")
    assert told["sluice"]["failures"] == {"policy_denied": 1, "model_not_found": 1}
    running = office.begun(lines([row("a")]))
    assert "failures" not in ask(office, f"/v1/batches/{running.pk}")["sluice"]


@pytest.mark.parametrize(
    ("body", "left"),
    [
        (b'{"model":"private"}', ["a", "b", "c"]),
        (b'{"codes":["policy_denied"],"model":"private"}', ["a", "b"]),
    ],
)
def test_failed_rows_are_asked_again(
    office: Office, ended: Batch, body: bytes, left: list[str]
) -> None:
    told = ask(office, f"/v1/batches/{ended.pk}/retry", body)
    assert (told["status"], told["request_counts"]["completed"]) == ("in_progress", 1)
    again = run_to_end(office, Batch.objects.get(pk=ended.pk))
    assert [line["custom_id"] for line in results(again.output_file_id)] == left


def test_without_a_body_every_failed_row_is_asked_of_its_own_model(
    office: Office, ended: Batch
) -> None:
    assert ask(office, f"/v1/batches/{ended.pk}/retry", b"")["status"] == "in_progress"
    assert Batch.objects.get(pk=ended.pk).rows.filter(retried=True).count() == 2


@pytest.mark.parametrize("body", [b'{"codes":"policy_denied"}', b'{"codes":[1]}', b'{"model":""}'])
def test_a_bad_wish_is_refused_with_its_place(office: Office, ended: Batch, body: bytes) -> None:
    with pytest.raises(InvalidRequest) as refused:
        ask(office, f"/v1/batches/{ended.pk}/retry", body)
    assert refused.value.param in {"codes", "model"}
    assert not Batch.objects.get(pk=ended.pk).is_active


@pytest.mark.parametrize("scopes", [{"embeddings"}, {"batches", "embeddings"}])
def test_a_key_that_may_not_ask_what_the_rows_ask_cannot_retry_them(
    office: Office, ended: Batch, scopes: set[str]
) -> None:
    with pytest.raises(ScopeDenied):
        ask(office, f"/v1/batches/{ended.pk}/retry", b"{}", scopes=frozenset(scopes))
    assert not Batch.objects.get(pk=ended.pk).is_active


def test_the_rows_of_a_table_are_retried_with_the_table(office: Office, ended: Batch) -> None:
    Batch.objects.filter(pk=ended.pk).update(kind="sheet")
    with pytest.raises(GatewayError) as refused:
        ask(office, f"/v1/batches/{ended.pk}/retry", b"{}")
    assert refused.value.code == "batch_of_a_table"
    assert not Batch.objects.get(pk=ended.pk).is_active
