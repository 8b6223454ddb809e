"""A load generator: N clients, each with one kept connection, each answer checked.

Closed loop: a client sends its next request when its answer is complete, until the time is over
or the count is reached; then what is in flight is waited for. Raw asyncio and httptools, because
the generator must not be slower than what it measures; it shares its core with the upstream.

By hand: `python -m bench.load URL --key KEY --clients 32 --seconds 5`.
"""

import argparse
import asyncio
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

import httptools
import msgspec
import uvloop
from typing_extensions import override

from bench import wire

_decoder = msgspec.json.Decoder(wire.Answer)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where a gateway listens on loopback, and the key it wants."""

    port: int
    key: str = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What to send. Ends after `seconds` or `requests`, whichever comes first."""

    clients: int
    seconds: float
    requests: int | None = None
    model: str = wire.MODEL
    prompt_chars: int = 400  # a body of about 0.5 kB
    chunks: int = 0  # streamed chunks in each answer; 0: not streamed
    drain_s: float = 30.0  # how long to wait for what is in flight at the end


@dataclass(slots=True)
class Sample:
    """What came of it. Times in seconds; `errors` counts answers that were not as expected."""

    sent: int = 0
    correct: int = 0
    lost: int = 0  # no complete answer
    errors: Counter[str] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    first_chunks: list[float] = field(default_factory=list)
    elapsed_s: float = 0.0


class _Run:
    """State that the clients of one run share."""

    def __init__(self, load: Load, sample: Sample) -> None:
        self.load = load
        self.sample = sample
        self.next_tag: Callable[[], str] = wire.tags()
        self.stop_at = time.perf_counter() + load.seconds
        self.active = load.clients
        self.idle = asyncio.Event()

    def may_send(self) -> bool:
        """Whether one more request belongs to this run; counts it as sent."""
        limit = self.load.requests
        if (limit is not None and self.sample.sent >= limit) or time.perf_counter() >= self.stop_at:
            return False
        self.sample.sent += 1
        return True

    def finished(self) -> None:
        """One client will send nothing more."""
        self.active -= 1
        if not self.active:
            self.idle.set()


class _Client(asyncio.Protocol):
    def __init__(self, target: Target, load: Load) -> None:
        before, after = wire.body_around_tag(
            model=load.model, prompt_chars=load.prompt_chars, chunks=load.chunks
        )
        head = (
            f"POST {wire.CHAT_PATH} HTTP/1.1\r\nhost: 127.0.0.1:{target.port}\r\n"
            f"authorization: Bearer {target.key}\r\ncontent-type: application/json\r\n"
            f"content-length: {len(before) + wire.TAG_LENGTH + len(after)}\r\n\r\n"
        )
        self._before = head.encode() + before
        self._after = after
        self._chunks = load.chunks
        self._run: _Run | None = None
        self._transport: asyncio.WriteTransport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._body: list[bytes] = []
        self._tag = ""
        self._sent_at = 0.0
        self._first_at = 0.0

    def start(self, run: _Run) -> None:
        """Begin sending. The connection stands already."""
        self._run = run
        if self._transport is None:
            run.sample.errors["closed before the start"] += 1
            self._finish()
        else:
            self._send()

    def close(self) -> None:
        """Drop the connection; what was in flight counts as lost."""
        if self._transport is not None:
            self._transport.abort()

    # asyncio's side
    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transport is none of asyncio's classes.
        self._transport = cast(asyncio.WriteTransport, transport)

    @override
    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._count_error("not HTTP")
            self.close()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._run is not None:
            self._run.sample.lost += 1
            self._finish()

    # httptools' side
    def on_message_begin(self) -> None:
        self._body.clear()
        self._first_at = 0.0

    def on_body(self, body: bytes) -> None:
        if not self._first_at and b'"content"' in body:
            self._first_at = time.perf_counter()
        self._body.append(body)

    def on_message_complete(self) -> None:
        run = self._run
        if run is None:
            return
        now = time.perf_counter()
        wrong = self._what_is_wrong()
        if wrong:
            self._count_error(wrong)
        else:
            run.sample.correct += 1
            run.sample.latencies.append(now - self._sent_at)
            if self._chunks:
                run.sample.first_chunks.append(self._first_at - self._sent_at)
        if self._parser.should_keep_alive():
            self._send()
        else:
            self._count_error("connection not kept")
            self._finish()

    def _send(self) -> None:
        run = self._run
        if run is None or self._transport is None or not run.may_send():
            self._finish()
            return
        self._tag = run.next_tag()
        self._sent_at = time.perf_counter()
        self._transport.write(b"".join((self._before, self._tag.encode(), self._after)))

    def _finish(self) -> None:
        run, self._run = self._run, None
        if run is not None:
            run.finished()

    def _count_error(self, what: str) -> None:
        if self._run is not None:
            self._run.sample.errors[what] += 1

    def _what_is_wrong(self) -> str:
        status = self._parser.get_status_code()
        if status != 200:
            return f"status {status}"
        body = b"".join(self._body)
        try:
            text = _streamed_text(body) if self._chunks else _whole_text(body)
        except (msgspec.DecodeError, LookupError):
            return "not an answer"
        right = wire.expected_text(self._tag, self._chunks)
        return "" if text == right else "wrong text"


