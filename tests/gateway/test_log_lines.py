"""What is logged about a failure says where, never what was sent."""

import asyncio
import logging
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from django.conf import settings
from django.test import RequestFactory

from gateway.log_lines import ContentFree

SECRET = "4111111111111111"


def fail() -> None:
    try:
        int(f"x{SECRET}")
    except ValueError as error:
        raise KeyError(SECRET) from error


def failure() -> logging.LogRecord:
    try:
        fail()
    except KeyError:
        return logging.LogRecord(
            "uvicorn.error", 40, "", 0, "Exception in ASGI application\n", (), sys.exc_info()
        )
    raise AssertionError


def of_a_request(name: str, path: str = f"/{SECRET}?q={SECRET}") -> logging.LogRecord:
    record = logging.LogRecord(name, 30, "", 0, "%s: %s", ("Not Found", path), None)
    record.request = RequestFactory().post(path)
    record.status_code = 404
    return record


def of_a_task() -> logging.LogRecord:
    context = {"name": "chat.send", "id": "7", "exc": SECRET, "args": SECRET, "kwargs": SECRET}
    return logging.LogRecord(
        "celery.app.trace", 40, "", 0, "Task %(name)s[%(id)s] raised: %(exc)s", (context,), None
    )


def of_a_callback() -> logging.LogRecord:
    loop = asyncio.new_event_loop()
    records: list[logging.LogRecord] = []
    catcher = SimpleNamespace(level=0, handle=records.append)
    logger = logging.getLogger("asyncio")
    logger.addHandler(catcher)  # type: ignore[arg-type]
    try:
        loop.call_soon(int, f"x{SECRET}")
        loop.call_soon(loop.stop)
        loop.run_forever()
    finally:
        loop.close()
        logger.removeHandler(catcher)  # type: ignore[arg-type]
    return records[0]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (failure, "KeyError at fail:"),
        (lambda: of_a_request("django.request"), "404 POST for no page of ours"),
        (lambda: of_a_request("django.security.DisallowedHost"), "404 POST"),
        (of_a_task, "Task chat.send[7] raised"),
        (of_a_callback, "ValueError"),
    ],
)
def test_a_line_says_where_and_never_what(make: Callable[[], logging.LogRecord], said: str) -> None:
    record = make()
    assert SECRET in logging.Formatter().format(record)  # so others would write it down
    line = ContentFree("%(levelname)s %(name)s %(message)s").format(record)
    assert said in line
    assert SECRET not in line


def test_what_caused_it_is_named_too() -> None:
    assert "after ValueError at fail:" in ContentFree().format(failure())


def test_our_own_lines_stay_as_they_are() -> None:
    record = logging.LogRecord("gateway.runtime", 20, "", 0, "%s keys", (3,), None)
    assert ContentFree().format(record) == "3 keys"


def test_every_line_of_the_web_process_goes_this_way() -> None:
    config: dict[str, Any] = settings.LOGGING
    assert {each["()"] for each in config["formatters"].values()} == {
        "gateway.log_lines.ContentFree"
    }
    # Uvicorn brings handlers of its own; ours replace them.
    assert config["loggers"]["uvicorn"]["handlers"] == ["stderr"]
