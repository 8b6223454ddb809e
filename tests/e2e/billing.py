"""A vendor whose bill follows from what it received, so that each request can be billed again."""

import hashlib
import json
from typing import Any

from tests.gateway.providers.fault_server import Received

# In nano-dollars a token: what `PRICE` says per million of them in dollars.
INPUT, OUTPUT = 100_000, 1_000_000
PRICE = "{input: 100, output: 1000}"


def used(body: dict[str, Any]) -> dict[str, int]:
    """The tokens of a request: any number, and always the same one."""
    digest = hashlib.sha256(json.dumps(body["messages"]).encode()).digest()
    prompt = 5 + digest[0] % 36
    completion = 1 + int.from_bytes(digest[1:4]) % body["max_tokens"]
    return {"prompt_tokens": prompt, "completion_tokens": completion}


def billed_nano(received: Received) -> int:
    """What the vendor wants for a request that it received."""
    tokens = used(json.loads(received.body))
    return tokens["prompt_tokens"] * INPUT + tokens["completion_tokens"] * OUTPUT


def answer(body: dict[str, Any]) -> dict[str, Any] | list[bytes]:
    """For mode `answering` of an upstream: an answer or a stream, each with its usage."""
    usage = used(body)
    if not body.get("stream"):
        message = {"role": "assistant", "content": "x"}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return {"model": "large", "choices": [choice], "usage": usage}
    delta = {"index": 0, "delta": {"content": "x"}, "finish_reason": None}
    end = {"index": 0, "delta": {}, "finish_reason": "stop"}
    events: list[dict[str, Any]] = [{"choices": [delta]}] * 3
    events += [{"choices": [end]}, {"choices": [], "usage": usage}]
    lines = [json.dumps({"model": "large", **event}) for event in events]
    return [f"data: {line}\n\n".encode() for line in [*lines, "[DONE]"]]
