"""Log lines without content: what Python, Django, uvicorn and Celery say of themselves, narrowed.

Our own messages name no private value. But a library logs the text of an exception, the address
that was asked for or the arguments of a callback, and any of these may quote what somebody sent.
INVARIANT: of an exception a line has its kind and its place; of a request its route.
"""

import json
import logging
import re
import traceback
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from typing_extensions import override

# Of the request that the present context serves; empty outside of one.
request_id: ContextVar[str] = ContextVar("request_id", default="")
_FRAMES = 6  # the innermost ones
_BEFORE_A_VALUE = re.compile(r"[^(<\n]*")
_ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


class ContentFree(logging.Formatter):
    """Formats like its base, but for texts that others chose."""

    @override
    def format(self, record: logging.LogRecord) -> str:
        line = logging.makeLogRecord(record.__dict__)
        # Another handler may have kept its own rendering, with the exception's text.
        line.exc_text = line.stack_info = None
        if record.name.startswith("django."):
            line.msg, line.args = _of_a_request(record), ()
        elif record.name == "asyncio":
            found = _BEFORE_A_VALUE.match(record.getMessage())
            line.msg, line.args = found[0].rstrip() if found else "", ()
        elif isinstance(record.args, dict) and "exc" in record.args:  # Celery, of a failed task
            line.args = record.args | dict.fromkeys(("exc", "traceback", "args", "kwargs"), "-")
        return super().format(line)

    @override
    def formatException(self, ei: _ExcInfo) -> str:
        """`ValueError at view:31 (chat.py) < …`, and of what caused it the same."""
        parts: list[str] = []
        error: BaseException | None = ei[1]
        seen: set[int] = set()
        while error is not None and id(error) not in seen:
            seen.add(id(error))
            parts.append(_place(error))
            error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        return " after ".join(parts)


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
    places = [f"{frame.name}:{frame.lineno} ({Path(frame.filename).name})" for frame in frames]
    return f"{type(error).__name__} at {' < '.join(reversed(places)) or 'an unknown place'}"


def _of_a_request(record: logging.LogRecord) -> str:
    """A line of Django's about a request: status, method and route; never the address, which may
    hold anything."""
    request: Any = getattr(record, "request", None)
    match = getattr(request, "resolver_match", None)
    route = "/" + match.route if match is not None else "no page of ours"
    method = request.method if getattr(request, "method", None) in _METHODS else "a request"
    status = getattr(record, "status_code", "")
    return f"{status} {method} for {route}".strip()


class JsonLines(ContentFree):
    """A JSON object per line: time, level, logger, message, the request's id where there is one,
    and the fields that a line of ours brings."""

    @override
    def format(self, record: logging.LogRecord) -> str:
        tree: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": super().format(record),
        }
        id_ = request_id.get()
        if id_:
            tree["request_id"] = id_
        fields = getattr(record, "fields", None)
        if record.name.startswith("gateway.") and isinstance(fields, dict):
            tree |= fields
        return json.dumps(tree, ensure_ascii=False)


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
