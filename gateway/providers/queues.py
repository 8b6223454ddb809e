"""How many requests wait at a model server: vLLM tells on `/metrics`, to whoever would add to them.

The question carries nothing of any request, and only on-prem servers are asked. A server that does
not say counts as one without a queue.
"""

import re

from gateway.providers.calls import Destination
from gateway.providers.connection import Times
from gateway.providers.http_client import HttpClient
from gateway.providers.request_head import request_line
from gateway.providers.targets import Target

_MOST_BYTES = 4 * 1024 * 1024
_TIMES = Times(2.0, 2.0)
_WAITING = re.compile(rb"^vllm:num_requests_waiting(?:\{[^\n]*\})? ([0-9.e+]{1,20})", re.MULTILINE)


async def waiting_at(
    client: HttpClient, destination: Destination, target: Target, prefix: str, fixed: bytes
) -> int | None:
    """Requests that wait there, over all its engines; None: it does not say. `fixed`: header
    lines. Raises ProviderError when it cannot be asked."""
    head = b"".join(
        (
            request_line("GET", prefix.removesuffix("/v1") + "/metrics"),
            fixed,
            b"accept: text/plain\r\ncontent-length: 0\r\n\r\n",
        )
    )
    answer = await client.send(
        target, head, b"", times=_TIMES, connect_timeout_s=destination.connect_timeout_s
    )
    try:
        if answer.status != 200:
            return None
        found = _WAITING.findall(await answer.read(_MOST_BYTES))
    finally:
        await answer.aclose()
    try:
        return int(sum(float(number) for number in found)) if found else None
    except (ValueError, OverflowError):
        return None
