"""What masking costs. Run: `python -m bench.masking`.

Prints microseconds of CPU, best and median of several rounds, for prompts of 10 kB with ten and
with 36 findings:

- masking: placing the findings, minting the words, rewriting and reading the body anew, and the
  second scan of all of it. Not counted is the first scan, which each request pays whether
  something is masked or not; it stands on a line of its own;
- restoring a whole answer that quotes the masked prompt from end to end: reading it as JSON,
  making the restorer, putting the values back, writing it as JSON.

And CPU of the thread per chunk of a stream through the whole path, from the decision on, without
masking and with it, in turns, and the ratio of the best rounds. What a request costs beside its
chunks (connecting, the outcome's record) is spread over them. The model server runs in a process
of its own. Its answer quotes the prompt: of 57 chunks one has a placeholder in it.
"""

import asyncio
import json
import multiprocessing
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from bench.scan import PARAGRAPH, measure
from gateway.audit.journal import FileJournal
from gateway.inference.exchange import Inbound
from gateway.inference.label import Labelled, label_request
from gateway.inference.masking import RequestMasking
from gateway.inference.path import Gateway
from gateway.protocol.requests import read_request
from gateway.protocol.restores import Restores
from gateway.protocol.restoring import AnswerRestorer
from gateway.providers.openai_compatible import OpenAICompatible
from policies.engine.facts import Endpoint
from policies.engine.permit import MaskMode
from tests.gateway.inference.conftest import Gate, Snapshots, snapshot

FINDINGS = (10, 36)
CHUNKS = 2000
SLOW_CHUNKS = 150
PAUSE_S = 0.004
ROUNDS = 40
CLASSES = ("EMAIL_ADDRESS", "IBAN")
RULES = {"rules": [{"id": "m", "then": {"mask": [*CLASSES], "for": {"deployment": "claude"}}}]}
KEYS = {"llama": bytes(32), "claude": bytes([7]) * 32}
MODES = tuple((name, MaskMode.PLACEHOLDER) for name in CLASSES)


def prompt(findings: int = FINDINGS[0]) -> str:
    """10 kB of prose; half of its findings are e-mail addresses, and half account numbers."""
    told = [
        f"Write to jane{number}.roe@clinic.example, pay to DE89370400440532013000."
        for number in range(findings // 2)
    ]
    prose = (PARAGRAPH + " ") * 30
    share = (10_240 - len(" ".join(told))) // len(told) - 1
    return " ".join([f"{prose[:share]} {each}" for each in told])


def whole_prompt(findings: int) -> list[str]:
    """Masking and restoring outside of any server."""
    body = {"model": "vendor", "messages": [{"role": "user", "content": prompt(findings)}]}
    request = read_request(Endpoint.CHAT_COMPLETIONS, json.dumps(body).encode())
    made = snapshot("http://127.0.0.1:1/v1", "http://127.0.0.1:1/v1", RULES, KEYS)
    view, principal = made.projects["lab"], made.keys[b""]

    def label() -> Labelled:
        return label_request(request, view=view, principal=principal)

    labelled = label()
    assert sum(labelled.data_classes.values()) == findings, labelled.data_classes  # noqa: S101

    def mask() -> RequestMasking:
        made_now = RequestMasking(request, labelled, view)
        made_now(deployment="claude", modes=MODES)
        return made_now

    (masked,) = mask()._made.values()
    said = masked.outgoing.request.tree["messages"][0]["content"]
    answer = json.dumps({"choices": [{"index": 0, "message": {"content": said}}]}).encode()
    minted = masked.outgoing.minted or {}
    lines = []
    total = 0.0
    size = f"10 kB, {findings} findings"
    for name, run, counts in (
        (f"first scan of {size}", label, False),
        (f"mask {size}", mask, True),
        (
            f"restore {size}",
            lambda: AnswerRestorer(minted, Restores.EVERYTHING).whole(answer),
            True,
        ),
    ):
        best, median = measure(run, 50)
        total += best if counts else 0
        lines.append(f"{name:40} {best * 1e6:9.1f} us  median {median * 1e6:.1f} us")
    lines.append(f"{'masking and restoring together':40} {total * 1e6:9.1f} us  (at most 500)")
    return lines


def _events(asked: str) -> list[bytes]:
    """A long stream that quotes what it was asked, three words a chunk."""
    words = asked.split(" ")
    events = []
    for number in range(CHUNKS):
        at = number * 3 % len(words)
        text = " ".join(words[at : at + 3]) + " "
        choice = {"index": 0, "delta": {"content": text}, "finish_reason": None}
        tree = {"id": "c", "object": "chat.completion.chunk", "model": "m", "choices": [choice]}
        events.append(b"data: " + json.dumps(tree).encode() + b"\n\n")
    return events


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One request, one stream; below `/slowly` with a pause after each chunk."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
    body = json.loads(await reader.readexactly(length))
    slowly = head.startswith(b"POST /slowly")
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")
    for event in _events(body["messages"][-1]["content"])[: SLOW_CHUNKS if slowly else CHUNKS]:
        writer.write(event)
        if slowly:
            await writer.drain()
            await asyncio.sleep(PAUSE_S)
    writer.write(b"data: [DONE]\n\n")
    await writer.drain()
    writer.close()


def _serve(ready: Connection) -> None:
    async def run() -> None:
        server = await asyncio.start_server(_answer, "127.0.0.1", 0)
        ready.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(run())


@contextmanager
def upstream() -> Iterator[int]:
    """A model server in a process of its own; its port on the loopback."""
    context = multiprocessing.get_context("spawn")
    mine, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs,), daemon=True)
    process.start()
    try:
        yield mine.recv()
    finally:
        process.kill()
        process.join()


