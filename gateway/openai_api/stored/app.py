"""`/v1/files` and `/v1/batches` as a plain ASGI application, beside the relay endpoints.

Plain ASGI like its neighbours and unlike the pages: Django would spool an upload into a temporary
file in clear text, and read all of it, before a view could look at a limit. Services run in
threads, because they use the database.
"""

import logging
import re
import traceback
from collections.abc import Awaitable, Callable
from typing import Any

from django.db import OperationalError

from gateway.openai_api.stored import batches, files
from gateway.openai_api.stored.asking import Asked, Send, send_json
from gateway.protocol.errors import FailClosed, GatewayError, MethodNotAllowed, NotFound

log = logging.getLogger(__name__)

Action = Callable[[Asked, str], Awaitable[dict[str, Any] | None]]

_NOT_STORED = (
    "Stored files, or the database beside them, cannot be used now. Nothing of this was kept."
)
_ID = "([A-Za-z0-9_-]{1,100})"
_ROUTES: tuple[tuple[re.Pattern[str], dict[str, Action]], ...] = (
    (re.compile("/v1/files/?"), {"GET": files.listed, "POST": files.uploaded}),
    (re.compile(f"/v1/files/{_ID}"), {"GET": files.retrieved, "DELETE": files.deleted}),
    (re.compile(f"/v1/files/{_ID}/content"), {"GET": files.content}),
    (re.compile("/v1/batches/?"), {"GET": batches.listed, "POST": batches.created}),
    (re.compile(f"/v1/batches/{_ID}"), {"GET": batches.retrieved}),
    (re.compile(f"/v1/batches/{_ID}/cancel"), {"POST": batches.cancelled}),
    (re.compile(f"/v1/batches/{_ID}/retry"), {"POST": batches.retried}),
)


def serves(path: str) -> bool:
    """Whether a path under `/v1` is of the stored objects."""
    return path.startswith(("/v1/files", "/v1/batches"))


async def answer(asked: Asked, send: Send) -> None:
    """Answer one request. Raises GatewayError as long as nothing was sent."""
    action, object_id = _action(asked)
    try:
        told = await action(asked, object_id)
    except GatewayError:
        raise
    except Exception as error:  # the outer border: where and what kind, the text may quote content
        place = traceback.extract_tb(error.__traceback__)[-1]
        log.error(  # noqa: TRY400
            "request %s failed: %s at %s:%s",
            *(asked.request_id, type(error).__name__, place.name, place.lineno),
        )
        if asked.answering:
            raise
        if isinstance(error, OSError | OperationalError):  # a full disk, a database that is away
            raise FailClosed(_NOT_STORED, param="storage") from None
        raise GatewayError("The gateway failed. The log has the place.") from None
    if told is not None:
        await send_json(send, told, request_id=asked.request_id)


def _action(asked: Asked) -> tuple[Action, str]:
    for pattern, actions in _ROUTES:
        found = pattern.fullmatch(asked.path)
        if found is None:
            continue
        action = actions.get("GET" if asked.method == "HEAD" else asked.method)
        if action is None:
            allowed = ", ".join(actions)
            raise MethodNotAllowed(
                f"{asked.path} takes {allowed}, not {asked.method[:20]}.",
                headers={"allow": allowed},
            )
        return action, found[1] if found.groups() else ""
    raise NotFound(f"There is no {asked.method[:20]} {asked.path[:200]} here.")
