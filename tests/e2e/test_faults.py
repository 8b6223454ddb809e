"""On-prem down never means cloud; bad bodies never mean 500."""

import json
import re
from typing import Any

import openai
import pytest

from tests.e2e.conftest import Lab

PRIVATE: list[Any] = [{"role": "user", "content": "Pay 100 to DE89 3704 0044 0532 0130 00"}]
CLEAN: list[Any] = [{"role": "user", "content": "Pay attention"}]


@pytest.mark.parametrize(
    "mode",
    [
        "closed",
        "failing",
        "unavailable",
        "garbage",
        "huge_headers",
        "redirect",
        "slow_first_byte",  # longer than the deployment's limit: a time-out
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_on_prem_down_is_503_and_never_the_cloud(lab: Lab, mode: str, stream: bool) -> None:
    lab.onprem.reset(mode)
    with pytest.raises(openai.InternalServerError) as failed:
        lab.client.chat.completions.create(model="house-first", messages=PRIVATE, stream=stream)
    assert failed.value.status_code == 503
    assert failed.value.code == "no_deployment_available"
    assert failed.value.response.headers["x-should-retry"] == "false"
    assert len(lab.onprem.received) >= 1
    assert lab.cloud.received == []


@pytest.mark.parametrize("mode", ["closed", "failing", "unavailable"])
def test_a_clean_prompt_falls_back_to_the_next_permitted(lab: Lab, mode: str) -> None:
    lab.onprem.reset(mode)
    answer = lab.client.chat.completions.with_raw_response.create(
        model="house-first", messages=CLEAN
    )
    assert answer.headers["x-sluice-deployment"] == "claude"


def test_a_stream_of_garbage_fails_and_goes_nowhere_else(lab: Lab) -> None:
    lab.onprem.reset("broken_sse")
    body = {"model": "house-first", "messages": PRIVATE, "stream": True}
    _, answer = lab.post("/v1/chat/completions", json.dumps(body).encode())
    assert b"upstream_interrupted" in answer
    assert b"[DONE]" not in answer
    assert lab.cloud.received == []


@pytest.mark.parametrize("mode", ["cut", "stall"])
def test_a_stream_that_breaks_ends_with_an_error_event(lab: Lab, mode: str) -> None:
    lab.onprem.reset(mode)
    with pytest.raises(openai.APIError) as failed:
        for _ in lab.client.chat.completions.create(
            model="house-first", messages=PRIVATE, stream=True
        ):
            pass
    assert failed.value.code == "upstream_interrupted"
    assert lab.cloud.received == []


def test_a_vendors_rate_limit_is_429_with_its_wait(lab: Lab) -> None:
    lab.cloud.reset("rate_limited")
    with pytest.raises(openai.RateLimitError) as limited:
        lab.client.chat.completions.create(model="vendor", messages=CLEAN)
    assert limited.value.response.headers["retry-after"] == "7"


def test_a_client_that_leaves_cancels_the_upstream(lab: Lab) -> None:
    lab.onprem.reset("stall")
    lab.onprem.server.client_gone.clear()
    stream = lab.client.chat.completions.create(model="private", messages=CLEAN, stream=True)
    next(iter(stream))
    stream.close()
    lab.sluice.wait_for(lab.onprem.server.client_gone.is_set, "cancelled upstream")


def test_a_client_that_leaves_before_the_answer_cancels_the_upstream(lab: Lab) -> None:
    lab.onprem.reset("slow_first_byte")
    lab.onprem.server.client_gone.clear()
    with pytest.raises(openai.APITimeoutError):
        lab.client.with_options(timeout=0.5).chat.completions.create(
            model="private", messages=CLEAN
        )
    lab.sluice.wait_for(lab.onprem.server.client_gone.is_set, "cancelled upstream")


BAD_BODIES = {
    "empty": b"",
    "not JSON": b"{nope",
    "a list": b"[1,2]",
    "wrong types": b'{"model": 3, "messages": "hi"}',
    "messages as numbers": b'{"model": "private", "messages": [1, 2]}',
    "duplicate keys": b'{"model": "private", "model": "vendor", "messages": []}',
    "invalid UTF-8": b'{"model": "private", "messages": [{"role": "user", "content": "\xff\xfe"}]}',
    "half a surrogate pair": b'{"model":"x","messages":[{"role":"user","content":"\\ud800"}]}',
    "deep nesting": b'{"model": "private", "messages": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "150 levels": b'{"model":"private","messages":[{"role":"user"}],"x":'
    + b"[" * 150
    + b"]" * 150
    + b"}",
    "NaN": b'{"model":"private","messages":[{"role":"user"}],"temperature":NaN}',
    "50 MB": b'{"model": "private", "x": "' + b"a" * 50_000_000 + b'"}',
}


@pytest.mark.parametrize("name", BAD_BODIES)
@pytest.mark.parametrize("path", ["chat/completions", "completions", "embeddings"])
def test_a_bad_body_is_a_4xx_in_openai_shape(lab: Lab, path: str, name: str) -> None:
    status, answer = lab.post(f"/v1/{path}", BAD_BODIES[name])
    assert status in {400, 413} or (status == 0 and name == "50 MB")
    if status:
        error = json.loads(answer)["error"]
        assert set(error) >= {"message", "type", "param", "code"}
    assert lab.onprem.received == []
    assert lab.cloud.received == []


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/chat/completions", 405),
        ("POST", "/v1/models", 405),
        ("GET", "/v1/nothing", 404),
        ("POST", "/v1/responses", 404),
        ("GET", "/v1/../admin/", 404),
    ],
)
def test_wrong_methods_and_paths_are_answered_in_openai_shape(
    lab: Lab, method: str, path: str, status: int
) -> None:
    code, answer = lab.sluice.request(method, path, Authorization=f"Bearer {lab.api_key}")
    assert code == status
    assert "error" in json.loads(answer)


@pytest.mark.parametrize(
    "header", [{}, {"Authorization": "Basic abc"}, {"Authorization": "Bearer "}]
)
def test_without_a_key_everything_is_401(lab: Lab, header: dict[str, str]) -> None:
    for method, path in [
        ("GET", "/v1/models"),
        ("GET", "/v1/models/private"),
        ("POST", "/v1/chat/completions"),
        ("POST", "/v1/completions"),
        ("POST", "/v1/embeddings"),
    ]:
        status, answer = lab.sluice.request(
            method, path, b"{}" if method == "POST" else None, **header
        )
        assert status == 401
        assert json.loads(answer)["error"]["code"] == "invalid_api_key"


def test_no_log_line_carries_a_prompt(lab: Lab) -> None:
    lab.onprem.reset("failing")
    with pytest.raises(openai.InternalServerError):
        lab.client.chat.completions.create(model="private", messages=PRIVATE)
    assert not re.search(r"DE89|0532", lab.sluice.log.read_text(errors="replace"))
