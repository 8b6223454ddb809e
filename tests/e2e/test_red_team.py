"""What an adversary tries outside of a body: addresses, headers, framing, an upstream's words."""

import json
import socket
from pathlib import Path

import pytest

from tests.e2e.conftest import Lab

CARD = "4111111111111111"
MAIL = "jane.roe@clinic.example"
HELLO = {"model": "house-first", "messages": [{"role": "user", "content": "hello"}]}


def kept(lab: Lab) -> list[tuple[Path, bytes]]:
    """Everything that this installation wrote down, the configuration apart."""
    lab.sluice.manage("audit", "load", "--once", check=False)
    files = [lab.sluice.log, *(path for path in lab.sluice.var.rglob("*") if path.is_file())]
    return [(path, path.read_bytes()) for path in files if path.name != "test.yaml"]


def assert_nowhere(lab: Lab, *secrets: str) -> None:
    for path, content in kept(lab):
        for secret in secrets:
            assert secret.encode() not in content, f"{path.name} holds {secret}"


def raw(lab: Lab, request: bytes) -> bytes:
    """Bytes as they are over one connection; what came back until it closed."""
    with socket.create_connection(("127.0.0.1", lab.sluice.port), timeout=10) as connection:
        connection.sendall(request)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    return answer


PATHS = (
    f"/v1/{CARD}",
    f"/v1/models/{CARD}?user={MAIL}",
    f"/{CARD}/{MAIL}?q={CARD}",
    f"/p/{CARD}/?q={MAIL}",
    f"/api/{CARD}?q={MAIL}",
    f"/chat/{CARD}",
    f"/admin/{CARD}/",
    f"/static/{CARD}",
)


def test_an_address_is_not_written_down(lab: Lab) -> None:
    key = {"Authorization": f"Bearer {lab.api_key}"}
    for path in PATHS:
        assert lab.sluice.request("GET", path, None, **key)[0]
        assert lab.sluice.request("POST", path, b"{}", **key)[0]
    assert_nowhere(lab, CARD, MAIL)


HEADS = (
    f"GET / HTTP/1.1\r\nHost: {CARD}.example\r\n",
    f"GET /{CARD} HTTP/1.1\r\nHost: {CARD}.example\r\n",
    f"{CARD} / HTTP/1.1\r\nHost: 127.0.0.1\r\n",
    f"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n{CARD}\r\n",
    f"POST /chat/send HTTP/1.1\r\nHost: 127.0.0.1\r\nReferer: https://{CARD}.example\r\n"
    f"Cookie: csrftoken={CARD}\r\nX-CSRFToken: {CARD}\r\nContent-Length: 2\r\n",
    f"POST /chat/send HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: https://{CARD}.example\r\n"
    "Content-Length: 2\r\n",
    "GET /v1/x HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    f"Sec-WebSocket-Key: {CARD}\r\nSec-WebSocket-Version: 13\r\n",
)


def test_what_the_web_server_and_django_complain_of_is_not_written_down(lab: Lab) -> None:
    for head in HEADS:
        raw(lab, f"{head}User-Agent: {CARD}\r\nConnection: close\r\n\r\n{{}}".encode())
    assert_nowhere(lab, CARD)


def test_headers_of_the_client_reach_no_upstream_and_no_record(lab: Lab) -> None:
    status, _ = lab.sluice.request(
        "POST",
        f"/v1/chat/completions?user={MAIL}",
        json.dumps({**HELLO, "model": "vendor"}).encode(),
        **{
            "Authorization": f"Bearer {lab.api_key}",
            "Content-Type": "application/json",
            "User-Agent": MAIL,
            "X-Request-Id": MAIL,
            "X-Forwarded-For": MAIL,
            "Cookie": MAIL,
            "OpenAI-Organization": MAIL,
            "X-Stainless-Lang": MAIL,
        },
    )
    assert status == 200
    assert MAIL.encode() not in lab.cloud.everything
    assert lab.api_key.encode() not in lab.cloud.everything
    assert_nowhere(lab, MAIL)


def test_a_declaration_that_is_no_label_is_told_and_not_written_down(lab: Lab) -> None:
    status, answer = lab.sluice.request(
        "POST",
        "/v1/chat/completions",
        json.dumps(HELLO).encode(),
        **{"Authorization": f"Bearer {lab.api_key}", "x-sluice-declare": f"health, {MAIL}"},
    )
    assert (status, MAIL.encode() in answer) == (400, True)
    assert lab.onprem.received == lab.cloud.received == []
    assert_nowhere(lab, MAIL)


ECHOES = (
    b'{"error":{"message":"ECHO","code":"ECHO","type":"ECHO","param":"ECHO"}}',
    b'{"model":"ECHO","id":"ECHO","choices":[],"usage":{"prompt_tokens":1}}',
    b"ECHO",
)


def echo(status: int, body: bytes, *, stream: bool) -> bytes:
    """An answer of an upstream that says the prompt wherever it can."""
    said = f"{CARD} {MAIL}".encode()
    body, kind = body.replace(b"ECHO", said), b"application/json"
    if stream:
        body, kind = b"data: " + body + b"\n\n", b"text/event-stream"
    return (
        b"HTTP/1.1 %d %b\r\ncontent-type: %b\r\nx-echo: %b\r\nlocation: http://x/%b\r\n"
        b"retry-after: %b\r\ncontent-length: %d\r\n\r\n%b"
        % (status, said, kind, said, said, said, len(body), body)
    )


def test_an_upstream_that_says_the_prompt_back_puts_it_in_no_record(lab: Lab) -> None:
    prompt = [{"role": "user", "content": f"{CARD} {MAIL}"}]
    told = 0
    for status in (200, 301, 400, 418, 422, 429, 500, 599):
        for body in ECHOES:
            for stream in (False, True):
                lab.onprem.reset("raw")
                lab.onprem.server.raw = echo(status, body, stream=stream)
                request = {"model": "house-first", "messages": prompt, "stream": stream}
                _, answer = lab.post("/v1/chat/completions", json.dumps(request).encode())
                told += CARD.encode() in answer
                assert len(lab.onprem.received) == 1
    assert told > 0  # the caller may hear it
    assert lab.cloud.received == []
    assert_nowhere(lab, CARD, MAIL)


@pytest.mark.parametrize(
    "framing",
    [
        "Content-Length: {n}\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length: {n}\r\nContent-Length: 3\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Content-Length: +{n}\r\n",
    ],
)
def test_a_request_with_two_lengths_is_not_passed_on(lab: Lab, framing: str) -> None:
    inner = json.dumps({**HELLO, "model": "vendor"})
    second = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n\r\n{inner}"
    body = f"0\r\n\r\n{second}"
    raw(
        lab,
        (
            "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
            f"Authorization: Bearer {lab.api_key}\r\n{framing.format(n=len(body))}\r\n{body}"
        ).encode(),
    )
    assert lab.onprem.received == lab.cloud.received == []