def _whole_text(body: bytes) -> str:
    message = _decoder.decode(body).choices[0].message
    return message.content if message else ""


def _streamed_text(body: bytes) -> str:
    """The text of a stream; raises LookupError when it does not end as it should."""
    text, finished, events = "", "", body.split(b"\n\n")
    if b"data: [DONE]" not in events[-2:]:
        raise LookupError("no [DONE]")
    for event in events:
        if not event.startswith(b"data: {"):
            continue
        for choice in _decoder.decode(event[6:]).choices:
            text += choice.delta.content or "" if choice.delta else ""
            finished = choice.finish_reason or finished
    if finished != "stop":
        raise LookupError("no finish_reason")
    return text


async def run_load(target: Target, load: Load, started: Callable[[], None] | None = None) -> Sample:
    """Send `load` to `target`; `started` is called between connecting and the first request."""
    loop = asyncio.get_running_loop()
    clients: list[_Client] = []
    for _ in range(load.clients):
        _, client = await loop.create_connection(
            lambda: _Client(target, load), "127.0.0.1", target.port
        )
        clients.append(client)
    if started is not None:
        started()
    sample = Sample()
    began = time.perf_counter()
    run = _Run(load, sample)
    for client in clients:
        client.start(run)
    try:
        await asyncio.wait_for(run.idle.wait(), load.seconds + load.drain_s)
    except TimeoutError:
        sample.errors["silent at the end"] += run.active
    finally:
        sample.elapsed_s = time.perf_counter() - began
        for client in clients:
            client.close()
    return sample


def percentile(values: list[float], share: float) -> float:
    """The value below which `share` (0 to 1) of `values` lie; NaN when there is none."""
    if not values:
        return float("nan")
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.load", description=__doc__)
    parser.add_argument("port", type=int, help="on 127.0.0.1")
    parser.add_argument("--key", default="none")
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--requests", type=int)
    parser.add_argument("--model", default=wire.MODEL)
    parser.add_argument("--prompt-chars", type=int, default=400)
    parser.add_argument("--chunks", type=int, default=0)
    return parser.parse_args()


def main() -> None:
    """Run one load from the command line and print what came of it."""
    given = _arguments()
    load = Load(
        clients=given.clients,
        seconds=given.seconds,
        requests=given.requests,
        model=given.model,
        prompt_chars=given.prompt_chars,
        chunks=given.chunks,
    )
    sample = uvloop.run(run_load(Target(port=given.port, key=given.key), load))
    sys.stdout.write(
        f"sent {sample.sent}  correct {sample.correct}  lost {sample.lost}  "
        f"errors {dict(sample.errors)}\n"
        f"{sample.correct / sample.elapsed_s:.0f} requests/s  "
        f"p50 {percentile(sample.latencies, 0.5) * 1e3:.2f} ms  "
        f"p99 {percentile(sample.latencies, 0.99) * 1e3:.2f} ms  "
        f"first chunk p50 {percentile(sample.first_chunks, 0.5) * 1e3:.2f} ms\n"
    )


if __name__ == "__main__":
    main()
