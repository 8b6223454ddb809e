"""Two replicas behind one alias; clients that leave; a replica that dies.

The last test ends `llama-b`. Tests run in any order, so no other one may need both replicas: the
alias serves with one.
"""

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
LONG = {"ignore_eos": True}  # 450 tokens take seconds: the client leaves long before the end


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


def _total(live: Live, name: str, **labels: str) -> float:
    return sum(replica.metric(name, **labels) for replica in live.replicas)


def test_a_client_that_leaves_ends_the_generation(live: Live) -> None:
    _wait_for(lambda: _total(live, "num_requests_running") == 0, "quiet before the test")
    aborted = _total(live, "request_success_total", finished_reason="abort")
    stream = live.client.chat.completions.create(
        model="llama", messages=HELLO, max_tokens=450, stream=True, extra_body=LONG
    )
    next(iter(stream))
    stream.close()
    _wait_for(lambda: _total(live, "num_requests_running") == 0, "nothing runs any more")
    # It did not merely run to its end.
    _wait_for(
        lambda: _total(live, "request_success_total", finished_reason="abort") > aborted,
        "the generation counted as aborted",
    )


def test_one_who_leaves_before_the_whole_answer_ends_it_too(live: Live) -> None:
    _wait_for(lambda: _total(live, "num_requests_running") == 0, "quiet before the test")
    aborted = _total(live, "request_success_total", finished_reason="abort")
    impatient = live.client.with_options(timeout=0.5, max_retries=0)
    with pytest.raises(Exception, match="timed out"):
        impatient.chat.completions.create(
            model="llama", messages=HELLO, max_tokens=480, n=8, extra_body=LONG
        )
    _wait_for(lambda: _total(live, "num_requests_running") == 0, "nothing runs any more")
    _wait_for(
        lambda: _total(live, "request_success_total", finished_reason="abort") > aborted,
        "the generation counted as aborted",
    )


def test_both_replicas_serve_and_one_carries_on_when_the_other_dies(live: Live) -> None:
    first, second = REPLICAS
    with ThreadPoolExecutor(8) as pool:
        served = Counter(pool.map(lambda _: _ask(live), range(24)))
    assert served[first] >= 4
    assert served[second] >= 4

    live.replicas[1].kill()
    with ThreadPoolExecutor(8) as pool:
        served = Counter(pool.map(lambda _: _ask(live), range(24)))
    assert served == {first: 24}