@asynccontextmanager
async def _gateway(url: str, rules: dict[str, Any]) -> AsyncIterator[tuple[Gateway, Inbound]]:
    """The whole path to the model server, and a request for a stream through it."""
    with tempfile.TemporaryDirectory(prefix="sluice-bench-") as folder:
        journal, snapshots = FileJournal(Path(folder)), Snapshots()
        snapshots.snapshot = snapshot(url, url, rules, KEYS)
        provider = OpenAICompatible()
        gateway = Gateway(
            snapshots=snapshots,
            journal=journal,
            budget=Gate(),
            providers={"openai_compatible": provider},
        )
        body = {
            "model": "vendor" if rules else "private",
            "stream": True,
            "messages": [{"role": "user", "content": prompt()}],
        }
        yield (
            gateway,
            Inbound(
                principal=snapshots.snapshot.keys[b""],
                endpoint=Endpoint.CHAT_COMPLETIONS,
                body=json.dumps(body).encode(),
                request_id="req_1",
            ),
        )
        await provider.aclose()
        journal.close()


async def _stream(gateway: Gateway, inbound: Inbound) -> float:
    """CPU seconds of this thread for one stream."""
    reply = await gateway.run(inbound)
    began = time.thread_time()
    async for _chunk in reply.chunks:
        pass
    spent = time.thread_time() - began
    await reply.aclose()
    return spent


async def _streams(url: str, chunks: int) -> tuple[list[float], list[float]]:
    """CPU seconds per chunk, one figure a round: without masking, and with it."""
    plain: list[float] = []
    masked: list[float] = []
    async with _gateway(url, {}) as without, _gateway(url, RULES) as with_masking:
        for _ in range(ROUNDS):
            plain.append(await _stream(*without) / chunks)
            masked.append(await _stream(*with_masking) / chunks)
    return plain, masked


def main() -> None:
    """Print the table."""
    lines = [line for findings in FINDINGS for line in whole_prompt(findings)]
    with upstream() as port:
        for how, path, chunks in (
            ("at once", "v1", CHUNKS),
            (f"{PAUSE_S * 1000:.0f} ms apart", "slowly/v1", SLOW_CHUNKS),
        ):
            plain, masked = asyncio.run(_streams(f"http://127.0.0.1:{port}/{path}", chunks))
            for name, found in (("as it comes", plain), ("with restoring", masked)):
                best, median = min(found), statistics.median(found)
                title = f"stream {how}, {name}"
                lines.append(f"{title:40} {best * 1e6:9.2f} us  median {median * 1e6:.2f} us")
            medians = statistics.median(masked) / statistics.median(plain)
            lines.append(
                f"{f'stream {how}, ratio':40} {min(masked) / min(plain):9.2f}     "
                f"median {medians:.2f}  (at most 1.5)"
            )
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
