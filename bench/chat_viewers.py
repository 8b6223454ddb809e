"""How late each chunk of a reply reaches everybody who watches one conversation.

    python -m bench.chat_viewers [VIEWERS] [SECONDS]

A real Sluice before an upstream of ours that writes the time into each chunk, twenty a second. Each
viewer is an event connection of its own; the delay of a chunk is from the moment the upstream wrote
it to the moment a viewer read it. Fails (status 1) when any chunk reached any viewer later than
250 ms, or never.
"""

import asyncio
import contextlib
import json
import re
import resource
import statistics
import sys
import time
from dataclasses import dataclass, field

from bench.chat_house import Person, house

CHUNK_EVERY_S = 0.05
LIMIT_S = 0.25
SETTLE_S = 3.0
GRACE_S = 2.0  # so that what is late is told apart from what never comes
_CHUNK = re.compile(rb"N(\d+)T(\d+\.\d{4})")


@dataclass(slots=True)
class Clock:
    """The upstream: answers one request with numbered times, a chunk every `every_s`, until `for_s`
    are over or `chunks` are written. `written`: when each was."""

    for_s: float
    every_s: float = CHUNK_EVERY_S
    chunks: int = sys.maxsize
    written: dict[int, float] = field(default_factory=dict)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request, and the stream that answers it."""
        with contextlib.suppress(ConnectionError):  # whoever asked is gone: the bench is over
            await self._write(reader, writer)

    async def _write(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
        )
        ends = time.monotonic() + self.for_s
        number = 0
        while (now := time.monotonic()) < ends and number < self.chunks:
            number += 1
            self.written[number] = now
            text = f"N{number}T{now:.4f} " + ("\n\n" if number % 40 == 0 else "some words ")
            event = {"model": "clock", "choices": [{"index": 0, "delta": {"content": text}}]}
            writer.write(b"data: " + json.dumps(event).encode() + b"\n\n")
            await writer.drain()
            await asyncio.sleep(self.every_s)
        writer.write(
            b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
        )
        await writer.drain()
        writer.close()


async def watch(port: int, cookie: str, conversation: str, seen: dict[int, float]) -> None:
    """One viewer: notes how late each chunk is, in seconds, by its number."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=4 * 1024 * 1024)
    path = f"/chat/events?c={conversation}~0-0"
    writer.write(f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncookie: {cookie}\r\n\r\n".encode())
    rest = b""
    try:
        while data := await reader.read(262_144):
            now = time.monotonic()
            rest += data
            for found in _CHUNK.finditer(rest):
                seen.setdefault(int(found[1]), now - float(found[2]))
            rest = rest[-40:]  # a chunk that two reads share
    finally:
        writer.close()


async def measure(
    port: int, person: Person, clock: Clock, viewers: int, for_s: float
) -> tuple[list[dict[int, float]], set[int]]:
    """Start a reply and let everybody watch it: how late each chunk was for each viewer, and the
    numbers of the chunks that count."""
    conversation = await asyncio.to_thread(person.ask, "What time is it?")
    seen: list[dict[int, float]] = [{} for _ in range(viewers)]
    tasks = []
    for at in range(viewers):
        tasks.append(asyncio.create_task(watch(port, person.cookie, conversation, seen[at])))
        if at % 10 == 9:
            await asyncio.sleep(0.1)  # as people come, not all in one instant
    await asyncio.sleep(SETTLE_S)
    begin = time.monotonic()
    await asyncio.sleep(for_s)
    end = time.monotonic()
    await asyncio.sleep(GRACE_S)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return seen, {number for number, at in clock.written.items() if begin <= at < end}


def report(seen: list[dict[int, float]], counted: set[int]) -> int:
    """Print what was found. Returns the exit status."""
    if not counted:
        sys.stdout.write("no chunk was written\n")
        return 1
    late = sorted(each[number] for each in seen for number in counted if number in each)
    silent = sum(counted.isdisjoint(each) for each in seen)
    lacking = sum(not counted <= each.keys() for each in seen) - silent
    asked = len(seen) * len(counted)
    within = sum(each <= LIMIT_S for each in late)
    words = "nothing arrived"
    if late:
        milliseconds = {
            "median": statistics.median(late) * 1000,
            "p99": late[int(len(late) * 0.99)] * 1000,
            "max": late[-1] * 1000,
        }
        words = ", ".join(f"{name} {value:.0f} ms" for name, value in milliseconds.items())
    sys.stdout.write(
        f"{len(seen)} viewers, {len(counted)} chunks each: {words}; {within} of {asked} within "
        f"{LIMIT_S * 1000:.0f} ms ({within / asked:.2%}); {silent} viewers got nothing, {lacking} "
        "lack some\n"
    )
    return 0 if within == asked else 1


async def main(viewers: int, for_s: float) -> int:
    """Start everything, measure, stop everything."""
    resource.setrlimit(
        resource.RLIMIT_NOFILE, (8192, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    )
    clock = Clock(viewers / 100 + SETTLE_S + for_s + 5)
    server = await asyncio.start_server(clock.answer, "127.0.0.1", 0)
    try:
        async with house(server.sockets[0].getsockname()[1]) as running:
            return report(
                *await measure(running.port, running.person, clock, viewers, for_s),
            )
    finally:
        server.close()


if __name__ == "__main__":
    wanted = [*sys.argv[1:], *("500", "10")[len(sys.argv) - 1 :]]
    sys.exit(asyncio.run(main(int(wanted[0]), float(wanted[1]))))
