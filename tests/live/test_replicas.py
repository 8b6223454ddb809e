"""Two replicas behind one alias; clients that leave; a replica that dies.

The last test ends `llama-b`. Tests run in any order: whoever needs both replicas revives it first.
"""

import json
import socket
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from time import monotonic

import pytest
from openai.types.chat import ChatCompletionMessageParam

from tests.live.conftest import REPLICAS, Live

pytestmark = pytest.mark.live

HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Which river?"}]
# Eight times 450 tokens take seconds: the client leaves long before the end.
MUCH = {"max_tokens": 450, "n": 8, "ignore_eos": True}
ALL_TOKENS = 450 * 8


def _ask(live: Live) -> str:
    raw = live.client.chat.completions.with_raw_response.create(
        model="llama", messages=HELLO, max_tokens=4
    )
    assert raw.parse().choices
    return raw.headers["x-sluice-deployment"]


def _wait_for(condition: Callable[[], bool], what: str, *, timeout_s: float = 15.0) -> None:
    deadline = monotonic() + timeout_s
    while not condition():
        assert monotonic() < deadline, f"not in time: {what}"
        Event().wait(0.05)


def _total(live: Live, name: str) -> float:
    return sum(replica.metric(name) for replica in live.replicas)


def _begin(live: Live, *, stream: bool) -> socket.socket:
    """Ask for much more than can be there soon; returns once a replica works on it."""
    _wait_for(lambda: _total(live, "num_requests_running") == 0, "quiet before the test")
    body = json.dumps({"model": "llama", "messages": HELLO, "stream": stream} | MUCH).encode()
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:{live.sluice.port}\r\n"
        f"authorization: Bearer {live.api_key}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )
    connection = socket.create_connection(("127.0.0.1", live.sluice.port), timeout=60)
    connection.sendall(head.encode() + body)
    if stream:
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")
    _wait_for(lambda: _total(live, "num_requests_running") > 0, "a replica works on it")
    return connection


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_leaves_ends_the_generation(live: Live, stream: bool) -> None:
    before = _total(live, "generation_tokens_total")
    with _begin(live, stream=stream):
        pass  # leaves
    _wait_for(lambda: _total(live, "num_requests_running") == 0, "nothing runs any more")
    # It did not merely run to its end.
    assert _total(live, "generation_tokens_total") - before < ALL_TOKENS / 2


def test_both_replicas_serve_and_one_carries_on_when_the_other_dies(live: Live) -> None:
    first, second = REPLICAS
    live.replicas[1].revive()
    with ThreadPoolExecutor(8) as pool:
        served = Counter(pool.map(lambda _: _ask(live), range(24)))
    assert served[first] >= 4
    assert served[second] >= 4

    live.replicas[1].kill()
    with ThreadPoolExecutor(8) as pool:
        served = Counter(pool.map(lambda _: _ask(live), range(24)))
    assert served == {first: 24}
