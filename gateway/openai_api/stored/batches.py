"""`/v1/batches`, in OpenAI's shapes."""

from datetime import datetime
from typing import Any

from gateway.batches import failures, services
from gateway.batches.jsonl import URL_OF
from gateway.batches.models import Batch
from gateway.database_threads import in_database_thread
from gateway.openai_api.stored.asking import Asked
from gateway.openai_api.stored.files import list_shape
from gateway.protocol.errors import InvalidRequest
from gateway.protocol.json_tree import decode_object
from policies.engine.facts import Endpoint

SCOPE = "batches"
_TIMES = ("in_progress", "expires", "finalizing", "completed", "failed", "expired")


def shape(batch: Batch) -> dict[str, Any]:
    """OpenAI's batch object. `sluice` has the join of its rows' labels so far; of one that has
    ended, retrieved by itself, why rows failed, too."""
    times = {f"{name}_at": _unix(getattr(batch, f"{name}_at")) for name in _TIMES}
    return {
        "id": batch.pk,
        "object": "batch",
        "endpoint": URL_OF[Endpoint(batch.endpoint)],
        "errors": {"object": "list", "data": batch.errors} if batch.errors else None,
        "input_file_id": batch.input_file_id,
        "completion_window": batch.completion_window,
        "status": batch.status,
        "output_file_id": batch.output_file_id or None,
        "error_file_id": batch.error_file_id or None,
        "created_at": _unix(batch.created_at),
        **times,
        "cancelling_at": _unix(batch.cancelling_at),
        "cancelled_at": _unix(batch.cancelled_at),
        "request_counts": {
            "total": batch.total,
            "completed": batch.completed,
            "failed": batch.failed,
        },
        "usage": {
            "input_tokens": batch.prompt_tokens,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": batch.completion_tokens,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": batch.prompt_tokens + batch.completion_tokens,
        },
        "metadata": services.metadata_of(batch),
        "sluice": {
            "declared": batch.declared,
            "sensitivity": batch.sensitivity,
            "categories": batch.categories,
        },
    }


async def created(asked: Asked, _: str) -> dict[str, Any]:
    """`POST /v1/batches`."""
    asked.require_scope(SCOPE)
    wanted = _wanted(asked, decode_object(await asked.json_body()))
    return await in_database_thread(_create, asked, wanted)


def _create(asked: Asked, wanted: services.Wanted) -> dict[str, Any]:
    return shape(services.create_batch(asked.principal, wanted))


async def listed(asked: Asked, _: str) -> dict[str, Any]:
    """`GET /v1/batches`."""
    asked.require_scope(SCOPE)
    return await in_database_thread(_list, asked, limit=asked.number("limit", default=20, most=100))


def _list(asked: Asked, *, limit: int) -> dict[str, Any]:
    after = asked.query.get("after", "")
    page = services.list_batches(asked.principal, limit=limit, after=after)
    return list_shape([shape(batch) for batch in page.batches], has_more=page.has_more)


async def retrieved(asked: Asked, batch_id: str) -> dict[str, Any]:
    """`GET /v1/batches/{id}`."""
    asked.require_scope(SCOPE)
    return await in_database_thread(_retrieve, asked, batch_id)


def _retrieve(asked: Asked, batch_id: str) -> dict[str, Any]:
    batch = services.get_batch(asked.principal, batch_id)
    told = shape(batch)
    if not batch.is_active:  # while it runs, asking for its progress counts no rows
        reasons = failures.reasons_of(batch) if batch.failed else []
        told["sluice"]["failures"] = {each.code: each.rows for each in reasons}
    return told


async def cancelled(asked: Asked, batch_id: str) -> dict[str, Any]:
    """`POST /v1/batches/{id}/cancel`."""
    asked.require_scope(SCOPE)
    return await in_database_thread(_cancel, asked, batch_id)


def _cancel(asked: Asked, batch_id: str) -> dict[str, Any]:
    return shape(services.cancel_batch(asked.principal, batch_id))


async def retried(asked: Asked, batch_id: str) -> dict[str, Any]:
    """`POST /v1/batches/{id}/retry`."""
    asked.require_scope(SCOPE)
    tree = decode_object(await asked.json_body() or b"{}")
    codes = tree.get("codes", [])
    if not isinstance(codes, list) or not all(isinstance(code, str) for code in codes):
        raise InvalidRequest("`codes` must be a list of reasons for failures.", param="codes")
    model = _text(tree, "model") if "model" in tree else ""
    return await in_database_thread(_retry, asked, batch_id, codes=codes, model=model)


def _retry(asked: Asked, batch_id: str, *, codes: list[str], model: str) -> dict[str, Any]:
    return shape(failures.retry_failed(asked.principal, batch_id, codes=codes, model=model))


def _wanted(asked: Asked, tree: dict[str, Any]) -> services.Wanted:
    metadata = tree.get("metadata")
    if metadata is not None and not (
        isinstance(metadata, dict) and all(isinstance(value, str) for value in metadata.values())
    ):
        raise InvalidRequest("`metadata` must be an object of strings.", param="metadata")
    said = [asked.declared]
    if metadata and "sluice_declare" in metadata:
        said.append(metadata["sluice_declare"])
        metadata = {name: value for name, value in metadata.items() if name != "sluice_declare"}
    return services.Wanted(
        input_file_id=_text(tree, "input_file_id"),
        endpoint=_text(tree, "endpoint"),
        completion_window=_text(tree, "completion_window"),
        metadata=metadata,
        declared=asked.declaration(", ".join(words for words in said if words)),
        output_expires_after_s=_lifetime(tree.get("output_expires_after")),
    )


def _text(tree: dict[str, Any], name: str) -> str:
    value = tree.get(name)
    if not isinstance(value, str) or not value:
        raise InvalidRequest(f"`{name}` must be a non-empty string.", param=name)
    return value


def _lifetime(policy: object) -> int | None:
    if policy is None:
        return None
    if not isinstance(policy, dict) or policy.get("anchor") != "created_at":
        raise InvalidRequest(
            "`output_expires_after` needs the anchor `created_at`.",
            param="output_expires_after.anchor",
        )
    seconds = policy.get("seconds")
    if type(seconds) is not int:
        raise InvalidRequest(
            "`seconds` must be a whole number.", param="output_expires_after.seconds"
        )
    return seconds


def _unix(moment: datetime | None) -> int | None:
    return int(moment.timestamp()) if moment is not None else None
