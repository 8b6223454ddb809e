"""What is logged about a failure says where, never what was sent."""

import asyncio
import json
import logging
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from django.conf import settings
from django.test import RequestFactory

from gateway.log_lines import ContentFree, JsonLines, request_id

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
        "gateway.log_lines.ContentFree",
        "gateway.log_lines.JsonLines",
    }
    # Uvicorn brings handlers of its own; ours replace them.
    assert config["loggers"]["uvicorn"]["handlers"] == ["stderr"]


def test_a_line_in_json_has_the_request_and_no_more_content_than_one_in_words() -> None:
    token = request_id.set("req_1")
    try:
        line = json.loads(JsonLines().format(failure()))
    finally:
        request_id.reset(token)
    assert (line["level"], line["request_id"]) == ("ERROR", "req_1")
    assert "KeyError at fail" in line["message"]
    assert SECRET not in str(line)
    assert "request_id" not in json.loads(JsonLines().format(failure()))


def test_fields_are_taken_from_lines_of_ours_alone() -> None:
    for name, taken in (("gateway.requests", True), ("some.library", False)):
        record = logging.LogRecord(name, 20, "", 0, "request ended", (), None)
        record.fields = {"status": 200, "text": "x\ny"}
        text = JsonLines().format(record)
        assert "\n" not in text
        assert ("status" in json.loads(text)) is taken
